"""What the commands print for programs: JSON, csv and Markdown. Times are UTC, numbers have all their digits.

Every JSON object carries `"format"`: it goes up when a field changes its meaning or goes; new fields may come any time.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.console import emit, spelled_out

if TYPE_CHECKING:
    from kit.ranking import Leaderboard, Standing
    from kit.runs import Record
    from kit.statistics import Comparison
    from kit.task import Array, Task

FORMAT = 1
_FORMULA = tuple("=+-@'\N{MINUS SIGN}\uff1d\uff0b\uff0d\uff20")  # what a spreadsheet may take for one; and our mark


def write_json(document: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """An object, or a list of them, each with "format" first; ASCII only, so that any encoding has it."""
    whole = [document] if (one := isinstance(document, Mapping)) else document
    marked = [{"format": FORMAT, **_plain(each)} for each in whole]
    emit(json.dumps(marked[0] if one else marked, indent=2, allow_nan=False) + "\n", machine=True)


def _plain(value: Any) -> Any:
    """Only what JSON has: NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def write_csv(rows: Sequence[Mapping[str, Any]], columns: Iterable[str] = ()) -> None:
    """Rows of named cells; `columns` stand first. See `csv_cell` for text."""
    names = list(dict.fromkeys([*columns, *(key for row in rows for key in row)]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(csv_cell, names))
    writer.writerows([csv_cell(row.get(name)) for name in names] for row in rows)
    emit(text.getvalue(), machine=True)


def csv_cell(value: Any) -> Any:
    """Text that a spreadsheet could take for a formula gets an apostrophe in front, and so does text that has one.

    Whoever reads a csv takes one leading apostrophe off again. Numbers stay as they are.
    """
    value = _plain(value)
    if not isinstance(value, str):
        return value
    text = spelled_out(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def write_markdown(lines: Sequence[Sequence[str]]) -> None:
    """A table, its head first; whatever is in a cell is shown as it is written."""
    head, *rows = [[markdown_cell(cell) for cell in line] for line in lines]
    emit("".join(f"| {' | '.join(line)} |\n" for line in [head, ["---"] * len(head), *rows]), machine=True)


def markdown_cell(text: str) -> str:
    """Text without a meaning in Markdown: no tags, links, code or emphasis, and no end of the cell."""
    text = re.sub(r"[\\`*\[\]|~!#$]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.", r"\\\g<0>", spelled_out(text))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")


def leaderboards(boards: Sequence[Leaderboard], form: str) -> None:
    """The boards of several tasks as "json" (one list), or one after the other as "csv" or "md"."""
    from kit.ranking import flat

    if form == "json":
        write_json([_document(board) for board in boards])
        return
    for place, board in enumerate(boards):
        if place:
            emit("\n", machine=True)
        if form == "csv":
            columns = ("rank", "rank_low", "rank_high", "name", "entries")
            write_csv([flat(row, board.part) for row in board.rows], columns)
        else:
            _board_markdown(board)


def _document(board: Leaderboard) -> dict[str, Any]:
    """The board as `--format json` prints it; README.md lists the fields, and they stay."""
    from kit.ranking import FACTS

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
    return {**described, "rows": rows, "apart": [_document(other) for other in board.apart]}


def _board_markdown(board: Leaderboard) -> None:
    from kit import render

    others = render.metrics_beside(board)
    heads = [column.head for column in render.columns(board, others)]
    heads[-1] = "when (UTC)"
    write_markdown([heads, *(render.cells(row, board, others, utc=True) for row in board.rows)])


def history(task: str, name: str, entries: Sequence[Mapping[str, Any]], part: str, form: str) -> None:
    """All entries of one name, the oldest first."""
    documents = [entry_document(made, part) for made in entries]
    if form == "json":
        write_json({"task": task, "name": name, "part": part, "entries": documents})
        return
    rows = []
    for made in documents:
        scores = {
            metric + ("" if bound == "value" else f"_{bound}"): number
            for metric, bounds in made.pop("scores").items()
            for bound, number in bounds.items()
        }
        rows.append({"id": made.pop("id"), "time": made.pop("time"), **scores, **made})
    if form == "csv":
        write_csv(rows, ("id", "time"))
    else:
        heads = list(dict.fromkeys(["id", "time", *(key for row in rows for key in row)]))
        cells = [["" if row.get(head) is None else str(row[head]) for head in heads] for row in rows]
        write_markdown([heads, *cells])


def task_document(task: Task, baselines: Mapping[str, str]) -> dict[str, Any]:
    """What is known of a task without its data."""
    return {
        "task": task.name,
        "title": task.title,
        "metrics": [{"name": each.name, "higher_is_better": each.higher_is_better} for each in task.metrics],
        "baseline": task.baseline,
        "baselines": baselines,
        "sources": task.sources,
        "folder": task.folder,
    }


def data_document(task: str, data: Any, fingerprint: str) -> dict[str, Any]:
    """What a task's data is, and what a submission must look like."""
    rows = {"training_rows": len(data.x_train), "test_rows": len(data.x_test)}
    wanted = {"kind": data.spec.kind, "columns": data.spec.columns, "shapes": data.spec.shapes}
    return {"task": task, "source": data.source, **rows, **wanted, "answers": fingerprint}


def check_document(task: str, file: Any, array: Array | None, faults: Sequence[str] = ()) -> dict[str, Any]:
    """Whether a file is a valid submission, and else why not."""
    shape = None if array is None else array.shape
    return {"task": task, "file": file, "valid": not faults, "shape": shape, "faults": faults}


def run_document(record: Record, epochs: int, measured: Mapping[str, float]) -> dict[str, Any]:
    """A run: its record, the epochs done and the best measure on rows held out."""
    facts = asdict(record)
    return {**{name: facts[name] for name in facts if name != "since"}, "epochs": epochs, "held_out": measured}


def entry_document(made: Mapping[str, Any], part: str | None = None) -> dict[str, Any]:
    """An entry with its scores: value, low and high, by part where none is given."""
    bounds = ("value", "low", "high")
    scores = json.loads(made["scores"]) if isinstance(made["scores"], str) else made["scores"]
    coverage = json.loads(made["coverage"]) if isinstance(made["coverage"], str) else made["coverage"]
    named = {
        metric: {of: dict(zip(bounds, values, strict=True)) for of, values in parts.items()}
        for metric, parts in scores.items()
    }
    if part is not None:
        named = {metric: parts[part] for metric, parts in named.items() if part in parts}
        coverage = coverage.get(part)
    shown = {field: value for field, value in made.items() if field != "salt"}  # it stays with the board
    return {**shown, "scores": named, "coverage": coverage}


def submit_document(made: Mapping[str, Any], where: Standing | None) -> dict[str, Any]:
    """A new entry and where it brought its name."""
    return {"entry": entry_document(made), "standing": None if where is None else asdict(where)}


def comparison_document(
    a: Mapping[str, Any], b: Mapping[str, Any], found: Mapping[str, Comparison], verdict: str
) -> dict[str, Any]:
    """Two entries and the difference of their scores, A minus B, by metric."""
    each = {metric: {**asdict(one), "told_apart": one.told_apart} for metric, one in found.items()}
    who = {letter: {"name": made["name"], "id": made["id"]} for letter, made in (("a", a), ("b", b))}
    return {"task": a["task"], **who, "metrics": each, "verdict": verdict}
