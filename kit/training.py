"""The one training loop, on pytorch-ignite. Device, precision and batch placement are decided here and nowhere else.

The whole data set stays on the device as tensors and is sliced there: no loader and no worker processes are needed for
data that is already a tensor. The learning rate rises and falls in straight lines (Smith & Topin, arXiv:1708.07120).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint, DiskSaver, EarlyStopping, EMAHandler, PiecewiseLinear
from torch import Tensor, nn

from kit import render
from kit.errors import KitError
from kit.metrics import Metric
from kit.task import Run

Loss = Callable[..., Tensor]
Inputs = Tensor | Sequence[Tensor]  # what a model's forward takes: one tensor, or several with the same rows
DEVICES = ("cuda", "mps", "cpu")
_POOL = 50  # batches' worth of rows, drawn at random, that are then sorted by length


def available_devices() -> list[str]:
    """The devices of this machine, the fastest first."""
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [device for device in DEVICES if here[device]]


def choose_device(wanted: str) -> str:
    """The device to use: the fastest there is for "auto", else the one wanted; KitError where this machine lacks it."""
    here = available_devices()
    if wanted == "auto":
        return here[0]
    if wanted.partition(":")[0] not in here:
        raise KitError(
            f"There is no device {wanted!r} on this machine; there is {', '.join(here)}. Leave --device out."
        )
    return wanted


def autocast(device: str) -> Any:
    """Mixed precision where the hardware computes in bfloat16: recent cuda cards, and processors with AVX512-BF16."""
    kind = device.partition(":")[0]
    if kind == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif kind == "cpu":
        fast = (
            bool(torch.cpu.get_capabilities().get("avx512_bf16")) if hasattr(torch.cpu, "get_capabilities") else False
        )
    else:
        fast = False
    return torch.autocast(kind, torch.bfloat16) if fast else nullcontext()


class Batches:
    """Shuffled batches of tensors that stay where they are; the last one may be smaller.

    padding: what fills the rows of the first tensor, (n_rows, longest), at their ends. Batches then hold rows of like
    length and are cut to the longest of them: little is computed for nothing.
    """

    def __init__(self, tensors: Sequence[Tensor], size: int, padding: int | None = None) -> None:
        self.tensors, self.size = tensors, size
        self.lengths = None if padding is None else _lengths(tensors[0], padding)

    def __len__(self) -> int:
        return -(-len(self.tensors[0]) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        order = torch.randperm(len(self.tensors[0])).to(self.tensors[0].device)
        if self.lengths is None:
            for rows in order.split(self.size):
                yield tuple(tensor[rows] for tensor in self.tensors)
            return
        pools = order.split(_POOL * self.size)
        batches = torch.cat([pool[self.lengths[pool].argsort()] for pool in pools]).split(self.size)
        for number in torch.randperm(len(batches)).tolist():
            rows = batches[number]
            inputs, *others = (tensor[rows] for tensor in self.tensors)
            yield inputs[:, : self.lengths[rows].max()], *others


def _lengths(x: Tensor, padding: int) -> Tensor:
    """(n_rows,) how many values of each row come before its padding; at least 1, for a batch must have some width."""
    places = torch.arange(1, x.shape[1] + 1, device=x.device)
    return ((x != padding) * places).amax(dim=1).clamp(min=1)


def fit(
    model: nn.Module,
    x: Inputs,
    y: Tensor,
    run: Run,
    *,
    loss: Loss,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float = 0.01,
    warm_up: float = 0.2,
    augment: Callable[[Tensor], Tensor] | None = None,
    average: float | None = None,
    clip: float | None = None,
    weights: Tensor | None = None,
    valid: float | Tensor = 0.0,
    metric: Metric | None = None,
    patience: int | None = None,
    images: bool = False,
    padding: int | None = None,
) -> nn.Module:
    """Train a model with AdamW and return it with its best weights, ready to predict.

    x, y: (n_rows, ...) inputs and targets, on the cpu. loss: (outputs, targets) -> mean loss, or (outputs, targets,
    weights) where `weights`, (n_rows, ...), are given.
    epochs: unless `run.epochs` says otherwise. warm_up: share of the steps in which the learning rate rises.
    augment: changes a batch of the first inputs. average: momentum of the moving average of the weights, which is kept
    instead.
    clip: largest norm of the gradient. valid: share of the rows held out, or (n_rows,) bool, which ones; `metric` over
    them picks the best epoch, and training stops when that many epochs (`patience`) bring no better.
    images: the model works on (n, channels, height, width).
    padding: the value at the ends of rows that are shorter than others (see `Batches`).
    """
    epochs = run.epochs or epochs
    layout = torch.channels_last if images else torch.contiguous_format
    model = model.to(run.device).to(memory_format=layout)
    inputs = _listed(x)
    held_out, kept = _split(len(y), valid)
    tensors = [*inputs, y] if weights is None else [*inputs, y, weights]
    batches = Batches([tensor[kept].to(run.device) for tensor in tensors], batch_size, padding)
    fused = run.device != "mps"
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=fused)

    def step(engine: Engine, batch: tuple[Tensor, ...]) -> Tensor:
        first, *others = batch[: len(inputs)]
        first = augment(first) if augment else first
        with autocast(run.device):
            outputs = model(*_laid_out([first, *others], layout))
        value = loss(outputs.float(), *batch[len(inputs) :])
        optimizer.zero_grad()
        value.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        return value.detach()

    trainer = Engine(step)
    steps = epochs * len(batches)
    peaks = [(0, learning_rate / 25), (int(warm_up * steps), learning_rate), (steps, learning_rate / 1e4)]
    trainer.add_event_handler(Events.ITERATION_STARTED, PiecewiseLinear(optimizer, "lr", peaks))
    best = model
    if average:
        keeper = EMAHandler(model, momentum=1 - average, handle_buffers="update")
        keeper.attach(trainer)
        best = keeper.ema_model
    log = _Log(trainer, optimizer, run, epochs, len(batches))
    if len(held_out) and metric is not None:
        seen = x[held_out] if isinstance(x, Tensor) else [tensor[held_out] for tensor in x]
        _validate(trainer, best, seen, y[held_out], run, metric, patience, images, padding, log)
    sample = [tensor[:2] for tensor in batches.tensors[: len(inputs)]]
    render.model_summary(_layers(model, _laid_out(sample, layout)), run.device)
    with log:
        trainer.run(batches, max_epochs=epochs)
    best_weights = run.folder / "best.pt"
    if best_weights.is_file():
        best.load_state_dict(torch.load(best_weights, map_location=run.device, weights_only=True))
    return best


def predict(
    model: nn.Module, x: Inputs, run: Run, *, batch_size: int = 1000, images: bool = False, padding: int | None = None
) -> Tensor:
    """(n_rows, ...) float32 outputs on the cpu, in the order of x. padding: as for `fit`."""
    if padding is not None and isinstance(x, Tensor):
        lengths, order = _lengths(x, padding).sort(stable=True)
        parts = zip(x[order].split(batch_size), lengths.split(batch_size), strict=True)
        outputs = [predict(model, rows[:, : longest[-1]], run, batch_size=batch_size) for rows, longest in parts]
        return torch.cat(outputs)[order.argsort()]
    layout = torch.channels_last if images else torch.contiguous_format
    was_training = model.training
    model.eval()
    with torch.inference_mode(), autocast(run.device):
        pieces = zip(*(tensor.split(batch_size) for tensor in _listed(x)), strict=True)
        found = [model(*_laid_out([part.to(run.device) for part in piece], layout)).float().cpu() for piece in pieces]
    model.train(was_training)
    return torch.cat(found)


def _listed(x: Inputs) -> list[Tensor]:
    return [x] if isinstance(x, Tensor) else list(x)


def _laid_out(inputs: Sequence[Tensor], layout: torch.memory_format) -> list[Tensor]:
    """The inputs as they lie best in memory: images, which have four dimensions, in `layout`."""
    return [part.contiguous(memory_format=layout) if part.ndim == 4 else part for part in inputs]


def _split(n_rows: int, share: float | Tensor) -> tuple[Tensor, Tensor]:
    """(rows held out, rows trained on): a share of them at random, or those that a mask names."""
    if isinstance(share, Tensor):
        return share.nonzero().squeeze(1), (~share).nonzero().squeeze(1)
    order = torch.randperm(n_rows)
    cut = round(n_rows * share)
    return order[:cut], order[cut:].sort().values


def _validate(
    trainer: Engine,
    model: nn.Module,
    x: Inputs,
    y: Tensor,
    run: Run,
    metric: Metric,
    patience: int | None,
    images: bool,
    padding: int | None,
    log: "_Log",
) -> None:
    """After each epoch: measure, keep the best weights in `run.folder`, stop when it no longer gets better."""
    sign, truth = (1 if metric.higher_is_better else -1), y.numpy().astype(np.float32)

    def measure(engine: Engine, batch: Any) -> dict[str, float]:
        outputs = predict(model, x, run, images=images, padding=padding)
        return {metric.name: float(metric.value(metric.rows(truth, outputs.numpy()).sum(axis=0)))}

    judge = Engine(measure)

    @judge.on(Events.COMPLETED)
    def note(engine: Engine) -> None:
        engine.state.metrics = cast(dict[str, float], engine.state.output)
        log.measured(engine.state.metrics)

    def goodness(engine: Engine) -> float:
        return sign * float(engine.state.metrics[metric.name])

    saver = DiskSaver(str(run.folder), create_dir=True, require_empty=False)
    keep = Checkpoint({"model": model}, saver, filename_pattern="best.pt", score_function=goodness, n_saved=1)
    judge.add_event_handler(Events.COMPLETED, keep)
    if patience:
        judge.add_event_handler(Events.COMPLETED, EarlyStopping(patience, goodness, trainer))
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: judge.run([0]))


class _Log:
    """Progress on the terminal, and TensorBoard events in the run's folder."""

    def __init__(self, trainer: Engine, optimizer: Any, run: Run, epochs: int, steps: int) -> None:
        self.trainer, self.optimizer, self.epochs, self.steps = trainer, optimizer, epochs, steps
        self.folder: Path = run.folder
        self.total = torch.zeros((), device=run.device)  # read only now and then: reading waits for the device
        self.metrics: dict[str, float] = {}

    def __enter__(self) -> "_Log":
        from torch.utils.tensorboard import SummaryWriter

        self.trainer.add_event_handler(Events.ITERATION_COMPLETED, self.stepped)
        self.trainer.add_event_handler(Events.EPOCH_COMPLETED, self.epoch_done)  # after what measures has been added
        self.writer = SummaryWriter(str(self.folder))
        self.bar = render.training_bar(self.epochs, self.steps)
        self.bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.bar.__exit__(*error)
        self.writer.close()

    def stepped(self, engine: Engine) -> None:
        self.total += cast(Tensor, engine.state.output)
        self.bar.advance()

    def measured(self, metrics: dict[str, float]) -> None:
        self.metrics = metrics
        for name, value in metrics.items():
            self.writer.add_scalar(f"valid/{name}", value, self.trainer.state.iteration)

    def epoch_done(self, engine: Engine) -> None:
        value = float(self.total) / self.steps
        self.total.zero_()
        self.writer.add_scalar("train/loss", value, engine.state.iteration)
        self.writer.add_scalar("train/learning_rate", self.optimizer.param_groups[0]["lr"], engine.state.iteration)
        self.bar.epoch(engine.state.epoch, value, self.metrics)


def _layers(model: nn.Module, sample: Sequence[Tensor]) -> list[tuple[str, tuple[int, ...], int]]:
    """(layer, output shape of one row, parameters) of each layer without parts of its own, in the order they run."""
    rows: list[tuple[str, tuple[int, ...], int]] = []

    def note(layer: nn.Module, _inputs: Any, output: Any) -> None:
        shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
        rows.append((type(layer).__name__, shape, sum(part.numel() for part in layer.parameters(recurse=False))))

    leaves = [layer for layer in model.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(note) for layer in leaves if not isinstance(layer, nn.Identity)]
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        model(*sample)
    model.train(was_training)
    for hook in hooks:
        hook.remove()
    return rows
