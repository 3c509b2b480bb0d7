"""Folders and files that a group shares: with the rights of the user's umask and of the folder they are made in."""

import os
import stat
from contextlib import suppress
from pathlib import Path


def make_folder(path: Path) -> None:
    """Make a folder and those above it; open to the group where the folder it is made in is a group's."""
    if os.path.isdir(path):
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    _open_to_group(path, stat.S_IRWXG | stat.S_ISGID)


def make_file(path: Path) -> None:
    """Make an empty file, unless there is one; writable by the group where its folder is a group's."""
    path.touch(0o666)
    open_file(path)


def open_file(path: Path) -> None:
    """Let the group read and write a file, where its folder is the group's."""
    _open_to_group(path, stat.S_IRGRP | stat.S_IWGRP)


def _open_to_group(path: Path, rights: int) -> None:
    """A folder with both the group's right to write and the setgid bit is a group's (as `chmod g+ws` makes it)."""
    group = stat.S_IWGRP | stat.S_ISGID
    if path.parent.stat().st_mode & group == group:
        with suppress(OSError):  # some file systems have no rights to give
            path.chmod(stat.S_IMODE(path.stat().st_mode) | rights)
