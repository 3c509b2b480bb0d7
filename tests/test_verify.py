"""What `kit verify` counts and says, beside forgeries; and that damage in one place stops nothing else."""

import json
import os
import shutil
import sys
import threading
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

import kit
from kit import archive, prepare, ranking, receipts, recording, runs, store, tasks
from kit.board import Board, entries
from kit.errors import KitError
from kit.schema import head
from kit.seals import seal
from kit.verify import report
from tests.test_board import SERVER, guesses
from tests.test_board import database as database


def fill(n: int = 3) -> list[dict[str, Any]]:
    return [kit.submit("coin", guesses(number, skill=number / n), name=f"name{number}") for number in range(n)]


def cache() -> Path:
    return Path(os.environ["KIT_CACHE"])


def forget() -> None:
    for name in [name for name in sys.modules if name.startswith("kit.tasks.coin")]:
        del sys.modules[name]


def test_what_was_scored_again_is_counted(kit_command: Any) -> None:
    fill()
    assert report().words() == "3 entries verified: 3 scored again."
    assert report("mnist").words() == "0 entries verified: 0 scored again."
    shutil.rmtree(cache())
    found = report()
    assert (found.checked, found.scored_again, found.faults) == (3, 0, [])
    assert dict(found.by_files) == {"no answers of coin are prepared here: `kit data coin`": 3}
    assert "3 entries verified: 3 by their files only (no answers" in found.words()
    done = kit_command("verify", "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["scored_again"] == 0


def test_entries_on_answers_that_are_still_kept_are_scored_again_and_others_are_counted(workspace: Path) -> None:
    fill(2)
    kept = prepare.prepared(tasks.find("coin"))
    init = workspace / "tasks" / "coin" / "__init__.py"
    init.write_text(init.read_text().replace("default_rng(0)", "default_rng(1)"))
    forget()
    fill(1)
    assert report().words() == "3 entries verified: 3 scored again."
    shutil.rmtree(kept)
    found = report()
    assert found.scored_again == 1
    assert list(found.by_files) == ["scored on other answers of coin than those prepared here"]


@pytest.mark.parametrize("harm", ["gone", "broken", "bad"])
def test_a_task_that_cannot_be_used_costs_its_scores_only(harm: str, workspace: Path) -> None:
    fill()
    folder = workspace / "tasks" / "coin"
    if harm == "gone":
        shutil.rmtree(folder)
    else:
        (folder / "__init__.py").write_text("1 / 0\n" if harm == "broken" else "task = 1\n")
    forget()
    found = report()
    assert (found.faults, found.scored_again, sum(found.by_files.values())) == ([], 0, 3)


@pytest.mark.parametrize("harm", ["cut", "changed"])
def test_damaged_answers_are_one_fault_and_hide_no_other(harm: str, workspace: Path) -> None:
    rows = fill()
    (workspace / rows[1]["file"]).write_bytes(b"x")
    truth = prepare.prepared(tasks.find("coin")) / "truth.npy"
    content = bytearray(truth.read_bytes())
    if harm == "cut":
        del content[-5:]
    else:
        content[-1] ^= 1
    truth.write_bytes(content)
    found = report()
    assert len(found.faults) == 2
    assert "damaged" in found.faults[0] or "were changed since" in found.faults[0]
    assert "coin --refresh" in found.faults[0]
    assert rows[1]["id"] in found.faults[1]
    assert found.by_files["the answers of coin that are prepared here are damaged"] == 2
    assert len(ranking.read(tasks.find("coin")).rows) == 3


def test_files_without_an_entry_are_told_and_no_fault(workspace: Path) -> None:
    fill(2)
    folder = workspace / "submissions" / "coin"
    for name in ("20260101-000000-aaaaaaaa.npy", "20260101-000000-aaaaaaaa.sums.npz", ".x.npy-abc.part", "README"):
        (folder / name).write_bytes(b"")
    found = report()
    assert found.faults == []
    assert len(found.warnings) == 1
    assert "3 files in" in found.warnings[0]
    assert "20260101-000000-aaaaaaaa.npy" in found.warnings[0]


def test_a_board_that_is_gone_or_empty_beside_its_files_is_a_fault(workspace: Path, kit_command: Any) -> None:
    fill(2)
    if SERVER:
        with Board()._connect(write=True) as connection:
            connection.execute(sa.delete(entries))
            connection.execute(sa.update(head).values(number=0, hash="0" * 64))
    else:
        for file in (workspace / "leaderboard").iterdir():
            file.unlink()
    [fault] = report().faults
    assert ("is empty" if SERVER else "is gone") in fault
    assert kit_command("verify").returncode == 1


def test_a_submission_meanwhile_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    fill(1)
    remembered = Board.head

    def late(board: Board) -> tuple[int, str]:
        other = threading.Thread(target=kit.submit, args=("coin", guesses(5)), kwargs={"name": "late"})
        other.start()
        other.join()
        return remembered(board)

    with monkeypatch.context() as patch:
        patch.setattr(Board, "head", late)
        found = report()
    assert (found.checked, found.faults) == (1, [])
    assert report().checked == 2


def test_an_entry_older_than_the_one_before_it_is_told(workspace: Path) -> None:
    rows = fill(2)
    with Board()._connect(write=True) as connection:
        forged = {**rows[1], "time": "2020-01-01T00:00:00+00:00"}
        forged["hash"] = seal(forged)
        connection.execute(sa.update(entries).where(entries.c.number == 2), forged)
        connection.execute(sa.update(head).values(hash=forged["hash"]))
    found = report()
    assert found.faults == []
    assert "its time 2020-01-01T00:00:00+00:00 lies before" in found.warnings[0]


# ---- damage in one place


def test_a_flipped_bit_in_row_sums_stops_nothing_and_is_named(workspace: Path) -> None:
    rows, coin = fill(), tasks.find("coin")
    path = store.sums_path(workspace / rows[1]["file"])
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 25).tolist():
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        board = ranking.read(coin)
        assert [row["name"] for row in board.rows] == ["name2", "name1", "name0"]
        assert len(ranking.history(coin, "name1")) == 1
        with suppress(KitError):
            ranking.compare(coin, "name1", "name2")
    assert [rows[1]["id"] in fault for fault in report().faults] == [True]


def _arrays(path: Path, **changes: Any) -> None:
    np.savez_compressed(path, **{**archive.read(path), **changes})


HARM: dict[str, Any] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "no archive": lambda path: path.write_text("nothing"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "gone": lambda path: path.unlink(),
    "objects": lambda path: _arrays(path, **{"replicates.binary_accuracy": np.array([{}] * 3, object)}),
    "text": lambda path: _arrays(path, **{"replicates.binary_accuracy": np.array(["a"] * 3)}),
    "another length": lambda path: _arrays(path, **{"replicates.binary_accuracy": np.zeros((3, 7))}),
    "another shape": lambda path: _arrays(path, **{"replicates.binary_accuracy": np.zeros(1000)}),
    "whole numbers": lambda path: _arrays(path, **{"replicates.binary_accuracy": np.zeros((3, 1000), int)}),
    "NaN": lambda path: _arrays(path, **{"replicates.binary_accuracy": np.full((3, 1000), np.nan)}),
    "infinite": lambda path: _arrays(path, **{"replicates.binary_accuracy": np.full((3, 1000), np.inf)}),
    "large": lambda path: _arrays(path, **{"replicates.binary_accuracy": np.zeros((3, 1_000_000))}),
}


@pytest.mark.parametrize("harm", HARM)
def test_whatever_becomes_of_row_sums_stops_nothing_and_is_named(harm: str, workspace: Path) -> None:
    rows, coin = fill(), tasks.find("coin")
    HARM[harm](store.sums_path(workspace / rows[1]["file"]))
    board = ranking.read(coin)
    assert [row["name"] for row in board.rows] == ["name2", "name1", "name0"]
    assert len(ranking.history(coin, "name1")) == 1
    if not SERVER:  # a shared board has a copy
        assert board.rows[1]["range"] == (1, 3)  # nothing is known of its place
        with pytest.raises(KitError, match="`kit verify` says which"):
            ranking.compare(coin, "name1", "name2")
    named = [rows[1]["id"] in fault for fault in report().faults]
    assert named == ([] if SERVER and harm == "gone" else [True])


def test_an_archive_says_what_is_wrong_and_takes_no_more_memory_than_it_may(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file, file.open("sums.npy", "w") as member:
        for _ in range(64):
            member.write(bytes(1 << 20))
    with pytest.raises(KitError, match="more than it should"):
        archive.read(bomb, most=1 << 20)
    with zipfile.ZipFile(bomb, "w") as file:
        header = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }"
        file.writestr("sums.npy", header.ljust(127) + b"\n")
    with pytest.raises(KitError, match="is damaged"):
        archive.read(bomb)


def test_an_entry_whose_scores_cannot_be_read_is_shown_without_them(workspace: Path, kit_command: Any) -> None:
    rows = fill()
    for content in ("nonsense", "[]", '{"binary_accuracy":1}', '{"binary_accuracy":{"all":[]}}'):
        with Board()._connect(write=True) as connection:
            connection.execute(sa.update(entries).where(entries.c.number == 2).values(scores=content))
        assert [row["name"] for row in ranking.read(tasks.find("coin")).rows] == ["name2", "name1", "name0"]
        assert [rows[1]["id"] in fault for fault in report().faults] == [True]
    done = kit_command("leaderboard", "coin")
    assert done.returncode == 0, done.stderr


RECORD = '{"id": "x", "settings": {"task": "coin", "baseline": "bias"}, "started": "2026-01-01"%s}'


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"settings": 1}', RECORD % ', "seconds": "long"', RECORD % ', "score": []', "\xff"],
)
def test_a_bad_record_of_a_run_is_named_on_its_row(content: str, workspace: Path, kit_command: Any) -> None:
    for name, text in (("20260101-000000-bias-0-aaaa", RECORD % ""), ("20260102-000000-bias-0-bbbb", content)):
        folder = workspace / "runs" / "coin" / name
        folder.mkdir(parents=True)
        (folder / "run.json").write_bytes(text.encode("latin1"))
        (folder / "history.csv").write_text("epoch,step,loss,best\n1,1,0.5,1\n2,2,0.")
    assert [record.state for _, record in runs.every(damaged=True)] == ["killed", "damaged"]
    assert [runs.progress(folder)[0] for folder, _ in runs.every(damaged=True)] == [1, 1]
    if content == "{":
        done = kit_command("runs")
        assert "damaged" in done.stdout, done.stderr


# ---- a board that version 0.1 made

FIRST = Path(__file__).parent / "boards" / "first"


@pytest.fixture
def first(workspace: Path) -> Path:
    """Tides: two columns, a large mean, groups of hours, and metrics whose scoring has changed since."""
    if SERVER:
        pytest.skip("this board is an SQLite file")
    shutil.copytree(FIRST, workspace, dirs_exist_ok=True)
    kit.load("tides")
    return workspace


def test_a_board_of_version_1_is_scored_as_version_1_scored_it(first: Path) -> None:
    found = report()
    assert (found.scored_again, found.faults, found.warnings) == (2, [], [])
    kit.submit("tides", np.full((40, 2), 1000.0), name="eve")
    assert (report().scored_again, report().faults) == (3, [])


@pytest.mark.parametrize("metric", ["rmse", "pearson", "r2", "spearman"])
def test_forged_scores_of_version_1_are_named(metric: str, first: Path) -> None:
    rows = list(Board().all())
    scores = json.loads(rows[1]["scores"])
    scores[metric]["private"][2] += 1e-6
    forged = {**rows[1], "scores": json.dumps(scores)}
    forged["hash"] = seal(forged)
    with Board()._connect(write=True) as connection:
        connection.execute(sa.update(entries).where(entries.c.number == 2), forged)
        connection.execute(sa.update(head).values(hash=forged["hash"]))
    [fault] = report().faults
    assert rows[1]["id"] in fault
    assert f"its {metric} is" in fault


# ---- a board that others share


def test_another_workspace_scores_the_entries_of_a_shared_board_again(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not SERVER:
        monkeypatch.setenv("KIT_DATABASE", f"sqlite:///{tmp_path}/shared.sqlite")
    fill(2)
    shutil.rmtree(workspace / "submissions")
    found = report()
    assert (found.scored_again, found.faults, found.warnings) == (2, [], [])
    with Board()._connect(write=True) as connection:
        connection.execute(sa.text("DELETE FROM files"))
    shutil.rmtree(cache() / "entries")
    assert len([fault for fault in report().faults if "is missing, here and on the board" in fault]) == 4


def test_a_receipt_is_held_against_the_board(workspace: Path, tmp_path: Path, kit_command: Any) -> None:
    rows = fill(2)
    for number, row in enumerate(rows):
        receipts.write_receipt(tmp_path / f"receipt{number}.json", row)
    words = ("verify", "--receipt", tmp_path / "receipt0.json", "--receipt", tmp_path / "receipt1.json")
    done = kit_command(*words)
    assert (done.returncode, "2 held against receipts" in done.stdout) == (0, True), done.stderr
    with Board()._connect(write=True) as connection:  # the newest entry is taken away, and the head goes back
        connection.execute(sa.delete(entries).where(entries.c.number == 2))
        connection.execute(sa.update(head).values(number=1, hash=rows[0]["hash"]))
    assert report().faults == []
    assert "2 files" in report().warnings[0]
    done = kit_command(*words)
    assert done.returncode == 1
    assert rows[1]["id"] in done.stderr
    assert rows[0]["id"] not in done.stderr


def test_marks_are_checked_and_counted(workspace: Path) -> None:
    rows = fill(2)
    mark, _ = recording.withdraw(Board(), rows[0]["id"])
    found = report()
    assert (found.words(), found.faults) == ("3 entries verified: 2 scored again, 1 withdrawn.", [])
    for change in ({"refers": "nobody"}, {"score": 1.0}, {"answers": "0" * 64}, {"refers": rows[1]["id"]}):
        forged = {**mark, **change}
        forged["hash"] = seal(forged)
        with Board()._connect(write=True) as connection:
            connection.execute(sa.update(entries).where(entries.c.number == 3), forged)
            connection.execute(sa.update(head).values(hash=forged["hash"]))
        assert [mark["id"] in fault for fault in report().faults] == [True], change


def test_rescored_entries_are_scored_again(workspace: Path) -> None:
    fill(2)
    init = workspace / "tasks" / "coin" / "__init__.py"
    init.write_text(init.read_text().replace("default_rng(0)", "default_rng(1)"))
    forget()
    assert len([made for _, made in recording.rescore(tasks.find("coin"), Board()) if isinstance(made, dict)]) == 2
    assert (report().words(), report().faults) == ("4 entries verified: 4 scored again.", [])
