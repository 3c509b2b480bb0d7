"""Formats for programs and spreadsheets: they say what was written, and run as nothing."""

import csv
import io
import json
import math
import os
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import kit
from kit import export, predictions, prepare, ranking, runs, statistics, tasks, writers
from kit import page as pages
from kit import run as running
from kit.board import Board
from kit.cli import complete
from kit.errors import KitError
from kit.task import Spec
from tests.terminal import in_encoding, run

FORMULAS = (
    "=cmd|' /C calc'!A1",
    "+1",
    "-1+2",
    "@SUM(A1)",
    "＝1＋1",
    "＋2",
    "－1",
    "＠a",
    "−2",
    "'=1",
    " =1",
    "\u3000=1",
)
MARKUP = (
    "<script>alert(1)</script>",
    "a | b",
    "`c`",
    "[x](http://y)",
    "![i](j)",
    "**b** _e_ ~~s~~",
    "&lt;",
    "\\|",
    "#1",
)
NAMES = [name.strip() for name in (*FORMULAS, *MARKUP)] + [
    '"><img src=x onerror=alert(1)>',
    "مرحبا",
    "李小龙",
    "a" * 64,
]


def unquoted(cell: str) -> str:
    """A cell of text as it was, by the rule that the docs give."""
    return cell.removeprefix("'")


@pytest.fixture
def board(workspace: Path) -> list[dict[str, Any]]:
    return [
        kit.submit("coin", np.linspace(0, 1, 100) ** (1 + n / 9), name=name, note=name)
        for n, name in enumerate(dict.fromkeys(NAMES))
    ]


@settings(max_examples=50)
@given(st.one_of(st.text(), st.sampled_from(FORMULAS)).filter(str.isprintable))
def test_a_cell_of_text_is_never_a_formula_and_comes_back(text: str) -> None:
    cell = export.csv_cell(text)
    assert not cell.lstrip().startswith(tuple("=+-@＝＋－＠−\t\r"))
    assert unquoted(cell) == text


@pytest.mark.parametrize("value", [-1.5, 0.0, 3, -7, True, None, 1e-300])
def test_a_number_stays_a_number(value: object) -> None:
    assert export.csv_cell(value) is value
    assert export.csv_cell(math.nan) is None


def test_a_csv_is_safe_in_a_spreadsheet_and_whole_for_a_program(
    board: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, written = in_encoding(monkeypatch, "ascii", "leaderboard", "coin", "--format", "csv")
    assert code == 0
    lines = list(csv.DictReader(io.StringIO(written.decode())))
    assert {unquoted(line["name"]) for line in lines} == {row["name"] for row in board}
    assert {unquoted(line["note"]) for line in lines} == {row["note"] for row in board}
    assert {line["id"]: float(line["binary_accuracy"]) for line in lines} == {row["id"]: row["score"] for row in board}
    for line in lines:
        assert not [cell for cell in line.values() if cell.strip().startswith(tuple("=+-@＝＋－＠−"))]


@settings(max_examples=50)
@given(st.text(min_size=1).filter(lambda text: text.isprintable() and text == " ".join(text.split())))
def test_a_cell_of_markdown_shows_what_was_written(text: str) -> None:
    table = f"| a |\n| --- |\n| {export.markdown_cell(text)} |\n"
    (cell,) = [token for token in MarkdownIt("commonmark").enable("table").parse(table) if token.type == "inline"][1:]
    assert {child.type for child in cell.children or []} <= {"text", "text_special"}
    assert "".join(child.content for child in cell.children or []) == text


@pytest.mark.parametrize("name", MARKUP)
def test_known_markup_is_text_in_markdown(name: str) -> None:
    test_a_cell_of_markdown_shows_what_was_written.hypothesis.inner_test(name)


class _Page(HTMLParser):
    """Everything of a page: tags with attributes, and the text of table cells and titles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.names: list[str] = []
        self.titles: list[str] = []
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = tag
        if tag == "bdi":
            self.names.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "bdi":
            self.names[-1] += data
        if self._in == "title":
            self.titles.append(data)


def test_the_page_shows_every_name_and_runs_nothing(
    board: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "board.html"
    assert run(monkeypatch, io.StringIO(), "leaderboard", "coin", "--html", file) == 0
    page = _Page(file.read_text())
    known = {"html", "head", "meta", "title", "style", "body", "section", "h1", "code", "p", "table", "thead", "tr"}
    known |= {"th", "td", "wbr", "tbody", "bdi", "span", "svg", "line", "circle", "path", "polyline", "text", "dl"}
    assert {tag for tag, _ in page.tags} <= known | {"dt", "dd", "figure", "figcaption"}
    attributes = {name for _, has in page.tags for name in has}
    assert not [name for name in attributes if name.startswith("on") or name in ("style", "src", "href")]
    assert sorted(page.names) == sorted({row["name"] for row in board})
    chart = [title for title in page.titles if title.endswith(" UTC")]
    assert len(chart) == len(board)
    assert all(any(title.startswith(f"{row['name']} {row['score']:.4f}") for title in chart) for row in board)
    text = file.read_text()
    assert not re.search(r"<script|@import|url\(|https?://(?!y)", text)
    assert "the axis goes from" in text
    assert "(UTC)" in text
    assert pages.safe("<x\x00\ud800\u202e\x1b") == "&lt;x\\x00\\ud800\\u202e\\x1b"


def test_a_page_of_many_metrics_lists_them_in_one_column(board: list[dict[str, Any]], tmp_path: Path) -> None:
    found = ranking.read(tasks.find("coin"))
    for row in found.rows:
        row["scores"] |= {f"another_metric_{n}": row["scores"]["binary_accuracy"] for n in range(8)}
        row["range"] = None
    pages.write(tmp_path / "b.html", [replace(found, apart=[replace(found, rows=[])])])
    text = (tmp_path / "b.html").read_text()
    assert text.count("Other metrics</th>") == 1
    assert "another_<wbr>metric_<wbr>7 " in text
    assert "No entries." in text


COMMANDS = [
    (("tasks",), {"tasks"}),
    (("info", "coin"), {"task", "title", "metrics", "baseline", "baselines", "sources", "folder"}),
    (("data", "coin"), {"task", "source", "training_rows", "test_rows", "kind", "columns", "shapes", "answers"}),
    (("runs", "coin"), {"runs"}),
    (("check", "coin", "p.npy"), {"task", "file", "valid", "shape", "faults"}),
    (("submit", "coin", "p.npy", "--name", "ada"), {"entry", "standing"}),
    (("compare", "coin", "bob", "eve"), {"task", "a", "b", "metrics", "verdict"}),
    (("leaderboard", "coin", "--history", "bob"), {"task", "name", "part", "entries"}),
    (("verify",), {"entries", "verified", "scored_again", "by_files", "withdrawn", "receipts", "faults", "warnings"}),
]


@pytest.mark.parametrize(("words", "fields"), COMMANDS, ids=lambda value: value[0] if type(value) is tuple else "")
def test_every_command_has_json(
    words: tuple[str, ...], fields: set[str], workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("p.npy", np.full(100, 0.5))
    for name in ("bob", "eve"):
        kit.submit("coin", np.full(100, 0.5), name=name)
    folder, record = runs.create(runs.Settings("coin", "bias"))
    runs.write(folder, replace(record, state="finished", score=math.nan))
    code, written = in_encoding(monkeypatch, "ascii", *words, "--format", "json")
    assert code == 0
    found = json.loads(written, parse_constant=pytest.fail)
    assert next(iter(found)) == "format"
    assert found["format"] == export.FORMAT
    assert set(found) == fields | {"format"}


def test_json_of_what_went_wrong(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "p.npy", np.full(100, 2.0))
    code, written = in_encoding(monkeypatch, "ascii", "check", "coin", tmp_path / "p.npy", "--format", "json")
    assert (code, json.loads(written)["valid"]) == (1, False)
    assert "probabilities lie outside 0..1" in json.loads(written)["faults"][0]
    entry = kit.submit("coin", np.full(100, 0.5), name="ada")
    (workspace / entry["file"]).unlink()
    code, written = in_encoding(monkeypatch, "ascii", "verify", "--format", "json")
    assert (code, json.loads(written)["verified"], len(json.loads(written)["faults"])) == (1, False, 1)


def test_what_a_submission_changed_is_in_its_json(workspace: Path, tmp_path: Path, monkeypatch: Any) -> None:
    np.save(tmp_path / "p.npy", np.full(100, 0.5))
    kit.submit("coin", np.full(100, 0.5), name="ada")
    _, written = in_encoding(
        monkeypatch, "ascii", "submit", "coin", tmp_path / "p.npy", "--name", "ada", "--format", "json"
    )
    found = json.loads(written)
    (entry,) = [row for row in Board().all() if row["number"] == 2]
    assert (found["entry"]["id"], found["entry"]["hash"]) == (entry["id"], entry["hash"])
    assert found["entry"]["scores"]["binary_accuracy"]["all"]["value"] == entry["score"]
    same = {"score": entry["score"], "before": entry["score"], "improved": False, "rank": 1, "names": 1}
    assert found["standing"] == same


def test_no_number_is_null_and_a_dash(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coin = tasks.find("coin")
    for name in ("bob", "eve"):
        kit.submit("coin", np.full(100, 0.5), name=name)
    none = statistics.Comparison(0.5, math.nan, math.nan, math.nan)
    entry = ranking.history(coin, "bob")[0]
    monkeypatch.setattr(ranking, "compare", lambda *_: (entry, entry, {"binary_accuracy": none}))
    _, written = in_encoding(monkeypatch, "ascii", "compare", "coin", "bob", "eve", "--format", "json")
    found = json.loads(written, parse_constant=pytest.fail)["metrics"]["binary_accuracy"]
    assert found == {"difference": 0.5, "low": None, "high": None, "p": None, "why_none": "", "told_apart": False}
    _, shown = in_encoding(monkeypatch, "ascii", "compare", "coin", "bob", "eve")
    assert re.search(rb"binary_accuracy +\+0\.5000 +- +-", shown)
    assert b"nan" not in shown


SPECS = {
    "labels": (Spec(np.array(["a", "b,é", '"c"']), ("cat", "dog"), "class"), [0, 1, 1]),
    "classes": (Spec(np.arange(3), ("cat", "dog"), "class"), [[0.25, 0.75], [1, 0], [1 / 3, 2 / 3]]),
    "probability": (Spec(np.array([b"x", b"y"]), ("p",), "probability"), [0.1, 1 / 3]),
    "value": (
        Spec(np.array(["r1", "r2"]), ("u", "v"), required=np.array([[1, 0], [1, 1]], bool)),
        [[1e-7, np.nan], [-3.25, 1e30]],
    ),
    "cell": (Spec(np.array(["r1", "r2"]), ("u", "v"), cell=("id_position", "reactivity")), [[1, 2], [3, 1 / 7]]),
}  # fmt: skip


@pytest.mark.parametrize("ending", [".npy", ".npz", ".csv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize("kind", SPECS)
def test_what_is_written_is_read_again_bit_for_bit(kind: str, ending: str, tmp_path: Path) -> None:
    spec, values = SPECS[kind]
    array = predictions.canonical(np.array(values, np.int32 if kind == "labels" else np.float64))
    writers.write(tmp_path / f"p{ending}", array, spec)
    assert np.array_equal(predictions.canonical(predictions.read(tmp_path / f"p{ending}", spec)), array, equal_nan=True)
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == [f"p{ending}"]


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("p.txt", "ends in .npy, .npz, .csv, .csv.gz, .parquet"),
        ("p", "unknown format"),
        ("nowhere/p.csv", "there is no folder nowhere"),
        ("folder.csv", "is a folder"),
        ("/proc/p.csv", "is read-only"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_computed(
    out: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.csv").mkdir()
    monkeypatch.setattr(running, "predict", lambda *_: pytest.fail("it was computed"))
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith("/proc"))
    assert run(monkeypatch, sys.stdout, "predict", "coin", "bias", "--out", out) == 1
    assert words in capsys.readouterr().err


def test_what_predict_writes_passes_check(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare.prepared(tasks.find("coin"))
    monkeypatch.setattr(running, "predict", lambda *_: (np.linspace(0, 1, 100), Path("a-run")))
    for out in (tmp_path / "p.csv", tmp_path / "p.parquet"):
        assert run(monkeypatch, sys.stdout, "predict", "coin", "a-run", "--out", out) == 0
        assert run(monkeypatch, sys.stdout, "check", "coin", out) == 0
    monkeypatch.setattr(writers, "_write_table", lambda *_: (_ for _ in ()).throw(KitError("no")))
    before = (tmp_path / "p.csv").read_bytes()
    assert run(monkeypatch, sys.stdout, "predict", "coin", "a-run", "--out", tmp_path / "p.csv") == 1
    assert (tmp_path / "p.csv").read_bytes() == before


class _Typed:
    """What typer gives a completion: the arguments so far."""

    def __init__(self, **given: str) -> None:
        self.params = given


def test_completion_offers_names_runs_and_entries_that_no_shell_runs(workspace: Path) -> None:
    made = [kit.submit("coin", np.full(100, 0.5), name=name) for name in ("ada", "$(id)", "a b", "-x", "`id`", "李")]
    folder, _ = runs.create(runs.Settings("coin", "bias"))
    context: Any = _Typed(task="coin")
    assert complete.names(context, "") == ["ada", "李"]
    assert complete.entrants(context, "")[:2] == ["ada", "李"]
    assert set(complete.entrants(context, "20")) == {row["id"] for row in made}
    assert complete.runs(context, "") == ["bias", folder.name]
    assert complete.baselines(context, "b") == ["bias"]
    assert complete.tasks(context, "co") == ["coin"]
    nothing: Any = _Typed()
    assert complete.names(nothing, "") == complete.runs(nothing, "") == []


def test_completion_says_nothing_of_what_is_broken(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "tasks" / "coin" / "__init__.py").write_text("print('loud'); import no_such_module; task = None")
    monkeypatch.setenv("KIT_DATABASE", "nonsense")
    context: Any = _Typed(task="coin")
    offers = (complete.sources, complete.names, complete.entrants)
    assert [offer(context, "") for offer in offers] == [[], [], []]
    assert complete.baselines(context, "") == ["bias"]
    assert capsys.readouterr() == ("", "")


def test_version_and_short_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, sys.stdout, "--version") == 0
    assert capsys.readouterr().out == f"kit {kit.__version__}\n"
    for command in ("", "leaderboard", "verify", "predict"):
        assert run(monkeypatch, sys.stdout, *filter(None, [command, "-h"])) == 0
        assert "Usage:" in capsys.readouterr().out
