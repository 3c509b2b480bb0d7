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

from kit import api, code, provenance, render, runs, tasks, workspace
from kit.board import Board, Entry
from kit.errors import KitError, Stopped
from kit.runs import Record
from kit.settings import FLAGS, Settings, asks, checked, checked_baseline, unread
from kit.task import Array, Data, Run, Start


@dataclass(frozen=True)
class Trained:
    """What a baseline made: predictions for the test rows, on which device, in how many seconds.

    unread: options that were given and that it never read. machine: where (see `provenance.machine`).
    """

    predictions: Array
    device: str
    seconds: float
    unread: tuple[str, ...] = ()
    machine: dict[str, Any] | None = None


Begun = tuple[Path, Record, Data]  # a run at its beginning: its folder, its record, what it is trained on


def baseline(
    task: str, name: str | None = None, *, seed: int | None = None, resume: bool = False, **options: Any
) -> Entry | None:
    """Train a task's baseline (the default one without a name), predict the test rows, submit; returns the entry.

    resume: go on with its latest unfinished run (of that seed), or with the run whose id stands for the name, as it was
    started. options: see `Settings`; with submit=False nothing goes on the board, and there is no entry to return.
    Everything stays in `runs/<task>/<id>/`. Under torchrun several processes train together; the first one submits, and
    the others return None. Raises KitError, with nothing made, where the settings do not fit.
    """
    if resume:
        return _go(lambda: _unfinished(task, name, seed, options), "resume", options.get("device", "auto"))
    return go(settings(task, name, seed or 0, **options))


def settings(
    task: str, name: str | None = None, seed: int = 0, weights_from: str | None = None, **options: Any
) -> Settings:
    """What to run, checked. weights_from: a run, as `runs.find` takes it."""
    found = tasks.find(task)
    name = checked_baseline(found, name or found.baseline)
    if weights_from:
        weights_from = runs.find(task, weights_from).relative_to(workspace.root() / "runs").as_posix()
    return checked(Settings(task, name, seed, weights_from=weights_from, **options))


def go(wanted: Settings) -> Entry | None:
    """Run it, and submit what it predicts."""
    return _go(lambda: _new(wanted), "new", wanted.device)


def _go(begin: Callable[[], Begun], start: Start, device: str) -> Entry | None:
    if _join(device):
        told = _told(None)
        wanted = Settings(**told["settings"])
        train(wanted, Path(told["folder"]), load(wanted), start)
        return None
    folder, record, data = begin()
    try:
        with runs.alone(folder):
            record = runs.begun(folder, record)
            runs.write(folder, record)
            _told({"folder": str(folder), "settings": asdict(record.settings)})
            return _run(folder, record, data, start)
    except KitError as error:
        if start == "new" and not isinstance(error, Stopped):
            runs.discard(folder)
        raise


def _new(wanted: Settings) -> Begun:
    data = load(wanted)
    folder, record = runs.create(wanted, trained_on=provenance.of(wanted, data))
    return folder, record, data


def _unfinished(task: str, name: str | None, seed: int | None, options: dict[str, Any]) -> Begun:
    """The run to go on with, where the same settings are given (or none), and it still is what it was trained on."""
    found = tasks.find(task)
    name = name or found.baseline
    folder, record = runs.unfinished(task, name, seed) if name in tasks.baselines(found) else runs.chosen(task, name)
    wanted = _same(record, {"seed": seed, **options})
    checked_baseline(found, wanted.baseline)
    render.note(f"Going on with {folder.name}, which was {record.state}")
    data = load(wanted)
    if record.trained_on is None:
        render.note("Its record is of an older version and does not say what it was trained on: nobody can compare.")
    elif changed := provenance.differences(record.trained_on, now := provenance.of(wanted, data)):
        listed = "".join(f"\n  - {change}" for change in changed)
        weights = f", or from its weights: --from {record.id}" if any(folder.rglob("best.pt")) else ""
        again = f"kit baseline {task} {wanted.baseline}"
        raise KitError(f"{record.id} cannot go on, for not all is as it was:{listed}\nStart anew: {again}{weights}")
    else:
        record = replace(record, trained_on=now)
    return folder, replace(record, settings=wanted), data


def _same(record: Record, given: dict[str, Any]) -> Settings:
    """The settings of a run to go on with; KitError where others are given. Another device may be."""
    wanted = record.settings
    if source := given.pop("weights_from", None):
        source = runs.find(wanted.task, source).relative_to(workspace.root() / "runs").as_posix()
    submit, device = given.pop("submit", True), given.pop("device", "auto")
    asked = {name: value for name, value in {"weights_from": source, **given}.items() if asks(value)}
    other = {name: value for name, value in asked.items() if value != getattr(wanted, name)}
    if other:
        listed = ", ".join(
            f"{FLAGS.get(name, '--seed')} {value} (it was {_was(getattr(wanted, name))})"
            for name, value in other.items()
        )
        raise KitError(
            f"{record.id} goes on with the settings it was started with, and these differ: {listed}. "
            "Leave them out, or start a new run without --resume."
        )
    return replace(wanted, submit=wanted.submit and submit, device=wanted.device if device == "auto" else device)


def _was(value: Any) -> str:
    return str(value) if asks(value) else "not given"


def _run(folder: Path, record: Record, data: Data, start: Start) -> Entry | None:
    """Train and submit, and keep the record of how it went."""
    begin = time.perf_counter()

    def ended(state: str, **facts: Any) -> None:
        seconds = round(record.seconds + time.perf_counter() - begin, 2)
        runs.write(folder, replace(record, state=state, seconds=seconds, since=None, **facts))

    try:
        trained = train(record.settings, folder, data, start)
        record = replace(record, machine=trained.machine)
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
    ended("finished", **({"metric": entry["metric"], "score": entry["score"]} if entry else {}))
    return entry


def submit(folder: Path, record: Record, trained: Trained) -> Entry | None:
    """Submit what a run predicted, once: a run that was killed after its submission has its entry already.

    None where it was to be tried only.
    """
    wanted, file = record.settings, folder / "predictions.npy"
    if entry := next(Board().all(wanted.task, id=record.id), None):
        return entry
    save(file, trained.predictions)  # whatever happens next, the work is not lost
    if fault := unread(wanted.baseline, trained.unread, set(FLAGS) - set(trained.unread)):
        raise KitError(f"{fault[0]} Nothing is submitted; what it predicts without is in {file}.")
    if not wanted.submit:
        api.check(wanted.task, file)
        render.note(f"Not submitted: {file}\nSubmit it later: kit submit {wanted.task} {file}")
        return None
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


def load(wanted: Settings, source: str | None = None) -> Data:
    """What the baseline is given: all training rows, or the first ones. source: where a task has several."""
    data = api.load(wanted.task, source)
    return data if wanted.rows is None else data.head(wanted.rows)


def train(wanted: Settings, folder: Path, data: Data, start: Start = "new") -> Trained:
    """Train a baseline in a folder and predict the test rows; nothing is submitted.

    start: "load" takes the weights that are there and trains nothing.
    """
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
        weights_from=wanted.weights(),
    )
    module = import_module(f"kit.tasks.{wanted.task}.baselines.{wanted.baseline}")
    seed_everything(wanted.seed)
    begin = time.perf_counter()
    predictions = module.predict(data, run)
    seconds = time.perf_counter() - begin
    ignored = tuple(name for name in wanted.given() if name not in (*run.read, "rows"))
    machine = provenance.machine(code.of(tasks.find(wanted.task), wanted.baseline).packages)
    return Trained(predictions, run.used_device, seconds, ignored, machine)


def predict(task: str, name: str, device: str = "auto") -> tuple[Array, Path]:
    """(the predictions of a run's best weights for the test rows, the run's folder); nothing is trained."""
    folder = runs.find(task, name)
    record = runs.read(folder)
    wanted = replace(record.settings, device=device)
    if not any(folder.rglob("best.pt")):
        made = folder / "predictions.npy"
        where = f" What it predicted is in {made}." if made.is_file() else ""
        raise KitError(f"{folder.name} has no weights to predict with.{where} Train it: kit baseline {task} {name}")
    checked_baseline(tasks.find(wanted.task), wanted.baseline)
    data = load(wanted)
    if record.trained_on and (changed := provenance.differences(record.trained_on, provenance.of(wanted, data))):
        listed = "".join(f"\n  - {change}" for change in changed)
        render.note(f"Not all is as it was when {folder.name} was trained; it predicts with what is here now.{listed}")
    return train(wanted, folder, data, "load").predictions, folder


def save(path: Path, predictions: Array) -> None:
    """Write predictions as .npy, whole or not at all."""
    if path.suffix != ".npy":
        raise KitError(f"{path}: predictions are written as .npy; give a name that ends so.")
    with workspace.replacing(path) as file:
        np.save(file, predictions)


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
