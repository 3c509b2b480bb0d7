"""The board: an append-only, hash-chained record of every submission and its scores, in one SQL database.

SQLite by default, PostgreSQL by `KIT_DATABASE`; SQLAlchemy Core speaks to both. Every entry holds the hash of the one
before it, and its own hash covers the fields that its seal version lists (kit/seals.py), so that no such field can be
changed and no entry removed or moved without `kit verify` naming it. A head row remembers the last entry, so that the
newest cannot vanish either.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kit import database, schema, seals, workspace
from kit.errors import KitError, shown
from kit.queries import Ranking, best, ranked
from kit.schema import GENESIS, entries, files, head
from kit.seals import Entry, seal

__all__ = ["GENESIS", "Board", "Entry", "Ranking", "entries", "head", "seal"]

PART = 1 << 20  # bytes of a file in one row
_BLANK = {"seal": seals.NEWEST, "kind": "entry", "refers": None, "metric_version": 1}


def typed(entry: Entry) -> Entry:
    """The fields as the database gives them back: a whole number in a column of floats is a float, and so on.

    KitError, with all faults, where a field is what no database can keep as it is.
    """
    whole, faults = {}, []
    for name, value in entry.items():
        try:
            whole[name] = None if value is None else _field(value, type(entries.c[name].type))
        except (ValueError, TypeError, OverflowError) as error:
            faults.append(f"{name} is {shown(repr(value))}: {error}")
    if faults:
        raise KitError(f"This cannot stand on the board: {'; '.join(faults)}.")
    return whole


def _field(value: Any, kind: Any) -> Any:
    if kind is sa.Float and not math.isfinite(float(value)):
        raise ValueError("a finite number is wanted")
    if kind is sa.Integer and (int(value) != value or not -(2**63) <= value < 2**63):
        raise ValueError("a whole number of at most 64 bits is wanted")
    if kind is sa.Text and ("\0" in value or value.encode(errors="replace").decode() != value):
        raise ValueError("there are characters in it that are no text")
    return {sa.Float: float, sa.Integer: int, sa.Boolean: bool, sa.Text: str}[kind](value)


class Board:
    """One database. `address` is an SQLAlchemy URL; the workspace's own board by default."""

    def __init__(self, address: str | None = None) -> None:
        self.address = database.address(address)
        self._held: sa.Connection | None = None
        self._table: Any = None  # of entries, as the held connection has it

    def append(self, entry: Entry, kept: Sequence[Path] = ()) -> Entry:
        """Add one entry and return it whole, with its number, the hash before it and its own.

        It is on disk when this returns. Writers wait for each other; none is lost and the chain never forks.
        kept: the entry's files, of which a shared board takes a copy.
        KitError where the board has an entry of this id, a name that looks like this one, or such a mark already.
        """
        salt = os.urandom(16).hex()
        hashes = {f"{field}_hash": seals.salted(salt, field, entry[field]) for field in ("name", "note")}
        given = typed({**_BLANK, **entry, "salt": salt, **hashes})
        with self._connect(write=True) as connection:
            for path in kept if self.address.shared else ():
                _keep(connection, path)
            last = connection.execute(sa.select(head).with_for_update()).one_or_none()
            if last is None:
                raise KitError(f"The board at {self.address.shown} is damaged: it does not know its last entry.")
            _admit(connection, given)
            whole = typed({**given, "number": last.number + 1, "previous": last.hash})
            whole["hash"] = seal(whole)
            connection.execute(sa.insert(entries), whole)
            connection.execute(sa.update(head).values(number=whole["number"], hash=whole["hash"]))
        return {column.name: whole[column.name] for column in entries.columns}

    def forget(self, name: str) -> tuple[str, int, int]:
        """Take a person's name, notes and salts away: (the name they have now, entries so changed, entries left).

        The chain holds, for it covers the name only through the salt. Entries made before the name was sealed so are
        left as they are. Baselines are nobody's.
        """
        theirs = (entries.c.name == name, entries.c.baseline.is_(False))
        salted = (*theirs, entries.c.seal > 1)
        with self._connect(write=True) as connection:
            count = sa.select(sa.func.count(), sa.func.min(entries.c.number)).where(*theirs)
            n, first = connection.execute(count).one()
            if not n:
                raise KitError(f"{name!r} has no entry on this board.")
            now = f"forgotten-{first}"
            blank = {"name": now, "note": "", "salt": None}
            changed = connection.execute(sa.update(entries).where(*salted).values(blank)).rowcount
        return now, changed, n - changed

    def parts(self, sha256: str) -> Iterator[bytes]:
        """The parts of a file that a shared board holds, in order; none where it does not hold it."""
        if self.address.missing:
            return
        with self._connect() as connection:
            if schema.columns(connection, files.name):
                of_file = sa.select(files.c.bytes).where(files.c.sha256 == sha256).order_by(files.c.part)
                for row in connection.execute(of_file.execution_options(yield_per=4)):
                    yield row.bytes

    def all(self, task: str | None = None, **having: Any) -> Iterator[Entry]:
        """Every entry and mark in the order of the chain, of one task where it is given, with these fields."""
        if task is not None:
            having["task"] = task
        yield from self._rows(
            lambda rows: (
                sa.select(rows)
                .order_by(rows.c.number)
                .where(*(rows.c[column] == value for column, value in having.items()))
            )
        )

    def tasks(self) -> list[str]:
        """Names of the tasks that have entries."""
        found = self._rows(lambda rows: sa.select(rows.c.task).distinct().order_by(rows.c.task))
        return [row["task"] for row in found]

    def rankings(self, task: str) -> list[Ranking]:
        """Each separate ranking of a task, the one used last coming first."""

        marks = self._marks(task)

        def query(rows: Any) -> Any:
            same = (rows.c.answers, rows.c.metric, rows.c.metric_version)
            entered = [rows.c.kind != "withdrawal"] if marks else []  # else the index has all that is asked for
            of_task = sa.select(*same).where(rows.c.task == task, *entered)
            return of_task.group_by(*same).order_by(sa.func.max(rows.c.number).desc())

        found = self._rows(query)
        return [Ranking(task, (row["answers"],), row["metric"], row["metric_version"]) for row in found]

    def best(self, ranking: Ranking, part: str = "all", top: int | None = None) -> list[Entry]:
        """The best entry of each name, the best first, with "rank" and "entries" (how many that name has) added.

        Entries with equal scores share a rank; the earlier one is listed first. An entry without a score comes last.
        A baseline and a person of the same name are two. Entries that were withdrawn are left out.
        part: "all", "public" or "private"; by private rows is ranked what the public rows chose. top: so many names.
        """
        with self.at_once():
            marks = self._marks(ranking.task)
            higher = self._higher_is_better(ranking, marks)
            if higher is None:
                return []
            return list(self._rows(lambda rows: best(rows, ranking, marks, higher, part, top)))

    def counted(self, ranking: Ranking) -> list[Entry]:
        """All entries that count in a ranking, in the order of the chain."""
        with self.at_once():
            marks = self._marks(ranking.task)
            return list(
                self._rows(lambda rows: sa.select(rows).where(ranked(rows, ranking, marks)).order_by(rows.c.number))
            )

    def names(self, task: str) -> list[str]:
        """The names that have entries in a task."""
        query = sa.select
        found = self._rows(lambda rows: query(rows.c.name).where(rows.c.task == task).distinct().order_by(rows.c.name))
        return [row["name"] for row in found]

    def head(self) -> tuple[int, str]:
        """Number and hash of the last entry, as remembered apart from the entries."""
        rows = list(self._rows(lambda _: sa.select(head)))
        return (rows[0]["number"], rows[0]["hash"]) if rows else (0, GENESIS)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """All reading inside the block sees the board as it is at one moment."""
        if self._held is not None or self.address.missing:
            yield
            return
        with self._connect() as self._held:
            try:
                yield
            finally:
                self._held = self._table = None

    def _marks(self, task: str) -> bool:
        """Whether any entry of a task was withdrawn; where none was, ranking need not look for marks."""
        query = sa.select(sa.literal(1).label("one")).limit(1)
        return any(self._rows(lambda rows: query.where(rows.c.refers > "", rows.c.kind == "withdrawal")))

    def _higher_is_better(self, ranking: Ranking, marks: bool) -> bool | None:
        found = self._rows(lambda rows: sa.select(rows.c.higher_is_better).where(ranked(rows, ranking, marks)).limit(1))
        return next((bool(row["higher_is_better"]) for row in found), None)

    def _rows(self, query: Callable[[Any], Any]) -> list[Entry]:
        """What a query gives. query: from the table of entries, with all columns of today, to a select."""
        if self.address.missing:
            return []
        with self._connect() as connection:
            table = self._table
            if table is None:
                columns = schema.columns(connection, entries.name)
                if not columns:
                    return []
                table = schema.readable(columns)
                self._table = table if self._held is not None else None
            found = connection.execute(query(table))
            return [dict(row._mapping) for row in found]

    @contextmanager
    def _connect(self, write: bool = False) -> Iterator[sa.Connection]:
        """A transaction; one that writes has the board to itself, and brings an older one up to date first."""
        if self._held is not None and not write:
            yield self._held
            return
        try:
            if write:
                database.make(self.address)
            engine = database.engine(self.address, write)
            with engine.connect() as connection:
                if not write and engine.dialect.name == "postgresql":
                    connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                with connection.begin():
                    if write:
                        if engine.dialect.name == "postgresql":
                            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{database.WAIT}s'")
                        schema.bring_up_to_date(connection)
                    yield connection
                if write:
                    database.settled(connection.connection.driver_connection)
        except sa.exc.DBAPIError as error:
            first = str(error.orig).strip().partition("\n")[0]
            raise KitError(f"The board at {self.address.shown} cannot be used: {first}") from error


def _admit(connection: sa.Connection, entry: Entry) -> None:
    """Refuse what may not be added; asked under the lock, so that of two at once the second one is refused."""
    if connection.execute(sa.select(entries.c.number).where(entries.c.id == entry["id"])).first():
        raise KitError(f"There is an entry with the id {entry['id']} already.")
    if entry["kind"] != "entry":
        withdrawn = (entries.c.refers == entry["refers"], entries.c.kind == "withdrawal")
        if connection.execute(sa.select(entries.c.time).where(*withdrawn)).first():
            raise KitError(f"{entry['refers']} was withdrawn already.")
    elif not entry["baseline"]:
        _admit_name(connection, entry)


def _admit_name(connection: sa.Connection, entry: Entry) -> None:
    in_task = entries.c.task == entry["task"]
    same = ("answers", "metric", "metric_version", "name", "baseline")  # as the index has them
    known = sa.select(entries.c.number).where(in_task, *(entries.c[field] == entry[field] for field in same))
    if connection.execute(known.limit(1)).first():
        return
    who = sa.select(entries.c.name, entries.c.baseline).where(in_task).distinct()
    others = [(name, baseline) for name, baseline in connection.execute(who)]
    if (entry["name"], False) in others:
        return
    from kit import names

    if taken := names.look_alike(entry["name"], [name for name, _ in others]):
        raise KitError(f"The name {entry['name']!r} is taken, or looks like one that is: {taken!r}. Choose another.")


def _keep(connection: sa.Connection, path: Path) -> None:
    """Copy a file into the database, unless it is there."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    sha256 = workspace.sha256(path)
    there = connection.execute(sa.select(sa.func.count()).where(files.c.sha256 == sha256)).scalar_one()
    if there == -(-path.stat().st_size // PART):
        return
    with path.open("rb") as file:
        for number, part in enumerate(iter(lambda: file.read(PART), b"")):
            row = {"sha256": sha256, "part": number, "bytes": part}
            connection.execute(insert(files).on_conflict_do_nothing(), row)
