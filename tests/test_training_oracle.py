"""The training loop against one written out by hand, and what it may look at: each option does what it says."""

import copy
import csv
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from kit import run as running
from kit import training
from kit.errors import KitError
from kit.metrics import mse
from kit.task import Run
from kit.training import devices

N, EPOCHS, BATCH, RATE = 70, 3, 16, 0.02


@pytest.fixture(autouse=True)
def _exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "autocast", lambda device: nullcontext())


def rows() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(N, 3, generator=generator)
    return x, 3 * x[:, 0] + x[:, 1] ** 2, torch.rand(N, generator=generator)


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1), nn.Flatten(0))


def weighted(outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    return (weights * (outputs - targets) ** 2).mean()


def by_hand(model: nn.Module, decay: float, warm_up: float, clip: float | None, weigh: bool) -> tuple[Any, Any, Any]:
    """(weights, their moving average with momentum 0.9, mean loss of each epoch), by a plain loop of PyTorch."""
    x, y, weights = rows()
    torch.randperm(N)  # what is held out is drawn first: nothing
    steps = EPOCHS * -(-N // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=decay)
    average, losses, step = copy.deepcopy(model.state_dict()), [], 0
    for _ in range(EPOCHS):
        of_epoch = []
        for batch in torch.randperm(N).split(BATCH):
            rate = np.interp(step, [0, int(warm_up * steps), steps], [RATE / 25, RATE, RATE / 1e4])
            optimizer.param_groups[0]["lr"] = float(rate)
            outputs = model(x[batch])
            loss = weighted(outputs, y[batch], weights[batch]) if weigh else mse_loss(outputs, y[batch])
            optimizer.zero_grad()
            loss.backward()
            if clip:
                norm = torch.stack([part.grad.norm() for part in model.parameters() if part.grad is not None]).norm()
                for part in model.parameters():
                    assert part.grad is not None
                    part.grad *= min(1.0, clip / (float(norm) + 1e-6))
            optimizer.step()
            of_epoch.append(float(loss.detach()))
            average = {name: 0.9 * average[name] + 0.1 * part for name, part in model.state_dict().items()}
            step += 1
        losses.append(np.mean(of_epoch))
    return copy.deepcopy(model.state_dict()), average, losses


@pytest.mark.parametrize(
    ("decay", "warm_up", "clip", "weigh"),
    [(0.0, 0.2, None, False), (0.5, 0.2, None, True), (0.01, 0.6, 0.3, False), (0.1, 0.0, 1.0, True)],
)
def test_the_loop_takes_the_steps_of_one_written_by_hand(
    decay: float, warm_up: float, clip: float | None, weigh: bool, tmp_path: Path
) -> None:
    x, y, weights = rows()
    options = {"epochs": EPOCHS, "batch_size": BATCH, "learning_rate": RATE, "weight_decay": decay}
    options |= {"warm_up": warm_up, "clip": clip}
    options |= {"weights": weights, "loss": weighted} if weigh else {"loss": mse_loss}
    start = network()
    torch.manual_seed(7)
    wanted, average, losses = by_hand(copy.deepcopy(start), decay, warm_up, clip, weigh)
    for name, expected, more in (("plain", wanted, {}), ("averaged", average, {"average": 0.9})):
        torch.manual_seed(7)
        run = Run(wanted_device="cpu", folder=tmp_path / name)
        found = training.fit(copy.deepcopy(start), x, y, run, **options, **more)  # type: ignore[arg-type]
        for part, value in found.state_dict().items():
            torch.testing.assert_close(value, expected[part], atol=2e-6, rtol=2e-5)
    with (tmp_path / "plain/history.csv").open() as file:
        told = [float(row["loss"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(told, losses, rtol=1e-5)


class Told:
    """A metric that says what it is told to, epoch by epoch, and keeps what it was asked about."""

    def __init__(self, values: list[float], higher_is_better: bool) -> None:
        self.values, self.epoch, self.truth = values, 0, np.zeros(0)
        self.metric = replace(mse, rows=self.rows, value=self.value, higher_is_better=higher_is_better)

    def rows(self, truth: Any, predictions: Any) -> Any:
        self.truth = np.asarray(truth)
        return mse.rows(truth, predictions)

    def value(self, sums: Any) -> Any:
        self.epoch += 1
        return np.float64(self.values[self.epoch - 1])


UP = [0.1, 0.5, 0.4, 0.7, 0.6, 0.6, 0.7, 0.9]
DOWN = [-value for value in UP]


@pytest.mark.parametrize(("values", "higher"), [(UP, True), (DOWN, False)], ids=["higher", "lower"])
def test_the_best_epoch_is_kept_and_patience_counts_from_it(values: list[float], higher: bool, tmp_path: Path) -> None:
    x, y, _ = rows()
    told, seen = Told(values, higher), []

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        seen.append(copy.deepcopy(model.state_dict()))  # as they are before the step
        return mse_loss(outputs, targets)

    model = network()
    run = Run(wanted_device="cpu", folder=tmp_path)
    held_out = torch.arange(N) % 7 == 0
    found = training.fit(
        model, x, y, run, loss=loss, epochs=8, batch_size=30, learning_rate=RATE,
        valid=held_out, metric=told.metric, patience=3,
    )  # fmt: skip
    with (tmp_path / "history.csv").open() as file:
        assert [row["best"] for row in csv.DictReader(file)] == ["1", "1", "0", "1", "0", "0", "0"]
    assert len(seen) == 7 * 2
    after_the_fourth = seen[4 * 2]
    assert all(torch.equal(part, after_the_fourth[name]) for name, part in found.state_dict().items())
    np.testing.assert_array_equal(told.truth, y[held_out].numpy())


def test_rows_held_out_are_never_trained_on_and_never_augmented(tmp_path: Path) -> None:
    x, y, weights = rows()
    held_out = torch.arange(N) % 5 == 0
    numbered, augmented, learned = torch.cat([torch.arange(N)[:, None].float(), x[:, 1:]], dim=1), [], []

    def note(batch: Tensor) -> Tensor:
        augmented.extend(batch[:, 0].int().tolist())
        return batch / N

    def loss(outputs: Tensor, targets: Tensor, of_rows: Tensor) -> Tensor:
        learned.extend(zip(targets.tolist(), of_rows.tolist(), strict=True))
        return weighted(outputs, targets, of_rows)

    run = Run(wanted_device="cpu", folder=tmp_path)
    training.fit(
        network(), numbered, y, run, loss=loss, epochs=2, batch_size=BATCH, learning_rate=RATE,
        augment=note, weights=weights, valid=held_out, metric=mse,
    )  # fmt: skip
    kept = (~held_out).nonzero().squeeze(1).tolist()
    assert sorted(augmented) == sorted(kept * 2)
    assert sorted(learned) == sorted([(float(y[row]), float(weights[row])) for row in kept] * 2)


def test_the_averaged_weights_are_those_that_are_measured(tmp_path: Path) -> None:
    x, y, _ = rows()
    start = network()
    before = float(((start(x[:20]) - y[:20]) ** 2).mean().detach())
    held_out = torch.arange(N) < 20
    run = Run(wanted_device="cpu", folder=tmp_path)
    training.fit(
        start, x, y, run, loss=mse_loss, epochs=2, batch_size=BATCH, learning_rate=RATE,
        average=0.9999999, valid=held_out, metric=mse,
    )  # fmt: skip
    with (tmp_path / "history.csv").open() as file:
        assert [float(row["mse"]) for row in csv.DictReader(file)] == pytest.approx([before] * 2, rel=1e-4)


def test_a_run_that_goes_on_remembers_the_best_epoch(tmp_path: Path) -> None:
    x, y, _ = rows()
    options: dict[str, Any] = {"loss": mse_loss, "epochs": 8, "batch_size": 30, "learning_rate": RATE, "valid": 0.3}
    for stop, start in ((5, "new"), (None, "resume")):
        told = Told(UP if start == "new" else UP[4:], True)
        steps = 0

        def broken(batch: Tensor) -> Tensor:
            nonlocal steps
            steps += 1
            if stop and steps == stop * 2 - 1:  # noqa: B023 - called within the loop
                raise KeyboardInterrupt
            return batch

        torch.manual_seed(0)
        run = Run(wanted_device="cpu", folder=tmp_path, start=start)  # type: ignore[arg-type]
        fit = [network(), x, y, run]
        torch.manual_seed(0)
        if stop:
            with pytest.raises(KeyboardInterrupt):
                training.fit(*fit, **options, augment=broken, patience=3, metric=told.metric)  # type: ignore[arg-type]
        else:
            training.fit(*fit, **options, augment=broken, patience=3, metric=told.metric)  # type: ignore[arg-type]
    with (tmp_path / "history.csv").open() as file:
        assert [row["best"] for row in csv.DictReader(file)] == ["1", "1", "0", "1", "0", "0", "0"]


def test_the_loss_of_an_epoch_that_was_interrupted_is_that_of_all_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.training.engine.SAVE_EVERY", 0.0)  # as if every step took a minute
    x, y, _ = rows()
    steps, at = 0, 0

    def broken(batch: Tensor) -> Tensor:
        nonlocal steps
        steps += 1
        if steps == at:
            raise KeyboardInterrupt
        return batch

    def fit(folder: str, start: str) -> list[float]:
        run = Run(wanted_device="cpu", folder=tmp_path / folder, start=start)  # type: ignore[arg-type]
        model = network()
        torch.manual_seed(0)
        training.fit(
            model, x, y, run, loss=mse_loss, epochs=2, batch_size=BATCH, learning_rate=RATE, augment=broken
        )  # fmt: skip
        with (tmp_path / folder / "history.csv").open() as file:
            return [float(row["loss"]) for row in csv.DictReader(file)]

    whole = fit("whole", "new")
    steps, at = 0, 9
    with pytest.raises(KeyboardInterrupt):
        fit("parts", "new")
    assert fit("parts", "resume") == whole


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"learning_rate": 0.5}, "learning rate 0.02, now 0.5"),
        ({"weight_decay": 0.5}, "weight decay 0.01, now 0.5"),
        ({"average": 0.5}, "average None, now 0.5"),
        ({"y": -1.0}, "data "),
        ({"x": -1.0}, "data "),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_checkpoint_does_not_fit_another_training_of_the_same_sizes(
    changed: dict[str, float], words: str, tmp_path: Path
) -> None:
    x, y, _ = rows()

    def broken(batch: Tensor) -> Tensor:
        raise AssertionError("it went on")

    options: dict[str, Any] = {"loss": mse_loss, "epochs": 2, "batch_size": BATCH, "learning_rate": RATE}
    first = Run(wanted_device="cpu", folder=tmp_path)
    torch.manual_seed(0)
    training.fit(network(), x, y, first, **options)
    for file in tmp_path.glob("last-*.pt"):
        state = torch.load(file, weights_only=True)
        torch.save(state | {"done": False, "over": False}, file)
    x, y = x * changed.pop("x", 1.0), y * changed.pop("y", 1.0)
    again = Run(wanted_device="cpu", folder=tmp_path, start="resume")
    torch.manual_seed(0)
    with pytest.raises(KitError, match=f"is of another training: {words}"):
        training.fit(network(), x, y, again, **options | changed, augment=broken)


def test_a_learning_rate_of_zero_learns_nothing_and_none_leaves_the_baselines_own(tmp_path: Path) -> None:
    x, y, _ = rows()
    for rate in (0, 0.0, None):
        start = network()
        before = copy.deepcopy(start.state_dict())
        run = Run(wanted_device="cpu", folder=tmp_path / str(rate), learning_rate=rate)
        found = training.fit(start, x, y, run, loss=mse_loss, epochs=1, batch_size=BATCH, learning_rate=RATE)
        same = [torch.equal(part, before[name]) for name, part in found.state_dict().items()]
        assert all(same) if rate is not None else not any(same)


def test_a_batch_of_one_row_is_told_where_it_cannot_be_normalised_over(tmp_path: Path) -> None:
    x, y, _ = rows()
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1), nn.Flatten(0))
    run = Run(wanted_device="cpu", folder=tmp_path, batch_size=1)
    with pytest.raises(KitError, match="A batch of one row cannot be normalised over"):
        training.fit(net, x, y, run, loss=mse_loss, epochs=1, batch_size=BATCH, learning_rate=RATE)
    with pytest.raises(KitError, match="No row is left to train on: all 70 are held out"):
        training.fit(
            net, x, y, run, loss=mse_loss, epochs=1, batch_size=BATCH, learning_rate=RATE, valid=1.0, metric=mse
        )


def test_padding_changes_no_output_and_rows_keep_their_order(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randint(1, 9, (50, 12), generator=generator)
    numbers[torch.arange(12) >= torch.randint(1, 13, (50, 1), generator=generator)] = 0
    widths: list[int] = []

    class Sums(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            widths.append(x.shape[1])
            return x.float().sum(dim=1)

    run = Run(wanted_device="cpu", folder=tmp_path)
    found = training.predict(Sums(), numbers, run, batch_size=8, padding=0)
    assert torch.equal(found, numbers.sum(dim=1).float())
    assert widths == sorted(widths)
    assert widths[0] < 12
    lengths = []
    for batch in training.Batches([numbers], 8, padding=0):
        assert (batch[0][:, -1] != 0).any()
        lengths.append((batch[0] != 0).sum(dim=1))
    lengths.sort(key=lambda of: float(of.float().mean()))
    assert all(bool(a.max() <= b.min()) for a, b in pairwise(lengths))  # alike within a batch


def test_a_seed_decides_every_source_of_chance() -> None:
    import random

    def drawn(seed: int) -> tuple[float, float, float]:
        running.seed_everything(seed)
        return random.random(), float(np.random.random()), float(torch.rand(1))  # noqa: NPY002

    assert drawn(3) == drawn(3)
    assert all(a != b for a, b in zip(drawn(3), drawn(4), strict=True))


def test_smoothed_labels_are_those_of_the_paper() -> None:
    """Szegedy et al., arXiv:1512.00567: a share of the target is spread evenly over all classes."""
    from kit.tasks.mnist.baselines import cnn

    outputs, labels = torch.randn(6, 10, generator=torch.Generator().manual_seed(0)), torch.arange(6)
    target = (1 - cnn.SMOOTHING) * np.eye(10)[:6] + cnn.SMOOTHING / 10
    logits = outputs.double().numpy()
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert float(cnn.smoothed(outputs, labels)) == pytest.approx(-(target * log_p).sum(axis=1).mean(), rel=1e-5)
    assert cnn.SMOOTHING == 0.1
