"""Check a board against its own hashes and files: nothing changed, nothing missing, every score what the files give."""

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from kit import predictions, prepare, scoring, store, tasks, workspace
from kit.board import GENESIS, Board, Entry, seal
from kit.errors import KitError, PredictionError
from kit.task import Answers, Task

TOLERANCE = 1e-9  # relative; another processor may round the last digits of a logarithm another way


def verify(task: str | None = None) -> tuple[int, list[str]]:
    """(entries checked, faults found), of one task's files where it is given; the chain is checked whole.

    Recomputes the hash chain, the hashes of predictions and row sums, the answers' fingerprint and the scores. Entries
    made on answers that are not prepared here have their chain and files checked, but cannot be scored again.
    """
    board = Board()
    rows = list(board.all())
    faults = list(_chain(rows, *board.head()))
    mine = [row for row in rows if task is None or row["task"] == task]
    played = {row["task"] for row in mine}
    known = tasks.every(played if task else played | tasks.own())
    judges = {one.name: _Judge(one) for one in known if one.name in played}
    for row in mine:
        if sealed(row):
            faults += [f"{_named(row)}: {fault}" for fault in _files(row, judges.get(row["task"]))]
    return len(mine), faults


def sealed(row: Entry) -> bool:
    """Whether an entry's hash is that of its fields; a field of a type that no entry can have is no such field."""
    try:
        return seal(row) == row["hash"]
    except (TypeError, ValueError):
        return False


def _named(row: Entry) -> str:
    return f"entry {row['number']} ({row['id']}, {row['name']} in {row['task']})"


def _chain(rows: list[Entry], last_number: int, last_hash: str) -> Iterator[str]:
    number, previous = 0, GENESIS
    for row in rows:
        if row["number"] != number + 1:
            missing = f"{number + 1}" if row["number"] == number + 2 else f"{number + 1} to {row['number'] - 1}"
            yield f"entry {missing}: missing from the chain"
        elif row["previous"] != previous:
            yield f"{_named(row)}: does not follow the entry before it"
        if not sealed(row):
            yield f"{_named(row)}: its fields are not those it was made with"
        number, previous = row["number"], row["hash"]
    if number < last_number:
        yield f"entry {number + 1}: missing from the end of the chain, which was {last_number} entries long"
    elif (number, previous) != (last_number, last_hash):
        yield f"entry {number}: is not the one that was written last (entry {last_number})"


def _files(row: Entry, judge: "_Judge | None") -> Iterator[str]:
    file = workspace.root() / row["file"]
    whole = True
    for path, kept in ((file, row["file_sha256"]), (store.sums_path(file), row["sums_sha256"])):
        if not path.is_file():
            yield f"{path.name} is missing"
            whole = False
        elif workspace.sha256(path) != kept:
            yield f"{path.name} is not the file that was submitted"
            whole = False
    if whole and judge is not None and judge.fingerprint == row["answers"]:
        yield from judge.faults(row)


class _Judge:
    """Scores the entries of one task again; the answers' fingerprint is computed afresh from the answers themselves."""

    def __init__(self, task: Task) -> None:
        self.task, self.fingerprint = task, ""
        if (prepare.folder(task) / "facts.json").is_file():
            self.spec, kept = prepare.spec(task), prepare.answers(task)
            self.answers = Answers(kept.truth, kept.groups, kept.public)
            self.fingerprint = self.answers.fingerprint
            if self.fingerprint != prepare.fingerprint(task):
                raise KitError(
                    f"The answers of {task.name} in {prepare.folder(task)} were changed since they were prepared. "
                    "Delete that folder; they are prepared anew when they are needed."
                )

    def faults(self, row: Entry) -> Iterator[str]:
        file = workspace.root() / row["file"]
        try:
            array = predictions.read(file, self.spec)
        except PredictionError as error:
            yield f"its predictions are not valid: {error}"
            return
        card = scoring.score(self.task.metrics, array, self.answers, self.spec)
        with np.load(store.sums_path(file), allow_pickle=False) as kept:
            if kept["sums"].shape != card.sums.shape or not np.allclose(kept["sums"], card.sums, TOLERANCE, TOLERANCE):
                yield "its row sums are not those of its predictions"
        scores = json.loads(row["scores"])
        for metric in scores.keys() | card.scores.keys():
            if not _same(scores.get(metric), card.json().get(metric)):
                yield f"its {metric} is {_value(scores, metric)}; its predictions give {_value(card.json(), metric)}"


def _same(a: Any, b: Any) -> bool:
    """Equal up to rounding, through dicts and lists."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _value(scores: dict[str, Any], metric: str) -> Any:
    return scores.get(metric, {}).get("all", ["missing"])[0]
