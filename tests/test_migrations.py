"""Boards of older versions: opened, read, written to and verified; on SQLite, or the server in KIT_TEST_DATABASE."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

import kit
from kit import database, ranking, schema, tasks
from kit.board import Board
from kit.errors import KitError
from kit.verify import verify
from tests.old_board import make, old_seal

SERVER = os.environ.get("KIT_TEST_DATABASE")
TABLES = ("entries", "head", "files", "alembic_version")


@pytest.fixture
def engine(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    """The board's database, empty."""
    if SERVER:
        monkeypatch.setenv("KIT_DATABASE", SERVER)
        made = sa.create_engine(SERVER.replace("postgresql:", "postgresql+psycopg:"))
    else:
        (workspace / "leaderboard").mkdir()
        made = sa.create_engine(f"sqlite:///{workspace}/leaderboard/board.sqlite", poolclass=sa.NullPool)
    _drop(made)
    yield made
    made.dispose()


def _drop(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for table in TABLES:
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))


def _submit(name: str) -> dict[str, Any]:
    return kit.submit("coin", np.random.default_rng(9).random(100), name=name)


def _description(engine: sa.Engine) -> dict[str, Any]:
    """Everything that a database says about its tables."""
    found = sa.inspect(engine)
    return {
        table: (
            [{**column, "type": str(column["type"])} for column in found.get_columns(table)],
            found.get_pk_constraint(table)["constrained_columns"],
            sorted(tuple(each["column_names"]) for each in found.get_unique_constraints(table)),
            sorted(
                (str(each["name"]), tuple(each["column_names"]), each["unique"]) for each in found.get_indexes(table)
            ),
        )
        for table in TABLES
    }


def test_an_old_board_verifies_before_and_after_and_its_chain_goes_on(engine: sa.Engine, workspace: Path) -> None:
    old = make(engine, workspace, ["ada", "bob", "李", "ada"])
    assert verify() == (4, [])
    assert [row["seal"] for row in Board().all()] == [1] * 4
    assert {row["name"]: row["entries"] for row in ranking.read(tasks.find("coin")).rows} == {
        "ada": 2,
        "bob": 1,
        "李": 1,
    }
    entry = _submit("eve")
    assert (entry["number"], entry["previous"], entry["seal"]) == (5, old[-1]["hash"], 2)
    assert verify() == (5, [])
    rows = list(Board().all())
    assert rows[-1] == entry
    for row, was in zip(rows, old, strict=False):
        assert {field: row[field] for field in was} == was
        assert old_seal(was) == row["hash"]
    assert len(ranking.read(tasks.find("coin")).rows) == 4


def test_reading_an_old_board_changes_nothing(engine: sa.Engine, workspace: Path) -> None:
    make(engine, workspace, ["ada"])
    ranking.read(tasks.find("coin"))
    verify()
    assert not sa.inspect(engine).has_table("alembic_version")


def test_a_new_board_and_a_migrated_one_have_the_same_schema(engine: sa.Engine, workspace: Path) -> None:
    make(engine, workspace, ["ada"])
    _submit("eve")
    migrated = _description(engine)
    _drop(engine)
    _submit("eve")
    assert _description(engine) == migrated
    assert [column["name"] for column in migrated["entries"][0]] == [column.name for column in schema.entries.columns]


def test_the_newest_migration_is_the_revision_that_a_board_is_made_with(engine: sa.Engine) -> None:
    """All steps from nothing at all, and Alembic's own comparison with the tables in the code."""
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    script = ScriptDirectory.from_config(config)
    assert script.get_current_head() == schema.REVISION
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        with EnvironmentContext(config, script, fn=lambda rev, _: script._upgrade_revs("head", rev)):
            script.run_env()
    migrated = _description(engine)
    _drop(engine)
    with engine.begin() as connection:
        schema.bring_up_to_date(connection)
    assert _description(engine) == migrated


def test_a_seed_beyond_32_bits_is_kept(engine: sa.Engine, workspace: Path) -> None:
    make(engine, workspace, ["ada"])
    entry = kit.submit("coin", np.full(100, 0.5), name="net", baseline=True, seed=2**32 - 1)
    assert entry["seed"] == list(Board().all())[-1]["seed"] == 2**32 - 1
    assert verify() == (2, [])


def test_a_board_of_a_later_version_is_read_and_not_written(engine: sa.Engine, workspace: Path) -> None:
    _submit("ada")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(sa.text("ALTER TABLE entries ADD COLUMN later TEXT"))
    assert [row["name"] for row in ranking.read(tasks.find("coin")).rows] == ["ada"]
    assert verify() == (1, [])
    with pytest.raises(KitError, match="newer version of the kit"):
        _submit("eve")
    assert len(list(workspace.rglob("*.npy"))) == 1


@pytest.mark.slow
def test_processes_that_open_an_old_board_at_once_migrate_it_once(engine: sa.Engine, workspace: Path) -> None:
    make(engine, workspace, ["ada"])
    with ProcessPoolExecutor(6, mp_context=get_context("spawn")) as pool:
        list(pool.map(_submit, [f"name{number}" for number in range(6)]))
    assert verify() == (7, [])
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).all() == [(schema.REVISION,)]


def _killed_after(steps: int) -> bool:
    """Bring the board up to date in a process that kills itself at its nth statement; whether it came to that."""
    if child := os.fork():
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    left = steps

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    board = Board()
    sa.event.listen(database.engine(board.address, write=True), "before_cursor_execute", count)
    with board._connect(write=True):
        pass
    os._exit(0)


def test_a_kill_at_any_statement_of_a_migration_leaves_the_old_board_whole(engine: sa.Engine, workspace: Path) -> None:
    """Every statement is tried as the last one, each time on the board that the kill before it left."""
    make(engine, workspace, ["ada", "bob"])
    engine.dispose()
    steps = 1
    while _killed_after(steps):
        steps += 1
    assert steps > 15
    assert verify() == (2, [])
    _submit("eve")
    assert verify() == (3, [])
