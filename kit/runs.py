"""Runs: a folder each under `runs/<task>/`, with its record, checkpoints, events, pictures and predictions."""

import csv
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kit import tasks, workspace
from kit.errors import KitError, did_you_mean, first_line, shown
from kit.settings import Settings as Settings

_OWN = ("run.json", ".lock")  # what a run's folder holds before the baseline has made anything


@dataclass(frozen=True)
class Record:
    """What is known of a run; kept as `run.json` in its folder. Its id is that of its entry on the board too.

    state: running, finished, stopped (by the user), failed, or sent (to a cluster, and not back yet). Of those that are
        read, one may be killed, or damaged.
    seconds: of training, before `since`. score: over all test rows.
    since: when the part of it that is under way, or was killed, began (Unix time).
    trained_on, machine: data, code and versions, and where it was computed (see `provenance`); None in old records.
    """

    id: str
    settings: Settings
    started: str
    state: str = "running"
    seconds: float = 0.0
    since: float | None = field(default_factory=time.time)
    metric: str | None = None
    score: float | None = None
    error: str | None = None
    trained_on: dict[str, Any] | None = None
    machine: dict[str, Any] | None = None


def create(settings: Settings, state: str = "running", trained_on: Any = None) -> tuple[Path, Record]:
    """A new run with a folder of its own."""
    now = datetime.now(UTC)
    name = f"{now:%Y%m%d-%H%M%S}-{settings.baseline}-{settings.seed}-{secrets.token_hex(2)}"
    folder = workspace.runs(settings.task) / name
    record = Record(name, settings, now.isoformat(timespec="seconds"), state, trained_on=trained_on)
    write(folder, record)
    return folder, record


def discard(folder: Path) -> None:
    """Remove the folder of a run that was refused before it made anything; one that holds more stays."""
    if all(file.name in _OWN for file in folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)


def write(folder: Path, record: Record) -> None:
    with workspace.replacing(folder / "run.json") as file:
        file.write(json.dumps(asdict(record), indent=1).encode())


def read(folder: Path) -> Record:
    """A run's record. One that claims to run, but that no process works on, was killed."""
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        record = Record(**{**found, "settings": Settings(**found["settings"])})
        _check_types(record)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        words = first_line(error)
        raise KitError(f"{folder} holds no readable run.json: {words}. Delete the folder, or mend the file.") from error
    return replace(record, state="killed") if record.state == "running" and not in_use(folder) else record


def _check_types(record: Record) -> None:
    """ValueError where a field of a record that was read holds what none can hold."""
    number, text = int | float | None, str | None
    may_be_none = {
        "metric": text,
        "error": text,
        "weights_from": text,
        "trained_on": dict | None,
        "machine": dict | None,
    }
    numbers = dict.fromkeys(("score", "since", "learning_rate"), number)
    counts = dict.fromkeys(("epochs", "rows", "batch_size"), int | None)
    others = {"seconds": int | float, "seed": int, "compile": bool, "submit": bool, "settings": Settings}
    types: dict[str, Any] = {**may_be_none, **numbers, **counts, **others}
    for part in (record, record.settings):
        for name, value in vars(part).items():
            if not isinstance(value, types.get(name, str)):
                raise ValueError(f"{name} is {shown(repr(value))}")


def every(task: str | None = None, damaged: bool = False) -> list[tuple[Path, Record]]:
    """The runs of one task, or of all, the oldest first.

    damaged: a run whose record cannot be read is there too, in a state of this name; without it, a KitError.
    """
    files = sorted((workspace.root() / "runs").glob(f"{task or '*'}/*/run.json"))
    return [(file.parent, (_read_or_damaged if damaged else read)(file.parent)) for file in files]


def _read_or_damaged(folder: Path) -> Record:
    try:
        return read(folder)
    except KitError as error:
        unknown = Settings(folder.parent.name, "?")
        return Record(folder.name, unknown, "", state="damaged", since=None, error=str(error))


def find(task: str, name: str) -> Path:
    """The folder of a run: by its id, the beginning of one, or a baseline's name, for its latest run with weights.

    A run of another task is named with it, such as sentiment/bigru.
    """
    other, slash, rest = name.partition("/")
    if slash:
        return find(tasks.find(other).name, rest)
    found = every(task, damaged=True)
    same = [folder for folder, record in found if record.settings.baseline == name]
    same = [folder for folder in same if any(folder.rglob("best.pt"))] or same
    named = same or [folder for folder, record in found if record.id.startswith(name)]
    if not named:
        known = [record.id for _, record in found]
        raise KitError(f"{task} has no run {name!r}. {did_you_mean(name, known[-10:])}")
    if not same and len(named) > 1:
        raise KitError(f"{len(named)} runs begin with {name!r}: {', '.join(folder.name for folder in named[:5])}.")
    return named[-1]


def unfinished(task: str, baseline: str, seed: int | None) -> tuple[Path, Record]:
    """The latest run of a baseline that can go on; with a certain seed, where one is given.

    One that was stopped or killed comes before any that failed: what made that one fail is likely still there.
    """
    found = [
        (folder, record)
        for folder, record in reversed(every(task, damaged=True))
        if record.settings.baseline == baseline and seed in (None, record.settings.seed) and not _ended(folder, record)
    ]
    if found:
        return next((one for one in found if one[1].state != "failed"), found[0])
    of_seed = "" if seed is None else f" with seed {seed}"
    raise KitError(
        f"{baseline} has no unfinished run{of_seed} that could go on. Start one: kit baseline {task} {baseline}"
    )


def chosen(task: str, name: str) -> tuple[Path, Record]:
    """The run of that id, or whose id begins so; KitError where it cannot go on."""
    folder = find(task, name)
    record = read(folder)
    if why := _ended(folder, record):
        raise KitError(f"{record.id} cannot go on: {why}.")
    return folder, record


def _ended(folder: Path, record: Record) -> str:
    """Why a run cannot go on; "" where it can."""
    reasons = {
        "finished": "it is finished",
        "running": "another process is working on it",
        "sent": "it is out on a cluster",
        "damaged": "its run.json cannot be read",
        "failed": "" if any(folder.rglob("last-*.pt")) else f"it failed before it saved anything: {record.error}",
    }
    return reasons.get(record.state, "")


def begun(folder: Path, record: Record) -> Record:
    """The record of a run that goes on now. What a killed part of it took is told by what it wrote last."""
    took = max(0.0, _last_written(folder) - record.since) if record.since else 0.0
    return replace(record, state="running", error=None, seconds=round(record.seconds + took, 2), since=time.time())


def _last_written(folder: Path) -> float:
    return max((file.stat().st_mtime for file in folder.rglob("*") if file.name not in _OWN), default=0)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time works on a run."""
    try:
        with workspace.locked(folder / ".lock", timeout=1):  # who only looks whether it is in use has it for a moment
            yield
    except workspace.Busy as error:
        raise KitError(f"Another process is working on {folder.name}. Wait for it, or start a new run.") from error


def in_use(folder: Path) -> bool:
    return workspace.is_locked(folder / ".lock")


def histories(folder: Path) -> list[list[dict[str, Any]]]:
    """What each training of a run measured after each epoch: epoch, step, loss, perhaps a metric, and so on."""
    return [_history(file) for file in sorted(folder.rglob("history.csv"))]


def _history(file: Path) -> list[dict[str, Any]]:
    """The lines of a history up to the first that cannot be read, as where a process was killed while it wrote."""
    rows: list[dict[str, Any]] = []
    with suppress(OSError, ValueError, TypeError, csv.Error), file.open(encoding="utf-8", newline="") as lines:
        rows.extend({name: float(value) for name, value in row.items()} for row in csv.DictReader(lines))
    return [row for row in rows if "best" in row]


def progress(folder: Path) -> tuple[int, dict[str, float]]:
    """(epochs done in all trainings of a run, the best measure on rows held out, averaged over its trainings)."""
    known = ("epoch", "step", "loss", "learning_rate", "seconds", "best")
    done = [history for history in histories(folder) if history]
    best = [[row for row in history if row["best"]][-1:] for history in done]
    measures = [{name: value for name, value in row.items() if name not in known} for rows in best for row in rows]
    means = {name: sum(row[name] for row in measures) / len(measures) for row in measures for name in row}
    return sum(len(history) for history in done), means


def watch(task: str | None, port: int) -> None:
    """Start TensorBoard on the runs of a task, or of all, in place of this process; Ctrl-C ends it."""
    folder = workspace.root() / "runs" / (task or "")
    if not any(folder.rglob("events.out.tfevents.*")):
        raise KitError(f"There is nothing to watch in {folder} yet. Train a network first: kit baseline mnist cnn")
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", str(port)]
    if os.name == "nt":  # there execv quotes no blanks, and the prompt would be back at once
        sys.exit(subprocess.call(command))
    os.execv(sys.executable, command)
