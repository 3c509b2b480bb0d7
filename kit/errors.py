"""Errors that a user can mend, and their words. `main()` prints them without a traceback; all others keep theirs."""

from collections.abc import Sequence

FIRST = 3  # how many places a message names


class KitError(Exception):
    """Something the user can mend. The message says what is wrong, what was expected and what to do."""

    exit_code = 1


class Stopped(KitError):
    """The user stopped a training; what was done is kept."""

    exit_code = 130  # as after Ctrl-C in a shell


class SourceError(KitError):
    """A file of a data set cannot be had, or is not the file it should be."""


class TaskError(KitError):
    """A task that its author must mend, with every fault found in it.

    faults: one sentence each.
    """

    def __init__(self, name: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        lead = f"Task {name}: " if len(faults) == 1 else f"Task {name} has {len(faults)} faults:\n"
        super().__init__(lead + _listed(faults))


class PredictionError(KitError):
    """A submission that cannot be scored, with every fault found in it.

    faults: one sentence each, the most basic first.
    """

    def __init__(self, name: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        lead = f"{name}: " if len(faults) == 1 else f"{name} has {len(faults)} faults:\n"
        super().__init__(lead + _listed(faults))


def _listed(faults: Sequence[str]) -> str:
    return faults[0] if len(faults) == 1 else "\n".join(f"  - {fault}" for fault in faults)


def did_you_mean(word: str, choices: Sequence[str]) -> str:
    """A closing sentence that offers the nearest choice, or all of them where none is near."""
    import difflib

    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else f"There are: {', '.join(choices) or 'none yet'}."


def shown(word: object, longest: int = 60) -> str:
    """A word from a submission, fit for a terminal: no control characters, blanks at its ends visible, not too long."""
    text = word.decode(errors="replace") if isinstance(word, bytes) else str(word)
    text = text if len(text) <= longest else text[:longest] + "..."
    return text if text and text.isprintable() and text == text.strip() else repr(text)


def first_line(error: Exception) -> str:
    """The first line of a library's message, which may quote the file."""
    return shown(str(error).partition("\n")[0].strip().rstrip(".") or type(error).__name__, 300)


def short(names: Sequence[str]) -> str:
    """The names, or of many the first four and the last."""
    words = [shown(name, 40) for name in (names if len(names) < 7 else names[:4])]
    return ",".join(words if len(names) < 7 else [*words, "...", shown(names[-1], 40)])


def counted(n: int, one: str, many: str, places: Sequence[str]) -> str:
    """A fault with its count and the first few places: `2 ids are missing: toss1, toss7.`"""
    more = f" and {n - len(places):,} more" if n > len(places) else ""
    return f"{n:,} {one if n == 1 else many}: {', '.join(places)}{more}."
