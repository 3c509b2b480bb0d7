"""Errors that a user can mend, and their words. `main()` prints them without a traceback; all others keep theirs."""

import errno
import os
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


_MAKE_ROOM = "Make room; `kit disk` shows what takes it."
_OS_ERRORS = {  # by name, for some systems lack some: (what is wrong, what to do where that is not "use another path")
    "EACCES": ("permission is denied", ""),
    "EPERM": ("permission is denied", ""),
    "EROFS": ("the file system is read-only", ""),
    "ENOSPC": ("the disk is full", _MAKE_ROOM),
    "EDQUOT": ("your quota of disk space is used up", _MAKE_ROOM),
    "EFBIG": ("it would be larger than this file system, or `ulimit -f`, allows", ""),
    "ENAMETOOLONG": ("the name is too long", ""),
    "ELOOP": ("its links lead in a circle", ""),
    "ENOTDIR": ("a file stands where a folder is wanted", ""),
    "EEXIST": ("a file stands where a folder is wanted", ""),
    "EISDIR": ("this is a folder, and a file is wanted", ""),
    "ENOTEMPTY": ("a folder that is not empty stands in its place", "Look into that folder, and delete or move it."),
    "EILSEQ": ("this file system does not take such a name", ""),
    "EBUSY": ("another program is using it", "Close that program and try again."),
    "ETXTBSY": ("another program is using it", "Close that program and try again."),
    "EMFILE": ("too many files are open", "Raise the limit: ulimit -n 4096"),
    "ENFILE": ("too many files are open on this machine", "Close other programs and try again."),
    "EIO": ("the disk, or the network drive, failed", "Check it and try again."),
    "ESTALE": ("the network drive has changed underneath", "Mount it anew and try again."),
    "ENOTCONN": ("the network drive is gone", "Mount it anew and try again."),
    "EHOSTDOWN": ("the network drive is gone", "Mount it anew and try again."),
    "ENOLCK": ("this file system has no locks", ""),
    "ENODEV": ("this file system cannot map files into memory", ""),
    "ENOENT": ("it is missing; perhaps it was deleted meanwhile", "Run the command again."),
}
_WORDS = {getattr(errno, name): words for name, words in _OS_ERRORS.items() if hasattr(errno, name)}
_OF_THE_DISK = {getattr(errno, name, None) for name in ("EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EIO", "ESTALE")}
_OF_THE_MACHINE = _OF_THE_DISK | {errno.EMFILE, errno.ENFILE, errno.ENODEV}  # of no file in particular


def is_of_the_disk(error: OSError) -> bool:
    """Whether what was being written could not be. numpy tells a full disk without a number of the system's."""
    return error.errno in _OF_THE_DISK or (error.errno is None and " requested and " in str(error))


def os_error_words(error: OSError, places: dict[str, str] | None = None) -> str | None:
    """One line on what a user can mend: the path, what is wrong there, what to do. None for what is a fault of code.

    That is told by the error's number, and by whether it names a file. places: folders that can be chosen, by the
    variable that does so; a file that is missing is the user's to mend in these only.
    """
    if error.errno == errno.ENOENT and "temporary directory" in str(error):
        return "There is no folder for temporary files that can be written. Set TMPDIR to one."
    number = errno.ENOSPC if error.errno is None and is_of_the_disk(error) else error.errno
    name = next((each for each in (error.filename2, error.filename) if isinstance(each, str | bytes)), None)
    if number not in _WORDS or (name is None and number not in _OF_THE_MACHINE):
        return None
    path = os.fsdecode(name) if name else ""
    variable = _variable(path, number, places or {})
    if number == errno.ENOENT and not variable:
        return None
    what, advice = _WORDS[number]
    verb = "written" if is_of_the_disk(error) and number not in (errno.EIO, getattr(errno, "ESTALE", None)) else "used"
    other = f"Mend that, or set {variable} to another folder." if variable else "Mend that, or take another path."
    subject = shown(path, 1000) if path else "A file, or what the command shows,"
    return f"{subject} cannot be {verb}: {what}. {advice or other}"


def _variable(path: str, number: int | None, places: dict[str, str]) -> str:
    """What chooses the innermost place that a path lies in, or the places to which it is on the way; "" if none."""
    here = os.path.join(path, "")
    known = {os.path.join(place, ""): variable for variable, place in places.items()}
    if inside := [place for place in known if here.startswith(place)]:
        return known[max(inside, key=len)]
    is_way = path and number in (errno.ENOTDIR, errno.EEXIST, errno.EACCES, errno.EROFS)
    return " or ".join(known[place] for place in known if is_way and place.startswith(here))


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
