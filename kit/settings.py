"""What a run is asked to do, checked before anything else is done."""

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kit import code, tasks, workspace
from kit.errors import KitError, did_you_mean
from kit.task import Task

MOST_SEED, MOST = 2**32 - 1, 2**31 - 1  # numpy takes no larger seed, and libraries in C no larger count
FLAGS = {
    "device": "--device",
    "epochs": "--epochs",
    "rows": "--rows",
    "batch_size": "--batch-size",
    "learning_rate": "--learning-rate",
    "compile": "--compile",
    "weights_from": "--from",
}


@dataclass(frozen=True)
class Settings:
    """What was asked for. None leaves a number to the baseline.

    weights_from: the folder of another run, within `runs/`. submit: whether what the run predicts goes on the board.
    """

    task: str
    baseline: str
    seed: int = 0
    device: str = "auto"
    epochs: int | None = None
    rows: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    compile: bool = False
    weights_from: str | None = None
    submit: bool = True

    def remark(self) -> str:
        """What is not as the baseline has it, in words; "" where everything is."""
        numbers = {"epochs": self.epochs, "rows": self.rows, "batch size": self.batch_size}
        words = [f"{what} {number:,}" for what, number in numbers.items() if number is not None]
        words += [f"learning rate {self.learning_rate:g}"] if self.learning_rate is not None else []
        words += ["compiled"] if self.compile else []
        return ", ".join([*words, f"from {self.weights_from}"] if self.weights_from else words)

    def given(self) -> dict[str, Any]:
        """The options (see `FLAGS`) that ask a baseline for something; the processor is there for everybody."""
        asked = {name: value for name in FLAGS if asks(value := getattr(self, name))}
        return {name: value for name, value in asked.items() if (name, value) not in NOTHING}

    def weights(self) -> Path | None:
        """The folder of the run whose weights are the first ones."""
        return workspace.root() / "runs" / self.weights_from if self.weights_from else None


NOTHING = {("device", "auto"), ("device", "cpu")}


def asks(value: Any) -> bool:
    """Whether an option was given; 0 is a number like others."""
    return value is not None and value is not False


def checked(wanted: Settings) -> Settings:
    """The settings as plain values, where the baseline can be run so on this machine; else a KitError with every fault.

    The number of rows is compared with the data when that is loaded.
    """
    task = tasks.find(wanted.task)
    baseline = checked_baseline(task, wanted.baseline)
    faults: list[str] = []
    plain: dict[str, Any] = {"seed": _whole("--seed", wanted.seed, 0, MOST_SEED, faults)}
    for name in ("epochs", "rows", "batch_size"):
        plain[name] = _whole(FLAGS[name], getattr(wanted, name), 1, MOST, faults)
    plain["learning_rate"] = _rate(wanted.learning_rate, faults)
    given = wanted.given()
    faults += unread(baseline, given, code.of(task, baseline).reads())
    if "device" in given:
        from kit.training import choose_device

        try:
            choose_device(wanted.device)
        except KitError as error:
            faults.append(str(error))
    if (weights := wanted.weights()) and not any(weights.rglob("best.pt")):
        faults.append(f"--from {wanted.weights_from}: that run has no weights to start from.")
    if faults:
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise KitError(faults[0] if len(faults) == 1 else f"{task.name} {baseline} cannot be run so:{listed}")
    return replace(wanted, **plain)


def unread(baseline: str, given: Iterable[str], read: Iterable[str]) -> list[str]:
    """A fault for the options that were given to a baseline which reads others, or none; [] where there are none."""
    if not (wrong := [FLAGS[name] for name in given if name not in read]):
        return []
    known = ", ".join(FLAGS[name] for name in FLAGS if name in read) or "none"
    return [f"{baseline} reads no {', no '.join(wrong)}. Of such options it reads: {known}."]


def checked_baseline(task: Task, name: str) -> str:
    """The baseline's name, if the task has it."""
    if name not in (known := list(tasks.baselines(task))):
        raise KitError(f"{task.name} has no baseline {name!r}. {did_you_mean(name, known)}")
    return name


def _whole(flag: str, value: Any, least: int, most: int, faults: list[str]) -> int | None:
    """A whole number within limits, or None as it is."""
    if value is None:
        return None
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = -1
    if not least <= number <= most:
        faults.append(f"{flag} {value}: a whole number from {least} to {most:,} is wanted.")
    return number


def _rate(value: Any, faults: list[str]) -> float | None:
    if value is None:
        return None
    try:
        rate = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError):
        rate = math.nan
    if not (math.isfinite(rate) and rate >= 0):
        faults.append(f"--learning-rate {value}: a number from 0 up is wanted.")
    return rate
