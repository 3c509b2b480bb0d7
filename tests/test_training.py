"""The training loop: it learns, it repeats itself exactly, and it decides placement in one place."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from kit import training
from kit.errors import KitError
from kit.metrics import accuracy, mse
from kit.task import Run
from kit.training import batches, checkpoints, devices, pictures, stops
from tests.conftest import fill


@pytest.fixture
def run(tmp_path: Path) -> Run:
    torch.manual_seed(0)
    return Run(wanted_device="cpu", folder=tmp_path / "run")


def rings(n: int = 600) -> tuple[Tensor, Tensor]:
    """Two classes that no straight line separates: inside and outside of a circle."""
    x = torch.randn(n, 2)
    return x, (x.norm(dim=1) > 1.18).long()


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))


OPTIONS = {"loss": cross_entropy, "epochs": 15, "batch_size": 32, "learning_rate": 0.01}


def fit(run: Run, **options: object) -> tuple[nn.Module, Tensor, Tensor]:
    x, y = rings()
    model = training.fit(network(), x, y, run, **{**OPTIONS, **options})  # type: ignore[arg-type]
    return model, x, y


def share_right(model: nn.Module, x: Tensor, y: Tensor, run: Run) -> float:
    return float((training.predict(model, x, run).argmax(dim=1) == y).float().mean())


def test_it_learns_what_can_be_learned(run: Run) -> None:
    model, x, y = fit(run)
    assert share_right(model, x, y, run) > 0.97


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    found = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        run = Run(wanted_device="cpu", folder=tmp_path / str(len(found)))
        model, _, _ = fit(run, valid=0.2, metric=accuracy, epochs=3)
        found.append(torch.cat([part.flatten() for part in model.parameters()]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_the_run_decides_the_number_of_epochs(run: Run) -> None:
    steps: list[int] = []

    def counted(outputs: Tensor, targets: Tensor) -> Tensor:
        steps.append(len(targets))
        return cross_entropy(outputs, targets)

    fit(Run(wanted_device="cpu", epochs=2, folder=run.folder), loss=counted)
    assert sum(steps) == 2 * 600
    assert len(steps) == 2 * 19


def test_the_best_weights_come_back_not_the_last(run: Run) -> None:
    x, y = torch.randn(400, 1), torch.randn(400)  # nothing to learn: more training makes it worse on rows held out
    deep = nn.Sequential(nn.Linear(1, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1), nn.Flatten(0))
    seen: list[float] = []

    def value(sums: np.ndarray) -> np.ndarray:
        seen.append(float(sums[0] / sums[1]))
        return sums[..., 0] / sums[..., 1]

    from dataclasses import replace

    noted = replace(mse, value=value)
    model = training.fit(
        deep, x, y, run, loss=mse_loss, epochs=30, batch_size=16, learning_rate=0.01, valid=0.5, metric=noted
    )
    kept = torch.load(run.folder / "best.pt", weights_only=True)
    assert all(torch.equal(kept[name], part) for name, part in model.state_dict().items())
    assert min(seen) < seen[-1]


def test_training_stops_when_it_no_longer_gets_better(run: Run) -> None:
    x, y = torch.randn(200, 1), torch.randn(200)
    steps: list[int] = []

    def counted(outputs: Tensor, targets: Tensor) -> Tensor:
        steps.append(1)
        return mse_loss(outputs, targets)

    training.fit(
        nn.Sequential(nn.Linear(1, 1), nn.Flatten(0)), x, y, run,
        loss=counted, epochs=500, batch_size=50, learning_rate=0.05, valid=0.5, metric=mse, patience=3,
    )  # fmt: skip
    assert len(steps) < 500 * 2


def test_averaged_weights_are_kept_where_they_are_asked_for(run: Run) -> None:
    model, x, y = fit(run, average=0.9, epochs=30)
    assert share_right(model, x, y, run) > 0.95


def test_gradients_are_clipped_where_it_is_asked_for(run: Run) -> None:
    start = network()
    before = [part.clone() for part in start.parameters()]
    x, y = rings()
    model = training.fit(start, x, y, run, **{**OPTIONS, "epochs": 1, "clip": 1e-12, "weight_decay": 0.0})  # type: ignore[arg-type]
    moved = max(float((a - b).abs().max()) for a, b in zip(before, model.parameters(), strict=True))
    assert moved < 0.02  # Adam is blind to the gradient's size but for its epsilon, which such a clip falls below


def test_augmentation_sees_every_training_batch_and_no_test_row(run: Run) -> None:
    seen: list[int] = []

    def flip(batch: Tensor) -> Tensor:
        seen.append(len(batch))
        return -batch

    model, x, _ = fit(run, augment=flip, epochs=1)
    assert sum(seen) == 600
    training.predict(model, x, run)
    assert sum(seen) == 600


def test_predictions_keep_the_order_of_the_rows_whatever_the_batches(run: Run) -> None:
    model, x, _ = fit(run, epochs=1)
    whole = training.predict(model, x, run, batch_size=600)
    assert whole.dtype == torch.float32
    assert torch.allclose(training.predict(model, x, run, batch_size=7), whole, atol=0.02)
    assert torch.allclose(training.predict(model, x.flip(0), run).flip(0), whole, atol=0.02)


def test_a_model_in_training_is_left_in_training(run: Run) -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 2)).train()
    first, second = (training.predict(model, torch.ones(4, 2), run) for _ in range(2))
    assert torch.equal(first, second)
    assert model.training


def events_of(run: Run) -> EventAccumulator:
    events = EventAccumulator(str(run.folder), size_guidance={"scalars": 0, "histograms": 0, "images": 0})
    events.Reload()
    return events


def test_events_can_be_read_by_tensorboard(run: Run) -> None:
    fit(run, valid=0.2, metric=accuracy, epochs=4)
    events = events_of(run)
    scalars = {"train/loss", "train/step_loss", "train/learning_rate", "valid/accuracy"}
    assert set(events.Tags()["scalars"]) == scalars
    losses = [event.value for event in events.Scalars("train/loss")]
    assert len(losses) == 4
    assert losses[-1] < losses[0]
    assert [event.step for event in events.Scalars("valid/accuracy")] == [15, 30, 45, 60]
    assert [event.step for event in events.Scalars("train/step_loss")] == [50]
    assert {node.op for node in graph_nodes(events)} >= {"aten::linear", "aten::relu"}
    assert len(events.Histograms("weights/0.weight")) == 4


def graph_nodes(events: EventAccumulator) -> list[Any]:
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    graph = GraphDef()
    graph.ParseFromString(events.Graph().SerializeToString())
    return list(graph.node)


def test_images_and_maps_can_be_looked_at(run: Run) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2))
    x, y = torch.rand(20, 1, 8, 8), torch.randint(0, 2, (20,))
    options = {"loss": cross_entropy, "epochs": 2, "batch_size": 10, "learning_rate": 0.01}
    training.fit(net, x, y, run, **options, maps=lambda model, images: images[:, 0])  # type: ignore[arg-type]
    events = events_of(run)
    assert any(name.startswith("inputs") for name in events.Tags()["images"])
    assert any(name.startswith("maps") for name in events.Tags()["images"])


def test_a_network_that_cannot_be_traced_has_no_graph_and_trains(run: Run) -> None:
    class Strange(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            if torch.jit.is_tracing():
                raise RuntimeError("not to be traced")
            return self.layer(x)

    x, y = rings()
    training.fit(Strange(), x, y, run, **{**OPTIONS, "epochs": 1})  # type: ignore[arg-type]
    assert not events_of(run).Tags()["graph"]


def test_the_pictures_show_the_history_and_the_classes(run: Run) -> None:
    fit(run, valid=0.2, metric=accuracy, epochs=3)
    for name in ("learning_curve.png", "confusion.png"):
        assert (run.folder / name).read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((run.folder / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert list(rows[0]) == ["epoch", "step", "loss", "accuracy", "learning_rate", "seconds", "best"]


def test_a_picture_has_axes_units_and_a_title(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    monkeypatch.setattr(pictures, "_save", lambda figure, path: drawn.append(figure))
    history = [{"epoch": n, "loss": 1 / n, "accuracy": 1 - 0.5 / n} for n in (1, 2, 3)]
    pictures.learning_curve(tmp_path / "a.png", "mnist cnn, seed 0", history, "accuracy", 3)
    pictures.confusion(tmp_path / "b.png", "mnist cnn, seed 0", np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]))
    curve, matrix = drawn
    assert [axes.get_ylabel() for axes in curve.axes] == [
        "loss (mean over the training rows)",
        "accuracy (rows held out)",
    ]
    assert curve.axes[0].get_xlabel() == "epoch"
    assert curve.axes[1].lines[1].get_label() == "kept: 0.8333"
    assert matrix.axes[0].get_title() == "mnist cnn, seed 0\n4 rows held out, 75.00% right"
    assert (matrix.axes[0].get_xlabel(), matrix.axes[0].get_ylabel()) == ("predicted class", "true class")
    assert [text.get_text() for text in matrix.axes[0].texts] == ["1", "0", "0", "0", "1", "1", "0", "0", "1"]


def test_a_loss_that_is_no_number_is_told_with_its_step_and_nothing_is_kept(run: Run) -> None:
    steps = 0

    def breaks(outputs: Tensor, targets: Tensor) -> Tensor:
        nonlocal steps
        steps += 1
        return cross_entropy(outputs, targets) * (float("nan") if steps == 22 else 1)

    with pytest.raises(KitError, match=r"no longer a number at step 22 \(epoch 2\)") as told:
        fit(run, loss=breaks)
    assert "--learning-rate 0.0025; it was 0.01" in str(told.value)
    saved = checkpoints.newest(run.folder)
    assert saved is not None
    assert saved["engine"]["iteration"] == 19  # the last state that was good
    assert all(torch.isfinite(part).all() for part in saved["model"].values())


def test_a_loss_that_is_no_number_in_the_last_step_is_told_too(run: Run) -> None:
    def late(outputs: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(outputs, targets) * (
            float("inf") if len(targets) != 32 else 1
        )  # the last batch is smaller

    with pytest.raises(KitError, match=r"at step 19 \(epoch 1\)"):
        fit(run, loss=late)
    assert not list(run.folder.glob("*.pt"))


def test_on_a_device_that_is_slow_to_look_at_the_first_wrong_step_is_told_all_the_same() -> None:
    watchman = stops.Watchman("cpu")
    watchman.every = 20
    for step in range(1, 41):
        watchman.see(step, torch.tensor(float("nan") if step in (23, 31) else 1.0))
        wanted, wrong = watchman.look(step)
        assert (wanted, wrong) == (False, 23 if step == 40 else 0)


def test_memory_that_does_not_suffice_is_told_with_what_to_try(run: Run) -> None:
    class Huge(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                x.new_empty(len(x), 10**13)
            return self.layer(x)

    x, y = rings()
    with pytest.raises(KitError, match=r"Out of memory with batches of 32 rows") as told:
        training.fit(Huge(), x, y, run, **OPTIONS)  # type: ignore[arg-type]
    assert "Try --batch-size 16" in str(told.value)


def test_predicting_takes_smaller_batches_where_memory_is_short(run: Run) -> None:
    sizes: list[int] = []

    class Small(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            sizes.append(len(x))
            if len(x) > 100:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return x * 2

    x = torch.arange(300.0)[:, None]
    assert torch.equal(training.predict(Small(), x, run, batch_size=300), x * 2)
    assert sizes == [300, 150, 75, 75, 75, 75]


def test_an_error_that_is_not_about_memory_stays_what_it_is(run: Run) -> None:
    x, y = rings()
    with pytest.raises(RuntimeError, match="shapes"):
        training.fit(nn.Linear(3, 2), x, y, run, **OPTIONS)  # type: ignore[arg-type]


def test_on_a_full_disk_the_last_good_checkpoint_survives(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(wanted_device="cpu", folder=small_disk / "run")
    steps = 0

    def fills_up(batch: Tensor) -> Tensor:
        nonlocal steps
        steps += 1
        if steps == 2 * 19 + 5:
            fill(small_disk)
        return batch

    torch.manual_seed(0)
    model, x, y = fit(run, augment=fills_up, epochs=6)
    assert share_right(model, x, y, run) > 0.8  # it went on
    said = capsys.readouterr().err.replace("\n", " ")
    assert "could not be saved: No space left on device" in said
    saved = checkpoints.newest(run.folder)
    assert saved is not None
    assert saved["engine"]["iteration"] == 2 * 19
    assert not [file.name for file in run.folder.iterdir() if file.name.endswith(".part")]
    (small_disk / "filler").unlink()
    torch.manual_seed(0)
    again, _, _ = fit(Run(wanted_device="cpu", folder=run.folder, start="resume"), epochs=6)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


@pytest.mark.slow
def test_a_compiled_network_learns_the_same(tmp_path: Path) -> None:
    outputs = []
    for compiled in (False, True):
        torch.manual_seed(0)
        run = Run(wanted_device="cpu", folder=tmp_path / str(compiled), compile=compiled)
        model, x, y = fit(run)
        assert share_right(model, x, y, run) > 0.97
        outputs.append(training.predict(model, x, run).softmax(dim=1))
    assert (outputs[0] - outputs[1]).abs().mean() < 0.02


def test_the_run_decides_batches_and_learning_rate(run: Run) -> None:
    sizes: list[int] = []

    def counted(outputs: Tensor, targets: Tensor) -> Tensor:
        sizes.append(len(targets))
        return cross_entropy(outputs, targets)

    start = network()
    before = [part.clone() for part in start.parameters()]
    still = Run(wanted_device="cpu", folder=run.folder, batch_size=200, learning_rate=1e-12)
    x, y = rings()
    model = training.fit(start, x, y, still, **{**OPTIONS, "loss": counted, "epochs": 1})  # type: ignore[arg-type]
    assert sizes == [200, 200, 200]
    assert all(torch.allclose(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_whole_groups_are_held_out() -> None:
    groups = np.repeat(np.arange(20), 30)
    held_out, kept = batches.split(600, 0.2, groups)
    assert len(held_out) == 120
    assert sorted(held_out.tolist() + kept.tolist()) == list(range(600))
    assert not set(groups[held_out]) & set(groups[kept])
    every, none = batches.split(600, 0.0, groups)
    assert (len(every), len(none)) == (0, 600)


def test_a_last_batch_too_small_to_normalise_over_joins_the_one_before() -> None:
    seen = list(training.Batches([torch.arange(65)], 32))
    assert sorted(len(batch[0]) for batch in seen) == [32, 33]
    assert sorted(torch.cat([batch[0] for batch in seen]).tolist()) == list(range(65))


def test_data_that_does_not_fit_on_a_cuda_device_waits_in_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[str] = []
    monkeypatch.setattr(Tensor, "pin_memory", lambda self: moved.append("pinned") or self)
    monkeypatch.setattr(Tensor, "to", lambda self, device, **_: moved.append(str(device)) or self)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 2000))
    devices.resident([torch.zeros(100), torch.zeros(25)], "cuda:0")  # 500 bytes
    devices.resident([torch.zeros(100), torch.zeros(26)], "cuda:0")
    assert moved == ["cuda:0", "cuda:0", "pinned", "pinned"]


def test_images_are_trained_in_channels_last_layout(run: Run) -> None:
    layouts: list[bool] = []

    class Look(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            layouts.append(x.is_contiguous(memory_format=torch.channels_last))
            return x.mean(dim=(2, 3)) * torch.ones(1)

    net = nn.Sequential(nn.Conv2d(3, 2, 3), Look())
    x, y = torch.randn(20, 3, 8, 8), torch.randint(0, 2, (20,))
    training.fit(
        net,
        x,
        y,
        run,
        loss=cross_entropy,
        epochs=1,
        batch_size=10,
        learning_rate=0.01,
    )
    assert all(layouts)


def test_the_device_is_chosen_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert training.choose_device("auto") == "cpu"
    with pytest.raises(KitError, match="no device 'cuda' on this machine; there is cpu"):
        training.choose_device("cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert training.choose_device("auto") == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert training.choose_device("auto") == "cuda"
    assert training.choose_device("cuda:1") == "cuda:1"
    assert training.choose_device("cpu") == "cpu"


def test_mixed_precision_is_used_where_the_hardware_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for has in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: {"avx512_bf16": has}, raising=False)
        with training.autocast("cpu"):
            assert torch.is_autocast_enabled("cpu") is has
            assert (torch.randn(2, 2) @ torch.randn(2, 2)).dtype == (torch.bfloat16 if has else torch.float32)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert training.autocast("cuda:0").device == "cuda"
    assert not isinstance(training.autocast("mps"), torch.autocast)


def test_a_run_looks_for_its_device_only_when_asked() -> None:
    run = Run(wanted_device="cpu")
    assert run.used_device == "cpu"
    assert "device" not in vars(run)
    assert run.device == "cpu"
    with pytest.raises(KitError, match="no device"):
        Run(wanted_device="abacus").device  # noqa: B018


def test_one_output_can_be_a_probability(run: Run) -> None:
    x, y = rings()
    model = training.fit(
        nn.Sequential(network(), nn.Linear(2, 1), nn.Flatten(0)), x, y.float(), run,
        **{**OPTIONS, "loss": binary_cross_entropy_with_logits},  # type: ignore[arg-type]
    )  # fmt: skip
    assert training.predict(model, x, run).shape == (600,)
