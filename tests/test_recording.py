"""How entries are made, withdrawn, scored anew and forgotten; what a receipt shows. SQLite, or the test server."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

import kit
from kit import database, prepare, ranking, recording, store, tasks
from kit.board import Board, entries
from kit.errors import KitError, PredictionError
from kit.receipts import check_receipt, read_receipt, receipt, write_receipt
from kit.seals import seal
from kit.verify import verify
from tests.old_board import make
from tests.test_board import database as database_fixture  # noqa: F401 - an empty database for each test
from tests.test_board import guesses


def submit(name: str = "ada", seed: int = 0, **facts: Any) -> dict[str, Any]:
    return kit.submit("coin", np.random.default_rng(seed).random(100), name=name, **facts)


def kept(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("submissions/coin/*") if path.is_file()}


def rewrite(folder: Path, truth: int = 1) -> None:
    """Correct the task's truth."""
    import sys

    source = folder / "tasks" / "coin" / "__init__.py"
    source.write_text(source.read_text().replace(f"default_rng({truth - 1})", f"default_rng({truth})"))
    for name in [name for name in sys.modules if name.startswith("kit.tasks.coin")]:
        del sys.modules[name]


# what is kept is what was checked


@pytest.mark.parametrize("tries", [6, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("by", ["file", "array"])
def test_predictions_that_change_meanwhile_are_kept_as_they_were_checked(
    by: str, tries: int, tmp_path: Path, workspace: Path
) -> None:
    """Somebody else flips all values between valid and invalid ones, without a pause, through many submissions."""
    prepare.prepared(tasks.find("coin"))
    path = tmp_path / "preds.npy"
    np.save(path, np.full(100, 0.5))
    shared = np.load(path, mmap_mode="r+") if by == "file" else np.full(100, 0.5)
    done = threading.Event()

    def flip() -> None:
        values = [0.5, 7.0, 0.25, np.nan]
        while not done.is_set():
            for value in values:
                shared[:] = value

    other = threading.Thread(target=flip)
    other.start()
    refused = 0
    try:
        for _ in range(tries):
            try:
                kit.submit("coin", path if by == "file" else shared, name="ada")
            except PredictionError:
                refused += 1
    finally:
        done.set()
        other.join()
    rows = list(Board().all())
    assert len(rows) == tries - refused
    for row in rows:
        array = np.load(workspace / row["file"])
        assert ((array >= 0) & (array <= 1)).all()
    assert verify() == (len(rows), [])
    assert len(kept(workspace)) == 2 * len(rows)


def test_a_file_that_changes_after_it_was_copied_changes_nothing(
    tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "preds.npy"
    np.save(path, np.full(100, 0.5))
    real = recording._score

    def and_change(*given: Any) -> dict[str, Any]:
        np.save(path, np.full(100, 9.0))
        return real(*given)

    monkeypatch.setattr(recording, "_score", and_change)
    entry = kit.submit("coin", path, name="ada")
    assert (np.load(workspace / entry["file"]) == 0.5).all()


def test_a_refused_file_leaves_nothing_behind(tmp_path: Path, workspace: Path) -> None:
    path = tmp_path / "preds.npy"
    np.save(path, np.full(100, 2.0))
    with pytest.raises(PredictionError, match=r"preds\.npy"):
        kit.submit("coin", path, name="ada")
    assert not (workspace / "submissions").exists()
    submit()
    with pytest.raises(PredictionError):
        kit.submit("coin", path, name="ada")
    assert len(list((workspace / "submissions" / "coin").iterdir())) == 2


# ids


@pytest.mark.parametrize(
    "bad", ["", "../x", "a/b", "..", ".x", "/x", "a\\b", "a b", "x\0", "x\n", "é", "x" * 101, "a:b", "x.npy"]
)
def test_an_id_that_could_leave_the_folder_is_refused(bad: str, workspace: Path) -> None:
    with pytest.raises(KitError, match="letters, digits"):
        submit(entry_id=bad)
    assert not (workspace / "submissions").exists()


def test_an_id_that_is_taken_is_refused_and_its_files_stay(workspace: Path) -> None:
    first = submit(entry_id="mine")
    before = kept(workspace)
    for baseline in (False, True):
        with pytest.raises(KitError, match="mine already"):
            submit(seed=1, entry_id="mine", baseline=baseline)
    assert kept(workspace) == before
    assert list(Board().all()) == [first]


def test_files_of_an_id_without_an_entry_are_never_written_over(workspace: Path) -> None:
    """Perhaps another board's, perhaps of a run that was killed before its entry: only such a run goes on."""
    submit(entry_id="mine")
    engine = database.engine(Board().address, write=True)
    with engine.begin() as connection:
        connection.execute(sa.delete(entries))
        connection.execute(sa.text("UPDATE head SET number = 0, hash = :h"), {"h": "0" * 64})
    before = kept(workspace)
    with pytest.raises(KitError, match="Give another id"):
        submit(seed=1, entry_id="mine")
    assert kept(workspace) == before
    again = submit("net", seed=1, entry_id="mine", baseline=True)
    assert again["file"] == "submissions/coin/mine-1.npy"
    assert before.items() <= kept(workspace).items()
    assert verify() == (1, [])


def test_of_two_submissions_with_one_id_at_once_one_is_made(workspace: Path) -> None:
    prepare.prepared(tasks.find("coin"))
    start = threading.Barrier(4)

    def enter(seed: int) -> dict[str, Any] | None:
        start.wait()
        try:
            return submit(seed=seed, entry_id="mine")
        except KitError:
            return None

    with ThreadPoolExecutor(4) as pool:
        made = [entry for entry in pool.map(enter, range(4)) if entry]
    assert list(Board().all()) == made
    assert len(made) == 1
    assert len(kept(workspace)) == 2
    assert verify() == (1, [])


def test_without_hard_links_files_are_kept_all_the_same(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    submit(entry_id="mine")
    with pytest.raises(KitError):
        submit(seed=1, entry_id="mine")
    assert verify() == (1, [])


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"seconds": float("nan")}, "seconds"),
        ({"seconds": float("inf")}, "seconds"),
        ({"seed": 2**63}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": "x"}, "seed"),
        ({"device": "cpu\0"}, "device"),
        ({"device": "\udc80"}, "device"),
    ],
)
def test_facts_that_no_database_can_keep_are_refused_first(facts: dict[str, Any], words: str, workspace: Path) -> None:
    with pytest.raises(KitError, match=f"cannot stand on the board: {words}"):
        kit.submit("coin", np.full(100, 0.5), name="ada", **facts)
    assert not (workspace / "submissions").exists()


def test_long_text_and_large_numbers_come_back_as_they_are() -> None:
    made = submit("net 😀", baseline=True, seed=2**63 - 1, device="📟" * 10_000, note="𝔫" * 500, seconds=1e300)
    assert list(Board().all()) == [made]
    assert verify() == (1, [])


def test_an_entry_that_was_written_is_returned_whatever_happened_afterwards(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(database, "settled", interrupted)
    made = submit()
    assert list(Board().all()) == [made]
    assert verify() == (1, [])


# withdrawals


def test_a_withdrawn_entry_leaves_the_ranking_and_stays_in_the_chain() -> None:
    coin = tasks.find("coin")
    good = kit.submit("coin", guesses(1, 0.9), name="ada")
    kit.submit("coin", guesses(2, 0.1), name="ada")
    kit.submit("coin", guesses(3, 0.5), name="bob")
    mark, entry = recording.withdraw(Board(), good["id"])
    assert entry["id"] == good["id"]
    assert (mark["kind"], mark["refers"], mark["number"]) == ("withdrawal", good["id"], 4)
    for part in ("all", "public", "private"):
        board = ranking.read(coin, part)
        assert {row["name"]: (row["entries"], row["number"]) for row in board.rows} == {"ada": (1, 2), "bob": (1, 3)}
        assert board.names == 2
        assert board.apart == []
    assert [row["withdrawn"] for row in ranking.history(coin, "ada")] == [True, False]
    assert ranking.compare(coin, "ada", "bob")[0]["number"] == 2
    assert verify() == (4, [])
    recording.withdraw(Board(), ranking.history(coin, "bob")[0]["id"])
    assert [row["name"] for row in ranking.read(coin).rows] == ["ada"]
    with pytest.raises(KitError, match="bob"):
        ranking.compare(coin, "ada", "bob")


def test_what_cannot_be_withdrawn_is_one_clear_line() -> None:
    entry = submit()
    mark, _ = recording.withdraw(Board(), entry["id"])
    for word, reason in ((entry["id"], "withdrawn already"), ("nothing", "no entry"), (mark["id"], "is the mark")):
        with pytest.raises(KitError, match=reason):
            recording.withdraw(Board(), word)
    assert len(list(Board().all())) == 2


def test_an_old_entry_can_be_withdrawn(workspace: Path) -> None:
    database.make(Board().address)
    engine = database.engine(Board().address, write=True)
    make(engine, workspace, ["ada", "bob"])
    recording.withdraw(Board(), "old1")
    assert [row["name"] for row in ranking.read(tasks.find("coin")).rows] == ["bob"]
    assert verify() == (3, [])


# scoring anew


def test_a_corrected_truth_drops_no_entry(workspace: Path) -> None:
    first, second, gone, lost = (submit(name, seed, note="n") for seed, name in enumerate(["ada", "bob", "cy", "di"]))
    recording.withdraw(Board(), gone["id"])
    (workspace / lost["file"]).unlink()
    rewrite(workspace)
    coin = tasks.find("coin")
    made = list(recording.rescore(coin, Board()))
    assert [was["id"] for was, _ in made] == [first["id"], second["id"], lost["id"]]
    assert isinstance(made[2][1], str) or Board().address.shared
    anew = made[0][1]
    assert isinstance(anew, dict)
    assert (anew["kind"], anew["refers"], anew["name"], anew["note"]) == ("rescore", first["id"], "ada", "n")
    assert anew["answers"] == prepare.fingerprint(coin) != first["answers"]
    assert anew["file_sha256"] == first["file_sha256"]
    assert anew["score"] == kit.score("coin", workspace / first["file"]).scores["binary_accuracy"]["all"].value
    board = ranking.read(coin)
    assert {"ada", "bob"} <= {row["name"] for row in board.rows}
    assert "cy" not in {row["name"] for row in board.rows}
    assert len(board.apart) == 1
    n = len(list(Board().all()))
    assert all(isinstance(result, str) for _, result in recording.rescore(coin, Board()))  # nothing is done twice
    assert len(list(Board().all())) == n
    assert [fault for fault in verify()[1] if lost["id"] not in fault] == []


def test_a_rescored_entry_goes_with_its_original(workspace: Path) -> None:
    entry = submit()
    rewrite(workspace)
    ((_, anew),) = recording.rescore(tasks.find("coin"), Board())
    assert isinstance(anew, dict)
    mark, original = recording.withdraw(Board(), anew["id"])
    assert mark["refers"] == original["id"] == entry["id"]
    assert ranking.read(tasks.find("coin")).rows == []
    assert list(recording.rescore(tasks.find("coin"), Board())) == []
    rewrite(workspace, 2)
    assert list(recording.rescore(tasks.find("coin"), Board())) == []


# private


def test_the_private_board_ranks_what_the_public_rows_chose() -> None:
    coin = tasks.find("coin")
    answers = prepare.answers(coin)
    public, truth = np.asarray(answers.public), np.nan_to_num(np.asarray(answers.truth), nan=0.5)
    wrong = 1 - truth
    half = np.where(np.arange(100) % 2 == 0, truth, wrong)
    overfitted = kit.submit("coin", np.where(public, truth, wrong), name="ada")
    kit.submit("coin", np.where(public, wrong, truth), name="ada")  # the best by private rows, which nobody may choose
    kit.submit("coin", half, name="bob")
    private = ranking.read(coin, "private")
    assert [row["name"] for row in private.rows] == ["bob", "ada"]
    assert private.rows[1]["id"] == overfitted["id"]
    assert private.rows[1]["score_private"] == 0
    assert [row["moved"] for row in private.rows] == [1, -1]
    assert ranking.read(coin, "public").rows[0]["id"] == overfitted["id"]


# forgetting


def test_a_forgotten_person_leaves_no_name_and_a_whole_chain(workspace: Path) -> None:
    submit("bob")
    submit("ada lovelace", 1, note="first try")
    submit("ada lovelace", 2)
    assert Board().forget("ada lovelace") == ("forgotten-2", 2, 0)
    rows = list(Board().all())
    assert [row["name"] for row in rows] == ["bob", "forgotten-2", "forgotten-2"]
    assert rows[1]["note"] == ""
    assert rows[1]["salt"] is None
    assert verify() == (3, [])
    assert ranking.history(tasks.find("coin"), "forgotten-2")
    if not Board().address.shared:
        (file,) = (workspace / "leaderboard").iterdir()
        content = file.read_bytes()
        assert b"bob" in content
        assert b"ada lovelace" not in content
        assert b"first try" not in content
    submit("ada lovelace", 3)
    with pytest.raises(KitError, match="no entry"):
        Board().forget("nobody")


def test_of_entries_that_sealed_the_name_itself_it_cannot_be_taken(workspace: Path) -> None:
    database.make(Board().address)
    engine = database.engine(Board().address, write=True)
    make(engine, workspace, ["ada", "ada", "bob"])
    submit("ada")
    assert Board().forget("ada") == ("forgotten-1", 1, 2)
    assert [row["name"] for row in Board().all()] == ["ada", "ada", "bob", "forgotten-1"]
    assert verify() == (4, [])


@pytest.mark.parametrize("change", [{"name": "eve"}, {"note": "x"}, {"salt": "0" * 32}, {"name": "eve", "salt": None}])
def test_a_changed_name_or_note_is_found_without_its_being_sealed(change: dict[str, Any]) -> None:
    entry = submit(note="mine")
    engine = database.engine(Board().address, write=True)
    with engine.begin() as connection:
        connection.execute(sa.update(entries).values(change))
    assert entry["id"] in verify()[1][0]


# receipts


def test_a_receipt_holds_as_long_as_the_entry_does(tmp_path: Path) -> None:
    submit("bob")
    entry = submit(seed=1)
    write_receipt(tmp_path / "r.json", entry)
    given = read_receipt(tmp_path / "r.json")
    assert given == receipt(entry)
    assert set(given) == {"format", "id", "number", "task", "hash", "time", "signature"}
    assert check_receipt(Board(), given) == []
    submit("eve", 2)
    Board().forget("ada")
    assert check_receipt(Board(), given) == []


@pytest.mark.parametrize("column", ["score", "note", "time", "name_hash", "number", "task", "id", "hash"])
def test_a_receipt_shows_what_was_made_anew_with_all_its_hashes(column: str) -> None:
    entry = submit(note="mine")
    given = receipt(entry)
    forged = {**entry, column: {"score": 0.5, "number": 7}.get(column, "0" * 64)}
    if column == "note":
        forged["note_hash"] = "1" * 64
    forged["hash"] = seal(forged) if column != "hash" else "2" * 64
    engine = database.engine(Board().address, write=True)
    with engine.begin() as connection:
        connection.execute(sa.delete(entries))
        connection.execute(sa.insert(entries), forged)
    assert check_receipt(Board(), given)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "x",
        "[]",
        "null",
        "3",
        "{}",
        '{"format": 2}',
        '{"format": true}',
        '{"format": 1, "id": 3}',
        "[" * 90_000,
        "\xff",
    ],
)
def test_what_is_no_receipt_is_one_clear_line(content: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(KitError, match="is no receipt"):
        read_receipt(path)
    with pytest.raises(KitError, match="cannot be read"):
        read_receipt(tmp_path / "none.json")
    assert check_receipt(Board(), {"format": 1, "id": "x", "number": True, "task": "", "hash": "z", "time": ""})


def test_the_file_of_an_entry_is_found_only_as_it_was_submitted(workspace: Path) -> None:
    entry = submit()
    assert store.local(entry) == workspace / entry["file"]
    (workspace / entry["file"]).write_bytes(b"x")
    assert (store.local(entry) is None) != Board().address.shared
    assert store.local({**entry, "file_sha256": "../../x"}) is None
    assert json.loads(entry["scores"])


@pytest.mark.slow
def test_the_commands_say_what_they_did(kit_command: Any, workspace: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.full(100, 0.5))
    path, note = tmp_path / "r.json", tmp_path / "none" / "r.json"
    done = kit_command("submit", "coin", tmp_path / "p.npy", "--name", "ada", "--receipt", note)
    assert (done.returncode, "no folder" in done.stderr) == (1, True)
    assert not (workspace / "submissions").exists()
    assert kit_command("submit", "coin", tmp_path / "p.npy", "--name", "ada", "--receipt", path).returncode == 0
    given = json.loads(path.read_text())
    assert given == receipt(next(Board().all()))
    assert kit_command("verify", "--receipt", path).returncode == 0
    assert "all are scored on the answers of today" in kit_command("rescore", "coin").stdout
    assert given["id"] in kit_command("withdraw", given["id"]).stdout
    again = kit_command("withdraw", given["id"])
    assert (again.returncode, again.stderr) == (1, f"error: {given['id']} was withdrawn already.\n")
    assert "(withdrawn)" in kit_command("leaderboard", "coin", "--history", "ada").stdout
    asked = kit_command("forget", "ada", input="n\n")
    assert (asked.returncode, Board().names("coin")) == (1, ["ada"])
    assert "ada is forgotten-1" in kit_command("forget", "ada", "--yes").stdout
    document = kit_command("leaderboard", "coin", "--history", "forgotten-1", "--format", "json").stdout
    assert "salt" not in json.loads(document)["entries"][0]
    assert kit_command("verify", "--receipt", path).returncode == 0
