"""Where the board is: a database address, and connections to it that hold nothing open behind them.

SQLite's write-ahead log needs shared memory, locks and two files beside the database. Where these cannot be had, a
board is still written (with a rollback journal), and still read: on a read-only or full disk, and by people who have
no right to write.
"""

import errno
import os
import re
import shutil
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import sqlalchemy as sa

from kit import sharing, workspace
from kit.errors import KitError

WAIT = 60  # seconds for which one waits for another's writing
_MOST_COPIED = 200_000_000  # bytes of a database
_SQLITE_OPTIONS = ("mode", "immutable", "nolock", "psow", "vfs")  # of sqlite.org/uri.html
_HINT = "Give sqlite:////folder/board.sqlite or postgresql://user@host/name."


@dataclass(frozen=True)
class Address:
    """One database. shown: the address without its password. path, options: of SQLite; url: of anything else.

    shared: whether other workspaces may use it, so that it holds the files of its entries as well.
    """

    shown: str
    shared: bool = True
    path: Path | None = None
    options: dict[str, str] = field(default_factory=dict)
    url: sa.URL | None = None

    @property
    def missing(self) -> bool:
        """Whether there is no file yet, or an empty one; reading never makes a board."""
        try:
            if self.path is None:
                return False
            if not (self.path.exists() and self.path.stat().st_size):
                return True
            if not os.access(self.path, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return False
        except OSError as error:
            raise KitError(f"The board at {self.path} cannot be read: {error.strerror}.") from error


def address(text: str | None = None) -> Address:
    """The database at an address; without one `$KIT_DATABASE`, else the workspace's own board."""
    text = text or os.environ.get("KIT_DATABASE")
    if not text:
        path = workspace.root() / "leaderboard" / "board.sqlite"
        return Address(str(path), shared=False, path=path)
    try:
        url = sa.make_url(text.strip())
    except (sa.exc.ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        raise KitError(f"KIT_DATABASE={_without_password(text)!r} is no database address. {_HINT}") from error
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite":
        return _sqlite_address(url, shown)
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    return Address(shown, url=url)


def _without_password(text: str) -> str:
    return re.sub(r"://.*@", "://***@", text)


def _sqlite_address(url: sa.URL, shown: str) -> Address:
    if url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise KitError(f"KIT_DATABASE={shown}: there is no driver {url.drivername}. {_HINT}")
    name = url.database or ""
    options = {key: str(value) for key, value in url.query.items()}
    if options.pop("uri", "") or name.startswith("file:"):
        name = unquote(name.removeprefix("file:"))
    if name in ("", ":memory:") or options.get("mode") == "memory":
        raise KitError(f"KIT_DATABASE={shown} is a board in memory, which forgets at once. {_HINT}")
    if unknown := options.keys() - {*_SQLITE_OPTIONS}:
        words = f"the option {sorted(unknown)[0]!r} is not known; there are {', '.join(_SQLITE_OPTIONS)}"
        raise KitError(f"KIT_DATABASE={shown}: {words}.")
    return Address(shown, path=Path(name).expanduser().absolute(), options=options)


def engine(place: Address, write: bool = False) -> sa.Engine:
    """An engine whose every connection is closed after its use: SQLite's file is then whole, for anyone to copy."""
    if place.path is None:
        assert place.url is not None
        return _server(place.url)
    if place.path.is_dir():
        raise KitError(f"The board {place.path} is a folder; a file is wanted, such as {place.path / 'board.sqlite'}.")
    return _file(place.path, tuple(place.options.items()), write)


@lru_cache(maxsize=16)  # an engine asks its first connection many things; there is one for all that a process does
def _file(path: Path, options: tuple[tuple[str, str], ...], write: bool) -> sa.Engine:
    opened = _to_write if write else _to_read
    found = sa.create_engine("sqlite://", creator=lambda: opened(path, dict(options)), poolclass=sa.NullPool)
    sa.event.listen(found, "begin", _begin_at_once if write else _begin)
    return found


@lru_cache(maxsize=16)
def _server(url: sa.URL) -> sa.Engine:
    try:
        return sa.create_engine(url, poolclass=sa.NullPool)
    except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        hint = "Install the driver: pip install 'competition-kit[postgres]'." if "psycopg" in str(error) else _HINT
        raise KitError(f"No driver for {url.drivername}. {hint}") from error


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_at_once(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def make(place: Address) -> None:
    """Make SQLite's folder and an empty file, with the rights that the user's umask and the folder give."""
    if (path := place.path) is None:
        return
    if place.options.get("mode") == "ro" or place.options.get("immutable"):
        raise KitError(f"The board at {path} is opened for reading only, as KIT_DATABASE says.")
    try:
        sharing.make_folder(path.parent)
        if not path.exists():
            sharing.make_file(path)
    except OSError as error:
        raise KitError(f"The board's folder {path.parent} cannot be made or written: {error.strerror}.") from error


def _to_write(path: Path, options: dict[str, str]) -> sqlite3.Connection:
    if not os.access(path, os.W_OK):  # SQLite would open it for reading only, and leave its log behind
        raise KitError(f"The board at {path} may not be written by you: ask its owner for the right to write.")
    try:
        new = path.stat().st_size == 0  # an older one stays in the mode that it is in
        connection = _opened(path, {"mode": "rw", **options}, *(["PRAGMA journal_mode = WAL"] if new else []))
    except sqlite3.OperationalError as error:
        if not _no_shared_memory(error):
            raise
        alone = "PRAGMA locking_mode = EXCLUSIVE"  # the log then needs no shared memory, and can be put away
        back = ("PRAGMA journal_mode = DELETE", "PRAGMA locking_mode = NORMAL")
        connection = _opened(path, {"mode": "rw", **options}, alone, *back)
        _beside(path, "-shm").unlink(missing_ok=True)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # a forgotten name is not left in a free page
    return connection


def _opened(path: Path, options: dict[str, str], *settings: str) -> sqlite3.Connection:
    """A connection that works: SQLite opens its files at the first query only."""
    text = "&".join(f"{key}={quote(value)}" for key, value in options.items())
    uri = f"file:{quote(path.as_posix())}?{text}"
    new = [each for each in (_beside(path, "-shm"), _beside(path, "-wal")) if not each.exists()]
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=WAIT)
    try:
        for setting in settings:
            connection.execute(setting)
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if _no_shared_memory(error):  # nor can anybody else use what it made
            for each in new:
                each.unlink(missing_ok=True)
        raise
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.name}{ending}")


def _no_shared_memory(error: sqlite3.OperationalError) -> bool:
    return str(getattr(error, "sqlite_errorname", "")).startswith("SQLITE_IOERR_SHM")


def _to_read(path: Path, options: dict[str, str]) -> sqlite3.Connection:
    """As a writer would (the log's files are made, and taken away again); else read-only; else from a copy."""
    log = _beside(path, "-wal")
    pending = log.exists() and log.stat().st_size > 0
    ways = [{"mode": "rw"}] if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK) else []
    if pending or not _has_log(path):  # else it would make the log's files, for ever and not its owner's
        ways.append({"mode": "ro"})
    for way in ways:
        try:
            return _opened(path, {**way, **options})
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname.startswith("SQLITE_BUSY"):
                raise
    if not pending and path.stat().st_size > _MOST_COPIED:
        return _opened(path, {**options, "mode": "ro", "immutable": "1"})
    return _copy(path, log)


def _copy(path: Path, log: Path) -> sqlite3.Connection:
    """The database as it is at one moment, in memory."""
    for again in range(20):
        before = _state(path), _state(log)
        if before[1] and before[1][0]:  # what is in the log alone comes with it
            import tempfile

            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / path.name
                shutil.copyfile(path, copy)
                shutil.copyfile(log, _beside(copy, "-wal"))
                opened = _opened(copy, {"mode": "rw"})
                content = bytearray(opened.serialize())
                opened.close()
        else:
            content = bytearray(path.read_bytes())
        if (_state(path), _state(log)) == before:
            break
        time.sleep(0.01 * again)
    content[18:20] = b"\1\1"  # a database in memory has no log
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(bytes(content))
    connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    return connection


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of the last change; None where there is no such file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


def _has_log(path: Path) -> bool:
    """Whether a database is in write-ahead mode: bytes 18 and 19 of its header (sqlite.org/fileformat.html)."""
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\2\2"


def settled(connection: Any) -> None:
    """After a write: bring the log into the database's own file, as far as no reader stands in the way."""
    if isinstance(connection, sqlite3.Connection):
        with suppress(sqlite3.Error):  # what was written is safe in the log
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
