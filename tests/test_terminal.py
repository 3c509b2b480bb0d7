"""What the commands show: whole at any width, in any encoding, harmless, and never at the cost of an entry."""

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import kit
from kit import cli, console, progress, ranking, render, runs, store, tasks, workspace
from kit.board import Board
from kit.console import Column
from kit.errors import KitError
from tests.terminal import in_encoding, on_terminal, run

LONG = "a long name of some words"
NAMES = ["ada", "李小龙", LONG, "王" * 64, "🙂 smile", "[bold]b[/] :smile:", "مرحبا", "<b>&amp;", "`x` | *y* z"]
WIDTHS = (60, 80, 100)


@pytest.fixture
def board(workspace: Path) -> list[dict[str, object]]:
    """A board with names of every kind, the best first."""
    return [kit.submit("coin", np.linspace(0, 1, 100) ** (1 + n / 5), name=name) for n, name in enumerate(NAMES)]


@pytest.fixture
def preds(tmp_path: Path) -> Path:
    np.save(tmp_path / "preds.npy", np.full(100, 0.5))
    return tmp_path / "preds.npy"


def widest(text: str) -> int:
    return max(map(cell_len, text.splitlines()))


@pytest.mark.parametrize("columns", [*WIDTHS, 40, 200])
def test_a_board_keeps_ranks_names_and_scores_at_any_width(
    columns: int, board: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = on_terminal(monkeypatch, columns, "leaderboard", "coin").plain
    assert widest(shown) <= columns
    for row in ranking.read(tasks.find("coin")).rows:
        (line,) = [line for line in shown.splitlines() if row["name"][:3] in line and re.match(r" +\d", line)]
        assert re.match(rf" +{row['rank']} ", line)
        assert f"{row['score']:.4f}" in line
        assert row["name"] in line or len(row["name"]) > (20 if columns > 40 else 15)
    assert shown.count("王") == 64
    words = [word for word in LONG.split() if word not in shown]
    assert not words
    assert (LONG in shown) == (columns > 40)


@pytest.mark.parametrize("columns", WIDTHS)
def test_ids_are_whole_at_any_width(
    columns: int, board: list[dict[str, object]], workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit.submit("coin", np.full(100, 0.5), name="ada", note="a remark of many words, " * 8)
    history = on_terminal(monkeypatch, columns, "leaderboard", "coin", "--history", "ada").plain
    made = ranking.history(tasks.find("coin"), "ada")
    assert [line.split()[0] for line in history.splitlines() if line[:2] == "20"] == [row["id"] for row in made]
    assert all(f"{row['score']:.4f}" in history for row in made)
    folder, record = runs.create(runs.Settings("coin", "bias", 3, epochs=2, rows=5000))
    runs.write(folder, replace(record, state="finished", metric="binary_accuracy", score=0.75, since=None))
    listed = on_terminal(monkeypatch, columns, "runs").plain
    assert any(line.startswith(folder.name + " ") and "0.7500" in line for line in listed.splitlines())
    compared = on_terminal(monkeypatch, columns, "compare", "coin", "[bold]b[/] :smile:", "李小龙").plain
    assert "[bold]b[/] :smile:, entry " + str(board[5]["id"]) in compared
    assert str(board[1]["id"]) in compared
    assert max(map(widest, (history, listed, compared))) <= columns


@pytest.mark.parametrize("columns", WIDTHS)
def test_after_a_submission_your_row_is_marked_and_its_progress_told(
    columns: int, board: list[dict[str, object]], preds: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def submit(file: Path) -> str:
        shown = on_terminal(monkeypatch, columns, "submit", "coin", file, "--name", "new")
        assert shown.code == 0
        marked = [line for line in shown.plain.splitlines() if line.lstrip().startswith(">")]
        assert len(marked) == 1
        assert re.search(r"\d .*new ", marked[0])
        assert Board().head()[0] == len(list(Board().all()))
        (entry,) = [row["id"] for row in Board().all() if row["number"] == Board().head()[0]]
        assert entry in shown.plain
        return shown.plain

    assert "The first score of new." in submit(preds)
    truth = np.nan_to_num(np.asarray(kit.api.prepare.answers(tasks.find("coin")).truth), nan=0.5)
    np.save(tmp_path / "best.npy", truth)
    assert re.search(r"An improvement: the best of new was 0\.\d+\. Place 1 of 10\.", submit(tmp_path / "best.npy"))
    assert "No improvement: the best of new stays 1.0000. Place 1 of 10." in submit(preds)


def test_an_entry_below_the_names_shown_still_has_its_place(preds: Path, board: list[dict[str, object]]) -> None:
    entry = kit.submit("coin", 1 - np.linspace(0, 1, 100), name="last")
    where = ranking.standing(tasks.find("coin"), entry)
    assert (where.rank, where.names, where.before, where.improved) == (10, 10, None, True)
    assert where.score == entry["score"]


def test_off_a_terminal_nothing_is_cut_whatever_the_environment_says(
    board: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, plain = in_encoding(monkeypatch, "utf-8", "leaderboard", "coin")
    monkeypatch.setenv("COLUMNS", "20")
    _, narrow = in_encoding(monkeypatch, "utf-8", "leaderboard", "coin")
    assert plain == narrow
    assert all(name in plain.decode() for name in NAMES)
    assert b"\x1b" not in plain


@pytest.mark.parametrize(
    ("columns", "variables", "wide"),
    [(0, {}, 80), (0, {"COLUMNS": "60"}, 60), (200, {"COLUMNS": "x"}, 200), (90, {"TERM": "dumb"}, 90)],
)
def test_the_width_is_that_of_the_terminal(
    columns: int, variables: dict[str, str], wide: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    seen: list[int | None] = []
    monkeypatch.setattr(render, "leaderboards", lambda boards: seen.append(console.width()))
    on_terminal(monkeypatch, columns, "leaderboard")
    assert seen == [wide]


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_none_are_wanted(
    variables: dict[str, str], board: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[1m" in on_terminal(monkeypatch, 80, "leaderboard", "coin").text
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert not re.search(r"\x1b\[[\d;]*3\dm", on_terminal(monkeypatch, 80, "leaderboard", "coin").text)


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3), st.sampled_from([0, 8]), st.booleans()), min_size=1),
    st.integers(1, 200),
)
def test_a_table_fits_and_only_optional_columns_go(drawn: list[tuple[int, int, int, bool]], room: int) -> None:
    columns = [Column("x", drop=drop, fold=fold, whole=whole) for _, drop, fold, whole in drawn]
    sizes = [[need, 1] for need, *_ in drawn]
    widths = console.fit(columns, sizes, room)
    least = [min(need, fold or need) for need, _, fold, _ in drawn]
    staying = [number for number, column in enumerate(columns) if not column.drop]
    if widths is None:
        assert sum(least[number] for number in staying) + 2 * (len(staying) - 1) > room
        return
    assert sum(widths.values()) + 2 * (len(widths) - 1) <= room
    assert set(staying) <= set(widths)
    assert all(least[number] <= widths[number] <= sizes[number][0] for number in widths)
    gone = [columns[number].drop for number in range(len(columns)) if number not in widths]
    assert not gone or min(gone) >= max((columns[number].drop for number in widths), default=0)
    assert console.fit(columns, sizes, None) == {number: need for number, (need, *_) in enumerate(drawn)}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16", "gb2312"])
def test_any_encoding_of_stdout_will_do(
    encoding: str, board: list[dict[str, object]], preds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for form in ("csv", "md", "json"):
        code, written = in_encoding(monkeypatch, encoding, "leaderboard", "coin", "--format", form)
        assert code == 0
        assert "李小龙" in (written.decode() if form != "json" else json.dumps(json.loads(written), ensure_ascii=False))
    for words in (
        ("leaderboard",),
        ("leaderboard", "coin", "--history", "李小龙"),
        ("compare", "coin", "李小龙", "ada"),
    ):
        code, written = in_encoding(monkeypatch, encoding, *words)
        assert code == 0
        assert "ada" in written.decode(encoding) or "--history" in words
    code, written = in_encoding(monkeypatch, encoding, "submit", "coin", preds, "--name", "李")
    assert code == 0
    assert [row["name"] for row in Board().all()][-1] == "李"


def test_an_entry_that_cannot_be_shown_is_on_the_board_all_the_same(preds: Path, workspace: Path) -> None:
    submit = f"{sys.executable} -m kit submit coin {preds} --name ada"
    ends = [">/dev/full", "| head -c 0", "<&- >&- 2>&-"]
    children = [
        subprocess.Popen(["bash", "-c", f"set -o pipefail; {submit} {end}"], stderr=subprocess.PIPE, text=True)
        for end in ends
    ]
    remarks = [child.communicate()[1] for child in children]
    assert [child.returncode for child in children] == [0] * 3
    assert len(list(Board().all())) == 3
    for remark in remarks[:2]:
        (line,) = remark.splitlines()
        assert re.match(r"Entry 2\S+ is on the board, receipt \w{16}, but", line)


def test_a_board_that_cannot_be_read_fails_no_submission(
    preds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def damaged(*_: object) -> None:
        raise ValueError("a damaged file of\x1b[31m another entry")

    monkeypatch.setattr(ranking, "read", damaged)
    assert run(monkeypatch, sys.stdout, "submit", "coin", preds, "--name", "ada") == 0
    out, err = capsys.readouterr()
    assert "ada on coin, entry" in out
    assert "is on the board" in err
    assert "damaged file" in err
    assert "\x1b[31m" not in err
    assert run(monkeypatch, sys.stdout, "baseline", "coin") == 0
    assert len(list(Board().all())) == 2


@pytest.mark.parametrize("words", ["leaderboard >&-", "leaderboard coin --format csv >/dev/full", "--help >&-"])
def test_a_stdout_that_takes_nothing_is_one_line(words: str, workspace: Path) -> None:
    command = f"{sys.executable} -m kit {words}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_nobody_has_to_read_it_to_the_end(workspace: Path) -> None:
    command = f"set -o pipefail; {sys.executable} -m kit leaderboard coin --format csv | head -c 0"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_while_something_is_shown_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(render, "leaderboards", stop)
    assert run(monkeypatch, sys.stdout, "leaderboard") == 130
    monkeypatch.setattr(cli, "app", stop)
    assert run(monkeypatch, sys.stdout, "leaderboard") == 130
    assert capsys.readouterr() == ("", "")


EVIL = "\x1b]0;owned\x07\x1b[31m\u202e\x9b2J"


def test_no_escape_code_reaches_the_terminal(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def steered() -> None:
        out, err = capsys.readouterr()
        assert out + err
        assert not [one for one in out + err if not one.isprintable() and one != "\n"], out + err

    file = tmp_path / f"p{EVIL}.npy"
    np.save(file, np.full(100, 0.5))
    deep = tmp_path / f"d{EVIL}"
    for words in (
        ("check", "coin", file),
        ("check", "coin", tmp_path / f"none{EVIL}.npy"),
        ("submit", "coin", file, "--name", "ada"),
        ("leaderboard", "coin", "--html", deep / "b.html"),
        ("leaderboard", "coin", "--history", EVIL),
        ("compare", "coin", EVIL, "ada"),
        ("info", f"coin{EVIL}"),
        ("predict", "coin", EVIL),
        ("predict", "coin", "bias", "--out", deep / "p.txt"),
        ("baseline", "coin", EVIL),
        ("data", "coin", "--source", EVIL),
    ):
        run(monkeypatch, sys.stdout, *words)
        steered()
    forged = {**kit.submit("coin", np.full(100, 0.5), name="bob"), "id": f"x{EVIL}", "name": EVIL, "note": EVIL}
    Board().append({**forged, "time": EVIL})
    (workspace / "tasks" / "coin" / "README.md").write_text(f"# Brief {EVIL}")
    for words in (
        ("leaderboard", "coin"),
        ("leaderboard", "coin", "--format", "csv"),
        ("leaderboard", "coin", "--format", "md"),
        ("leaderboard", "coin", "--format", "json"),
        ("leaderboard", "coin", "--history", EVIL),
        ("info", "coin"),
        ("verify",),
    ):
        run(monkeypatch, sys.stdout, *words)
        steered()
    monkeypatch.setenv("KIT_WORKSPACE", str(deep))
    run(monkeypatch, sys.stdout, "leaderboard")
    steered()
    monkeypatch.setenv("KIT_DATABASE", EVIL)
    run(monkeypatch, sys.stdout, "leaderboard")
    steered()


def test_names_of_metrics_and_layers_are_no_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    progress.model_summary([("[red]Linear[/]", (1, 2), 3)], "cpu")
    with progress.training_bar(1, 10) as bar:
        bar.epoch(1, 0.5, {"[bold]acc[/]:smile:": 0.25})
    told = capsys.readouterr().err
    assert "[red]Linear[/]" in told
    assert "held-out [bold]acc[/]:smile: 0.2500" in told
    render.say("[bold]x[/] :smile:")
    render.complain(KitError("[red]y[/] :smile:"), "[link=x]")
    assert capsys.readouterr() == ("[bold]x[/] :smile:\n", "error: [link=x]: [red]y[/] :smile:\n")


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/St_Johns", "UTC"])
def test_when_is_in_the_readers_zone(
    zone: str, board: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from zoneinfo import ZoneInfo

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        run(monkeypatch, sys.stdout, "leaderboard", "coin", "--history", "ada")
        made = datetime.fromisoformat(str(board[0]["time"]))
        assert made.tzinfo == UTC
        assert f"{made.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" in capsys.readouterr().out
        late = datetime(2026, 1, 1, 22, tzinfo=UTC)
        assert render.when(late.isoformat()) == f"{late.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_without_resamples_every_rank_is_possible(
    board: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in (workspace.root() / "submissions").rglob("*.sums.npz"):
        file.unlink()
    shown = on_terminal(monkeypatch, 100, "leaderboard", "coin").plain
    n = len(ranking.read(tasks.find("coin")).rows)
    assert len(re.findall(rf"^ +\d+ +1-{n} ", shown, flags=re.MULTILINE)) == n
    assert "every rank is possible (no ranges: the resamples of all entries but one are missing)" in " ".join(
        shown.split()
    )
    assert store.read_replicates(Path("none"), "x") is None


def test_a_board_with_damaged_files_is_shown(workspace: Path) -> None:
    coin = tasks.find("coin")
    for name in ("ada", "bob"):
        kit.submit("coin", np.linspace(0, 1, 100), name=name)
    (file,) = [store.sums_path(workspace / row["file"]) for row in Board().all(name="bob")]
    whole, rng = file.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[rng.integers(0, len(damaged), 30)] ^= 0xFF
        file.write_bytes(damaged.tobytes()[: int(rng.integers(0, 2 * len(whole)))])
        assert [row["name"] for row in ranking.read(coin).rows] == ["ada", "bob"]
