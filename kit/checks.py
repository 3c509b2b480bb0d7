"""What can be wrong with a Task and its Data. `kit.answers` looks at the Spec and the Answers.

Every check returns its faults, one sentence each: what is wrong, what is expected, what to do. `prepare` puts all of
them into one message that names the task.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kit.errors import TaskError, did_you_mean, shown
from kit.metrics import Metric, WholeMetric
from kit.task import Data, Spec, Task

_EXAMPLE = "write metrics=(accuracy, log_loss), with `from kit.metrics import accuracy, log_loss`"


def missing_faults(task: Task) -> list[str]:
    """What a Task still lacks before anything can be scored: it can be found and shown without."""
    wrong = [name for name in ("load", "answers") if not callable(getattr(task, name))]
    faults = [f"{name} is {kind_of(getattr(task, name))}; a function is expected." for name in wrong]
    return faults if task.metrics else [*faults, f"it has no metric; the first one ranks: {_EXAMPLE}."]


def task_faults(task: Task) -> list[str]:
    """What is wrong with the Task itself; looks at no file."""
    faults = []
    if not is_line(task.title):
        faults.append(f"its title is {task.title!r}; one line of text is expected.")
    if not isinstance(task.baseline, str):
        faults.append(f"baseline is {kind_of(task.baseline)}; the name of a baseline is expected.")
    if isinstance(task.sources, str) or not all(map(_is_file_name, task.sources)):
        faults.append(f"sources is {task.sources!r}; a tuple of names is expected, of letters, digits, - and _ only.")
    elif len(set(task.sources)) < len(task.sources):
        faults.append(f"sources has a name twice: {', '.join(task.sources)}.")
    return faults + _metric_faults(task.metrics)


def _metric_faults(metrics: Any) -> list[str]:
    if isinstance(metrics, str | Metric | WholeMetric) or not isinstance(metrics, Sequence):
        return [f"metrics is {kind_of(metrics)}; a tuple of metrics is expected: {_EXAMPLE}."]
    faults = [
        f"the metric {shown(getattr(each, '__name__', each))!r} is {kind_of(each)}; a Metric is expected: {_EXAMPLE}."
        for each in metrics
        if not isinstance(each, Metric | WholeMetric)
    ]
    proper = [each for each in metrics if isinstance(each, Metric | WholeMetric)]
    names = [each.name for each in proper]
    for each in proper:
        if not is_line(each.name):
            faults.append(f"a metric's name is {each.name!r}; one line of text is expected.")
        if not isinstance(each.higher_is_better, bool):
            faults.append(f"higher_is_better of {each.name!r} is {each.higher_is_better!r}; True or False is expected.")
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        faults.append(f"two metrics are named {', '.join(twice)}; rename one: replace(metric, name=...).")
    return faults


def baseline_faults(task: Task) -> list[str]:
    """A default baseline that the folder does not hold; a task may have no baselines at all."""
    known = sorted(file.stem for file in (task.folder / "baselines").glob("[!_]*.py"))
    if not known or task.baseline in known:
        return []
    return [f"its default baseline {task.baseline!r} is not in baselines/. {did_you_mean(task.baseline, known)}"]


def data_faults(data: Any) -> list[str]:
    """What is wrong with what load() returned; the Spec's own faults come with the answers'."""
    if not isinstance(data, Data):
        return [f"load() returned {kind_of(data)}; a Data is expected."]
    if not isinstance(data.spec, Spec):
        return [f"Data.spec is {kind_of(data.spec)}; a Spec is expected."]
    faults = []
    if not is_line(data.source):
        faults.append(f"Data.source is {data.source!r}; one line that says where the data came from is expected.")
    rows = {name: _length(getattr(data, name)) for name in ("x_train", "y_train", "x_test")}
    faults += [f"Data.{name} is {kind_of(getattr(data, name))}, without rows." for name in rows if rows[name] is None]
    if None not in (rows["x_train"], rows["y_train"]) and rows["x_train"] != rows["y_train"]:
        faults.append(
            f"Data.x_train has {rows['x_train']:,} rows and y_train {rows['y_train']:,}; as many are expected."
        )
    if rows["x_test"] not in (None, len(data.spec.ids)):
        faults.append(f"Data.x_test has {rows['x_test']:,} rows; {len(data.spec.ids):,} are expected, one for each id.")
    if data.groups is not None and rows["x_train"] is not None:
        faults += group_faults("Data.groups", data.groups, rows["x_train"])
    return faults


def group_faults(name: str, given: Any, n_rows: int) -> list[str]:
    groups = np.asarray(given)
    faults = []
    if groups.shape != (n_rows,):
        faults.append(f"{name} has shape {groups.shape}; {(n_rows,)} is wanted, one group a row.")
    if groups.dtype.kind not in "iuUS" and not (
        groups.dtype == object and all(type(one) is str for one in groups.flat)
    ):
        faults.append(f"{name} holds {groups.dtype}; whole numbers (or names) are expected, and every row needs one.")
    return faults


def raise_any(name: str, faults: Sequence[str]) -> None:
    if faults:
        raise TaskError(name, faults)


def is_line(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip()) and text.isprintable()


def _is_file_name(text: object) -> bool:
    return isinstance(text, str) and bool(text) and text.replace("-", "").replace("_", "").isalnum()


def kind_of(value: object) -> str:
    if callable(value) and hasattr(value, "__name__") and not isinstance(value, type):
        return f"a function ({value.__name__})"
    return f"of type {type(value).__name__}" if value is not None else "None"


def _length(rows: Any) -> int | None:
    shape = getattr(rows, "shape", None)
    if isinstance(shape, tuple) and shape:
        return int(shape[0])
    return len(rows) if hasattr(rows, "__len__") and shape != () else None
