"""The board's tables, and how an older board is brought to them.

A new board is made from the tables below in one step; an older one by the steps in `migrations/`, which Alembic runs.
Both give the same schema (a test compares them). Only writing brings a board up to date: a board that is only read
stays as it is, and columns that it lacks read as their defaults.
"""

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kit.errors import KitError

GENESIS = "0" * 64
REVISION = "0002"  # the newest step in migrations/versions
_FIRST = "0001"  # the schema of boards made before there were migrations
_LOCK = 0x6B6974  # PostgreSQL's advisory lock while the tables are made or altered: "kit"

metadata = sa.MetaData()
entries = sa.Table(
    "entries",
    metadata,
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
    sa.Column("seed", sa.Integer().with_variant(sa.BigInteger(), "postgresql")),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("commit", sa.Text),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False, unique=True),
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Column("seal", sa.Integer, nullable=False, server_default="1"),  # which fields the hash covers: kit/seals.py
    sa.Column("kind", sa.Text, nullable=False, server_default="entry"),  # or "rescore", or "withdrawal"
    sa.Column("refers", sa.Text),  # id of the entry that a rescore or a withdrawal is about
    sa.Column("metric_version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("name_hash", sa.Text),
    sa.Column("note_hash", sa.Text),
    sa.Column("salt", sa.Text),  # of the two hashes; taken away when a person is forgotten
    sa.Index("entries_best", "task", "answers", "metric", "metric_version", "name", "baseline", "score", "number"),
    sa.Index("entries_refers", "refers"),
)
head = sa.Table(
    "head",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
files = sa.Table(  # of entries on a shared board: predictions and sums, in parts of a megabyte
    "files",
    metadata,
    sa.Column("sha256", sa.Text, primary_key=True),  # of the whole file
    sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("bytes", sa.LargeBinary, nullable=False),
)
_revision = sa.Table(
    "alembic_version",
    metadata,
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def bring_up_to_date(connection: sa.Connection) -> None:
    """Make the tables where there are none, and alter older ones; in the caller's transaction, so all or nothing."""
    if columns(connection, "entries") and _found(connection) == REVISION:
        return
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    if not columns(connection, "entries"):
        metadata.create_all(connection)
        connection.execute(sa.delete(_revision))
        connection.execute(sa.insert(_revision).values(version_num=REVISION))
        if connection.execute(sa.select(head)).first() is None:
            connection.execute(sa.insert(head).values(one=1, number=0, hash=GENESIS))
    elif (found := _found(connection)) != REVISION:  # another process may have been first
        _migrate(connection, found)


def columns(connection: sa.Connection, table: str) -> set[str]:
    """Names of the columns that a table has in this database; none where there is no such table."""
    if connection.dialect.name == "sqlite":
        query = "SELECT name FROM pragma_table_info(:table)"
    else:
        query = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attnum > 0"
        query += " AND NOT attisdropped"
    return set(connection.execute(sa.text(query), {"table": table}).scalars())


def readable(found: set[str]) -> Any:
    """The entries of a board that has only these columns: others read as what they would be in an entry so old."""
    missing = [column for column in entries.columns if column.name not in found]
    if not missing:
        return entries
    kept = [column for column in entries.columns if column.name in found]
    return sa.select(*kept, *(_default(column).label(column.name) for column in missing)).subquery("entries")


def _default(column: Any) -> Any:
    if column.server_default is None:
        return sa.cast(sa.null(), column.type)
    text = column.server_default.arg
    return sa.literal(int(text) if isinstance(column.type, sa.Integer) else text, column.type)


def _found(connection: sa.Connection) -> str:
    if not columns(connection, _revision.name):
        return _FIRST
    return connection.execute(sa.select(_revision.c.version_num)).scalar() or _FIRST


def _migrate(connection: sa.Connection, found: str) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    if found not in {step.revision for step in script.walk_revisions()}:
        raise KitError(f"This board was made by a newer version of the kit (schema {found}). Update the kit.")
    if not columns(connection, _revision.name):
        _revision.create(connection)
        connection.execute(sa.insert(_revision).values(version_num=found))
    with EnvironmentContext(config, script, fn=lambda rev, _: script._upgrade_revs(REVISION, rev)):
        script.run_env()
