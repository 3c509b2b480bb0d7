"""`kit disk` and `kit clean`: what is there, what may go, and that nothing is written or deleted anywhere else."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kit import api, disk, prepare, run, runs, store, tasks
from kit import workspace as files
from kit.board import Board
from kit.cli import main
from kit.errors import KitError
from tests.conftest import Kit

DAY = 24 * 3600


Shown = Callable[..., str]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shown:
    """Run a command that must end well; what it shows."""

    def run_it(*command: str) -> str:
        monkeypatch.setattr(sys, "argv", ["kit", *command])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 0
        return capsys.readouterr().out

    return run_it


def put(path: Path, n_bytes: int = 10, days: float = 0) -> Path:
    """A file of a size and an age."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(n_bytes))
    aged(path, days)
    return path


def aged(path: Path, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def old(folder: Path, days: float) -> None:
    for path in folder.rglob("*"):
        aged(path, days)


@pytest.fixture
def preds(tmp_path: Path) -> np.ndarray:
    return np.linspace(0, 1, 100)


def cache() -> Path:
    return files.cache() / "coin"


def offered(**options: object) -> dict[str, str]:
    """What would go, by its name, with its kind."""
    return {path.name: item.kind for item in disk.cleanable(**options) for path in item.paths}  # type: ignore[arg-type]


def unfinished(state: str = "failed", days: float = 1) -> Path:
    folder, _ = runs.create(runs.Settings("coin", "bias"), state=state)
    put(folder / "last-00000010.pt", 1000)
    old(folder, days)
    return folder


def test_sizes_by_place_and_task(workspace: Path, preds: np.ndarray) -> None:
    run.baseline("coin")
    put(cache() / "files" / "raw.gz", 5000)
    put(cache() / "v1" / "x.npy", 300)
    put(workspace / "notes" / "mine.txt", 10**6)
    put(files.libraries() / "matplotlib" / "fonts.json", 70)
    sizes = {(row.place, row.task): row for row in disk.usage()}
    assert {place for place, _ in sizes} == {"downloads", "prepared", "runs", "submissions", "leaderboard", "libraries"}
    assert (sizes["downloads", "coin"].bytes, sizes["downloads", "coin"].files) == (5000, 1)
    prepared = sum(path.stat().st_size for path in prepare.folder(tasks.find("coin")).iterdir())
    assert sizes["prepared", "coin"].bytes == prepared + 300
    kept = [path for path in (workspace / "submissions").rglob("*") if path.is_file()]
    assert (sizes["submissions", "coin"].files, sizes["submissions", "coin"].bytes) == (
        2,
        sum(path.stat().st_size for path in kept),
    )
    assert sizes["libraries", ""].bytes == 70
    assert list(sizes.values()) == sorted(sizes.values(), key=lambda row: -row.bytes)
    assert {row.task for row in disk.usage("coin")} == {"coin"}
    with pytest.raises(KitError, match=r"no task 'con'.*Did you mean coin"):
        disk.usage("con")


def test_disk_on_the_command_line(shown: Shown, preds: np.ndarray) -> None:
    api.submit("coin", preds, name="ada")
    table = shown("disk")
    assert "all together" in table
    assert str(files.cache()) in table
    rows = json.loads(shown("disk", "coin", "--format", "json"))
    assert {"place", "task", "path", "files", "bytes", "unread"} <= set(rows[0])
    assert {row["place"]: row["files"] for row in rows}["submissions"] == 2


def test_only_leftovers_go_unless_more_is_asked_for(workspace: Path, preds: np.ndarray) -> None:
    entry = run.baseline("coin")
    assert entry
    submissions = workspace / "submissions" / "coin"
    wanted = {
        put(cache() / "files" / "raw.gz.partial").name: "leftover of a download",
        put(cache() / "files" / "raw.gz.damaged").name: "leftover of a download",
        put(submissions / ".x.npy-12345678.part", days=2).name: "leftover of submitting",
        put(submissions / "20200101-000000-aaaaaaaa.npy", days=2).name: "leftover of submitting",
        put(submissions / "20200101-000000-aaaaaaaa.sums.npz", days=2).name: "leftover of submitting",
        put(unfinished() / ".best.pt-12345678.part").name: "leftover of a run",
    }
    put(cache() / ".prepared-abcdef" / "truth.npy", days=2)
    put(submissions / ".20200101-x.part" / "predictions.npy", days=2)
    wanted |= {".prepared-abcdef": "leftover of preparing", ".20200101-x.part": "leftover of submitting"}
    put(cache() / "files" / "raw.gz", days=100)
    put(submissions / "20200101-000000-bbbbbbbb.npy", days=0.9)  # somebody may be submitting it now
    put(submissions / "my own.npy", days=100)
    put(cache() / ".prepared-fedcba" / "truth.npy", days=0.9)
    assert offered() == wanted
    before = everything(workspace) | everything(files.cache())
    for item in disk.cleanable():
        assert disk.remove(item) is None
    gone = before - everything(workspace) - everything(files.cache())
    assert {path.name for path in gone} - {"truth.npy", "predictions.npy"} == set(wanted)
    assert offered() == {}
    assert api.leaderboard("coin")["id"].tolist() == [entry["id"]]


def everything(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.name not in (".lock", "board.sqlite-wal", "board.sqlite-shm")}


def test_what_the_board_names_stays(workspace: Path, preds: np.ndarray) -> None:
    entry = run.baseline("coin")
    assert entry
    mine = api.submit("coin", preds, name="ada")
    folder = workspace / "runs" / "coin" / str(entry["id"])
    put(folder / "last-00000010.pt", 1000)
    put(folder / "network-0" / "last-00000020.pt", 1000)
    put(folder / "best.pt", 1000)
    old(workspace / "submissions", 100)
    old(workspace / "runs", 100)
    assert offered(of_runs=True) == dict.fromkeys(["last-00000010.pt", "last-00000020.pt"], "checkpoints of a run")
    for item in disk.cleanable(of_runs=True):
        assert disk.remove(item) is None
    assert {path.name for path in folder.rglob("*") if path.is_file()} >= {"run.json", "predictions.npy", "best.pt"}
    assert not list(folder.rglob("last-*"))
    for made in (entry, mine):
        assert files.sha256(workspace / made["file"]) == made["file_sha256"]
        assert files.sha256(store.sums_path(workspace / made["file"])) == made["sums_sha256"]


def test_runs_without_an_entry_go_when_asked_and_old_enough(workspace: Path) -> None:
    run.baseline("coin")
    young, aged_run = unfinished(days=1), unfinished("stopped", days=40)
    assert offered() == {}
    assert offered(of_runs=True) == {young.name: "run, failed", aged_run.name: "run, stopped"}
    assert offered(of_runs=True, older=disk.seconds("30d")) == {aged_run.name: "run, stopped"}
    (item,) = disk.cleanable(of_runs=True, older=disk.seconds("30d"))
    assert item.bytes == sum(path.stat().st_size for path in aged_run.rglob("*") if path.is_file())
    disk.remove(item)
    assert not aged_run.exists()
    assert young.is_dir()
    assert [path.name for path in (workspace / "runs" / "coin").iterdir() if path.name.startswith(".")] == []


def test_a_run_that_is_at_work_or_out_on_a_cluster_stays(workspace: Path) -> None:
    at_work, out, lost, record = unfinished("running"), unfinished("sent", 1), unfinished("sent", 30), unfinished()
    (record / "run.json").write_text("{")  # perhaps of a newer version
    items = {item.paths[0]: item for item in disk.cleanable(of_runs=True)}
    assert set(items) == {at_work, lost}
    assert items[at_work].kind == "run, killed"
    with runs.alone(at_work):
        assert set(offered(of_runs=True)) == {lost.name}
        problem = disk.remove(items[at_work])  # it began between the list and the answer
        assert problem == f"{at_work} stays: another process is working with it."
    assert at_work.is_dir()
    assert out.is_dir()


def test_the_cache_goes_when_asked_but_for_what_is_in_the_making(preds: np.ndarray) -> None:
    api.submit("coin", preds, name="ada")
    raw, copy = put(cache() / "files" / "raw.gz"), put(files.cache() / "entries" / "0123.npy")
    partial = put(cache() / "files" / "other.gz.partial")
    place = prepare.folder(tasks.find("coin"))
    with files.locked(partial.with_name(".other.gz.lock")):
        wanted = {raw.name: "download", place.name: "prepared data", copy.name: "copy from the board's database"}
        assert offered(cache=True) == wanted
        assert set(offered(task="coin", cache=True)) == {raw.name, place.name}
        for item in disk.cleanable(cache=True):
            assert disk.remove(item) is None
    assert partial.is_file()
    assert not raw.exists()
    assert not place.exists()
    assert api.leaderboard("coin")["name"].tolist() == ["ada"]
    api.submit("coin", preds, name="ada")  # prepared anew


def test_files_of_another_database_are_not_taken_for_leftovers(
    workspace: Path, preds: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The club's address of its board is not set in this shell, and its files seem to have no entry."""
    monkeypatch.setenv("KIT_DATABASE", f"sqlite:///{tmp_path}/club.sqlite")
    api.submit("coin", preds, name="ada")
    old(workspace / "submissions", 100)
    monkeypatch.delenv("KIT_DATABASE")
    assert offered(of_runs=True) == {}
    monkeypatch.setenv("KIT_DATABASE", "sqlite:////proc/nowhere/board")
    assert not list(Board().all())


def test_a_board_that_cannot_be_read_lets_nothing_go(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unfinished()
    put(workspace / "leaderboard" / "board.sqlite", 5000)
    with pytest.raises(KitError, match="cannot be used"):
        disk.cleanable(of_runs=True)


def test_a_cache_in_a_folder_with_other_things_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    put(home / "Documents" / "files" / "thesis.doc", days=100)
    put(home / "photos" / "2020" / "x.jpg", days=100)
    monkeypatch.setenv("KIT_CACHE", str(home))
    assert offered(cache=True) == {}
    assert disk.usage() == []


def test_links_are_not_followed(workspace: Path, tmp_path: Path, preds: np.ndarray) -> None:
    outside = tmp_path / "outside"
    for path in ("runs/r/run.json", "files/raw.gz", "prepared-x/facts.json", "20200101-000000-aaaaaaaa.npy"):
        put(outside / path, 1000, days=100)
    run.baseline("coin")
    (workspace / "runs" / "coin" / "linked").symlink_to(outside / "runs" / "r")
    (cache() / "prepared-linked").symlink_to(outside / "prepared-x")
    (cache() / "files").symlink_to(outside / "files")
    (files.cache() / "mnist").symlink_to(outside)
    (workspace / "submissions" / "coin" / "20200101-000000-aaaaaaaa.npy").symlink_to(
        outside / "20200101-000000-aaaaaaaa.npy"
    )
    gone = unfinished(days=100)
    (gone / "data").symlink_to(outside)
    before = everything(outside)
    assert sum(row.bytes for row in disk.usage() if row.place == "downloads") == 0
    for item in disk.cleanable(of_runs=True, cache=True):
        assert disk.remove(item) is None
    assert everything(outside) == before
    assert not gone.exists()


def test_a_cache_and_runs_that_are_links_themselves(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cache", "runs"):
        (tmp_path / "big" / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "big" / "cache")
    (workspace / "runs").symlink_to(tmp_path / "big" / "runs")
    monkeypatch.setenv("KIT_CACHE", str(tmp_path / "link"))
    raw, folder = put(tmp_path / "big" / "cache" / "coin" / "files" / "raw.gz"), unfinished()
    assert set(offered(of_runs=True, cache=True)) == {raw.name, folder.name}
    for item in disk.cleanable(of_runs=True, cache=True):
        assert disk.remove(item) is None
    assert not raw.exists()
    assert not list((tmp_path / "big" / "runs" / "coin").iterdir())


def test_what_vanishes_meanwhile_is_no_error_and_what_may_not_go_is_named(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vanished, kept = unfinished(), unfinished()
    raw = put(cache() / "files" / "raw.gz.partial")
    items = {item.paths[0]: item for item in disk.cleanable(of_runs=True)}
    shutil.rmtree(vanished)
    raw.unlink()
    assert disk.remove(items[vanished]) is None
    assert disk.remove(items[raw]) is None

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refused)
    assert disk.remove(items[kept]) == f"{kept} stays: Permission denied."


def test_a_deletion_cut_short_is_a_leftover_and_never_taken_for_a_whole(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, place = unfinished(), prepare.prepared(tasks.find("coin"))
    items = disk.cleanable(of_runs=True, cache=True)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        for item in items:
            with pytest.raises(KeyboardInterrupt):
                disk.remove(item)
    assert runs.every("coin") == []
    assert not folder.exists()
    assert not place.exists()
    old(files.cache(), 2)
    assert set(offered().values()) == {"leftover of cleaning", "leftover of preparing"}


@pytest.mark.parametrize(("text", "wanted"), [("12h", 12 * 3600), ("30d", 30 * DAY), ("8W", 56 * DAY), ("0d", 0)])
def test_ages(text: str, wanted: float) -> None:
    assert disk.seconds(text) == wanted


@pytest.mark.parametrize("text", ["", "30", "d", "-3d", "1.5d", "3 d", "30m", "2y", "٣d", "99999999d", "d30", "1d1h"])
def test_other_ages_are_refused(text: str) -> None:
    with pytest.raises(KitError, match="hours, days or weeks are wanted, such as 12h, 30d or 8w"):
        disk.seconds(text)


# On the command line


def answer(word: str, *arguments: str) -> str:
    """What `kit clean` shows on a terminal where somebody types that word."""
    terminal, end = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", "kit", "clean", *arguments], stdin=end, stdout=end, stderr=end):
        os.close(end)
        os.write(terminal, f"{word}\n".encode())
        shown = b""
        try:
            while piece := os.read(terminal, 4096):
                shown += piece
        except OSError:  # how Linux ends a terminal
            pass
    os.close(terminal)
    return shown.decode()


def test_it_shows_and_asks_before_it_deletes(shown: Shown, workspace: Path) -> None:
    folder = unfinished()
    listed = shown("clean", "--runs")  # off a terminal nobody can be asked
    assert folder.name in listed
    assert "Nothing was deleted. Run it with --yes" in listed
    assert "[y/N]" in answer("", "--runs")
    assert folder.is_dir()
    assert "Deleted 1 item" in answer("y", "--runs")
    assert not folder.exists()
    folder = unfinished()
    assert re.search(r"Deleted 1 items?, 1\.\d kB", shown("clean", "coin", "--runs", "--yes"))
    assert not folder.exists()
    assert "nothing to clean" in shown("clean", "--runs", "--cache")


# Nowhere else


def listing(folder: Path, but: tuple[Path, ...]) -> set[str]:
    found = (path for path in folder.rglob("*") if not any(place == path or place in path.parents for place in but))
    return {str(path.relative_to(folder)) for path in found}


def watched(tmp_path: Path, kit_command: Kit, *commands: str) -> set[str]:
    """What commands leave outside of the workspace and the cache, with a home and a current folder of their own."""
    places = {name: tmp_path / name for name in ("home", "temp", "here")}
    for place in places.values():
        place.mkdir()
    own = (files.root(), files.cache())
    set_apart = {"HOME": str(places["home"]), "TMPDIR": str(places["temp"])}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MPL"))}
    before = listing(tmp_path, own)
    for command in commands:
        done = kit_command(*command.split(), cwd=places["here"], env=kept | set_apart)
        assert done.returncode == 0, done.stderr
    return listing(tmp_path, own) - before


def test_the_kit_writes_nowhere_but_in_workspace_and_cache(tmp_path: Path, kit_command: Kit, workspace: Path) -> None:
    commands = ("baseline coin", f"leaderboard --html {workspace}/board.html")
    assert watched(tmp_path, kit_command, *commands) == set()


@pytest.mark.slow
def test_nor_does_a_training(tmp_path: Path, kit_command: Kit, coin_network: Path) -> None:
    left = watched(tmp_path, kit_command, "baseline coin network --epochs 1", "verify", "clean --runs --cache --yes")
    assert {path for path in left if not path.startswith("temp/")} == set(), "such as matplotlib's list of fonts"
    assert (files.libraries() / "matplotlib").is_dir()
    assert list((coin_network / "runs").rglob("learning_curve.png"))
