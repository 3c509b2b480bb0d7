"""What the system refuses: every call that a command makes, and every odd place that it may run in."""

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import kit
from kit import api, sources, workspace
from kit.cli import main
from kit.errors import KitError, os_error_words
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
    assert "deleted meanwhile? Run" not in (advice("/club/runs/x", errno.ENOENT) or "")
    assert "it is missing" in (advice("/club/runs/x", errno.ENOENT) or "")
    assert "\n" not in (advice("/club/two\nlines\x1b[0m") or "\n")


def test_the_second_name_of_a_rename_is_the_one_that_is_named() -> None:
    assert "/b cannot be used" in (os_error_words(OSError(errno.EISDIR, "", "/a", None, "/b")) or "")


# Every call of a command, refused in its turn


def refuse_each(tmp_path: Path, number: str, *command: object) -> list[dict[str, object]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    asked = [sys.executable, "-m", "tests.faults", str(tmp_path), number, *map(str, command)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def check_each(tmp_path: Path, number: str, *command: object) -> int:
    """Nothing escapes; a failure is one line that names a path, and leaves nothing that is half written."""
    whole, *refused = refuse_each(tmp_path, number, *command)
    assert (whole["code"], whole["escaped"]) == (0, ""), whole
    assert len(refused) > 3
    for call in refused:
        assert not call["escaped"], call
        errors = [line for line in str(call["said"]).splitlines() if line.startswith("error: ")]
        assert len(errors) == call["code"], call
        assert "Traceback" not in str(call["said"]), call
        kept = [name for name in call["left"] if str(name).startswith("workspace/submissions/")]  # type: ignore[attr-defined]
        assert len(kept) == 2 * (int(call["entries"]) - 1), call  # type: ignore[call-overload]
        if call["code"] and call["event"] != "os.scandir":
            assert str(tmp_path / "now") in errors[0], call
        if call["event"] != "os.remove":
            assert not [name for name in call["left"] if str(name).endswith(".part")], call  # type: ignore[attr-defined]
    return len(refused)


COMMANDS = ["submit coin PREDS --name ada", "baseline coin", "leaderboard coin --html HTML", "verify", "runs coin"]


@pytest.mark.parametrize(
    ("command", "number"),
    [
        ("submit coin PREDS --name ada", "EACCES"),
        ("leaderboard coin --html HTML", "EIO"),
        *[
            pytest.param(command, number, marks=pytest.mark.slow)
            for command in [*COMMANDS, "data coin", "disk", "clean --runs --cache --yes", "check coin PREDS"]
            for number in ("EACCES", "EROFS", "ENOSPC", "EIO", "EMFILE", "ELOOP", "ENAMETOOLONG")
        ],
    ],
)
def test_each_call_of_a_command_may_be_refused(
    command: str, number: str, workspace: Path, tmp_path: Path, preds: Path
) -> None:
    api.submit("coin", preds, name="first")
    words = [{"PREDS": str(preds), "HTML": str(tmp_path / "now" / "board.html")}.get(w, w) for w in command.split()]
    assert check_each(tmp_path, number, *words)
