"""The board as it is read: who is where, by what, on which answers."""

import json
from dataclasses import dataclass
from typing import Any

from kit import prepare, tasks
from kit.board import Board, Entry
from kit.task import Task


@dataclass(frozen=True)
class Leaderboard:
    """One task's board: entries made on the same answers and ranked by the same metric, best entry per name.

    rows: entries with "rank" and "entries"; scores and coverage as dicts. total: how many names there are in all.
    apart: how many entries were made on other answers, or ranked by another metric; they are never mixed in.
    """

    task: str
    title: str
    metric: str
    higher_is_better: bool
    part: str
    answers: str
    source: str
    rows: list[Entry]
    entries: int
    apart: int


def read(task: Task, part: str = "all", top: int | None = None, board: Board | None = None) -> Leaderboard:
    """The task's present board: the answers as prepared here, else those of the newest entry."""
    board = board or Board()
    metric = task.metrics[0]
    known = board.boards(task.name)
    place = prepare.folder(task)
    answers = prepare.fingerprint(task) if (place / "facts.json").is_file() else (known[0][0] if known else "")
    rows = [_opened(row) for row in board.best(task.name, answers, metric.name, part, top)]
    here = board.count(task.name, answers, metric.name)
    return Leaderboard(
        task=task.name,
        title=task.title,
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        part=part,
        answers=answers,
        source=rows[0]["source"] if rows else "",
        rows=rows,
        entries=here,
        apart=board.count(task.name) - here,
    )


def _opened(row: Entry) -> Entry:
    return {**row, "scores": json.loads(row["scores"]), "coverage": json.loads(row["coverage"])}


FACTS = ("baseline", "seconds", "device", "seed", "time", "id", "file", "version", "commit", "note", "hash")


def flat(row: Entry, part: str = "all") -> dict[str, Any]:
    """One row of a table: rank, name, entries, each metric with the bounds of its interval, coverage, and the facts."""
    numbers: dict[str, Any] = {}
    for metric, parts in row["scores"].items():
        numbers[metric], numbers[f"{metric}_low"], numbers[f"{metric}_high"] = parts[part]
    lead = {"rank": row["rank"], "name": row["name"], "entries": row["entries"]}
    return {**lead, **numbers, "coverage": row["coverage"][part], **{fact: row[fact] for fact in FACTS}}


def document(board: Leaderboard) -> dict[str, Any]:
    """The board as `--format json` prints it; README.md lists the fields, and they stay."""
    rows = [
        {
            "rank": row["rank"],
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
    facts = ("task", "title", "metric", "higher_is_better", "part", "answers", "source")
    return {**{fact: getattr(board, fact) for fact in facts}, "rows": rows, "apart": board.apart}


def read_all(task: str | None, part: str = "all", top: int | None = None) -> list[Leaderboard]:
    """The board of one task, or of every task that has entries."""
    board = Board()
    names = [task] if task else [name for name in board.tasks() if name in tasks.folders()]
    return [read(tasks.find(name), part, top, board) for name in names]
