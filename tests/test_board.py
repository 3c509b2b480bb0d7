"""The board: nothing lost, nothing forged, ties said to be ties. On SQLite, or the server in KIT_TEST_DATABASE."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

import kit
from kit import prepare, ranking, tasks
from kit.board import GENESIS, Board, entries, seal
from kit.errors import KitError
from kit.verify import verify

SERVER = os.environ.get("KIT_TEST_DATABASE")  # set by `make test-postgres`


@pytest.fixture(autouse=True)
def database(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty database: a new SQLite file, or the server's with its tables dropped."""
    if SERVER:
        engine = sa.create_engine(SERVER.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE IF EXISTS entries, head, files, alembic_version"))
        engine.dispose()
        monkeypatch.setenv("KIT_DATABASE", SERVER)


def guesses(seed: int, skill: float = 0.5) -> np.ndarray:
    """Predictions for the toy task that are better the more skill they have."""
    rng = np.random.default_rng(seed)
    truth = np.nan_to_num(np.asarray(prepare.answers(tasks.find("coin")).truth), nan=0.5)
    return skill * truth + (1 - skill) * rng.random(len(truth))


def fill(n: int = 5) -> list[dict[str, Any]]:
    return [kit.submit("coin", guesses(seed, skill=seed / n), name=f"name{seed}") for seed in range(n)]


def test_an_entry_says_everything_about_a_submission(workspace: Path) -> None:
    entry = kit.submit("coin", guesses(1), name="ada", note="first")
    assert (entry["number"], entry["previous"], entry["name"], entry["note"]) == (1, GENESIS, "ada", "first")
    assert entry["hash"] == seal(entry)
    kept = np.load(workspace / entry["file"])
    assert np.array_equal(kept, guesses(1).astype(np.float32))
    scores = json.loads(entry["scores"])
    assert scores["binary_accuracy"]["all"] == pytest.approx(
        [entry["score"], scores["binary_accuracy"]["all"][1], scores["binary_accuracy"]["all"][2]]
    )
    assert set(scores) == {"binary_accuracy", "binary_crossentropy"}
    assert 0.8 < json.loads(entry["coverage"])["all"] < 1
    assert list(Board().all()) == [entry]


def test_the_best_entry_of_each_name_ranks_and_equal_scores_share_a_rank() -> None:
    good, bad = guesses(1, skill=0.9), guesses(1, skill=0.0)
    for name, predictions in [("ada", bad), ("bob", good), ("ada", good), ("cy", bad), ("ada", bad)]:
        kit.submit("coin", predictions, name=name)
    board = ranking.read(tasks.find("coin"))
    assert [(row["rank"], row["name"], row["entries"], row["number"]) for row in board.rows] == [
        (1, "bob", 1, 2),
        (1, "ada", 3, 3),
        (3, "cy", 1, 4),
    ]
    assert [len(ranking.history(tasks.find("coin"), name)) for name in ("ada", "bob")] == [3, 1]


def test_ranges_of_ranks_come_from_paired_tests() -> None:
    for name, skill in [("good", 0.9), ("good too", 0.89), ("guess", 0.0), ("another guess", 0.0)]:
        kit.submit("coin", guesses(len(name), skill), name=name)
    rows = {row["name"]: row["range"] for row in ranking.read(tasks.find("coin")).rows}
    assert rows == {"good": (1, 2), "good too": (1, 2), "guess": (3, 4), "another guess": (3, 4)}


def test_compare_says_which_is_better_or_that_nobody_can_tell() -> None:
    coin = tasks.find("coin")
    for name, skill in [("good", 0.9), ("good too", 0.89), ("guess", 0.0)]:
        kit.submit("coin", guesses(len(name), skill), name=name)
    _, _, found = ranking.compare(coin, "guess", "good")
    first = coin.metrics[0]
    assert found[first.name].difference < 0
    assert ranking.verdict("guess", "good", first, found[first.name]).startswith("good is better by binary_accuracy")
    _, _, found = ranking.compare(coin, "good", "good too")
    assert "cannot be told apart" in ranking.verdict("good", "good too", first, found[first.name])
    with pytest.raises(KitError, match="Did you mean good"):
        ranking.compare(coin, "goood", "guess")


def test_public_and_private_ranks_show_who_moved() -> None:
    coin = tasks.find("coin")
    public = np.asarray(prepare.answers(coin).public)
    truth = np.nan_to_num(np.asarray(prepare.answers(coin).truth), nan=0.5)
    kit.submit("coin", np.where(public, truth, 1 - truth), name="overfitted")
    kit.submit("coin", np.where(public, 1 - truth, truth), name="modest")
    by_public = [(row["name"], row["moved"]) for row in ranking.read(coin, "public").rows]
    by_private = [(row["name"], row["moved"]) for row in ranking.read(coin, "private").rows]
    assert by_public == [("overfitted", 1), ("modest", -1)]
    assert by_private == [("modest", 1), ("overfitted", -1)]
    assert [row["moved"] for row in ranking.read(coin).rows] == [None, None]


def test_entries_made_on_other_answers_are_listed_apart(workspace: Path) -> None:
    fill(3)
    source = workspace / "tasks" / "coin" / "__init__.py"
    source.write_text(source.read_text().replace("default_rng(0)", "default_rng(1)"))
    for name in [name for name in sys.modules if name.startswith("kit.tasks.coin")]:
        del sys.modules[name]
    kit.submit("coin", np.full(100, 0.5), name="late")
    board = ranking.read(tasks.find("coin"))
    assert [row["name"] for row in board.rows] == ["late"]
    assert [len(other.rows) for other in board.apart] == [3]
    with pytest.raises(KitError, match="different answers"):
        ranking.compare(tasks.find("coin"), "late", board.apart[0].rows[0]["id"])
    assert verify() == (4, [])


def test_reading_an_empty_board_makes_nothing(workspace: Path) -> None:
    assert ranking.read(tasks.find("coin")).rows == []
    assert verify() == (0, [])
    assert SERVER or not (workspace / "leaderboard").exists()


def test_a_refused_submission_leaves_nothing_behind(workspace: Path) -> None:
    with pytest.raises(KitError):
        kit.submit("coin", np.full(100, 2.0), name="ada")
    with pytest.raises(KitError, match="printable"):
        kit.submit("coin", guesses(0), name="a\x1b[31m")
    with pytest.raises(KitError, match=r"note .* 0 to 500 printable"):
        kit.submit("coin", guesses(0), name="ada", note="\x1b[2J")
    assert not (workspace / "submissions").exists()
    assert list(Board().all()) == []


def _submit_25(worker: int) -> None:
    for number in range(25):
        kit.submit("coin", guesses(worker * 25 + number), name=f"worker{worker}")


def test_sixteen_processes_submit_at_once_and_none_is_lost() -> None:
    prepare.prepared(tasks.find("coin"))
    with ProcessPoolExecutor(16, mp_context=get_context("spawn")) as pool:
        list(pool.map(_submit_25, range(16)))
    rows = list(Board().all())
    assert [row["number"] for row in rows] == list(range(1, 401))
    assert {row["name"]: row["entries"] for row in ranking.read(tasks.find("coin")).rows} == {
        f"worker{worker}": 25 for worker in range(16)
    }
    assert verify() == (400, [])


def _sql(workspace: Path, *statements: str) -> None:
    """Tamper with the database behind the board's back."""
    engine = sa.create_engine(
        SERVER.replace("postgresql:", "postgresql+psycopg:")
        if SERVER
        else f"sqlite:///{workspace}/leaderboard/board.sqlite"
    )
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def _flip_a_byte(workspace: Path, rows: list[dict[str, Any]], rng: random.Random) -> str:
    row = rng.choice(rows)
    path = workspace / row["file"]
    path = path if rng.random() < 0.7 else path.with_suffix(".sums.npz")
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    return str(row["id"])


def _change_a_field(workspace: Path, rows: list[dict[str, Any]], rng: random.Random) -> str:
    row = rng.choice(rows)
    column = rng.choice([column for column in entries.columns if column.name != "id"])
    other = {
        sa.Text: "'x'",
        sa.Float: "0.123",
        sa.Integer: "77",
        sa.Boolean: "true" if not row[column.name] else "false",
    }
    _sql(workspace, f'UPDATE entries SET "{column.name}" = {other[type(column.type)]} WHERE number = {row["number"]}')
    return str(row["id"])


def _delete_an_entry(workspace: Path, rows: list[dict[str, Any]], rng: random.Random) -> str:
    number = rng.choice(rows)["number"]
    _sql(workspace, f"DELETE FROM entries WHERE number = {number}")
    return f"entry {number}"


def _swap_two_entries(workspace: Path, rows: list[dict[str, Any]], rng: random.Random) -> str:
    one, two = rng.sample(rows, 2)
    steps = [(one["number"], 1000), (two["number"], one["number"]), (1000, two["number"])]
    _sql(workspace, *(f"UPDATE entries SET number = {new} WHERE number = {old}" for old, new in steps))
    return str(one["id"])


FORGERIES = (_flip_a_byte, _change_a_field, _delete_an_entry, _swap_two_entries)


@pytest.mark.slow
def test_verify_names_every_one_of_200_random_forgeries(workspace: Path) -> None:
    fill()
    rows = list(Board().all())
    assert verify() == (5, [])
    files = {path: path.read_bytes() for path in (workspace / "submissions").rglob("*") if path.is_file()}
    rng = random.Random(0)
    for trial in range(200):
        named = FORGERIES[trial % len(FORGERIES)](workspace, rows, rng)
        _, faults = verify()
        assert any(named in fault for fault in faults), (trial, named, faults)
        for path, content in files.items():
            path.write_bytes(content)
        _restore(workspace, rows)
    assert verify() == (5, [])


def _restore(workspace: Path, rows: list[dict[str, Any]]) -> None:
    board = Board()
    with board._connect(write=True) as connection:
        connection.execute(sa.delete(entries))
        connection.execute(sa.insert(entries), rows)


def test_verify_finds_a_forged_chain_whose_hashes_were_all_made_anew(workspace: Path) -> None:
    rows = fill(2)
    forged = {**rows[1], "score": 1.0, "scores": rows[1]["scores"].replace('"all":[', '"all":[1.0,', 1)}
    forged["scores"] = json.dumps({**json.loads(rows[1]["scores"]), "binary_accuracy": {"all": [1.0, 1.0, 1.0]}})
    forged["hash"] = seal(forged)
    _restore(workspace, [rows[0], forged])
    _sql(workspace, f"UPDATE head SET hash = '{forged['hash']}'")
    _, faults = verify()
    assert any(rows[1]["id"] in fault and "its predictions give" in fault for fault in faults)


def test_the_verify_command_exits_with_1_and_names_the_entry(workspace: Path, kit_command: Any) -> None:
    rows = fill(2)
    assert "2 entries verified" in kit_command("verify").stdout
    (workspace / rows[0]["file"]).unlink()
    done = kit_command("verify", "coin")
    if SERVER:  # a shared board has a copy
        assert "2 entries verified" in done.stdout
        return
    assert done.returncode == 1
    assert rows[0]["id"] in done.stderr
    assert "missing" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_kill_at_any_moment_of_a_submission_loses_nothing_and_breaks_nothing(workspace: Path, tmp_path: Path) -> None:
    prepare.prepared(tasks.find("coin"))
    file = tmp_path / "preds.npy"
    np.save(file, guesses(0))
    command = [sys.executable, "-m", "kit", "submit", "coin", str(file), "--name", "ada"]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    usual = time.perf_counter() - start
    rng, acknowledged, cut = random.Random(0), 1, 0
    for trial in range(100):
        out = tmp_path / f"out{trial}"
        with out.open("wb") as stdout:
            child = subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL)
            time.sleep(usual * rng.uniform(0.2, 1.1))
            child.send_signal(signal.SIGKILL)
            cut += child.wait() == -signal.SIGKILL
        shown = out.read_text()
        if "entry " in shown and shown.endswith("\n"):
            acknowledged += 1
            entry = shown.partition("entry ")[2].partition(",")[0]
            assert [row["id"] for row in Board().all(id=entry)] == [entry]
    assert cut > 50  # most were really killed
    checked, faults = verify()
    assert faults == []
    assert checked >= acknowledged
    rows = ranking.read(tasks.find("coin")).rows
    assert [row["entries"] for row in rows] == [checked]
    assert not [path for path in (workspace / "submissions" / "coin").glob("2*") if path.stat().st_size == 0]


@pytest.mark.skipif(SERVER is not None, reason="SQLite only")
def test_the_board_survives_a_writer_that_dies_inside_its_transaction(workspace: Path) -> None:
    fill(2)
    path = workspace / "leaderboard" / "board.sqlite"
    script = (
        "import os, sqlite3; c = sqlite3.connect(r'%s', isolation_level=None); c.execute('BEGIN IMMEDIATE');"
        "c.execute('DELETE FROM entries'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script % path], check=False)
    assert verify() == (2, [])
    kit.submit("coin", guesses(9), name="after")
    assert verify() == (3, [])
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("nonsense", "no database address"),
        ("oracle://h/x", "driver"),
        ("sqlite:////proc/nowhere/board", "cannot be made"),
    ],
)
def test_a_database_that_cannot_be_used_is_named(address: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_DATABASE", address)
    with pytest.raises(KitError, match=words):
        kit.submit("coin", guesses(0), name="ada")
