"""Nothing is lost: a training that stops anywhere goes on to the very weights it would have had."""

import os
import random
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from kit import training
from kit.errors import KitError, Stopped
from kit.metrics import accuracy
from kit.task import Run
from kit.training import checkpoints, devices

STEPS, EPOCHS = 15, 4  # steps of an epoch


class Killed(BaseException):
    """As if the process had been killed: nothing in the kit catches it."""


def rings() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(600, 2, generator=generator)
    return x, (x.norm(dim=1) > 1.18).long()


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 2))


Trained = tuple[Tensor, Tensor]


def train(folder: Path, start: str = "new", at: int | None = None, end: Callable[[], None] | None = None) -> Trained:
    """(outputs for all rows, the next number that chance gives) of a training; step number `at` ends with `end`."""
    torch.manual_seed(0)
    x, y = rings()
    run = Run(wanted_device="cpu", folder=folder, start=start)  # type: ignore[arg-type]
    steps = 0

    def noisy(batch: Tensor) -> Tensor:
        nonlocal steps
        steps += 1
        if steps == at and end:
            end()
        return batch + 0.05 * torch.randn_like(batch) + np.random.normal() / 100  # noqa: NPY002 - all sources of chance

    model = training.fit(
        network(), x, y, run, loss=cross_entropy, epochs=EPOCHS, batch_size=32, learning_rate=0.01, augment=noisy,
        average=0.9, valid=0.2, metric=accuracy, patience=3, clip=1.0,
    )  # fmt: skip
    return training.predict(model, x, run), torch.rand(1)


def kill() -> None:
    raise Killed


def same(a: Trained, b: Trained) -> bool:
    return all(torch.equal(one, other) for one, other in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    np.random.seed(0)  # noqa: NPY002
    return train(tmp_path_factory.mktemp("whole"))


@pytest.fixture(autouse=True)
def _seed_numpy() -> None:
    np.random.seed(0)  # noqa: NPY002


def test_killed_at_any_step_it_goes_on_to_the_same_weights(
    tmp_path: Path, whole: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.training.engine.SAVE_EVERY", 0.0)  # as if every step took a minute
    for at in random.Random(0).sample(range(2, STEPS * EPOCHS), 12):
        folder = tmp_path / str(at)
        np.random.seed(0)  # noqa: NPY002
        with pytest.raises(Killed):
            train(folder, at=at, end=kill)
        np.random.seed(99)  # noqa: NPY002 - what comes of chance must come from the checkpoint
        assert same(train(folder, "resume"), whole), f"killed at step {at}"


def test_killed_many_times_it_still_ends_with_the_same_weights(tmp_path: Path, whole: Trained) -> None:
    for start, at in (("new", STEPS + 3), ("resume", 5), ("resume", STEPS + 9), ("resume", 2)):
        with pytest.raises(Killed):
            train(tmp_path, start, at=at, end=kill)
    assert same(train(tmp_path, "resume"), whole)


def test_ctrl_c_finishes_the_step_and_keeps_it(tmp_path: Path, whole: Trained) -> None:
    with pytest.raises(Stopped, match=f"Stopped after step {STEPS + 4}, in epoch 2 of {EPOCHS}"):
        train(tmp_path, at=STEPS + 4, end=lambda: os.kill(os.getpid(), signal.SIGINT))
    saved = checkpoints.newest(tmp_path)
    assert saved is not None
    assert saved["engine"]["iteration"] == STEPS + 4
    assert same(train(tmp_path, "resume"), whole)


def test_ctrl_c_in_the_last_step_of_an_epoch_still_measures_it(tmp_path: Path, whole: Trained) -> None:
    with pytest.raises(Stopped, match=f"Stopped after step {STEPS}, in epoch 1"):
        train(tmp_path, at=STEPS, end=lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert "accuracy" in (tmp_path / "history.csv").read_text()
    assert same(train(tmp_path, "resume"), whole)


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.training.stops.SAME_WISH", 0.0)
    before = signal.getsignal(signal.SIGINT)  # ignored, where the tests run in the background

    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, at=3, end=twice)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_finished_training_is_not_done_again(tmp_path: Path, whole: Trained) -> None:
    train(tmp_path)
    assert same(train(tmp_path, "resume", at=1, end=kill), whole)


def test_weights_are_loaded_without_training(tmp_path: Path, whole: Trained) -> None:
    train(tmp_path)
    outputs, _ = train(tmp_path, "load", at=1, end=kill)
    assert torch.equal(outputs, whole[0])
    with pytest.raises(KitError, match="There are no weights in"):
        train(tmp_path / "elsewhere", "load")


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    tmp_path: Path, whole: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Killed):
        train(tmp_path, at=2 * STEPS + 3, end=kill)
    older, newer = sorted(tmp_path.glob("last-*.pt"))
    content = bytearray(newer.read_bytes())
    content[len(content) // 2] ^= 1
    newer.write_bytes(content)
    assert same(train(tmp_path, "resume"), whole)
    assert "damaged checkpoint is passed over" in (said := capsys.readouterr().err)
    assert newer.name in said.replace("\n", "")
    assert older.name not in said.replace("\n", "")


def test_every_damage_to_the_content_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "last-00000001.pt"
    assert checkpoints.write(path, {"weights": torch.arange(3000.0), "step": 7})
    content = path.read_bytes()
    assert checkpoints.read(path)["step"] == 7
    with zipfile.ZipFile(path) as parts:
        data = next(part for part in parts.infolist() if part.file_size == 12_000)
    places = [
        random.Random(seed).randrange(data.header_offset + 200, data.header_offset + 12_000) for seed in range(40)
    ]
    for damaged in [
        content[: len(content) // 2],
        b"",
        *(content[:k] + bytes([content[k] ^ 8]) + content[k + 1 :] for k in places),
    ]:
        path.write_bytes(damaged)
        with pytest.raises(checkpoints.Damaged):
            checkpoints.read(path)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'owned'}",)

    torch.save({"done": Attack()}, tmp_path / "last-00000001.pt")
    torch.save({"weight": Attack()}, tmp_path / "best.pt")
    with pytest.raises(checkpoints.Damaged):
        checkpoints.read(tmp_path / "last-00000001.pt")
    with pytest.raises(KitError, match="cannot be used"):
        train(tmp_path, "load")
    assert not (tmp_path / "owned").exists()


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(tmp_path, at=STEPS + 2, end=kill)
    x, y = rings()
    run = Run(wanted_device="cpu", folder=tmp_path, start="resume", epochs=9)
    with pytest.raises(KitError, match="epochs 4, now 9, batch size 32, now 50"):
        training.fit(network(), x, y, run, loss=cross_entropy, epochs=1, batch_size=50, learning_rate=0.01, valid=0.2)


def test_a_new_training_takes_nothing_from_an_older_one_in_its_folder(tmp_path: Path, whole: Trained) -> None:
    np.random.seed(99)  # noqa: NPY002 - another training, further on
    with pytest.raises(Killed):
        train(tmp_path, at=3 * STEPS + 2, end=kill)
    np.random.seed(0)  # noqa: NPY002
    with pytest.raises(Killed):
        train(tmp_path, "new", at=STEPS + 2, end=kill)
    assert same(train(tmp_path, "resume"), whole)


def test_each_training_of_a_run_has_a_folder_of_its_own(tmp_path: Path) -> None:
    run = Run(folder=tmp_path, name="run")
    assert [run.claim(), run.claim(), run.part("a").claim(), run.part("a").claim()] == [
        tmp_path, tmp_path / "training-2", tmp_path / "a", tmp_path / "a" / "training-2"
    ]  # fmt: skip


def test_another_runs_weights_are_the_first_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path / "old")
    x, y = rings()
    wider = nn.Sequential(*list(network())[:-1], nn.Linear(32, 3))
    run = Run(wanted_device="cpu", folder=tmp_path / "new", weights_from=tmp_path / "old")
    options = {"loss": cross_entropy, "epochs": 1, "batch_size": 600, "learning_rate": 1e-12, "weight_decay": 0.0}
    model = training.fit(wider, x, y, run, **options)  # type: ignore[arg-type]
    kept = checkpoints.weights(tmp_path / "old")
    assert torch.allclose(model.state_dict()["0.weight"], kept["0.weight"], atol=1e-6)
    said = capsys.readouterr().err
    assert "7 of 9 weights fit" in said
    assert "new: 4.weight, 4.bias" in said.replace("\n", " ")
    strange = nn.Sequential(nn.Flatten(), nn.Linear(2, 7))
    other = Run(wanted_device="cpu", folder=tmp_path / "other", weights_from=tmp_path / "old")
    with pytest.raises(KitError, match="No weight of old fits"):
        training.fit(strange, x, y, other, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("padding", [None, 0])
def test_an_epoch_is_taken_up_in_its_middle(padding: int | None) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(1, 9, (205, 12), generator=generator)
    x[torch.arange(12) >= torch.randint(1, 13, (205, 1), generator=generator)] = 0
    batches = training.Batches([x, torch.arange(205)], 10, padding)
    torch.manual_seed(3)
    before = devices.random_state()
    whole = [(rows, float(torch.rand(1))) for _, rows in batches]
    for after in (1, 7, 20):
        devices.set_random_state(before)
        walk = iter(batches)
        for _ in range(after):
            next(walk)
            torch.rand(1)
        there = devices.random_state()
        torch.rand(100)
        devices.set_random_state(before)
        batches.go_on(after, there)
        rest = [(rows, float(torch.rand(1))) for _, rows in batches]
        assert len(rest) == len(whole) - after == len(batches) - after
        assert all(torch.equal(a, b) and c == d for (a, c), (b, d) in zip(whole[after:], rest, strict=True))
    assert sorted(torch.cat([rows for rows, _ in whole]).tolist()) == list(range(205))
