"""The board as it is read: who is where, by how much, and which ranks are really ties."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kit import prepare, ranks, statistics, store, tasks, workspace
from kit.board import Board, Entry
from kit.errors import KitError, did_you_mean
from kit.metrics import Metric, WholeMetric
from kit.ranks import Bound, RankRanges
from kit.scoring import PARTS
from kit.statistics import Comparison
from kit.task import Array, Task

TOP = 100  # names shown, and compared with each other, unless more are asked for
OTHER = {"public": "private", "private": "public"}


@dataclass(frozen=True)
class Leaderboard:
    """One task's board: entries made on the same answers and ranked by the same metric, best entry per name.

    rows: entries with scores and coverage as dicts, and four fields more: "rank"; "entries", how many the name has;
        "range", the ranks it could hold among all names; "moved", ranks won against the other part.
    names: how many there are, which may be more than the rows.
    bound, why_none: how the ranges were found (`ranks.RankRanges`), and why there are none.
    apart: boards of entries made on other answers, or ranked by another metric; never ranked together with these.
    """

    task: str
    title: str
    metric: str
    higher_is_better: bool
    part: str
    answers: str
    source: str
    rows: list[Entry]
    names: int
    bound: Bound = "pairs"
    why_none: str = ""
    apart: "list[Leaderboard]" = field(default_factory=list)


def read(task: Task, part: str = "all", top: int | None = TOP, board: Board | None = None) -> Leaderboard:
    """The task's board on the answers prepared here, else on those of the newest entry; other ones apart."""
    board = board or Board()
    known = board.boards(task.name)
    first = (_answers_in_use(task) or (known[0][0] if known else ""), task.metrics[0].name)
    main = _read_one(task, *first, part, top, board)
    main.apart.extend(_read_one(task, *other, part, top, board) for other in known if other != first)
    return main


def read_all(task: str | None, part: str = "all", top: int | None = TOP) -> list[Leaderboard]:
    """The board of one task, or of every task that has entries."""
    board = Board()
    names = [task] if task else [name for name in board.tasks() if name in tasks.folders()]
    return [read(tasks.find(name), part, top, board) for name in names]


def history(task: Task, name: str) -> list[Entry]:
    """All entries of a name in the order in which they were made."""
    board = Board()
    found = [_opened(row) for row in board.all(task.name) if row["name"] == name]
    if not found:
        raise KitError(f"{name!r} has no entry in {task.name}. {did_you_mean(name, board.names(task.name))}")
    return found


def compare(task: Task, a: str, b: str, part: str = "all") -> tuple[Entry, Entry, dict[str, Comparison]]:
    """The entries of A and B (names: their best; or ids of entries), and A minus B by every metric both have."""
    board = Board()
    first, second = _find(board, task, a), _find(board, task, b)
    if first["answers"] != second["answers"]:
        raise KitError(f"{a} and {b} were scored on different answers; such scores cannot be compared.")
    found = {}
    for metric in task.metrics:
        pair = [entry["scores"].get(metric.name, {}).get(part, [None])[0] for entry in (first, second)]
        drawn = [_replicates(entry, metric.name, part) for entry in (first, second)]
        if None not in pair and drawn[0] is not None and drawn[1] is not None:
            n_groups = min(_n_groups(first, part), _n_groups(second, part))
            found[metric.name] = statistics.compare(pair[0] - pair[1], drawn[0] - drawn[1], n_groups)
    if task.metrics[0].name not in found:
        raise KitError(f"{a} and {b} cannot be compared: the row sums of one are missing. `kit verify` says which.")
    return first, second, found


def verdict(a: str, b: str, metric: Metric | WholeMetric, found: Comparison) -> str:
    """What a comparison means, in words."""
    if np.isnan(found.p):
        return f"{a} and {b} cannot be compared by {metric.name}: {found.why_none}."
    if not found.told_apart:
        return f"{a} and {b} cannot be told apart by {metric.name} (p = {found.p:.3f})."
    winner = a if (found.difference > 0) == metric.higher_is_better else b
    return f"{winner} is better by {metric.name} (p = {found.p:.3f})."


def _find(board: Board, task: Task, word: str) -> Entry:
    """The entry with that id, else the best one of that name."""
    for row in board.all(task.name, id=word):
        return _opened(row)
    higher = task.metrics[0].higher_is_better
    named = [row for row in board.all(task.name, name=word) if row["metric"] == task.metrics[0].name]
    used = _answers_in_use(task) or (named[-1]["answers"] if named else "")
    mine = [row for row in named if row["answers"] == used and row["score"] is not None] or named
    if not mine:
        raise KitError(f"{word!r} is no name and no entry in {task.name}. {did_you_mean(word, board.names(task.name))}")
    return _opened(max(mine, key=lambda row: (row["score"] or 0) * (1 if higher else -1)))


def _answers_in_use(task: Task) -> str | None:
    """The fingerprint of the answers prepared here; None where none are, for reading a board prepares nothing."""
    return prepare.fingerprint(task) if (prepare.folder(task) / "facts.json").is_file() else None


def _read_one(task: Task, answers: str, metric: str, part: str, top: int | None, board: Board) -> Leaderboard:
    rows = [_opened(row) for row in board.best(task.name, answers, metric, part)]
    known = {each.name: each.higher_is_better for each in task.metrics}
    higher = bool(rows[0]["higher_is_better"]) if rows else known.get(metric, True)
    ranges = _ranges(rows, metric, part, higher)
    there = {}
    if part in OTHER:
        there = {row["name"]: row["rank"] for row in board.best(task.name, answers, metric, OTHER[part])}
    names, rows = len(rows), rows[:top]
    for row, span in zip(rows, ranges.ranks.tolist(), strict=False):
        row["range"] = tuple(span)
        row["moved"] = there[row["name"]] - row["rank"] if there else None
    source = rows[0]["source"] if rows else ""
    return Leaderboard(
        task.name, task.title, metric, higher, part, answers, source, rows, names, ranges.bound, ranges.why
    )


def _ranges(rows: list[Entry], metric: str, part: str, higher: bool) -> RankRanges:
    """The ranks that each of the board's names could hold."""
    columns = {"all": "score", "public": "score_public", "private": "score_private"}
    values = np.array([row[columns[part]] for row in rows], np.float64)
    drawn = [_replicates(row, metric, part) for row in rows]
    n_groups = next((_n_groups(row, part) for row, found in zip(rows, drawn, strict=True) if found is not None), 0)
    return ranks.rank_ranges(values, drawn, n_groups, higher)


def _n_groups(row: Entry, part: str) -> int:
    return store.read_n_groups(_sums_path(row)).get(part, 0)


def _sums_path(row: Entry) -> Path:
    return store.sums_path(workspace.root() / Path(row["file"]))


def _replicates(row: Entry, metric: str, part: str) -> Array | None:
    values = store.read_replicates(_sums_path(row), metric)
    return None if values is None or np.isnan(values[PARTS.index(part)]).all() else values[PARTS.index(part)]


def _opened(row: Entry) -> Entry:
    return {**row, "scores": json.loads(row["scores"]), "coverage": json.loads(row["coverage"])}


FACTS = ("baseline", "seconds", "device", "seed", "time", "id", "file", "version", "commit", "note", "hash")


def flat(row: Entry, part: str = "all") -> dict[str, Any]:
    """One row of a table: rank, name, entries, each metric with the bounds of its interval, coverage, and the facts."""
    numbers: dict[str, Any] = {}
    for metric, parts in row["scores"].items():
        numbers[metric], numbers[f"{metric}_low"], numbers[f"{metric}_high"] = parts[part]
    low, high = row["range"] or (None, None)
    lead = {"rank": row["rank"], "rank_low": low, "rank_high": high, "name": row["name"], "entries": row["entries"]}
    return {**lead, **numbers, "coverage": row["coverage"][part], **{fact: row[fact] for fact in FACTS}}


def document(board: Leaderboard) -> dict[str, Any]:
    """The board as `--format json` prints it; README.md lists the fields, and they stay."""
    rows = [
        {
            "rank": row["rank"],
            "rank_range": row["range"],
            "name": row["name"],
            "entries": row["entries"],
            "scores": {
                metric: dict(zip(("value", "low", "high"), parts[board.part], strict=True))
                for metric, parts in row["scores"].items()
            },
            "coverage": row["coverage"][board.part],
            **{fact: row[fact] for fact in FACTS},
        }
        for row in board.rows
    ]
    facts = ("task", "title", "metric", "higher_is_better", "part", "answers", "source", "names", "bound", "why_none")
    described = {fact: getattr(board, fact) for fact in facts}
    return {**described, "rows": rows, "apart": [document(other) for other in board.apart]}
