"""Where files live: the workspace (submissions, leaderboard, runs) and the cache (downloads, prepared data)."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import platformdirs


def root() -> Path:
    """The workspace: `$KIT_WORKSPACE`, else the nearest folder upwards with a `leaderboard/`, else the current one."""
    if chosen := os.environ.get("KIT_WORKSPACE"):
        return Path(chosen).expanduser().resolve()
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "leaderboard").is_dir()), here)


def cache() -> Path:
    """Downloads and prepared data: `$KIT_CACHE`, else the platform's cache folder."""
    if chosen := os.environ.get("KIT_CACHE"):
        return Path(chosen).expanduser().resolve()
    return Path(platformdirs.user_cache_dir("competition-kit", appauthor=False))


def submissions(task: str) -> Path:
    return root() / "submissions" / task


def runs(task: str) -> Path:
    return root() / "runs" / task


def database() -> str:
    """The address of the board's database: `$KIT_DATABASE`, else a SQLite file in the workspace's `leaderboard/`."""
    return os.environ.get("KIT_DATABASE") or f"sqlite:///{root() / 'leaderboard' / 'board.sqlite'}"


def sha256(path: Path) -> str:
    """sha256 of a file's content, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its place at `path`, whole and on disk, when the block ends well; else nothing changes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", suffix=".part", dir=path.parent)
    os.close(handle)
    draft = Path(name)
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o644)
        os.replace(draft, path)
        _sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Bring a folder's list of names to disk; Windows has no such call and needs none."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
