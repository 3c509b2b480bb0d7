"""What the commands show people: tables on stdout, remarks on stderr. Formats for programs are in export.py."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kit.console import Column, complain, hush, note, optional, printable, prose, say, show, table, width

if TYPE_CHECKING:
    from kit.ranking import Leaderboard, Standing
    from kit.runs import Record
    from kit.statistics import Comparison
    from kit.task import Spec, Task

__all__ = ["complain", "hush", "note", "optional", "prose", "say"]  # of console.py, for whoever shows something

NONE = "-"  # where there is no number
_BRIEF = 100  # columns


def task_table(rows: Sequence[tuple[Task, Sequence[str]]]) -> None:
    """Each task with its ranking metric and its baselines."""
    columns = [
        Column("task"),
        Column("title", drop=2, fold=16),
        Column("ranked by", drop=1),
        Column("baselines", fold=20),
    ]
    listed = [", ".join(f"{name}*" if name == task.baseline else name for name in names) for task, names in rows]
    table(
        columns, [(task.name, task.title, task.metrics[0].name, of) for (task, _), of in zip(rows, listed, strict=True)]
    )
    prose("\n* the default of `kit baseline TASK`. `kit info TASK` shows a task's brief.")


def task_info(task: Task, baselines: dict[str, str]) -> None:
    """A task's brief, and its baselines with a line each."""
    from rich.markdown import Markdown

    brief = task.folder / "README.md"
    if brief.is_file():
        text = brief.read_text(encoding="utf-8", errors="replace").replace("\t", "    ")
        show(Markdown(printable(text, lines=True)), min(width() or _BRIEF, _BRIEF))
    else:
        say(f"{task.title}. (No brief: {brief} is missing.)")
    prose(f"\nScored by {'; '.join(metric.described for metric in task.metrics)}.")
    rows = [(f"{name}*" if name == task.baseline else name, line) for name, line in baselines.items()]
    say("")
    table([Column("baseline"), Column("what it is", fold=24)], rows)


def data_summary(data: Any, fingerprint: str) -> None:
    """Where a task's data came from, and its sizes."""
    spec = data.spec
    say(f"source       {data.source}")
    say(f"training     {len(data.x_train):,} rows")
    say(f"test         {len(data.x_test):,} rows")
    say(f"submission   {describe(spec)}")
    say(f"answers      {fingerprint[:16]}")


def describe(spec: Spec) -> str:
    """What a submission must look like, in words."""
    shapes = " or ".join(str(shape) for shape in spec.shapes)
    return f"{spec.kind}, shape {shapes}"


def baseline_done(made: dict[str, Any], count: str = "") -> None:
    """One line for a finished baseline. count: such as "2/6", where it is one of several."""
    took = f"{made['seconds']:.1f} s on {made['device']}, seed {made['seed']}"
    of = f"{count} {made['task']} " if count else ""
    with optional(f"Entry {made['id']} is on the board"):
        say(f"{of}{made['name']}: {made['metric']} {number(made['score'])} in {took}")
    note(f"What it made is in runs/{made['task']}/{made['id']}")


def run_table(rows: Sequence[tuple[Record, int, dict[str, float]]]) -> None:
    """Each run with its state, its epochs, its best measure on rows held out, and what it scored."""
    if not rows:
        say("No runs yet. Make the first one: kit baseline mnist")
        return
    columns = [
        Column("run"),
        Column("task", drop=6),
        Column("state"),
        Column("epochs", right=True, drop=5),
        Column("held out", drop=4),
        Column("metric", drop=1),
        Column("test", right=True),
        Column("seconds", right=True, drop=3),
        Column("remark", drop=2, fold=14),
    ]
    cells = []
    for record, epochs, measured in rows:
        held_out = ", ".join(f"{name} {value:.4f}" for name, value in measured.items())
        test = number(record.score) if record.metric else ""
        remark = "; ".join(filter(None, [record.settings.remark(), (record.error or "").partition("\n")[0]]))
        done = (record.id, record.settings.task, record.state, str(epochs or ""), held_out, record.metric or "", test)
        cells.append((*done, f"{record.seconds:.1f}", remark))
    _left_out(table(columns, cells))


def entry(made: dict[str, Any]) -> None:
    """What a submission scored, and the receipt that proves it."""
    say(f"{made['name']} on {made['task']}, entry {made['id']}, receipt {made['hash'][:16]}")
    for metric, parts in json.loads(made["scores"]).items():
        value, low, high = parts["all"]
        interval = "" if low is None else f"  95 % interval {low:.4f} .. {high:.4f}"
        say(f"  {metric:<20} {number(value)}{interval}")


def standing(name: str, where: Standing) -> None:
    """Whether an entry improved on what its name had, and the place of that name now."""
    if where.score is None:
        said = "It has no score"
    elif where.before is None:
        said = f"The first score of {name}"
    elif where.improved:
        said = f"An improvement: the best of {name} was {number(where.before)}"
    else:
        said = f"No improvement: the best of {name} stays {number(where.before)}"
    prose(f"{said}. Place {where.rank:,} of {where.names:,}.")


def leaderboards(boards: Sequence[Leaderboard]) -> None:
    """The boards of several tasks, one after the other."""
    if not boards:
        say("No entries yet. Make the first one: kit baseline mnist")
    for place, board in enumerate(boards):
        if place:
            say("")
        leaderboard(board)


def leaderboard(board: Leaderboard, made: dict[str, Any] | None = None) -> None:
    """One task's board as a table. made: an entry that was just made; the row of its name is marked."""
    better = "higher" if board.higher_is_better else "lower"
    where = "" if board.part == "all" else f", {board.part} rows"
    source = f" Data: {board.source}." if board.source else ""
    prose(f"{board.task}: {board.title}. Ranked by {board.metric}, {better} is better{where}.{source}")
    if not board.rows:
        again = f"`kit rescore {board.task}` scores those below on the answers of today."
        first = f"Make the first one: kit baseline {board.task}"
        say(f"No entries yet. {again if board.apart else first}")
    else:
        others = metrics_beside(board)[:2]
        rows = [cells(row, board, others) for row in board.rows]
        who = made and (made["name"], made["baseline"])
        mark = next((at for at, row in enumerate(board.rows) if (row["name"], row["baseline"]) == who), None)
        if mark is not None:
            rows[mark][0] = f"> {rows[mark][0]}"
        shown = columns(board, others)
        gone = table(shown, rows, mark)
        if legend := _legend(board, [column.head for column in shown if column.head not in gone]):
            prose(legend)
        _left_out(gone)
    for other in board.apart:
        prose("\nApart, for these were scored on other answers or ranked by another metric:")
        leaderboard(other)


def metrics_beside(board: Leaderboard) -> list[str]:
    """The metrics that entries of a board have scores in, but for the one that ranks."""
    return list(dict.fromkeys(metric for row in board.rows for metric in row["scores"] if metric != board.metric))


def columns(board: Leaderboard, others: Sequence[str]) -> list[Column]:
    """On a narrow terminal go, in this order: other metrics, entries, when, moved, range, and the interval last."""
    moved = [Column("moved", right=True, drop=3)] if any(row["moved"] is not None for row in board.rows) else []
    return [
        Column("rank", right=True),
        Column("range", right=True, drop=2),
        Column("name", fold=16, whole=True),
        Column(board.metric, right=True),
        Column("95 % interval", right=True, drop=1),
        *(Column(metric, right=True, drop=6 + place) for place, metric in enumerate(others)),
        *moved,
        Column("entries", right=True, drop=5),
        Column("when", right=True, drop=4),
    ]


def cells(row: dict[str, Any], board: Leaderboard, others: Sequence[str], utc: bool = False) -> list[str]:
    """A row of a board as text, for `columns`; the day in the reader's time zone unless it is to be UTC."""
    value, low, high = row["scores"].get(board.metric, {}).get(board.part, (None, None, None))
    rest = [number(row["scores"].get(metric, {}).get(board.part, [None])[0]) for metric in others]
    name = f"{row['name']} *" if row["baseline"] else row["name"]
    span = _span(row["range"])
    moved = any(each["moved"] is not None for each in board.rows)
    steps = [f"{row['moved']:+d}" if row["moved"] else "="] if moved else []
    day = row["time"][:10] if utc else when(row["time"])[:10]
    return [
        str(row["rank"]), span, name, number(value), interval(low, high), *rest, *steps, str(row["entries"]), day,
    ]  # fmt: skip


def _legend(board: Leaderboard, heads: Sequence[str]) -> str:
    words = []
    if "range" in heads:
        words.append(f"range: {board.range_words()}")
    if any(row["baseline"] for row in board.rows):
        words.append("*: a baseline")
    if "moved" in heads:
        other = "public" if board.part == "private" else "private"
        words.append(f"moved: ranks won (+) or lost (-) against the {other} rows")
    if board.names > len(board.rows):
        words.append(f"{board.names - len(board.rows):,} more names: --top 0")
    return "; ".join(words)


def _left_out(heads: Sequence[str]) -> None:
    if heads:
        prose(f"No room for: {', '.join(heads)}.")


def comparison(a: dict[str, Any], b: dict[str, Any], found: dict[str, Comparison]) -> None:
    """A minus B by each metric, with interval and p."""
    for letter, made in (("A", a), ("B", b)):
        say(f"{letter}  {made['name']}, entry {made['id']}")
    columns = [
        Column("metric", fold=12, whole=True),
        Column("A - B", right=True),
        Column("95 % interval", right=True, drop=1),
        Column("p", right=True),
    ]
    rows = []
    for metric, each in found.items():
        bounds = f"{each.low:+.4f} to {each.high:+.4f}" if _there(each.low) and _there(each.high) else NONE
        rows.append(
            (
                metric,
                f"{each.difference:+.4f}",
                bounds,
                each.p_words.removeprefix("p ").removeprefix("= ") if _there(each.p) else NONE,
            )
        )
    table(columns, rows)


def history(entries: Sequence[dict[str, Any]], part: str) -> None:
    """All entries of one name, the oldest first."""
    columns = [
        Column("entry"),
        Column("when (local)", drop=2),
        Column("metric", drop=4),
        Column("score", right=True),
        Column("95 % interval", right=True, drop=1),
        Column("note", drop=3, fold=12),
    ]
    rows = []
    for made in entries:
        value, low, high = made["scores"].get(made["metric"], {}).get(part, (None, None, None))
        remark = " ".join(filter(None, [_mark(made), made["note"]]))
        rows.append((made["id"], when(made["time"]), made["metric"], number(value), interval(low, high), remark))
    _left_out(table(columns, rows))


def _mark(made: dict[str, Any]) -> str:
    """What became of an entry, or what it came from."""
    if made.get("withdrawn"):
        return "(withdrawn)"
    return f"(scores {made['refers']} anew)" if made["kind"] == "rescore" else ""


def when(time: str) -> str:
    """A time in UTC (ISO 8601) as day and minute where the reader is; what is no time is shown as it stands."""
    try:
        return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return time


def number(value: float | None) -> str:
    return f"{value:.4f}" if _there(value) else NONE


def interval(low: float | None, high: float | None) -> str:
    return f"{low:.4f}-{high:.4f}" if _there(low) and _there(high) else NONE


def _there(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _span(ranks: tuple[int, int] | None) -> str:
    """A range of ranks."""
    if ranks is None:
        return NONE
    low, high = ranks
    return f"{low}" if low == high else f"{low}-{high}"
