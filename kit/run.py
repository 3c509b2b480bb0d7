"""Run a baseline, then submit what it predicted."""

import random
import sys
import time
from datetime import UTC, datetime
from importlib import import_module

import numpy as np

from kit import api, tasks, workspace
from kit.board import Entry
from kit.errors import KitError, did_you_mean
from kit.task import Run, Task


def baseline(
    task: str,
    name: str | None = None,
    *,
    seed: int = 0,
    device: str = "auto",
    epochs: int | None = None,
    rows: int | None = None,
) -> Entry:
    """Train a task's baseline (the default one without a name), predict the test rows, submit; returns the entry.

    rows: train on the first so many rows only. Its predictions and logs stay in `runs/<task>/<id>/`.
    """
    found = tasks.find(task)
    name = checked_baseline(found, name or found.baseline)
    data = api.load(task)
    data = data if rows is None else data.head(rows)
    folder = workspace.runs(task) / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{name}-{seed}"
    run = Run(seed=seed, wanted_device=device, epochs=epochs, folder=folder)
    module = import_module(f"kit.tasks.{task}.baselines.{name}")
    seed_everything(seed)
    start = time.perf_counter()
    predictions = module.predict(data, run)
    seconds = time.perf_counter() - start
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "predictions.npy", predictions)  # whatever happens to the submission, the work is not lost
    note = ", ".join(f"{what} {n:,}" for what, n in (("epochs", epochs), ("rows", rows)) if n is not None)
    return api.submit(
        task,
        predictions,
        name=name,
        note=note,
        baseline=True,
        seconds=round(seconds, 2),
        device=run.used_device,
        seed=seed,
    )


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
