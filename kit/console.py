"""Where text leaves for a terminal or a pipe: printable, in an encoding that is there, in the width that there is.

Text of others (names, notes, paths, messages of libraries) is shown as it is written: no markup is read in it, and
what could steer a terminal is spelled out. Off a terminal nothing is cut or wrapped.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kit.errors import KitError, Stopped

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_ENDLESS = 100_000  # columns; nobody's terminal is so wide
_GAP = 2  # columns between two columns of a table
_JOINERS = "\u200c\u200d"  # of Persian words and of emoji; the other format characters reorder or hide text
_hushed = False


class Unwritable(KitError):
    """Standard output takes no more: closed, full, or nobody reads it (then that is no error)."""

    def __init__(self, error: Exception) -> None:
        self.unread = isinstance(error, BrokenPipeError)  # as with `kit leaderboard | head -1`
        self.exit_code = 0 if self.unread else 1
        reason = getattr(error, "strerror", None) or str(error)
        super().__init__(
            "Nobody reads standard output." if self.unread else f"Standard output takes nothing: {reason}."
        )


def size(n_bytes: int) -> str:
    """Bytes in words, such as 1.4 kB."""
    from rich.filesize import decimal

    return decimal(n_bytes)


def hush() -> None:
    """Say nothing more but errors: of several processes one speaks for all."""
    global _hushed
    _hushed = True


def printable(text: str, lines: bool = False) -> str:
    """Text that can steer no terminal and that stdout's encoding has: all else is spelled out, such as \\x1b.

    lines: leave line breaks, as in a message of several lines.
    """
    text = spelled_out(text, lines)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text if text.isascii() else text.encode(encoding, "backslashreplace").decode(encoding)


def spelled_out(text: str, lines: bool = False) -> str:
    """Text without control characters, without marks that reorder or hide it, and without halves of characters."""
    if text.isprintable():
        return text
    return "".join(one if _harmless(one) or (lines and one == "\n") else _spelled(one) for one in text)


def _harmless(character: str) -> bool:
    import unicodedata

    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode()


def width() -> int | None:
    """Columns of the terminal that stdout is, by COLUMNS where that is set; None off a terminal."""
    if not sys.stdout.isatty():
        return None
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isascii() and wanted.isdecimal() and int(wanted):
        return int(wanted)
    with suppress(OSError, ValueError):
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80  # some terminals say 0: not known
    return 80


def emit(text: str, machine: bool = False) -> None:
    """Write to stdout, at once. machine: for programs; UTF-8 wherever stdout is no terminal.

    Raises Unwritable where stdout takes nothing.
    """
    if _hushed:
        return
    out = sys.stdout
    try:
        if machine and hasattr(out, "buffer") and not out.isatty():
            out.flush()
            out.buffer.write(text.encode("utf-8", "backslashreplace"))
        else:
            encoding = getattr(out, "encoding", None) or "utf-8"
            out.write(text.encode(encoding, "backslashreplace").decode(encoding))
        out.flush()
    except (OSError, ValueError) as error:
        give_up()
        raise Unwritable(error) from error


def give_up() -> None:
    """stdout goes nowhere from now on: what is left in its buffer must not fail again when Python ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show(content: RenderableType, columns: int | None = None) -> None:
    """Something of rich's on stdout. columns: to wrap at; without it lines are as long as they are."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False, width=columns or _ENDLESS, height=25)
    with console.capture() as captured:
        console.print(content, crop=False)
    emit(captured.get())


def say(text: str) -> None:
    """A line of plain text, which no line break is put into: paths and ids can be copied."""
    emit(printable(text, lines=True) + "\n")


def prose(text: str) -> None:
    """A sentence or two, wrapped between words on a terminal."""
    room = width()
    if room is None:
        return say(text)
    from rich.text import Text

    show(Text(printable(text, lines=True), overflow="ignore"), room)


def stderr(hushed: bool | None = None) -> Console:
    """Where progress and remarks go; that nobody reads it stops nothing."""
    from rich.console import Console

    class Remarks(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True

    quiet = _hushed if hushed is None else hushed
    return Remarks(stderr=True, highlight=False, markup=False, emoji=False, quiet=quiet)


def complain(error: Exception, which: str = "") -> None:
    """A user's mistake, on stderr. which: what went wrong, where it is one of several things."""
    from rich.text import Text

    word = ("stopped: ", "bold yellow") if isinstance(error, Stopped) else ("error: ", "bold red")
    message = printable(f"{which}: {error}" if which else str(error), lines=True)
    with suppress(OSError, ValueError):
        stderr(hushed=False).print(Text.assemble(word, message), soft_wrap=True)


def note(text: str) -> None:
    """What is going on, on stderr, so that stdout stays clean for other programs."""
    from rich.text import Text

    with suppress(OSError, ValueError):
        stderr().print(Text(printable(text, lines=True), style="dim"), soft_wrap=True)


@contextmanager
def optional(made: str) -> Iterator[None]:
    """What only shows something that was made must not fail: a remark says what was made, and why it is not shown."""
    try:
        yield
    except Exception as error:
        reason = str(error) if isinstance(error, KitError) else f"{type(error).__name__}: {error}"
        note(f"{made}, but what was to be shown of it could not be. {reason}")


@dataclass(frozen=True)
class Column:
    """A column of a table, and what becomes of it where a terminal is narrow.

    drop: columns with the largest number are left out first; 0 stays. fold: the width down to which its cells may take
    several lines; 0: none, they stay whole. whole: only a cell that no line has room for may take several.
    """

    head: str
    right: bool = False
    drop: int = 0
    fold: int = 0
    whole: bool = False


def fit(columns: Sequence[Column], sizes: Sequence[Sequence[int]], room: int | None) -> dict[int, int] | None:
    """The columns that a line of so much room has, with their widths; None where those that stay do not fit.

    sizes: the width of each cell of each column, its head's included.
    """
    needed = [max(of) for of in sizes]
    kept = list(range(len(columns)))
    if room is None:
        return dict(enumerate(needed))
    staying = [number for number in kept if not columns[number].drop]
    least = [min(need, column.fold or need) for column, need in zip(columns, needed, strict=True)]
    spare = room - _total(staying, least)
    for number in staying:
        if columns[number].whole and spare > 0:
            before = least[number]
            least[number] = max(size for size in (*sizes[number], before) if size <= before + spare)
            spare -= least[number] - before
    while _total(kept, least) > room:
        gone = max(kept, key=lambda number: columns[number].drop)
        if not columns[gone].drop:
            return None
        kept.remove(gone)
    spare, widths = room - _total(kept, least), {}
    for number in kept:
        widths[number] = min(needed[number], least[number] + spare)
        spare -= widths[number] - least[number]
    return widths


def _total(kept: Sequence[int], widths: Sequence[int]) -> int:
    return sum(widths[number] for number in kept) + _GAP * (len(kept) - 1)


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], mark: int | None = None) -> list[str]:
    """Show a table as wide as there is room for; the heads of the columns that were left out. mark: a row in bold."""
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    heads = [printable(column.head) for column in columns]
    cells = [[printable(cell) for cell in row] for row in rows]
    sizes = [[cell_len(row[number]) for row in (heads, *cells)] for number in range(len(columns))]
    widths = fit(columns, sizes, width())
    if widths is None:  # not even what must stay has room: a line for each cell
        for row in cells:
            facts = zip(heads, row, columns, strict=True)
            say("\n  ".join(f"{head} {cell}" for head, cell, column in facts if not column.drop))
        return [column.head for column in columns if column.drop]
    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for number, size in widths.items():
        justify: Any = "right" if columns[number].right else "left"
        whole = size >= max(sizes[number])
        drawn.add_column(Text(heads[number]), justify=justify, width=size, no_wrap=whole, overflow="fold")
    for place, row in enumerate(cells):
        drawn.add_row(*(Text(row[number]) for number in widths), style="bold" if place == mark else None)
    show(drawn)
    return [column.head for number, column in enumerate(columns) if number not in widths]
