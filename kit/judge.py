"""Score a kept submission again, and compare everything that its entry and its files say with what comes out."""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit import archive, legacy, predictions, scoring, store
from kit.board import Entry
from kit.errors import KitError, shown
from kit.prepared import Prepared
from kit.task import Answers, Array, Task

TOLERANCE = 1e-9  # relative; another processor may round the last digits of a logarithm another way
_COLUMNS = {"score": "all", "score_public": "public", "score_private": "private"}


@dataclass(frozen=True)
class Derived:
    """What an entry must say, and the arrays that must be kept beside its predictions."""

    fields: dict[str, Any]
    scores: dict[str, Any]
    coverage: dict[str, float]
    arrays: dict[str, Array]


class Judge:
    """Scores the entries of one task on one set of answers; their fingerprints are computed afresh from them."""

    def __init__(self, task: Task, kept: Prepared) -> None:
        self.task, self.spec, self.source = task, kept.spec, kept.source
        self.answers = Answers(kept.answers.truth, kept.answers.groups, kept.answers.public, kept.spec.ids)
        self.fingerprints = self.answers.fingerprint, self.answers.fingerprint_v1
        if self.fingerprints != kept.fingerprints:
            raise KitError(
                f"the answers of {task.name} in {kept.folder} were changed since they were prepared; "
                f"`kit data {task.name} --refresh` prepares them anew"
            )

    def faults(self, row: Entry, file: Path, sums: Path) -> tuple[list[str], bool]:
        """Everything in the entry and its two files that is not what its predictions give.

        And whether the file of row sums is what they give: then these are the answers that the entry was scored on.
        """
        try:
            array = predictions.read(file, self.spec)
        except KitError as error:
            return [f"its predictions are not valid: {error}"], False
        right = self._derive(row, array)
        of_arrays = list(_array_faults(sums, right.arrays))
        of_file = [] if _as_written(file, array) else [f"{file.name} is not as the kit writes predictions"]
        return [*of_file, *_field_faults(row, right), *of_arrays], not of_arrays

    def _derive(self, row: Entry, array: Array) -> Derived:
        first, task = self.task.metrics[0], (self.task.metrics, array, self.answers, self.spec)
        fields = {"metric": first.name, "higher_is_better": first.higher_is_better, "source": self.source}
        if row["seal"] == 1:
            return Derived({**fields, "metric_version": 1}, *legacy.score(*task))
        card = scoring.score(*task)
        version = card.versions.get(first.name, 1)
        return Derived({**fields, "metric_version": version}, card.json(), card.coverage, store.sums_arrays(card))


def _field_faults(row: Entry, right: Derived) -> Iterator[str]:
    for name, value in right.fields.items():
        if row[name] != value or type(row[name]) is not type(value):
            yield f"its {name} is {row[name]!r}; {value!r} is expected"
    scores, coverage = _opened(row, "scores"), _opened(row, "coverage")
    if not _same(coverage, right.coverage, 1.0):
        yield f"its coverage is {shown(row['coverage'], 80)}; its predictions give {right.coverage}"
    if scores is None:
        yield f"its scores cannot be read: {shown(row['scores'], 80)}"
        return
    for metric in sorted(scores.keys() | right.scores.keys()):
        mine, its = scores.get(metric), right.scores.get(metric)
        scale = float(_largest(right.arrays[f"replicates.{metric}"])) if its else 1.0
        if not _same(mine, its, scale):
            yield f"its {shown(metric)} is {_in_short(mine)}; its predictions give {_in_short(its)}"
    ranked = scores.get(right.fields["metric"])
    for column, part in _COLUMNS.items():
        triple = ranked.get(part) if isinstance(ranked, dict) else None
        value = triple[0] if isinstance(triple, list) and triple else None
        if row[column] != value:
            yield f"its {column} is {row[column]}; its scores say {value}"


def _as_written(file: Path, array: Array) -> bool:
    """Whether a file holds its predictions and nothing else, byte for byte as the kit writes them."""
    written = store.write_predictions(_Nowhere(), array)  # type: ignore[arg-type]
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest() == written


class _Nowhere:
    def write(self, _: bytes) -> None:
        pass


def _array_faults(path: Path, right: dict[str, Array]) -> Iterator[str]:
    expected = sum(array.nbytes for array in right.values())
    try:
        kept = archive.read(path, most=2 * expected + (1 << 20))
    except KitError as error:
        yield f"{path.name} {error}"
        return
    for name in sorted(kept.keys() | right.keys()):
        if name not in right:
            yield f"{path.name} holds {name!r}, which it should not"
        elif name not in kept:
            yield f"{path.name} lacks {name!r}"
        elif kept[name].shape != right[name].shape or kept[name].dtype != right[name].dtype:
            one, other = (f"{array.dtype} {array.shape}" for array in (kept[name], right[name]))
            yield f"{path.name}: {name} is {one}; {other} is expected"
        elif not _close(kept[name], right[name], name == "sums"):
            what = "row sums are" if name == "sums" else f"{name} is"
            yield f"its {what} not what its predictions give"


def _close(kept: Array, right: Array, by_column: bool) -> bool:
    """Equal up to rounding, next to the largest value: of a column of sums, or of all values on the resamples."""
    if kept.dtype.kind != "f":
        return bool(np.array_equal(kept, right))
    near = TOLERANCE * _largest(right, axis=0 if by_column else None)
    with np.errstate(invalid="ignore"):
        return bool(((np.abs(kept - right) <= near) | (np.isnan(kept) & np.isnan(right)) | (kept == right)).all())


def _largest(array: Array, axis: int | None = None) -> Any:
    """The largest absolute value; 0 where there is none."""
    return np.abs(np.nan_to_num(array, posinf=0, neginf=0)).max(axis=axis, initial=0)


def _same(a: Any, b: Any, scale: float) -> bool:
    """Equal up to rounding, through dicts and lists. scale: how large such numbers are."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key], scale) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(*pair, scale) for pair in zip(a, b, strict=True))
    if not isinstance(a, int | float) or not isinstance(b, int | float) or isinstance(a, bool):
        return a is None and b is None
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE * scale)


def _opened(row: Entry, column: str) -> dict[str, Any] | None:
    try:
        found = json.loads(row[column])
    except (ValueError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _in_short(parts: Any) -> str:
    return "missing" if parts is None else shown(json.dumps(parts), 200)
