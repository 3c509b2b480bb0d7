"""What the system refuses: every call that a command makes, and every odd place that it may run in."""

import errno
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from kit import api, sources
from kit import workspace as files
from kit.cli import main
from kit.errors import os_error_words
from tests.conftest import fill

ROOT = Path(__file__).parent.parent
needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become others")


@pytest.fixture
def preds(tmp_path: Path) -> Path:
    path = tmp_path / "preds.npy"
    np.save(path, np.linspace(0, 1, 100))
    return path


Told = Callable[..., str]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """Run a command that must fail with one line; that line."""

    def run(*command: object) -> str:
        monkeypatch.setattr(sys, "argv", ["kit", *map(str, command)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr().err
        assert end.value.code == 1, said
        (line,) = [line for line in said.splitlines() if "does not exist yet" not in line]
        assert line.startswith("error: ")
        return line.removeprefix("error: ")

    return run


# The words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("EACCES", "cannot be used: permission is denied. Mend that, or take another path."),
        ("EPERM", "cannot be used: permission is denied. Mend that, or take another path."),
        ("EROFS", "cannot be written: the file system is read-only. Mend that, or take another path."),
        ("ENOSPC", "cannot be written: the disk is full. Make room; `kit disk` shows what takes it."),
        ("EDQUOT", "cannot be written: your quota of disk space is used up. Make room; `kit disk`"),
        ("EFBIG", "cannot be written: it would be larger than"),
        ("ENAMETOOLONG", "cannot be used: the name is too long."),
        ("ELOOP", "cannot be used: its links lead in a circle."),
        ("ENOTDIR", "cannot be used: a file stands where a folder is wanted."),
        ("EEXIST", "cannot be used: a file stands where a folder is wanted."),
        ("EISDIR", "cannot be used: this is a folder, and a file is wanted."),
        ("EMFILE", "cannot be used: too many files are open. Raise the limit: ulimit -n 4096"),
        ("EIO", "cannot be used: the disk, or the network drive, failed. Check it and try again."),
        ("ESTALE", "cannot be used: the network drive has changed underneath. Mount it anew and try again."),
    ],
)
def test_what_a_user_can_mend_has_words_with_the_path(number: str, words: str) -> None:
    error = OSError(getattr(errno, number), "whatever", "/some/where")
    assert f"/some/where {words}" in (os_error_words(error) or "")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EBADF, "Bad file descriptor"),
        OSError(errno.EINVAL, "Invalid argument", "/some/where"),
        OSError(errno.EACCES, "Permission denied"),
        OSError(errno.ENOENT, "No such file", "/some/where"),
        OSError("a message only"),
        TimeoutError("timed out"),
    ],
)
def test_a_fault_of_code_keeps_its_traceback(error: OSError) -> None:
    assert os_error_words(error, {"KIT_CACHE": "/cache"}) is None


def test_the_advice_names_the_variable_that_chooses_the_place() -> None:
    places = {"KIT_WORKSPACE": "/club", "KIT_CACHE": "/club/cache"}

    def advice(path: str | bytes, number: int = errno.EACCES) -> str | None:
        return os_error_words(OSError(number, "", path), places)

    assert "or set KIT_CACHE to another folder" in (advice("/club/cache/mnist") or "")
    assert "or set KIT_WORKSPACE to another folder" in (advice(b"/club/cached") or "")
    assert "take another path" in (advice("/clubs") or "")
    assert "set KIT_WORKSPACE or KIT_CACHE to another" in (advice("/", errno.EROFS) or ""), "on the way to both"
    assert "take another path" in (advice("/", errno.EISDIR) or "")
    assert "deleted meanwhile? Run" not in (advice("/club/runs/x", errno.ENOENT) or "")
    assert "it is missing" in (advice("/club/runs/x", errno.ENOENT) or "")
    assert "\n" not in (advice("/club/two\nlines\x1b[0m") or "\n")


def test_the_second_name_of_a_rename_is_the_one_that_is_named() -> None:
    assert "/b cannot be used" in (os_error_words(OSError(errno.EISDIR, "", "/a", None, "/b")) or "")


# Every call of a command, refused in its turn


def refuse_each(tmp_path: Path, which: str, number: str, *command: object) -> list[dict[str, object]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    asked = [sys.executable, "-m", "tests.faults", str(tmp_path), which, number, *map(str, command)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def check_each(tmp_path: Path, which: str, number: str, *command: object) -> int:
    """Nothing escapes; a failure is one line that names a path, and leaves nothing that is half written."""
    whole, *refused = refuse_each(tmp_path, which, number, *command)
    assert (whole["code"], whole["escaped"]) == (0, ""), whole
    assert len(refused) > 3
    for call in refused:
        assert not call["escaped"], call
        errors = [line for line in str(call["said"]).splitlines() if line.startswith("error: ")]
        assert len(errors) == call["code"], call
        assert "Traceback" not in str(call["said"]), call
        kept = [name for name in call["left"] if str(name).startswith("workspace/submissions/")]  # type: ignore[attr-defined]
        assert len(kept) == 2 * (int(call["entries"]) - 1), call  # type: ignore[call-overload]
        if call["code"] and call["event"] != "os.scandir":  # a folder of tasks that cannot be listed has none
            named = Path(str(call["path"])).name.partition(".")[0]
            assert str(tmp_path / "now") in str(call["said"]) or named in str(call["said"]), call
        if call["event"] != "os.remove":
            assert not [name for name in call["left"] if str(name).endswith(".part")], call  # type: ignore[attr-defined]
    return len(refused)


COMMANDS = ["submit coin PREDS --name ada", "baseline coin", "leaderboard coin --html HTML", "verify", "runs coin"]
COMMANDS += ["data coin", "disk", "clean --runs --cache --yes", "check coin PREDS"]


@pytest.mark.parametrize(
    ("which", "command", "number"),
    [
        ("first", "submit coin PREDS --name ada", "EACCES"),
        *[
            pytest.param(which, command, number, marks=pytest.mark.slow)
            for command in COMMANDS
            for which, number in (("every", "EACCES"), ("first", "EIO"), ("first", "ENOSPC"), ("first", "EMFILE"))
        ],
    ],
)
def test_each_call_of_a_command_may_be_refused(
    which: str, command: str, number: str, workspace: Path, tmp_path: Path, preds: Path
) -> None:
    api.submit("coin", preds, name="first")
    words = [{"PREDS": str(preds), "HTML": str(tmp_path / "now" / "board.html")}.get(w, w) for w in command.split()]
    assert check_each(tmp_path, which, number, *words)


# Odd places


def test_a_workspace_that_is_no_folder(
    told: Told, tmp_path: Path, preds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    wrong = {
        str(preds): "is a file. Set it to a folder.",
        str(tmp_path / "loop"): "leads nowhere: .*[Ss]ymlink loop|leads nowhere: Too many levels",
        "~nobody-of-that-name/club": "leads nowhere: Could not determine home directory. Set it to a folder.",
    }
    for value, words in wrong.items():
        monkeypatch.setenv("KIT_WORKSPACE", value)
        for command in (("leaderboard",), ("submit", "coin", preds), ("runs",), ("disk",), ("clean",)):
            line = told(*command)
            assert line.startswith(f"KIT_WORKSPACE={value} ")
            assert re.search(words, line)


def test_a_workspace_that_does_not_exist_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KIT_WORKSPACE", str(tmp_path / "clup"))
    monkeypatch.setattr(sys, "argv", ["kit", "leaderboard"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert f"The workspace {tmp_path}/clup (KIT_WORKSPACE) does not exist yet" in capsys.readouterr().err
    assert not (tmp_path / "clup").exists()


def test_a_workspace_in_a_file_or_too_long(told: Told, preds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_WORKSPACE", f"{preds}/club")
    monkeypatch.setattr("kit.tasks._PACKAGE", ROOT / "tests" / "toy")  # the workspace's own tasks cannot be found
    assert str(preds) in (line := told("submit", "coin", preds))
    assert "a file stands where a folder is wanted. Mend that, or set KIT_WORKSPACE to another folder." in line
    monkeypatch.setenv("KIT_WORKSPACE", f"/{'x' * 300}")
    assert "the name is too long" in told("submit", "coin", preds)


def test_a_cache_that_is_no_folder(told: Told, tmp_path: Path, preds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loop").symlink_to("loop")
    wrong = {
        str(preds): f"{preds}/coin cannot be used: a file stands where a folder is wanted. .*set KIT_CACHE to another",
        f"/{'x' * 300}": "the name is too long.*set KIT_CACHE to another",
        str(tmp_path / "loop"): "KIT_CACHE=.*loop leads nowhere",
        "~nobody-of-that-name/cache": "KIT_CACHE=.* leads nowhere: Could not determine home directory",
    }
    for value, words in wrong.items():
        monkeypatch.setenv("KIT_CACHE", value)
        assert re.search(words, told("submit", "coin", preds, "--name", "ada"))


def test_a_current_folder_that_is_gone(
    told: Told, tmp_path: Path, preds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    api.submit("coin", preds, name="ada")  # a chosen workspace needs no current folder
    monkeypatch.setenv("KIT_WORKSPACE", "relative")
    assert "leads nowhere: No such file or directory" in told("leaderboard")
    monkeypatch.delenv("KIT_WORKSPACE")
    assert told("leaderboard").startswith("The current folder is gone. Go to another one, or set KIT_WORKSPACE")


def test_a_page_that_is_to_take_the_place_of_a_folder(told: Told, tmp_path: Path, preds: Path) -> None:
    for place in (tmp_path, "/", "."):
        assert "this is a folder, and a file is wanted" in told("leaderboard", "--html", place)
    assert "a file stands where a folder" in told("leaderboard", "--html", preds / "board.html")
    assert "the name is too long" in told("leaderboard", "--html", tmp_path / f"{'x' * 300}.html")


def test_a_name_as_long_as_names_may_be_is_no_trouble(tmp_path: Path) -> None:
    for name in ("x" * 255, "李" * 85):
        with files.replacing(tmp_path / name) as file:
            file.write(b"whole")
        assert (tmp_path / name).read_bytes() == b"whole"


def test_a_folder_above_that_may_not_be_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: object, **_: object) -> os.stat_result:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.delenv("KIT_WORKSPACE")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "stat", refused)
    found = files.root()
    monkeypatch.undo()
    assert found == tmp_path


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_output_that_leads_to_a_full_disk_is_one_line() -> None:
    done = subprocess.run(
        f"{sys.executable} -m kit tasks >/dev/full", shell=True, capture_output=True, text=True, check=False
    )
    (line,) = done.stderr.splitlines()
    assert re.match("error: (Standard output takes nothing|.*what the command shows)", line)
    assert done.returncode == 1


def test_a_database_in_a_folder_with_odd_characters(
    workspace: Path, preds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("what?", "100%41", "a#b c;d", "李"):
        place = workspace.parent / name
        shutil.copytree(workspace / "tasks", place / "tasks")
        monkeypatch.setenv("KIT_WORKSPACE", str(place))
        api.submit("coin", preds, name="ada")
        assert (place / "leaderboard" / "board.sqlite").is_file()


# Full disks


def test_a_full_disk_leaves_nothing_half_written(
    small_disk: Path, told: Told, workspace: Path, preds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.submit("coin", preds, name="first")
    before = set((workspace / "submissions").rglob("*"))
    monkeypatch.setenv("KIT_WORKSPACE", str(small_disk))
    shutil.copytree(workspace / "tasks", small_disk / "tasks")
    fill(small_disk)
    assert re.fullmatch(
        rf"{small_disk}/submissions/coin/.* cannot be written: the disk is full. Make room; .*",
        told("submit", "coin", preds, "--name", "ada"),
    )
    assert not [path for path in (small_disk / "submissions").rglob("*") if path.is_file()]
    monkeypatch.setenv("KIT_WORKSPACE", str(workspace))
    monkeypatch.setenv("KIT_CACHE", str(small_disk / "cache"))
    assert "the disk is full" in told("submit", "coin", preds, "--name", "ada")
    assert set((workspace / "submissions").rglob("*")) == before


def test_an_array_that_finds_no_room_is_named(small_disk: Path) -> None:
    """numpy tells a full disk without a number of the system's, and without a name."""
    with pytest.raises(OSError, match="No space left") as caught, files.replacing(small_disk / "p.npy") as file:
        np.save(file, np.zeros(1_000_000))
    assert str(files.explained(caught.value)).startswith(f"{small_disk}/p.npy cannot be written: the disk is full.")
    assert not list(small_disk.iterdir())


# Permissions


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("mask", "wanted"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_and_locks_have_the_permissions_of_any_new_file(tmp_path: Path, mask: int, wanted: int) -> None:
    before = os.umask(mask)
    try:
        with files.replacing(tmp_path / "a" / "file") as file, files.locked(tmp_path / ".lock"):
            file.write(b"whole")
        made = sources.prepared("toy", "v1", lambda: {"x": np.arange(3)})["x"].filename
    finally:
        os.umask(before)
    assert [mode(path) for path in (tmp_path / "a" / "file", tmp_path / ".lock", Path(made))] == [wanted] * 3
    assert mode(Path(made).parent) == wanted | (wanted & 0o444) >> 2


@pytest.fixture
def club() -> Iterator[Path]:
    """A folder of a group, with setgid, that others than root can reach."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    os.chown(folder, 0, 4000)
    folder.chmod(0o2775)
    yield folder
    shutil.rmtree(folder)


def as_member(user: int, code: str, **options: str) -> "subprocess.CompletedProcess[str]":
    """Run Python as somebody of the group 4000, who has no home and no name."""
    if not others_can_run_python():
        pytest.skip("nobody but root can run Python here, or there is no setpriv")
    head = "import sys, os; from pathlib import Path; from kit import workspace as files\n"
    return become(user, head + code, **options)


def become(user: int, code: str, **options: str) -> "subprocess.CompletedProcess[str]":
    lost = ("HOME", "USER", "LOGNAME", "KIT_CACHE")
    kept = {name: value for name, value in os.environ.items() if name not in lost}
    settings = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **options}
    command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--groups=4000", sys.executable, "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, umask=0o002, cwd="/", env=kept | settings
    )


@cache
def others_can_run_python() -> bool:
    return shutil.which("setpriv") is not None and become(4001, "import kit.workspace").returncode == 0


@needs_root
def test_a_groups_second_member_can_write_where_the_first_did(club: Path) -> None:
    write = f"""
with files.locked(Path({str(club)!r}) / "runs" / ".lock"), files.replacing(Path({str(club)!r}) / "runs" / "x") as file:
    file.write(str(os.getuid()).encode())
"""
    (club / "runs").mkdir()
    os.chown(club / "runs", 4001, 4000)
    (club / "runs").chmod(0o2775)
    for user in (4001, 4002):
        done = as_member(user, write)
        assert done.returncode == 0, done.stderr
        assert (club / "runs" / "x").read_text() == str(user)
    assert (club / "runs" / "x").stat().st_gid == 4000


@needs_root
def test_somebody_without_home_or_name_is_told_to_choose_a_cache(club: Path) -> None:
    code = "from kit.cli import main; sys.argv = ['kit', 'data', 'mnist']; main()"
    done = as_member(4001, code, KIT_WORKSPACE=str(club))
    assert done.returncode == 1
    assert done.stderr == "error: You have no home folder here, so data has no place. Set KIT_CACHE to a folder.\n"
    (club / "closed").mkdir(mode=0o700)
    done = as_member(4001, code, KIT_WORKSPACE=str(club), KIT_CACHE=str(club / "closed"))
    (line,) = done.stderr.splitlines()
    assert re.search("closed.*ermission (is )?denied.*set KIT_CACHE", line)


@needs_root
def test_a_lock_that_somebody_else_left_unwritable_is_named(club: Path) -> None:
    (club / ".lock").touch(0o644)
    code = f"""
print(files.is_locked(Path({str(club)!r}) / ".lock"))
try:
    files.locked(Path({str(club)!r}) / ".lock").__enter__()
except OSError as error:
    print(files.explained(error))
"""
    done = as_member(4001, code)
    assert done.stdout.splitlines() == [
        "False",
        f"{club}/.lock cannot be used: permission is denied. Mend that, or take another path.",
    ], done.stderr


# File systems that lack something


def refusing(number: int, of_folders: bool = True) -> Callable[[int], None]:
    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode) == of_folders:
            raise OSError(number, os.strerror(number))

    return fsync


@pytest.mark.parametrize("of_folders", [True, False])
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF])
def test_a_file_system_that_cannot_bring_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, of_folders: bool
) -> None:
    monkeypatch.setattr(os, "fsync", refusing(number, of_folders))
    with files.replacing(tmp_path / "file") as file:
        file.write(b"whole")
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_a_disk_that_fails_while_it_writes_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"before")
    for number in (errno.EIO, errno.ENOSPC, errno.EDQUOT):
        monkeypatch.setattr(os, "fsync", refusing(number, of_folders=False))
        with pytest.raises(OSError, match=f"{os.strerror(number)}.*/file"), files.replacing(tmp_path / "file") as file:
            file.write(b"after")
    assert (tmp_path / "file").read_bytes() == b"before"
    assert sorted(os.listdir(tmp_path)) == ["file", "workspace"]


def test_a_file_system_without_permissions_is_never_asked_for_them(
    preds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    for name in ("chmod", "fchmod", "lchmod", "chown"):
        monkeypatch.setattr(os, name, refused, raising=False)
    api.submit("coin", preds, name="ada")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL])
def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    import fcntl

    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    lock = tmp_path / ".lock"
    with files.locked(lock):
        pass
    monkeypatch.setattr(fcntl, "flock", refused)
    with files.locked(lock, timeout=0):  # although a lock's file lies there from a better day
        assert files.is_locked(lock)
        with pytest.raises(files.Busy), files.locked(lock, timeout=0):
            pass
    assert not files.is_locked(lock)


def test_who_only_looks_sees_whether_a_lock_is_held(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    assert not files.is_locked(lock)
    assert not lock.exists()
    with files.locked(lock):
        assert files.is_locked(lock)
        with pytest.raises(files.Busy), files.locked(lock, timeout=0.1):
            pass
    assert not files.is_locked(lock)


def test_prepared_data_needs_no_memory_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    load = np.load

    def refused(path: Path, mmap_mode: str | None = None, **rest: bool) -> np.ndarray:
        if mmap_mode:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return load(path, **rest)

    monkeypatch.setattr(np, "load", refused)
    assert sources.prepared("toy", "v1", lambda: {"x": np.arange(3)})["x"].tolist() == [0, 1, 2]


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="there is no list of maps here")
def test_nothing_is_mapped_or_open_while_it_is_renamed(preds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows renames no file that is."""
    replace, seen = os.replace, []

    def checked(source: Path, target: Path) -> None:
        opened = [os.path.realpath(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")]
        assert str(source) not in Path("/proc/self/maps").read_text()
        assert str(source) not in opened
        seen.append(source)
        replace(source, target)

    monkeypatch.setattr(os, "replace", checked)
    api.submit("coin", preds, name="ada")
    assert len(seen) >= 2


def test_on_windows_a_rename_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virus scanner holds a new file for a moment."""
    replace, tries = os.replace, []

    def held(source: Path, target: Path) -> None:
        tries.append(source)
        if len(tries) < 3:
            raise PermissionError(errno.EACCES, "Access is denied", str(source), 5, str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", held)
    target = tmp_path / "file"
    (tmp_path / "draft").write_bytes(b"whole")
    monkeypatch.setattr("kit.workspace.os.name", "nt")
    try:
        files._rename(tmp_path / "draft", target)
    finally:
        monkeypatch.undo()
    assert target.read_bytes() == b"whole"
    assert len(tries) == 3
