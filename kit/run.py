"""Run a baseline: train it, predict the test rows, submit; or go on with a run, or predict with one."""

import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from kit import api, render, runs, tasks, workspace
from kit.board import Board, Entry
from kit.errors import KitError, Stopped, did_you_mean
from kit.runs import Record, Settings
from kit.task import Array, Run, Start, Task


@dataclass(frozen=True)
class Trained:
    """What a baseline made: predictions for the test rows, on which device, in how many seconds."""

    predictions: Array
    device: str
    seconds: float


def baseline(
    task: str, name: str | None = None, *, seed: int | None = None, resume: bool = False, **options: Any
) -> Entry | None:
    """Train a task's baseline (the default one without a name), predict the test rows, submit; returns the entry.

    resume: go on with its latest unfinished run (of that seed), as it was started. options: see `Settings`.
    Everything stays in `runs/<task>/<id>/`. Under torchrun several processes train together; the first one submits, and
    the others return None.
    """
    wanted = settings(task, name, seed or 0, **options)
    if resume and (given := [what for what, value in options.items() if value not in (None, False, "auto")]):
        raise KitError(f"A run goes on with the settings it was started with: leave {', '.join(given)} out.")
    return go(wanted, (lambda: runs.unfinished(task, wanted.baseline, seed)) if resume else None)


def settings(
    task: str, name: str | None = None, seed: int = 0, weights_from: str | None = None, **options: Any
) -> Settings:
    """What to run, with its names checked. weights_from: a run, as `runs.find` takes it."""
    found = tasks.find(task)
    name = checked_baseline(found, name or found.baseline)
    if weights_from:
        weights_from = runs.find(task, weights_from).relative_to(workspace.root() / "runs").as_posix()
    return Settings(task, name, seed, weights_from=weights_from, **options)


def go(wanted: Settings, unfinished: Callable[[], tuple[Path, Record]] | None = None) -> Entry | None:
    """Run it and submit; or go on with an unfinished run."""
    start: Start = "resume" if unfinished else "new"
    if _join(wanted.device):
        told = _told(None)
        train(Settings(**told["settings"]), Path(told["folder"]), start)
        return None
    folder, record = unfinished() if unfinished else runs.create(wanted)
    if unfinished:
        render.note(f"Going on with {folder.name}, which was {record.state}")
    with runs.alone(folder):
        record = runs.begun(folder, record)
        runs.write(folder, record)
        _told({"folder": str(folder), "settings": asdict(record.settings)})
        return _run(folder, record, start)


def _run(folder: Path, record: Record, start: Start) -> Entry:
    """Train and submit, and keep the record of how it went."""
    begin = time.perf_counter()

    def ended(state: str, **facts: Any) -> None:
        seconds = round(record.seconds + time.perf_counter() - begin, 2)
        runs.write(folder, replace(record, state=state, seconds=seconds, since=None, **facts))

    try:
        trained = train(record.settings, folder, start)
        entry = submit(folder, record, replace(trained, seconds=record.seconds + trained.seconds))
    except (Stopped, KeyboardInterrupt) as stop:
        ended("stopped")
        again = f"kit baseline {record.settings.task} {record.settings.baseline} --resume"
        raise Stopped(f"{stop or 'Stopped.'}\nGo on: {again}") from stop
    except Exception as error:
        told = workspace.explained(error) if isinstance(error, OSError) else error
        with suppress(OSError):  # on a full disk; the first error is the one to tell
            ended("failed", error=str(told) if isinstance(told, KitError) else repr(error))
        raise
    ended("finished", metric=entry["metric"], score=entry["score"])
    return entry


def submit(folder: Path, record: Record, trained: Trained) -> Entry:
    """Submit what a run predicted, once: a run that was killed after its submission has its entry already."""
    wanted = record.settings
    if entry := next(Board().all(wanted.task, id=record.id), None):
        return entry
    save(folder / "predictions.npy", trained.predictions)  # whatever happens next, the work is not lost
    remarks = filter(None, [wanted.remark(), f"{_world()} processes" if _world() > 1 else ""])
    return api.submit(
        wanted.task,
        trained.predictions,
        name=wanted.baseline,
        note=", ".join(remarks),
        entry_id=record.id,
        baseline=True,
        seconds=round(trained.seconds, 2),
        device=trained.device,
        seed=wanted.seed,
    )


def train(wanted: Settings, folder: Path, start: Start = "new", source: str | None = None) -> Trained:
    """Train a baseline in a folder and predict the test rows; nothing is submitted.

    start: "load" takes the weights that are there and trains nothing. source: of the data, where a task has several.
    """
    data = api.load(wanted.task, source)
    data = data if wanted.rows is None else data.head(wanted.rows)
    run = Run(
        seed=wanted.seed,
        wanted_device=wanted.device,
        epochs=wanted.epochs,
        batch_size=wanted.batch_size,
        learning_rate=wanted.learning_rate,
        compile=wanted.compile,
        folder=folder,
        name=f"{wanted.task} {wanted.baseline}, seed {wanted.seed}",
        start=start,
        weights_from=workspace.root() / "runs" / wanted.weights_from if wanted.weights_from else None,
    )
    module = import_module(f"kit.tasks.{wanted.task}.baselines.{wanted.baseline}")
    seed_everything(wanted.seed)
    begin = time.perf_counter()
    predictions = module.predict(data, run)
    return Trained(predictions, run.used_device, time.perf_counter() - begin)


def predict(task: str, name: str, device: str = "auto") -> tuple[Array, Path]:
    """(the predictions of a run's best weights for the test rows, the run's folder); nothing is trained."""
    tasks.find(task)
    folder = runs.find(task, name)
    wanted = runs.read(folder).settings
    if not any(folder.rglob("best.pt")):
        made = folder / "predictions.npy"
        where = f" What it predicted is in {made}." if made.is_file() else ""
        raise KitError(f"{folder.name} has no weights to predict with.{where} Train it: kit baseline {task} {name}")
    return train(replace(wanted, device=device), folder, "load").predictions, folder


def save(path: Path, predictions: Array) -> None:
    """Write predictions as .npy, whole or not at all."""
    if path.suffix != ".npy":
        raise KitError(f"{path}: predictions are written as .npy; give a name that ends so.")
    with workspace.replacing(path) as file:
        np.save(file, predictions)


def checked_baseline(task: Task, name: str) -> str:
    """The baseline's name, if the task has it."""
    if name not in (known := list(tasks.baselines(task))):
        raise KitError(f"{task.name} has no baseline {name!r}. {did_you_mean(name, known)}")
    return name


def seed_everything(seed: int) -> None:
    """Seed python, numpy and, where the baseline uses it, torch: same seed and machine, same score."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries draw from numpy's global state
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False


def _world() -> int:
    """How many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _join(device: str) -> int:
    """Become one of several processes where torchrun started them; this one's number."""
    if _world() == 1:
        return 0
    from kit.training import devices

    devices.join(devices.choose_device(device))
    if devices.rank():
        render.hush()
    return devices.rank()


def _told(value: Any) -> Any:
    """What the first of several processes says, in all of them."""
    if _world() == 1:
        return value
    from kit.training import devices

    return devices.same(value)
