"""Whatever a file holds, it is scored right or refused with a clear message: fast, small, with nothing written."""

import hashlib
import io
import os
import re
import stat
import time
from csv import reader
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit import api, predictions, prepare, tasks
from kit.errors import PredictionError
from kit.task import Array, Spec
from tests.conftest import Kit
from tests.hostile_files import FILES, GOOD, PICKLE, SPEC, UNPACKED, UNREADABLE, claim, npy, npy_of, parquet_of

SECONDS, MEGABYTES = 2, 300


def on_disk(folder: Path, kind: str) -> Path:
    name, content, _ = FILES[kind]
    (folder / name).write_bytes(content())
    return folder / name


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, with its size and its time."""
    found = ((path, path.lstat()) for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return {
        str(path): (status.st_size, status.st_mtime_ns) for path, status in found if not stat.S_ISDIR(status.st_mode)
    }


def peak_megabytes(forget: bool = False) -> float:
    """The most memory this process has held, since it was last told to forget; 0 where only Linux could tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    if forget:
        Path("/proc/self/clear_refs").write_text("5")
    return int(re.findall(r"VmHWM:\s*(\d+) kB", status.read_text())[0]) / 1000


@pytest.fixture
def ready(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for files, with the task prepared: what then changes in the workspace is a submission's doing."""
    api.load("coin")
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.chdir(folder)  # where a bomb would leave its mark
    return folder


def refuse(path: Path | str, workspace: Path) -> str:
    before, started, held = listing(workspace.parent), time.process_time(), peak_megabytes(forget=True)
    with pytest.raises(PredictionError) as caught:
        api.submit("coin", path)
    assert caught.value.exit_code == 1
    assert time.process_time() - started < SECONDS
    assert peak_megabytes() - held < MEGABYTES
    assert listing(workspace.parent) == before
    assert not (workspace / "submissions").exists()
    message = str(caught.value)
    assert message.replace("\n", "").isprintable()
    assert len(message) < 1000
    return message


def accept(path: Path, workspace: Path, array: Array = GOOD) -> None:
    before, started, held = listing(path.parent), time.process_time(), peak_megabytes(forget=True)
    entry = api.submit("coin", path, name="ada")
    assert time.process_time() - started < SECONDS
    assert peak_megabytes() - held < MEGABYTES
    assert listing(path.parent) == before
    assert entry["file_sha256"] == hashlib.sha256(npy(array)).hexdigest()
    truth = np.asarray(prepare.answers(tasks.find("coin")).truth)
    measured = ~np.isnan(truth)
    assert entry["score"] == pytest.approx(np.mean((array > 0.5)[measured] == truth[measured]), rel=1e-12)
    assert sorted(file.suffix for file in (workspace / "submissions").rglob("*") if file.is_file()) == [".npy", ".npz"]


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_scored_right_or_refused_with_nothing_written(kind: str, ready: Path, workspace: Path) -> None:
    wanted = FILES[kind][2]
    path = on_disk(ready, kind)
    if isinstance(wanted, str):
        assert wanted in refuse(path, workspace)
    else:
        accept(path, workspace, wanted)
    assert not Path("unpickled").exists()


def test_what_is_no_file_is_refused(ready: Path, workspace: Path) -> None:
    Path("folder.npy").mkdir()
    Path("loop.npy").symlink_to("loop.npy")
    Path("dangling.npy").symlink_to("nowhere.npy")
    Path("zero.npy").symlink_to("/dev/zero")
    os.mkfifo("pipe.csv")
    for path, message in {
        "": "this is a folder",
        "..": "this is a folder",
        "/": "this is a folder",
        "folder.npy": "this is a folder; give the file with the predictions",
        "missing.npy": "there is no such file: missing.npy",
        "missing/missing.npy": "there is no such file: missing/missing.npy",
        "\x1b[2J.npy": r"there is no such file: '\\x1b\[2J.npy'",
        "NUL\0.npy": r"'NUL\\x00.npy': there can be no such file",
        "dangling.npy": "there is no such file: dangling.npy",
        "loop.npy": "loop.npy: it cannot be read: Too many levels of symbolic links|Symlink loop",
        "zero.npy": "this is no ordinary file",
        "pipe.csv": "this is no ordinary file",
        "x" * 5000 + ".npy": r"^x{60}\.\.\.: it cannot be read: File name too long",
    }.items():
        assert re.search(message, refuse(path, workspace)), path
        assert re.search(message, refuse(Path(path), workspace)), path


def test_a_link_and_a_roundabout_path_lead_to_the_file(ready: Path, workspace: Path) -> None:
    on_disk(ready, "plain npy")
    Path("deep").mkdir()
    Path("deep/link.npy").symlink_to("../p.npy")
    accept(ready / "deep" / ".." / "deep" / "link.npy", workspace)


@pytest.mark.parametrize("kind", ["plain npy", "plain npz", "plain csv", "plain csv.gz", "plain parquet"])
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_a_file_one_may_not_read_is_refused(kind: str, ready: Path, workspace: Path) -> None:
    path = on_disk(ready, kind)
    path.chmod(0)
    assert "Permission denied" in refuse(path, workspace)


def test_a_large_file_with_holes_costs_nothing(ready: Path, workspace: Path) -> None:
    for name, start in {
        "header.npy": b"\x93NUMPY\2\0\xff\xff\xff\xff",
        "data.npy": npy(GOOD),
        "p.parquet": b"PAR1",
    }.items():
        with Path(name).open("wb") as file:
            file.write(start)
            file.truncate(UNPACKED)
        assert re.search(f"longer than it says|{UNREADABLE}|no readable parquet", refuse(name, workspace))


def outcome(path: Path, spec: Spec = SPEC) -> Array | str:
    """The predictions that a file gives, or the message that refuses it."""
    try:
        return predictions.read(path, spec)
    except PredictionError as error:
        return str(error)


DAMAGED = {name: FILES[f"plain {name.partition('.')[2]}"][1]() for name in ("p.npy", "p.npz", "p.csv", "p.csv.gz")}
DAMAGED["p.parquet"] = parquet_of(options={"compression": "none"})


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(DAMAGED)), data=st.data())
def test_a_damaged_file_is_read_or_refused(name: str, data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(DAMAGED[name])
    places = st.integers(0, len(content) - 1) | st.integers(0, 127) | st.integers(len(content) - 127, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(places) :]
    (tmp_path / name).write_bytes(content)
    found = outcome(tmp_path / name)
    if isinstance(found, str):
        assert found.replace("\n", "").isprintable()
    else:
        assert found.shape == (100,)
        assert ((found >= 0) & (found <= 1)).all()


NAMES = {row: st.sampled_from([row, row, f'"{row}"', f'""{row}', f" {row}", row + '""', f"{row}\0"]) for row in "ab"}
CELLS = st.sampled_from(["1", "0.5", '"0.25"', " 1", '""1', '1""', '" 1"', "1 ", "", '"', "1,", '"1\n"', "\t1"])
ENDS = st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\n", "\n\r", '"\n', " \n", ""])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.tuples(NAMES["a"], NAMES["b"]), cells=st.tuples(CELLS, CELLS), ends=st.tuples(ENDS, ENDS, ENDS))
def test_an_accepted_csv_says_what_python_reads_in_it(
    names: tuple[str, ...], cells: tuple[str, ...], ends: tuple[str, ...], tmp_path: Path
) -> None:
    lines = [f"{name},{cell}" for name, cell in zip(names, cells, strict=True)]
    content = "".join(line + end for line, end in zip(["id,heads", *lines], ends, strict=True))
    (tmp_path / "p.csv").write_text(content, newline="")
    found = outcome(tmp_path / "p.csv", Spec(np.array(["a", "b"]), ("heads",), "probability"))
    if not isinstance(found, str):
        read = [line for line in reader(io.StringIO(content, newline="")) if "".join(line).strip()][1:]
        assert {row: float(cell) for row, cell in read} == dict(zip("ab", found.tolist(), strict=True))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.text(st.sampled_from("{}()[]'\"\\:,-+.*=#\n\t\0 0129deLf<>|OUSaTrueFalseNoneshapdcforanti_"), max_size=80)
)
def test_any_npy_header_is_read_or_refused(header: str, tmp_path: Path) -> None:
    for text in (header, claim(descr=header or "0"), claim(shape=header or "0")):
        (tmp_path / "p.npy").write_bytes(npy_of(text))
        found = outcome(tmp_path / "p.npy")
        if isinstance(found, str):
            assert re.search(f"{UNREADABLE}|its type is|its shape is|{PICKLE}|rows;|bytes of data|cells?", found)
        else:
            assert found.shape == (100,)


@pytest.mark.parametrize(
    "kind",
    [
        "npy with a pickle",
        "npy of 1000000000000 rows",
        "npy header with code",
        "npy of NaN",
        "npz bomb behind a good header",
        "csv with decimal commas",
        "csv with escapes in an id",
        "csv.gz bomb",
        "parquet cut short",
        "empty csv",
        "unknown ending",
        "name with escapes, faulty",
    ],
)
def test_the_command_says_what_is_wrong_and_exits_with_1(kind: str, ready: Path, kit_command: Kit) -> None:
    done = kit_command("submit", "coin", on_disk(ready, kind), timeout=30)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    assert "\x1b" not in done.stderr
    assert str(FILES[kind][2]) in done.stderr
    assert not Path("unpickled").exists()


def test_the_command_does_not_wait_for_a_pipe(ready: Path, kit_command: Kit) -> None:
    os.mkfifo("pipe.npy")
    done = kit_command("submit", "coin", "pipe.npy", timeout=30)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "this is no ordinary file" in done.stderr
