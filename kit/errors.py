"""Errors that a user can mend. `main()` prints them without a traceback and exits with 1; all others keep theirs."""

from collections.abc import Sequence


class KitError(Exception):
    """Something the user can mend. The message says what is wrong, what was expected and what to do."""

    exit_code = 1


class Stopped(KitError):
    """The user stopped a training; what was done is kept."""

    exit_code = 130  # as after Ctrl-C in a shell


class SourceError(KitError):
    """A file of a data set cannot be had, or is not the file it should be."""


class PredictionError(KitError):
    """A submission that cannot be scored, with every fault found in it.

    faults: one sentence each, the most basic first.
    """

    def __init__(self, name: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        listed = faults[0] if len(faults) == 1 else "\n".join(f"  - {fault}" for fault in faults)
        lead = f"{name}: " if len(faults) == 1 else f"{name} has {len(faults)} faults:\n"
        super().__init__(f"{lead}{listed}")


def did_you_mean(word: str, choices: Sequence[str]) -> str:
    """A closing sentence that offers the nearest choice, or all of them where none is near."""
    import difflib

    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else f"There are: {', '.join(choices) or 'none yet'}."
