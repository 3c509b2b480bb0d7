"""The training loop: it learns, it repeats itself exactly, and it decides placement in one place."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from kit import training
from kit.errors import KitError
from kit.metrics import accuracy, mse
from kit.task import Run


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


def test_events_can_be_read_by_tensorboard(run: Run) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit(run, valid=0.2, metric=accuracy, epochs=4)
    events = EventAccumulator(str(run.folder))
    events.Reload()
    assert {"train/loss", "train/learning_rate", "valid/accuracy"} <= set(events.Tags()["scalars"])
    losses = [event.value for event in events.Scalars("train/loss")]
    assert len(losses) == 4
    assert losses[-1] < losses[0]
    assert [event.step for event in events.Scalars("valid/accuracy")] == [15, 30, 45, 60]


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
