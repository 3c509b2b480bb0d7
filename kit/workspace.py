"""Where files live: the workspace (submissions, leaderboard, runs) and the cache (downloads, prepared data)."""

import errno
import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, BinaryIO

from kit.errors import KitError, is_of_the_disk, os_error_words, shown


def root() -> Path:
    """The workspace: `$KIT_WORKSPACE`, else the nearest folder upwards with a `leaderboard/`, else the current one."""
    if chosen := os.environ.get("KIT_WORKSPACE"):
        if os.path.exists(folder := _chosen("KIT_WORKSPACE", chosen)) and not os.path.isdir(folder):
            raise KitError(f"KIT_WORKSPACE={shown(chosen, 1000)} is a file. Set it to a folder.")
        return folder
    try:
        here = Path.cwd()
    except OSError as error:
        raise KitError("The current folder is gone. Go to another one, or set KIT_WORKSPACE to a folder.") from error
    # os.path, for pathlib fails at a folder further up that may not be looked into
    return next((folder for folder in (here, *here.parents) if os.path.isdir(folder / "leaderboard")), here)


def cache() -> Path:
    """Downloads and prepared data: `$KIT_CACHE`, else the platform's cache folder."""
    if chosen := os.environ.get("KIT_CACHE"):
        return _chosen("KIT_CACHE", chosen)
    import platformdirs

    try:
        folder = Path(platformdirs.user_cache_dir("competition-kit", appauthor=False))
    except RuntimeError:  # nobody knows whose home that is
        folder = Path("~")  # as it is left in older versions of platformdirs
    if not folder.is_absolute():
        raise KitError("You have no home folder here, so data has no place. Set KIT_CACHE to a folder.")
    return folder


def libraries() -> Path:
    """What libraries keep between runs, such as matplotlib's list of fonts."""
    return cache() / "libraries"


def _chosen(variable: str, text: str) -> Path:
    try:
        return Path(text).expanduser().resolve()
    except (RuntimeError, OSError) as error:  # no such home, links in a circle, a current folder that is gone
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        raise KitError(f"{variable}={shown(text, 1000)} leads nowhere: {reason}. Set it to a folder.") from error


def missing() -> Path | None:
    """A workspace that was chosen and does not exist yet; a slip of the pen, perhaps."""
    return root() if os.environ.get("KIT_WORKSPACE") and not os.path.exists(root()) else None


def explained(error: OSError) -> KitError | None:
    """The error in words, where a user can mend it; None where it is a fault of code, which keeps its traceback."""
    places = {}
    for variable, place in (("KIT_WORKSPACE", root), ("KIT_CACHE", cache)):
        with suppress(KitError):
            places[variable] = str(place())
    words = os_error_words(error, places)
    return None if words is None else KitError(words)


def submissions(task: str) -> Path:
    return root() / "submissions" / task


def runs(task: str) -> Path:
    return root() / "runs" / task


def sha256(path: Path) -> str:
    """sha256 of a file's content, as hexadecimal digits."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mapped(path: Path) -> Any:
    """The array of a .npy file, memory-mapped; read where the file system maps nothing, as some network drives."""
    import numpy as np

    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        return np.load(path, allow_pickle=False)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its place at `path`, whole and on disk, when the block ends well; else nothing changes.

    Its permissions are those of any new file of the user's (umask, and the folder's defaults). On Windows no file can
    be renamed while it is open or mapped: let go of what the block maps before it ends.
    """
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.parent / f".{path.name[:40]}-{os.urandom(4).hex()}.part"
    try:
        with naming(path, draft):
            with draft.open("xb") as file:
                yield file
                file.flush()
                _sync(file.fileno(), but=(errno.EIO, errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)))
            _rename(draft, path)
            _sync_folder(path.parent)
    finally:
        with suppress(OSError):
            draft.unlink()


@contextmanager
def naming(path: Path, draft: Path | None = None) -> Iterator[None]:
    """A full disk inside, which names no file, is told as that of `path`; so is what happens to its draft."""
    try:
        yield
    except OSError as error:
        if error.filename != str(draft) and (error.filename is not None or not is_of_the_disk(error)):
            raise
        number = error.errno or errno.ENOSPC  # as numpy has it
        raise OSError(number, os.strerror(number), str(path)) from error  # the name that the user knows


def _rename(draft: Path, path: Path) -> None:
    """Move into place. On Windows a virus scanner or an indexer may hold a new file for a moment."""
    for wait in (0.05, 0.1, 0.2, 0.4, 0.8) if os.name == "nt" else ():
        try:
            return os.replace(draft, path)
        except PermissionError:
            time.sleep(wait)
    os.replace(draft, path)


def _sync(handle: int, but: Collection[int]) -> None:
    """Bring a file or a folder to disk. Some file systems have no such call; the errors in `but` are real."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno in but:
            raise


def _sync_folder(folder: Path) -> None:
    """Bring a folder's list of names to disk; Windows has no such call and needs none."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # a folder to write in that may not be listed
        return
    try:
        _sync(handle, but=(errno.EIO,))
    finally:
        os.close(handle)


class Busy(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path, timeout: float = -1) -> Iterator[None]:
    """One process at a time is inside; Busy after `timeout` seconds of waiting, never where it is negative.

    The lock of a killed process is free. Whoever may write in the folder may take the lock. Where the file system has
    no locks, a file beside it that exists stands for one.
    """
    import filelock

    works = _make_lock(path)
    lock = filelock.FileLock(path) if works else filelock.SoftFileLock(_marker(path))
    try:
        lock.acquire(timeout=timeout)
    except filelock.Timeout as error:
        raise Busy from error
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock; needs no right to write."""
    if os.name == "nt":
        try:
            with locked(path, timeout=0) if path.exists() else nullcontext():
                return False
        except Busy:
            return True
    import fcntl

    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        finally:
            os.close(handle)
    except BlockingIOError:
        return True
    except OSError:  # no lock was ever taken, or there are none on this file system
        return os.path.exists(_marker(path))
    return False


def _make_lock(path: Path) -> bool:
    """Make a lock's file, with the permissions of any new file (filelock's own shuts out the group); do locks work?"""
    if os.name == "nt":
        return True
    import fcntl

    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _marker(path: Path) -> Path:
    return path.with_name(f"{path.name}.held")
