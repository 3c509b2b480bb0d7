"""The board: an append-only, hash-chained record of every submission and its scores, in one SQL database.

SQLite by default, PostgreSQL by `KIT_DATABASE`; SQLAlchemy Core speaks to both. Every entry holds the hash of the one
before it, and its own hash covers all of its fields, so that no field can be changed and no entry removed or moved
without `kit verify` naming it. A head row remembers the last entry, so that the newest cannot vanish either.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kit import workspace
from kit.errors import KitError

GENESIS = "0" * 64
_LOCK = 0x6B6974  # PostgreSQL's advisory lock while the tables are made: "kit"

_metadata = sa.MetaData()
entries = sa.Table(
    "entries",
    _metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("answers", sa.Text, nullable=False),  # fingerprint of what it was scored on
    sa.Column("source", sa.Text, nullable=False),  # where that data came from, in words
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("baseline", sa.Boolean, nullable=False),
    sa.Column("time", sa.Text, nullable=False),  # UTC, ISO 8601
    sa.Column("file", sa.Text, nullable=False),  # in the workspace
    sa.Column("file_sha256", sa.Text, nullable=False),
    sa.Column("sums_sha256", sa.Text, nullable=False),
    sa.Column("metric", sa.Text, nullable=False),  # the one that ranks
    sa.Column("higher_is_better", sa.Boolean, nullable=False),
    sa.Column("score", sa.Float),  # over all rows, by that metric; the next two over the parts
    sa.Column("score_public", sa.Float),
    sa.Column("score_private", sa.Float),
    sa.Column("scores", sa.Text, nullable=False),  # JSON: metric -> part -> [value, low, high]
    sa.Column("coverage", sa.Text, nullable=False),  # JSON: part -> share of cells that were scored
    sa.Column("seconds", sa.Float),
    sa.Column("device", sa.Text),
    sa.Column("seed", sa.Integer),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("commit", sa.Text),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False, unique=True),
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Index("entries_best", "task", "answers", "metric", "name", "score", "number"),
)
head = sa.Table(
    "head",
    _metadata,
    sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

Entry = dict[str, Any]


def _typed(entry: Entry) -> Entry:
    """The fields as the database gives them back: a whole number in a column of floats is a float, and so on."""
    plain = {sa.Float: float, sa.Integer: int, sa.Boolean: bool, sa.Text: str}
    types = {column.name: plain[type(column.type)] for column in entries.columns}
    return {name: None if value is None else types[name](value) for name, value in entry.items()}


def seal(entry: Entry) -> str:
    """sha256 of the canonical JSON (RFC 8785 in spirit: sorted keys, no spaces) of every field but the hash itself."""
    content = {column.name: entry[column.name] for column in entries.columns if column.name != "hash"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Board:
    """One database. `address` is an SQLAlchemy URL; the workspace's own board by default."""

    def __init__(self, address: str | None = None) -> None:
        self.address = address or workspace.database()
        self._url = _url(self.address)
        self._engine: sa.Engine | None = None

    def append(self, entry: Entry) -> Entry:
        """Add one entry and return it whole, with its number, the hash before it and its own.

        It is on disk when this returns. Writers wait for each other; none is lost and the chain never forks.
        """
        with self._connect(write=True) as connection:
            last = connection.execute(sa.select(head).with_for_update()).one()
            whole = _typed({**entry, "number": last.number + 1, "previous": last.hash})
            whole["hash"] = seal(whole)
            connection.execute(sa.insert(entries), whole)
            connection.execute(sa.update(head).values(number=whole["number"], hash=whole["hash"]))
        return whole

    def all(self, task: str | None = None, **having: str) -> Iterator[Entry]:
        """Every entry in the order of the chain, of one task where it is given, with certain fields where they are."""
        query = sa.select(entries).order_by(entries.c.number)
        if task is not None:
            having["task"] = task
        yield from self._rows(query.where(*(entries.c[column] == value for column, value in having.items())))

    def tasks(self) -> list[str]:
        """Names of the tasks that have entries."""
        return [row["task"] for row in self._rows(sa.select(entries.c.task).distinct().order_by(entries.c.task))]

    def boards(self, task: str) -> list[tuple[str, str]]:
        """(answers fingerprint, ranking metric) of each separate board of a task, the one used last coming first."""
        latest = sa.func.max(entries.c.number)
        query = sa.select(entries.c.answers, entries.c.metric).where(entries.c.task == task)
        query = query.group_by(entries.c.answers, entries.c.metric).order_by(latest.desc())
        return [(row["answers"], row["metric"]) for row in self._rows(query)]

    def best(self, task: str, answers: str, metric: str, part: str = "all", top: int | None = None) -> list[Entry]:
        """Each name's best entry, the best first, with "rank" and "entries" (how many that name has) added.

        Entries with equal scores share a rank; the earlier one is listed first. An entry without a score comes last.
        part: "all", "public" or "private". top: only that many names.
        """
        score = entries.c[{"all": "score", "public": "score_public", "private": "score_private"}[part]]
        here = sa.and_(entries.c.task == task, entries.c.answers == answers, entries.c.metric == metric)
        higher = self._higher_is_better(here)
        if higher is None:
            return []
        goodness = score if higher else -score
        best = sa.select(entries.c.name, sa.func.max(goodness).label("best"), sa.func.count().label("entries"))
        names = best.where(here).group_by(entries.c.name).subquery()
        same = sa.or_(goodness == names.c.best, names.c.best.is_(None))
        first = sa.select(sa.func.min(entries.c.number).label("number"), names.c.best, names.c.entries)
        first = first.join(names, sa.and_(names.c.name == entries.c.name, same)).where(here)
        chosen = first.group_by(entries.c.name, names.c.best, names.c.entries).subquery()
        rank = sa.func.rank().over(order_by=chosen.c.best.desc().nulls_last()).label("rank")
        ranked = sa.select(chosen, rank).order_by(rank, chosen.c.number).limit(top).subquery()
        query = sa.select(entries, ranked.c.rank, ranked.c.entries).join(ranked, ranked.c.number == entries.c.number)
        return list(self._rows(query.order_by(ranked.c.rank, entries.c.number)))

    def names(self, task: str) -> list[str]:
        """The names that have entries in a task."""
        query = sa.select(entries.c.name).where(entries.c.task == task).distinct().order_by(entries.c.name)
        return [row["name"] for row in self._rows(query)]

    def count_names(self, task: str, answers: str, metric: str) -> int:
        """How many names one board has."""
        query = sa.select(sa.func.count(entries.c.name.distinct()).label("n"))
        here = (entries.c.task == task, entries.c.answers == answers, entries.c.metric == metric)
        return next((int(row["n"]) for row in self._rows(query.where(*here))), 0)

    def head(self) -> tuple[int, str]:
        """Number and hash of the last entry, as remembered apart from the entries."""
        rows = list(self._rows(sa.select(head)))
        return (rows[0]["number"], rows[0]["hash"]) if rows else (0, GENESIS)

    def _higher_is_better(self, here: Any) -> bool | None:
        rows = list(self._rows(sa.select(entries.c.higher_is_better).where(here).limit(1)))
        return bool(rows[0]["higher_is_better"]) if rows else None

    def _rows(self, query: Any) -> Iterator[Entry]:
        if self._url.drivername == "sqlite" and not Path(str(self._url.database)).is_file():
            return  # reading never makes a board
        with self._connect() as connection:
            for row in connection.execute(query):
                yield dict(row._mapping)

    @contextmanager
    def _connect(self, write: bool = False) -> Iterator[sa.Connection]:
        try:
            if self._engine is None:
                self._engine = _engine(self._url)
            with self._engine.connect().execution_options(write=write) as connection, connection.begin():
                yield connection
        except sa.exc.IntegrityError:
            raise
        except sa.exc.DBAPIError as error:
            place = self._url.render_as_string(hide_password=True)
            raise KitError(f"The board at {place} cannot be used: {error.orig}") from error


def _url(address: str) -> sa.URL:
    try:
        url = sa.make_url(address)
    except sa.exc.ArgumentError as error:
        raise KitError(
            f"KIT_DATABASE={address!r} is no database address, such as postgresql://user@host/name."
        ) from error
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


def _engine(url: sa.URL) -> sa.Engine:
    """Connect, and make the tables where they are missing."""
    if url.drivername == "sqlite":
        folder = Path(str(url.database)).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KitError(f"The board's folder {folder} cannot be made: {error.strerror}") from error
    try:
        engine = sa.create_engine(url)
    except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        hint = "Install the driver: pip install 'competition-kit[postgres]'." if "psycopg" in str(error) else ""
        raise KitError(f"No driver for {url.drivername}. {hint}".strip()) from error
    if url.drivername == "sqlite":
        sa.event.listen(engine, "connect", _sqlite_settings)
        sa.event.listen(engine, "begin", _sqlite_begin)
    with engine.connect() as connection:
        if sa.inspect(connection).has_table("head"):
            return engine
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        if url.drivername.startswith("postgresql"):
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        _metadata.create_all(connection, checkfirst=True)
        if connection.execute(sa.select(head)).first() is None:
            connection.execute(sa.insert(head).values(one=1, number=0, hash=GENESIS))
    return engine


def _sqlite_settings(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own accord
    connection.execute("PRAGMA busy_timeout = 60000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _sqlite_begin(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get("write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
