"""What the kit keeps on disk, and what of it can go. Nothing but the cache and the workspace is ever looked into.

Links are not followed, and what is theirs stays: a cache, or a `runs/`, that is itself a link is the user's own choice.
What the board names always stays: the files of its entries, and their runs but for the checkpoints of going on.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kit import runs, tasks, workspace
from kit.board import Board
from kit.errors import KitError, did_you_mean

_DAY = 24 * 3600
_UNITS = {"h": 3600, "d": _DAY, "w": 7 * _DAY}
_OURS = re.compile(r"\d{8}-\d{6}-.+?(\.npy|\.sums\.npz)")  # the name of a submission's file, which the kit gives
_SENT_FOR = 7 * _DAY  # a run that is out on a cluster is not given up sooner


@dataclass(frozen=True)
class Usage:
    """What one task takes in one place: "downloads", "prepared", "runs" and "submissions"; all share a "leaderboard",
    "copies" of what a shared board keeps in its database, and what "libraries" keep.

    unread: folders that may not be looked into, and whose content is not counted.
    """

    place: str
    task: str
    path: str
    files: int
    bytes: int
    unread: int


@dataclass(frozen=True)
class Item:
    """Something that can go, all of it or not at all. kind: in words. used: when it was written last, Unix time.

    lock: whoever holds it is working with the item.
    """

    kind: str
    task: str
    paths: tuple[Path, ...]
    bytes: int
    used: float
    lock: Path | None = None


def usage(task: str | None = None) -> list[Usage]:
    """What is on disk, of one task or of all, the largest first."""
    found = []
    for name in _chosen(task):
        folder = workspace.cache() / name
        downloads = [each for each in _children(folder) if each.name == "files"]
        prepared = [each for each in _children(folder) if each.name != "files"]
        found += [_usage("downloads", name, folder / "files", downloads), _usage("prepared", name, folder, prepared)]
        for place, of in (("runs", workspace.runs(name)), ("submissions", workspace.submissions(name))):
            found.append(_usage(place, name, of, [] if of.is_symlink() else [of]))
    if task is None:
        board = workspace.root() / "leaderboard"
        found.append(_usage("leaderboard", "", board, [board]))
        found.append(_usage("copies", "", workspace.cache() / "entries", _children(workspace.cache() / "entries")))
        found.append(_usage("libraries", "", workspace.libraries(), _children(workspace.libraries())))
    return sorted((each for each in found if each.files or each.unread), key=lambda each: -each.bytes)


def cleanable(task: str | None = None, of_runs: bool = False, cache: bool = False, older: float = 0) -> list[Item]:
    """What can go, the largest first: leftovers of what was cut short, and what is asked for.

    of_runs: also the runs that have no entry on the board, and the checkpoints of those that have. cache: also
    downloads and prepared data. older: only what was written last so many seconds ago, or longer.
    """
    now = time.time()
    found: list[Item] = []
    names, entries = _chosen(task), list(Board().all(task))
    for name in names:
        mine = [entry for entry in entries if entry["task"] == name]
        found += _in_cache(name, now, cache)
        found += _in_submissions(name, now, {Path(entry["file"]).name for entry in mine})
        found += _in_runs(name, now, {entry["id"] for entry in mine}, of_runs)
    if cache and task is None:
        copies = [each for each in _children(workspace.cache() / "entries") if os.path.isfile(each)]
        found += [item for copy in copies for item in _item("copy from the board's database", "", [copy])]
    return sorted((item for item in found if item.used <= now - older), key=lambda item: -item.bytes)


def remove(item: Item) -> str | None:
    """Delete it; a line on why it stays where it does. What is gone already is no error."""
    if item.lock and workspace.is_locked(item.lock):
        return f"{item.paths[0]} stays: another process is working with it."
    try:
        for path in item.paths:
            _remove_folder(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    except OSError as error:
        return f"{item.paths[0]} stays: {error.strerror or error}."
    return None


def seconds(text: str) -> float:
    """The seconds of an age such as 12h, 30d or 8w."""
    if (match := re.fullmatch(r"([0-9]{1,6})([hdw])", text.strip().lower())) is None:
        raise KitError(f"--older {text}: hours, days or weeks are wanted, such as 12h, 30d or 8w.")
    return float(match[1]) * _UNITS[match[2]]


def _remove_folder(folder: Path) -> None:
    """It is moved aside first, so that a folder that is half deleted is never taken for a whole one."""
    aside = folder.with_name(f".{folder.name}.deleted")
    if os.path.isdir(aside):  # a deletion that was cut short
        shutil.rmtree(aside)
    try:
        os.replace(folder, aside)
    except FileNotFoundError:
        return
    (aside / "run.json").unlink(missing_ok=True)  # without it, it is no run
    shutil.rmtree(aside)


def _chosen(task: str | None) -> list[str]:
    """The names of tasks that could have something on disk."""
    known: set[str] = set()
    with suppress(KitError):  # a task folder that is wrong is no reason not to clean
        known.update(tasks.folders())
    known.update(each.name for place in ("runs", "submissions") for each in _folders(_real(workspace.root() / place)))
    # a cache may have been set to a folder with other things in it
    known.update(each.name for each in _folders(_real(workspace.cache())) if any(each.glob("prepared-*/facts.json")))
    if task is None:
        return sorted(known)
    if task not in known:
        raise KitError(f"There is no task {task!r}, and nothing of one. {did_you_mean(task, sorted(known))}")
    return [task]


def _in_cache(task: str, now: float, everything: bool) -> Iterator[Item]:
    folder = workspace.cache() / task
    for each in _children(folder):
        if each.name == "files":
            for file in _children(each):
                yield from _downloaded(task, file, everything)
        elif each.name.startswith(".") and os.path.isdir(each):
            yield from _item("leftover of preparing", task, [each], before=now - _DAY)
        elif os.path.isdir(each) and everything:
            yield from _item("prepared data", task, [each], folder / f".{each.name}.lock")


def _downloaded(task: str, file: Path, everything: bool) -> Iterator[Item]:
    whole = file.name.removesuffix(".partial").removesuffix(".damaged")
    lock = file.with_name(f".{whole}.lock")
    if file.name == lock.name or not os.path.isfile(file):
        return
    if file.name != whole:
        yield from _item("leftover of a download", task, [file], lock)
    elif everything and not file.name.startswith("."):
        yield from _item("download", task, [file], lock)


def _in_submissions(task: str, now: float, named: set[str]) -> Iterator[Item]:
    """Files that no entry names; never where there is no entry at all, for another database may name them."""
    for file in _children(workspace.submissions(task)):
        submitted = _OURS.fullmatch(file.name)
        is_orphan = submitted and named and f"{file.name.removesuffix(submitted[1])}.npy" not in named
        if (is_orphan and os.path.isfile(file)) or file.name.endswith((".part", ".deleted")):
            yield from _item("leftover of submitting", task, [file], before=now - _DAY)


def _in_runs(task: str, now: float, on_board: set[str], everything: bool) -> Iterator[Item]:
    for folder in _folders(workspace.runs(task)):
        lock = folder / ".lock"
        if folder.name.startswith("."):  # moved aside to be deleted
            yield from _item("leftover of cleaning", task, [folder])
        elif not workspace.is_locked(lock):
            state = _state(folder) if everything else ""
            if state and folder.name not in on_board:
                before = now - _SENT_FOR if state == "sent" else now
                yield from _item(f"run, {state}", task, [folder], lock, before)
                continue
            names = [Path(name) for name, _ in _files(folder)]
            yield from _item("leftover of a run", task, [name for name in names if name.suffix == ".part"], lock)
            if state == "finished":
                states = [name for name in names if re.fullmatch(r"last-\d+\.pt", name.name)]
                yield from _item("checkpoints of a run", task, states, lock)


def _state(folder: Path) -> str:
    """A run's state; "" where there is no record that can be read, and so no telling what the folder is."""
    try:
        return runs.read(folder).state
    except KitError:
        return ""


def _item(
    kind: str, task: str, paths: Sequence[Path], lock: Path | None = None, before: float = float("inf")
) -> Iterator[Item]:
    """One item, if there is anything, and nobody wrote it after `before` or works with it now."""
    found = [status for path in paths for _, status in _files(path)]
    used = max((status.st_mtime for status in found), default=0.0)
    if paths and used <= before and not (lock and workspace.is_locked(lock)):
        yield Item(kind, task, tuple(paths), sum(status.st_size for status in found), used, lock)


def _usage(place: str, task: str, path: Path, parts: Sequence[Path]) -> Usage:
    unread: list[str] = []
    sizes = [status.st_size for part in parts for _, status in _files(part, unread)]
    return Usage(place, task, str(path), len(sizes), sum(sizes), len(unread))


def _children(folder: Path) -> list[Path]:
    """What lies in a folder but for links; nothing where it is none, is itself a link, or may not be read."""
    try:
        with os.scandir(folder) as entries:
            return [] if folder.is_symlink() else sorted(Path(each.path) for each in entries if not each.is_symlink())
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    return [each for each in _children(folder) if os.path.isdir(each)]


def _real(place: Path) -> Path:
    """A place of the user's choice may itself be a link."""
    return Path(os.path.realpath(place))


def _files(path: Path, unread: list[str] | None = None) -> Iterator[tuple[str, os.stat_result]]:
    """The files in a folder, at any depth, or the file itself. What vanishes meanwhile is passed over."""
    waiting = [str(path)] if os.path.isdir(path) else []
    if not waiting:
        with suppress(OSError):
            yield str(path), os.lstat(path)
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for each in entries:
                    if each.is_dir(follow_symlinks=False):
                        waiting.append(each.path)
                        continue
                    with suppress(OSError):
                        yield each.path, each.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        except OSError:
            if unread is not None:
                unread.append(folder)
