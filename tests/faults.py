"""Run one `kit` command again and again, each time with another of its calls to the system refused.

    python -m tests.faults FOLDER first EACCES submit coin preds.npy

FOLDER holds `workspace` and `cache`, which every run gets a copy of, in FOLDER/now. Python tells an audit hook of each
file that is opened, renamed or removed, and of each folder that is made or listed, before it is done, and the hook may
refuse it: `every` call, or the `first` of its kind and file. Prints a list in JSON: for each call its event and path,
the exit code, what stderr said, what escaped, what was left, and how many entries the board had.
"""

import contextlib
import errno
import io
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.scandir")
NOISE = ("__pycache__", ".pyc")


class Refusing:
    """Counts the calls that touch a folder, and refuses one of them."""

    def __init__(self) -> None:
        self.folder, self.refused, self.number, self.seen = "", -1, 0, list[tuple[str, str]]()
        sys.addaudithook(self)

    def start(self, folder: Path, refused: int, number: int) -> None:
        self.folder, self.refused, self.number, self.seen = str(folder), refused, number, []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.folder or event not in EVENTS or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path = os.fsdecode(arguments[0])
        if path.startswith(self.folder) and not any(word in path for word in NOISE):
            self.seen.append((event, path))
            if len(self.seen) - 1 == self.refused:
                raise OSError(self.number, os.strerror(self.number), path)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def once(hook: Refusing, base: Path, number: int, refused: int, command: list[str]) -> dict[str, Any]:
    from kit.board import Board
    from kit.cli import main

    now = base / "now"
    shutil.rmtree(now, ignore_errors=True)
    for name in ("workspace", "cache"):
        shutil.copytree(base / name, now / name, symlinks=True)
    os.environ |= {"KIT_WORKSPACE": str(now / "workspace"), "KIT_CACHE": str(now / "cache")}
    for name in [name for name in sys.modules if name.startswith("kit.tasks.coin")]:
        del sys.modules[name]
    before = files(now)
    sys.argv = ["kit", *command]
    said, escaped, code = io.StringIO(), "", 0
    hook.start(now, refused, number)
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException as error:
            escaped, code = repr(error), 1
    hook.folder = ""
    event, path = hook.seen[refused] if 0 <= refused < len(hook.seen) else ("", "")
    left = sorted(name for name in files(now) - before if not any(word in name for word in NOISE))
    entries = len(list(Board().all()))
    return {
        "entries": entries,
        "event": event,
        "path": path,
        "code": code,
        "said": said.getvalue(),
        "escaped": escaped,
        "left": left,
    }


def chosen(seen: list[tuple[str, str]], which: str) -> list[int]:
    """The numbers of the calls to refuse. Names with a date or a random part count as one."""
    kinds = [(event, re.sub(r"[0-9a-f]{4,}|\d+", "#", path)) for event, path in seen]
    return list(range(len(seen))) if which == "every" else [kinds.index(kind) for kind in dict.fromkeys(kinds)]


if __name__ == "__main__":
    place, which, number, command = Path(sys.argv[1]), sys.argv[2], getattr(errno, sys.argv[3]), sys.argv[4:]
    hook = Refusing()
    whole = once(hook, place, number, -1, command)
    print(json.dumps([whole, *(once(hook, place, number, call, command) for call in chosen(hook.seen, which))]))
