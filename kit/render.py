"""What the terminal shows: tables on stdout, remarks on stderr. Only this file and progress.py know rich."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kit.errors import Stopped

if TYPE_CHECKING:
    from kit.ranking import Leaderboard
    from kit.runs import Record
    from kit.statistics import Comparison
    from kit.task import Spec, Task


_hushed = False


def hush() -> None:
    """Say nothing more but errors: of several processes one speaks for all."""
    global _hushed
    _hushed = True


def _out() -> Console:
    """Off a terminal there is no width to keep to, and nothing is cut."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 200, quiet=_hushed)


def stderr() -> Console:
    """Where progress and remarks go."""
    return Console(stderr=True, highlight=False, quiet=_hushed)


def say(text: str) -> None:
    """A line of plain text; nothing in it is read as markup."""
    _out().print(Text(text))


def complain(error: Exception, which: str = "") -> None:
    """A user's mistake, on stderr. which: what went wrong, where it is one of several things."""
    word = ("stopped: ", "bold yellow") if isinstance(error, Stopped) else ("error: ", "bold red")
    Console(stderr=True, highlight=False).print(
        Text.assemble(word, f"{which}: " if which else "", str(error)), soft_wrap=True
    )


def note(text: str) -> None:
    """What is going on, on stderr, so that stdout stays clean for other programs."""
    stderr().print(Text(text, style="dim"), soft_wrap=True)


def task_table(rows: Sequence[tuple[Task, Sequence[str]]]) -> None:
    """Each task with its ranking metric and its baselines."""
    table = Table("task", "title", "ranked by", "baselines", box=None, header_style="bold", pad_edge=False)
    for task, names in rows:
        listed = ", ".join(f"{name}*" if name == task.baseline else name for name in names)
        table.add_row(Text(task.name, style="bold"), Text(task.title), task.metrics[0].name, Text(listed))
    _out().print(table)
    say("\n* the default of `kit baseline TASK`. `kit info TASK` shows a task's brief.")


def task_info(task: Task, baselines: dict[str, str]) -> None:
    """A task's brief, and its baselines with a line each."""
    from rich.markdown import Markdown

    brief = task.folder / "README.md"
    out = _out()
    if brief.is_file():
        out.print(Markdown(brief.read_text(encoding="utf-8")), width=min(out.width, 100))
    else:
        say(f"{task.title}. (No brief: {brief} is missing.)")
    table = Table("baseline", "what it is", box=None, header_style="bold", pad_edge=False)
    for name, line in baselines.items():
        table.add_row(f"{name}*" if name == task.baseline else name, Text(line))
    out.print()
    out.print(table)


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
    say(f"{of}{made['name']}: {made['metric']} {_number(made['score'])} in {took}")
    note(f"What it made is in runs/{made['task']}/{made['id']}")


def run_table(rows: Sequence[tuple[Record, int, dict[str, float]]]) -> None:
    """Each run with its state, its epochs, its best measure on rows held out, and what it scored."""
    if not rows:
        say("No runs yet. Make the first one: kit baseline mnist")
        return
    heads = ("run", "task", "state", "epochs", "held out", "test", "seconds", "remark")
    table = Table(*heads, box=None, header_style="bold", pad_edge=False)
    for head, column in zip(heads, table.columns, strict=True):
        column.justify = "right" if head in ("epochs", "seconds") else "left"
        column.no_wrap = head != "remark"
    for record, epochs, measured in rows:
        held_out = ", ".join(f"{name} {value:.4f}" for name, value in measured.items())
        test = f"{record.metric} {_number(record.score)}" if record.metric else ""
        cells = (record.id, record.settings.task, record.state, str(epochs or ""), held_out, test)
        remark = "; ".join(filter(None, [record.settings.remark(), (record.error or "").partition("\n")[0]]))
        table.add_row(*map(Text, (*cells, f"{record.seconds:.1f}", remark)))
    _out().print(table)


def entry(made: dict[str, Any]) -> None:
    """What a submission scored, and the receipt that proves it."""
    say(f"{made['name']} on {made['task']}, entry {made['id']}, receipt {made['hash'][:16]}")
    for metric, parts in json.loads(made["scores"]).items():
        value, low, high = parts["all"]
        interval = "" if low is None else f"  95 % interval {low:.4f} .. {high:.4f}"
        say(f"  {metric:<20} {_number(value)}{interval}")


def leaderboards(boards: Sequence[Leaderboard], form: str) -> None:
    """The boards of several tasks, one after the other; as json, one list."""
    from kit.ranking import document

    if form == "json":
        sys.stdout.write(json.dumps([document(board) for board in boards], indent=2) + "\n")
        return
    if not boards and form == "table":
        say("No entries yet. Make the first one: kit baseline mnist")
    for number, board in enumerate(boards):
        sys.stdout.write("\n" if number else "")
        leaderboard(board, form)


def leaderboard(board: Leaderboard, form: str) -> None:
    """One task's board as a table, csv or md."""
    if form == "csv":
        _csv(board)
    elif form == "md":
        head, *rows = _cells(board)
        lines = [head, ["---"] * len(head), *rows]
        sys.stdout.write(
            "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
        )
    else:
        _table(board)


def _csv(board: Leaderboard) -> None:
    from kit.ranking import flat

    rows = [flat(row, board.part) for row in board.rows]
    columns = list(dict.fromkeys(key for row in rows for key in row)) or ["rank", "name", "entries"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    sys.stdout.write(text.getvalue())


def _cells(board: Leaderboard, n_others: int | None = None) -> list[list[str]]:
    """Header and rows, as text: the ranking metric with its interval, then the others (so many at most)."""
    others = list(dict.fromkeys(metric for row in board.rows for metric in row["scores"] if metric != board.metric))
    moved = ["moved"] if any(row["moved"] is not None for row in board.rows) else []
    lines = [["rank", "range", "name", board.metric, "95 % interval", *others[:n_others], *moved, "entries", "when"]]
    for row in board.rows:
        value, low, high = row["scores"].get(board.metric, {}).get(board.part, (None, None, None))
        rest = [row["scores"].get(metric, {}).get(board.part, [None])[0] for metric in others[:n_others]]
        interval = f"{low:.4f}-{high:.4f}" if low is not None else ""
        name = f"{row['name']} *" if row["baseline"] else row["name"]
        span = _span(row["range"])
        start = [str(row["rank"]), span, name, _number(value), interval, *map(_number, rest)]
        steps = [f"{row['moved']:+d}" if row["moved"] else "="] if moved else []
        lines.append([*start, *steps, str(row["entries"]), row["time"][:10]])
    return lines


def comparison(a: str, b: str, found: dict[str, Comparison]) -> None:
    """A minus B by each metric, with interval and p."""
    table = Table("metric", f"{a} - {b}", "95 % interval", "p", box=None, header_style="bold", pad_edge=False)
    for metric, each in found.items():
        bounds = ("none", "") if each.p != each.p else (f"{each.low:+.4f} to {each.high:+.4f}", f"{each.p:.3f}")
        table.add_row(metric, f"{each.difference:+.4f}", *bounds)
    _out().print(table)


def history(entries: Sequence[dict[str, Any]], part: str) -> None:
    """All entries of one name, the oldest first."""
    table = Table("entry", "when (UTC)", "metric", "score", "95 % interval", "note", box=None, header_style="bold")
    for made in entries:
        value, low, high = made["scores"].get(made["metric"], {}).get(part, (None, None, None))
        interval = "" if low is None else f"{low:.4f}-{high:.4f}"
        table.add_row(made["id"], made["time"][:16], made["metric"], _number(value), interval, Text(made["note"]))
    _out().print(table)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _table(board: Leaderboard) -> None:
    better = "higher" if board.higher_is_better else "lower"
    where = "" if board.part == "all" else f", {board.part} rows"
    source = f" Data: {board.source}." if board.source else ""
    say(f"{board.task}: {board.title}. Ranked by {board.metric}, {better} is better{where}.{source}")
    if not board.rows:
        say(f"No entries yet. Make the first one: kit baseline {board.task}")
    else:
        head, *rows = _cells(board, n_others=2)
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in head:
            table.add_column(column, justify="left" if column == "name" else "right", no_wrap=column != "name")
        for row in rows:
            table.add_row(*map(Text, row))
        _out().print(table)
        say(_legend(board))
    for other in board.apart:
        say("\nApart, for these were scored on other answers or ranked by another metric:")
        _table(other)


def _legend(board: Leaderboard) -> str:
    coarse = ", by a coarser bound, as there are many" if board.bound == "intervals" else ""
    words = [board.why_none or f"range: the ranks it could hold, at 95 % for all names together{coarse}"]
    if any(row["baseline"] for row in board.rows):
        words.append("*: a baseline")
    if any(row["moved"] is not None for row in board.rows):
        words.append(
            f"moved: ranks won (+) or lost (-) against the {'public' if board.part == 'private' else 'private'} rows"
        )
    if board.names > len(board.rows):
        words.append(f"{board.names - len(board.rows):,} more names: --top 0")
    return "; ".join(words)


def _span(ranks: tuple[int, int] | None) -> str:
    """A range of ranks."""
    if ranks is None:
        return "?"
    low, high = ranks
    return f"{low}" if low == high else f"{low}-{high}"
