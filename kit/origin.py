"""What a task's answers are made from, as one short key: the files of its folder and of the tasks it imports from.

The key is asked for whenever a command starts, so a file is read again only where its size, its times or its inode are
not those it had when it was read last: a changed file has another time of change (ctime), which no program can set
back. A file that was changed within two seconds before it was read is read again the next time too, since a clock that
ticks slowly could hide a second change.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kit import workspace
from kit.errors import KitError
from kit.task import Task

SCHEMA = 2  # of the prepared data; another one is prepared anew
_SETTLED = 2_000_000_000  # nanoseconds after which a file's times tell whether it was changed
_BACKUPS = ("~", "#", ".bak", ".orig", ".rej", ".swo", ".swp", ".tmp", ".pyc", ".pyo")
_IMPORT = re.compile(rb"(?:\bkit\.tasks|\.\.)(?:\.?(\w+)|\s+import\s+\(?([\w\s,]+))")

Seen = list[Any]  # size, times of modification and of change, inode, sha256, names of tasks it may import from


def key(task: Task) -> str:
    """12 hexadecimal digits that change with anything the task's data is made from.

    Counted is every file of the task's folder, data files too, and of each task that one of them imports from; only
    `baselines/`, the brief, hidden files and an editor's backups are not. What a task reads from elsewhere, such as a
    download, is counted by the sha256 that stands in its code.
    """
    index = workspace.cache() / task.name / "files.json"
    known = _recalled(index)
    now, used = time.time_ns(), {}
    digest = hashlib.sha256(f"prepared {SCHEMA}\0".encode())
    waiting, done = [task.folder], set()
    while waiting:
        folder = waiting.pop(0)
        done.add(folder)
        imports: set[str] = set()
        for name, entry in _files(folder):
            seen = used[entry.path] = _look(entry, known.get(entry.path))
            digest.update(f"{folder.name}/{name}\0{seen[4]}\0".encode("utf-8", "surrogateescape"))
            imports.update(seen[5])
        waiting += sorted(_folders(imports, task.folder.parent) - done - set(waiting))
    settled = {path: seen for path, seen in used.items() if max(seen[1:3]) < now - _SETTLED}
    if any(known.get(path) != seen for path, seen in settled.items()):
        _remember(index, settled)
    return digest.hexdigest()[:12]


def _files(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """(name inside the folder, file) of every file that counts, in a fixed order."""
    if folder == Path():  # a task made by hand, outside any folder
        return
    waiting, been = [(str(folder), "")], set()
    while waiting:
        place, inside = waiting.pop()
        with os.scandir(place) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name[0] == "." or entry.name.endswith(_BACKUPS):
                    continue
                if entry.is_file():
                    if inside or entry.name != "README.md":
                        yield f"{inside}{entry.name}", entry
                elif entry.is_dir() and entry.name not in ("__pycache__", "" if inside else "baselines"):
                    there = entry.stat()
                    if (there.st_dev, there.st_ino) not in been:  # else a link leads back
                        been.add((there.st_dev, there.st_ino))
                        waiting.append((entry.path, f"{inside}{entry.name}/"))


def _look(entry: os.DirEntry[str], known: Seen | None) -> Seen:
    """The file's facts: those known, where nothing says that it was changed since, else read anew."""
    try:
        stat = entry.stat()
        facts: Seen = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        if isinstance(known, list) and len(known) == 6 and known[:4] == facts:
            return known
        imports: list[str] = []
        if entry.name.endswith(".py"):
            found = _IMPORT.findall(Path(entry.path).read_bytes())
            imports = sorted(set(re.findall(r"\w+", b" ".join(map(b" ".join, found)).decode())))
        return [*facts, workspace.sha256(Path(entry.path)), imports]
    except OSError as error:
        raise KitError(f"{entry.path}, a file of the task, cannot be read: {error.strerror}.") from error


def _folders(imports: set[str], beside: Path) -> set[Path]:
    """The folders of those of the names that are tasks."""
    if not imports:
        return set()
    from kit import tasks

    places = dict.fromkeys([beside, *map(Path, tasks.__path__)])
    found = {name: place / name for place in places for name in imports if (place / name / "__init__.py").is_file()}
    return set(found.values())


def _recalled(index: Path) -> dict[str, Seen]:
    try:
        return dict(json.loads(index.read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}


def _remember(index: Path, seen: dict[str, Seen]) -> None:
    try:
        with workspace.replacing(index) as file:
            file.write(json.dumps(seen).encode())
    except OSError:
        pass  # a cache that cannot be written to costs time, nothing else
