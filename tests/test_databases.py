"""Where a board may be, who may read it, and what it leaves beside itself. Files of its own, whatever server is set."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

import kit
from kit import database, prepare, ranking, recording, store, tasks
from kit.board import Board
from kit.errors import KitError
from kit.verify import verify

SERVER = os.environ.get("KIT_TEST_DATABASE")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
NO_SHARED_MEMORY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* A file system that maps no SQLite index into memory. */
static int is_index(int fd) {
    char link[64], name[4096];
    if (fd < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, name, sizeof name - 1);
    return n > 4 && memcmp(name + n - 4, "-shm", 4) == 0;
}
#define MAP(name, offset)                                                                                        \
    void *name(void *at, size_t length, int rights, int flags, int fd, offset from) {                            \
        if (is_index(fd)) { errno = ENODEV; return MAP_FAILED; }                                                 \
        return ((void *(*)(void *, size_t, int, int, int, offset))dlsym(RTLD_NEXT, #name))(                      \
            at, length, rights, flags, fd, from);                                                                \
    }
MAP(mmap, off_t)
MAP(mmap64, off64_t)
"""


def submit(name: str = "ada", seed: int = 0, **facts: Any) -> dict[str, Any]:
    return kit.submit("coin", np.random.default_rng(seed).random(100), name=name, **facts)


def beside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def names() -> list[str]:
    return [row["name"] for row in ranking.read(tasks.find("coin")).rows]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda address: monkeypatch.setenv("KIT_DATABASE", address)


# addresses


@pytest.mark.parametrize(
    "form", ["sqlite:///{}", "sqlite+pysqlite:///{}", "sqlite:///file:{}?uri=true", " sqlite:///{} "]
)
def test_every_way_to_write_an_address_is_the_same_board(form: str, tmp_path: Path, use: Any, workspace: Path) -> None:
    path = tmp_path / "elsewhere" / "b.db"
    for number in range(2):
        use(form.format(path))
        submit("ada", number)
    use(f"sqlite:///{path}")
    assert [row["number"] for row in Board().all()] == [1, 2]
    assert verify() == (2, [])
    assert beside(path.parent) == ["b.db"]
    assert not (workspace / "leaderboard").exists()


def test_a_relative_path_stays_the_same_file_when_the_folder_changes(
    tmp_path: Path, use: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("sqlite:///rel.db")
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    board = Board()
    monkeypatch.chdir(tmp_path / "a")
    assert board.address.path == tmp_path / "rel.db"


@pytest.mark.parametrize(
    "folder", ["a%2Fb", "a?b", "a#b", "a b", "ä李", "a%b", "a&mode=ro", "a;b", "a'b", "a+b", ":memory:"]
)
def test_any_folder_can_be_a_workspace(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    place = tmp_path / folder
    shutil.copytree(workspace / "tasks", place / "tasks")
    monkeypatch.setenv("KIT_WORKSPACE", str(place))
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(place)}
    submit()
    assert beside(place / "leaderboard") == ["board.sqlite"]
    assert names() == ["ada"]
    assert verify() == (1, [])
    made = {path for path in tmp_path.rglob("*") if not path.is_relative_to(place)} - before
    assert all(path.is_relative_to(tmp_path / "cache") for path in made)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file::memory:?uri=true", "in memory"),
        ("sqlite:///x?mode=memory", "in memory"),
        ("sqlite:///{here}", "is a folder"),
        ("sqlite:///{here}/b.db?colour=red", "'colour' is not known"),
        ("sqlite:///{here}/none.db?mode=ro", "for reading only"),
        ("sqlite+aiosqlite:///x", "no driver"),
        ("mysql://h/x", "[Nn]o driver"),
        ("postgresql://u:secret@h:port/x", "no database address"),
        ("postgresql://u:secret@127.0.0.1:1/x", "cannot be used"),
        ("x:secret@y", "no database address"),
        ("sqlite:///{here}/text.db", "not a database"),
    ],
)
def test_an_address_that_is_no_board_is_one_line_without_its_password(
    address: str, words: str, tmp_path: Path, use: Any, workspace: Path
) -> None:
    (tmp_path / "text.db").write_text("this is text, and long enough to be no database at all. " * 100)
    use(address.format(here=tmp_path))
    with pytest.raises(KitError, match=words) as caught:
        submit()
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value) or "@y" in address
    assert not (workspace / "submissions").exists()
    if "not a database" in words:
        with pytest.raises(KitError, match=words):
            names()


def test_an_empty_file_is_an_empty_board(tmp_path: Path, use: Any) -> None:
    path = tmp_path / "b.db"
    path.touch()
    use(f"sqlite:///{path}")
    assert names() == []
    assert path.stat().st_size == 0
    submit()
    assert names() == ["ada"]


def test_a_board_that_is_opened_for_reading_only_is_read(tmp_path: Path, use: Any) -> None:
    use(f"sqlite:///{tmp_path / 'b.db'}")
    submit()
    for option in ("mode=ro", "immutable=1", "mode=ro&nolock=1"):
        use(f"sqlite:///{tmp_path / 'b.db'}?{option}")
        assert names() == ["ada"]
        assert verify() == (1, [])
    with pytest.raises(KitError, match="for reading only"):
        submit("eve")


def test_a_board_that_somebody_holds_is_one_line(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAIT", 0.1)
    submit()
    other = sqlite3.connect(workspace / "leaderboard" / "board.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(KitError, match="locked"):
        submit("eve", 1)
    assert names() == ["ada"]
    other.execute("ROLLBACK")
    other.close()
    assert len(list((workspace / "submissions" / "coin").iterdir())) == 2


def test_a_board_without_its_head_is_said_to_be_damaged(workspace: Path) -> None:
    submit()
    path = workspace / "leaderboard" / "board.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM head")
    with pytest.raises(KitError, match="damaged"):
        submit("eve", 1)


# what lies beside it


def test_the_file_is_whole_after_every_write_and_reading_makes_none(workspace: Path, tmp_path: Path) -> None:
    folder = workspace / "leaderboard"
    for number in range(3):
        submit("ada", number)
        assert beside(folder) == ["board.sqlite"]
        copy = tmp_path / f"copy{number}.sqlite"
        shutil.copyfile(folder / "board.sqlite", copy)
        with sqlite3.connect(copy) as connection:
            assert connection.execute("SELECT count(*) FROM entries").fetchone() == (number + 1,)
    names(), verify(), ranking.history(tasks.find("coin"), "ada")
    assert beside(folder) == ["board.sqlite"]


def test_a_copy_is_whole_even_while_somebody_reads(workspace: Path, tmp_path: Path) -> None:
    """A program that keeps the board open (a notebook, a viewer) keeps SQLite from clearing its log away."""
    submit()
    path = workspace / "leaderboard" / "board.sqlite"
    other = sqlite3.connect(path)
    other.execute("SELECT count(*) FROM entries").fetchone()
    submit("bob", 1)
    assert beside(path.parent) == ["board.sqlite", "board.sqlite-shm", "board.sqlite-wal"]
    shutil.copyfile(path, tmp_path / "copy")
    with sqlite3.connect(tmp_path / "copy") as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (2,)
    other.close()


@pytest.fixture(scope="session")
def no_shared_memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("preload")
    (folder / "no.c").write_text(NO_SHARED_MEMORY)
    made = subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "no.so", folder / "no.c", "-ldl"], check=False)
    if made.returncode:
        pytest.skip("there is no C compiler here")
    return folder / "no.so"


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("gcc") is None, reason="Linux and a C compiler")
@pytest.mark.parametrize("made_here", [True, False])
def test_without_shared_memory_a_board_is_written_and_read(
    made_here: bool, no_shared_memory: Path, workspace: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "p.npy", np.random.default_rng(0).random(100))
    prepare.prepared(tasks.find("coin"))
    if not made_here:
        submit("first")
    script = (
        "import kit, numpy as np; from kit import ranking, tasks\n"
        "coin, p = tasks.find('coin'), np.load('p.npy')\n"
        "print([row['name'] for row in ranking.read(coin).rows])\n"
        "kit.submit('coin', p, name='ada'); kit.submit('coin', 1 - p, name='bob')\n"
        "print(sorted(row['name'] for row in ranking.read(coin).rows))"
    )
    environment = {**os.environ, "LD_PRELOAD": str(no_shared_memory)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    before = [] if made_here else ["first"]
    assert done.stdout.splitlines() == [str(before), str(["ada", "bob", *before])]
    assert beside(workspace / "leaderboard") == ["board.sqlite"]
    assert verify() == (2 + len(before), [])


# rights


@pytest.fixture
def somebody_else(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Run a function in a process of a user who owns nothing here, and who is in the group 4242; what it returns."""

    def run(function: Callable[[], str], umask: int = 0o022) -> str:
        read, write = os.pipe()
        if child := os.fork():
            os.close(write)
            with os.fdopen(read) as pipe:
                said = pipe.read()
            os.waitpid(child, 0)
            return said
        try:
            os.setgroups([])
            os.setgid(4242)
            os.setuid(4243)
            os.umask(umask)
            said = function()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode())
        os._exit(0)

    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and not folder.stat().st_mode & stat.S_IXOTH and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    yield run
    subprocess.run(["chmod", "-R", "u+rwX", str(tmp_path)], check=False)


def everything_that_reads() -> str:
    coin = tasks.find("coin")
    seen = sorted(names()), len(ranking.history(coin, "ada")), verify()
    ranking.compare(coin, "ada", "bob")
    return str(seen)


@AS_ROOT
@pytest.mark.parametrize("folder_mode", [0o755, 0o777])
def test_who_has_no_right_to_write_can_read(folder_mode: int, somebody_else: Any, workspace: Path) -> None:
    submit()
    submit("bob", 1)
    folder = workspace / "leaderboard"
    folder.chmod(folder_mode)
    (folder / "board.sqlite").chmod(0o644)
    assert somebody_else(everything_that_reads) == str((["ada", "bob"], 1, (2, [])))
    assert somebody_else(lambda: str(submit("eve", 2))).startswith(("KitError: The board", "PermissionError"))
    assert beside(folder) == ["board.sqlite"]


@AS_ROOT
def test_who_may_not_even_read_is_told_so_in_one_line(somebody_else: Any, workspace: Path) -> None:
    submit()
    (workspace / "leaderboard" / "board.sqlite").chmod(0o600)
    assert "Permission denied" in somebody_else(everything_that_reads)
    assert somebody_else(everything_that_reads).startswith("KitError: The board at ")


@AS_ROOT
def test_what_stands_in_the_log_alone_is_read_without_the_right_to_write(somebody_else: Any, workspace: Path) -> None:
    submit()
    submit("bob", 1)
    path = workspace / "leaderboard" / "board.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("UPDATE entries SET task = 'other' WHERE name = 'bob'")
    connection.commit()
    kept = {name: path.with_name(name).read_bytes() for name in ("board.sqlite", "board.sqlite-wal")}
    connection.close()
    for name, content in kept.items():  # as a backup brings them back
        path.with_name(name).write_bytes(content)
        path.with_name(name).chmod(0o644)
    assert somebody_else(lambda: str(names())) == "['ada']"
    assert beside(path.parent) == ["board.sqlite", "board.sqlite-wal"]


@AS_ROOT
@pytest.mark.parametrize("umask", [0o022, 0o002])
def test_the_second_member_of_a_group_can_submit(umask: int, somebody_else: Any, workspace: Path) -> None:
    """In a folder that `chgrp team` and `chmod g+ws` made the group's, whatever the umask of the first."""
    prepare.prepared(tasks.find("coin"))
    for folder in (workspace, workspace / "leaderboard", workspace / "submissions"):
        folder.mkdir(exist_ok=True)
        os.chown(folder, -1, 4242)
        folder.chmod(0o2775)
    before = os.umask(umask)
    try:
        submit()
    finally:
        os.umask(before)
    assert somebody_else(lambda: submit("bob", 1)["name"]) == "bob"
    submit("cy", 2)
    assert verify() == (3, [])


def test_files_have_the_rights_of_the_umask(workspace: Path) -> None:
    before = os.umask(0o007)
    try:
        submit()
    finally:
        os.umask(before)
    assert stat.S_IMODE((workspace / "leaderboard" / "board.sqlite").stat().st_mode) == 0o660
    assert stat.S_IMODE((workspace / "leaderboard").stat().st_mode) == 0o770


def test_a_full_disk_can_still_be_read(small_disk: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.conftest import fill

    place = small_disk / "workspace"
    shutil.copytree(workspace, place)
    monkeypatch.setenv("KIT_WORKSPACE", str(place))
    submit()
    submit("bob", 1)
    fill(small_disk)
    assert everything_that_reads() == str((["ada", "bob"], 1, (2, [])))
    with pytest.raises(OSError, match="No space"):
        submit("cy", 2)
    assert verify() == (2, [])
    assert beside(place / "leaderboard") == ["board.sqlite"]
    assert len(beside(place / "submissions" / "coin")) == 4


# one board, two machines


@pytest.fixture(params=["sqlite", *(["server"] if SERVER else [])])
def shared(request: pytest.FixtureRequest, tmp_path: Path, use: Any) -> None:
    if request.param == "sqlite":
        use(f"sqlite:///{tmp_path / 'shared.db'}")
        return
    use(str(SERVER))
    engine = database.engine(Board().address, write=True)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS entries, head, files, alembic_version"))


@pytest.mark.usefixtures("shared")
def test_two_workspaces_on_one_database_are_one_board(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.board.PART", 1000)  # so that a file has several parts
    other = tmp_path / "other"
    shutil.copytree(workspace, other)

    def at(place: Path) -> None:
        monkeypatch.setenv("KIT_WORKSPACE", str(place))
        monkeypatch.setenv("KIT_CACHE", str(place / "cache"))

    def seen() -> Any:
        coin = tasks.find("coin")
        prepare.prepared(coin)
        board = ranking.read(coin)
        one, two, found = ranking.compare(coin, "ada", "bob")
        rows = [{**row, "range": tuple(row["range"])} for row in board.rows]
        return rows, one, two, found, verify()

    at(workspace)
    submit()
    at(other)
    submit("bob", 1)
    submit("bob", 1)  # the same file again is kept once
    here = seen()
    assert here[-1] == (3, [])
    assert all(row["range"] for row in here[0])
    at(workspace)
    assert seen() == here
    entry = next(Board().all(name="bob"))
    fetched = store.local(entry)
    assert fetched is not None
    assert fetched.is_relative_to(workspace / "cache")
    fetched.write_bytes(b"damaged")
    again = store.local(entry)
    assert again is not None
    assert again.read_bytes() == (other / entry["file"]).read_bytes()


@pytest.mark.usefixtures("shared")
def test_a_file_that_the_database_lost_or_changed_is_no_file(workspace: Path, tmp_path: Path) -> None:
    entry, damaged = submit(), submit("bob", 1)
    shutil.rmtree(workspace / "submissions")
    engine = database.engine(Board().address, write=True)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM files WHERE sha256 = :h"), {"h": entry["file_sha256"]})
        changed = {"h": damaged["file_sha256"], "b": b"x"}
        connection.execute(sa.text("UPDATE files SET bytes = :b WHERE sha256 = :h"), changed)
    for row in (entry, damaged):
        assert store.local(row) is None
        assert store.local(row, sums=True) is not None
        assert any(row["id"] in fault for fault in verify()[1])
    assert sorted(names()) == ["ada", "bob"]
    assert list((tmp_path / "cache").rglob("*.part*")) == []


def test_entries_whose_files_are_elsewhere_are_shown_with_the_widest_ranges(workspace: Path) -> None:
    submit()
    submit("bob", 1)
    shutil.rmtree(workspace / "submissions")
    assert [row["range"] for row in ranking.read(tasks.find("coin")).rows] == [(1, 2), (1, 2)]
    with pytest.raises(KitError, match="missing"):
        ranking.compare(tasks.find("coin"), "ada", "bob")
    assert len(verify()[1]) > 0
    assert list(recording.rescore(tasks.find("coin"), Board())) == []
