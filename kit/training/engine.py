"""One training on pytorch-ignite: what follows each step and each epoch, and the state that going on needs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from ignite.engine import Engine, Events
from ignite.handlers import EarlyStopping, EMAHandler, PiecewiseLinear
from torch import Tensor, nn

from kit.errors import KitError
from kit.metrics import Metric, origin, over_columns
from kit.task import Array, Run
from kit.training import checkpoints, devices, pictures, stops
from kit.training.batches import Batches
from kit.training.inference import outputs, predict
from kit.training.watch import Watch

SAVE_EVERY = 60.0  # seconds; and after each epoch


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train; see `fit`. data: a hash of what is trained on."""

    loss: Callable[..., Tensor]
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warm_up: float
    augment: Callable[[Tensor], Tensor] | None
    average: float | None
    clip: float | None
    patience: int | None
    maps: Callable[..., Tensor] | None
    compile: bool
    data: str = ""


@dataclass(frozen=True)
class Judge:
    """The rows held out, and the metric that is taken over them."""

    metric: Metric
    x: list[Tensor]
    y: Tensor
    padding: int | None

    def measure(self, model: nn.Module, device: str) -> float:
        """The metric; each process adds up its share of the rows."""
        mine = devices.share(torch.arange(len(self.y)))
        found = outputs(model, [part[mine] for part in self.x], device, 1000, self.padding)
        truth = self.y.numpy().astype(np.float32)
        metric = over_columns(self.metric, truth.shape)
        about = [np.nan_to_num(origin(truth, truth, metric is self.metric))] * 2 if metric.moved else []
        sums = metric.rows(truth[mine.numpy()], found.numpy(), *about).sum(axis=0)
        return float(metric.value(devices.added_up(sums)))

    def classes(self, model: nn.Module, run: Run) -> Array | None:
        """(n_rows,) the class that each row is taken for; None where the truth is no class."""
        if self.y.is_floating_point() or self.y.ndim != 1:
            return None
        found = predict(model, self.x, run, padding=self.padding)
        return found.argmax(dim=1).numpy() if found.ndim == 2 else None


class Training:
    """A model, its data and a recipe; `run` trains it.

    All that decides how it goes on is in `state`: with the same state, the same batches give the same weights.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Batches,
        n_inputs: int,
        recipe: Recipe,
        judge: Judge | None,
        run: Run,
        folder: Path,
    ) -> None:
        self.model, self.batches, self.n_inputs, self.recipe = model, batches, n_inputs, recipe
        self.judge, self.settings, self.folder, self.device = judge, run, folder, run.device
        net = devices.spread(model, self.device)
        self.net = torch.compile(net) if recipe.compile else net
        rate, self.last_step = recipe.learning_rate, recipe.epochs * len(batches)
        fused = self.device != "mps"
        self.optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=recipe.weight_decay, fused=fused)
        peaks = [(0, rate / 25), (int(recipe.warm_up * self.last_step), rate), (self.last_step, rate / 1e4)]
        self.schedule = PiecewiseLinear(self.optimizer, "lr", peaks)
        self.engine = Engine(lambda _engine, batch: self.step(batch))
        self.engine.logger.setLevel("CRITICAL")  # else it says on stderr that there was an error, before the error does
        self.stopping: EarlyStopping | None = None
        if judge and recipe.patience:
            self.stopping = EarlyStopping(recipe.patience, lambda _engine: self.goodness, self.engine)
        self.kept = self._follow()
        self.best: dict[str, Tensor] | None = None
        self.best_epoch, self.most, self.goodness = 0, -np.inf, -np.inf
        self.total = torch.zeros((), device=self.device)  # of the losses of an epoch
        self.seconds, self.since, self.saved_at = 0.0, time.monotonic(), time.monotonic()
        self.watchman, self.error = stops.Watchman(self.device), None

    error: KitError | None

    def _follow(self) -> nn.Module:
        """Tie everything to the engine's events, in this order; the model whose weights are judged and returned."""
        kept, on = self.model, self.engine.add_event_handler
        on(Events.EPOCH_STARTED, self.epoch_begins)
        on(Events.ITERATION_STARTED, self.schedule)
        if self.recipe.average:
            keeper = EMAHandler(self.model, momentum=1 - self.recipe.average, handle_buffers="update")
            keeper.attach(self.engine)
            kept = keeper.ema_model
        on(Events.ITERATION_COMPLETED, self.step_done)
        on(Events.EPOCH_COMPLETED, self.epoch_done)
        return kept

    def run(self, saved: checkpoints.State | None) -> nn.Module:
        """Train to the end, from the beginning or from a saved state; the model with its best weights."""
        if saved:
            self.take_up(saved)
        step, history = self.engine.state.iteration, saved["history"] if saved else []
        shape = (self.recipe.epochs, len(self.batches))
        with Watch(self.folder, *shape, step, history, quiet=devices.rank() > 0) as self.watch:
            self.watch.begin(self.model, self.example(2), self.device)
            if not (saved and saved["over"]):
                with self.watchman.on_duty():
                    self.engine.run(self.batches, max_epochs=self.recipe.epochs)
            if self.error:
                raise self.error
            if self.best is None:
                self.keep(self.recipe.epochs)
        assert self.best is not None
        self.kept.load_state_dict(self.best)
        self.save(done=True)
        self.draw()
        return self.kept

    def step(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Forward, backward, one step of the optimizer; the loss."""
        first, *others = batch[: self.n_inputs]
        first = self.recipe.augment(first) if self.recipe.augment else first
        inputs = devices.laid_out([first, *others], self.model, self.device)
        if self.engine.state.iteration == 1:
            self.watch.inputs(inputs)
        with devices.autocast(self.device):
            found = self.net(*inputs)
        targets = [part.to(self.device, non_blocking=True) for part in batch[self.n_inputs :]]
        loss = self.recipe.loss(found.float(), *targets)
        self.optimizer.zero_grad()
        (loss if self.batches.weight == 1.0 else loss * self.batches.weight).backward()
        if self.recipe.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        return loss.detach()

    def epoch_begins(self, engine: Engine) -> None:
        """Note the random state that this epoch's order of rows is drawn from: who goes on draws it again."""
        if not self.batches.going_on:
            devices.in_step()
            self.epoch_chance = devices.random_state()
            self.total.zero_()

    def step_done(self, engine: Engine) -> None:
        loss, step = cast(Tensor, engine.state.output), engine.state.iteration
        self.total += loss
        self.watchman.see(step, loss)
        self.watch.step(step, loss, self.learning_rate())
        if step % len(self.batches):  # else the epoch is over, and what follows it comes first
            self.end_where_needed(step)
            if time.monotonic() - self.saved_at > SAVE_EVERY and not self.watchman.wrong:
                self.save()

    def epoch_done(self, engine: Engine) -> None:
        step, epoch = engine.state.iteration, engine.state.epoch
        self.end_where_needed(step, only_wrong=True)
        if self.error:
            return
        loss = float(devices.added_up(np.array(float(self.total)))) / len(self.batches) / devices.world()
        metrics, better = self.measured()
        facts = {"learning_rate": self.learning_rate(), "seconds": self.clock(), "best": int(better)}
        self.watch.epoch(step, {"epoch": epoch, "step": step, "loss": loss, **metrics, **facts}, metrics, self.model)
        if self.recipe.maps:
            self.watch.maps(step, self.pictured)
        if better:
            self.keep(epoch)
        if self.stopping:
            self.stopping(engine)
        self.save()
        self.end_where_needed(step, always=True)

    def measured(self) -> tuple[dict[str, float], bool]:
        """The metric over the rows held out, and whether it is the best so far."""
        if self.judge is None:
            return {}, False
        metric, value = self.judge.metric, self.judge.measure(self.kept, self.device)
        self.goodness = value if metric.higher_is_better else -value
        return {metric.name: value}, self.goodness > self.most

    def keep(self, epoch: int) -> None:
        """These are the best weights so far."""
        self.best = {name: part.detach().cpu().clone() for name, part in self.kept.state_dict().items()}
        self.best_epoch, self.most = epoch, self.goodness
        if devices.rank() == 0:
            checkpoints.write(self.folder / "best.pt", self.best)

    def end_where_needed(self, step: int, always: bool = False, only_wrong: bool = False) -> None:
        """End the training where the user wants to stop, with its state saved, or where the loss is no number."""
        wanted, wrong = self.watchman.look(step, always or only_wrong)
        if wrong:
            epoch = -(-wrong // len(self.batches))
            self.error = stops.no_number(wrong, epoch, self.recipe.learning_rate, self.recipe.clip)
        elif wanted and not only_wrong and step < self.last_step:
            self.save()
            self.error = stops.stopped(step, self.engine.state.epoch, self.recipe.epochs)
        if self.error:
            self.engine.terminate()

    def save(self, done: bool = False) -> None:
        """Everything that going on needs, to disk. One process writes for all."""
        if devices.rank() == 0:
            checkpoints.save(self.folder, self.engine.state.iteration, self.state(done), alone=done)
            self.saved_at = time.monotonic()

    def state(self, done: bool) -> checkpoints.State:
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        over = bool(self.engine.should_terminate) or self.engine.state.iteration >= self.last_step
        plain = {"done": done, "over": over, "facts": self.facts(), "history": self.watch.history}
        chance = {"chance": devices.random_state(), "epoch_chance": self.epoch_chance}
        best = {"best": self.best, "best_epoch": self.best_epoch, "most": float(self.most)}
        return {**parts, **plain, **chance, **best, "total": self.total.cpu(), "seconds": self.clock()}

    def take_up(self, state: checkpoints.State) -> None:
        """Go on from a saved state."""
        then, now = state["facts"], self.facts()
        if other := [f"{name} {then[name]}, now {now[name]}" for name in now if then.get(name, now[name]) != now[name]]:
            raise KitError(f"The checkpoint in {self.folder} is of another training: {', '.join(other)}. Start anew.")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.best, self.best_epoch, self.most = state["best"], state["best_epoch"], state["most"]
        self.seconds, self.epoch_chance = state["seconds"], state["epoch_chance"]
        self.total = state["total"].to(self.device)
        if within := self.engine.state.iteration % len(self.batches):
            devices.set_random_state(self.epoch_chance)
            self.batches.go_on(within, state["chance"])
        else:
            devices.set_random_state(state["chance"])

    def _parts(self) -> dict[str, Any]:
        """What has a state of its own."""
        parts = {"model": self.model, "optimizer": self.optimizer, "schedule": self.schedule, "engine": self.engine}
        parts |= {"average": self.kept} if self.kept is not self.model else {}
        return parts | ({"stopping": self.stopping} if self.stopping else {})

    def facts(self) -> dict[str, Any]:
        """What must be the same for a state to fit."""
        rows, n = len(self.batches.tensors[0]), sum(part.numel() for part in self.model.parameters())
        sizes = {"epochs": self.recipe.epochs, "batch size": self.batches.size, "training rows": rows, "parameters": n}
        numbers = ("learning_rate", "weight_decay", "warm_up", "average", "clip", "patience", "data")
        return sizes | {name.replace("_", " "): getattr(self.recipe, name) for name in numbers}

    def learning_rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def clock(self) -> float:
        """Seconds of training so far, those before an interruption included."""
        return round(self.seconds + time.monotonic() - self.since, 2)

    def example(self, n: int) -> list[Tensor]:
        """The first training inputs, as the model is given them."""
        few = [tensor[:n] for tensor in self.batches.tensors[: self.n_inputs]]
        return devices.laid_out(few, self.model, self.device)

    def pictured(self) -> Tensor:
        """Example maps. The model is out of training meanwhile: looking at it must not change what it learned."""
        assert self.recipe.maps is not None
        was_training = self.kept.training
        self.kept.eval()
        with torch.inference_mode(), devices.autocast(self.device):
            found = self.recipe.maps(self.kept, *self.example(4))
        self.kept.train(was_training)
        return found

    def draw(self) -> None:
        """The learning curve and, for classes, who was taken for whom."""
        predicted = self.judge.classes(self.kept, self.settings) if self.judge else None
        if devices.rank():
            return
        title, metric = self.settings.name or self.folder.name, self.judge.metric.name if self.judge else None
        curve = self.folder / "learning_curve.png"
        pictures.learning_curve(curve, title, self.watch.history, metric, self.best_epoch)
        if self.judge and predicted is not None:
            pictures.confusion(self.folder / "confusion.png", title, self.judge.y.numpy(), predicted)
