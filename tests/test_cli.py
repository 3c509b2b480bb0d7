"""The `kit` command as a user meets it: every command in a process of its own."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Kit


@pytest.fixture
def preds(tmp_path: Path) -> Path:
    path = tmp_path / "preds.npy"
    np.save(path, np.linspace(0, 1, 100))
    return path


def test_help_names_every_command_with_an_example(kit_command: Kit) -> None:
    shown = kit_command("--help").stdout
    done = ("tasks", "info", "data", "baseline", "predict", "runs", "watch")
    commands = (*done, "check", "submit", "leaderboard", "compare", "verify")
    for command in commands:
        assert command in shown
        assert f"Example: kit {command}" in kit_command(command, "--help").stdout


def test_tasks_lists_titles_metrics_and_baselines(kit_command: Kit) -> None:
    shown = kit_command("tasks").stdout
    assert re.search(r"coin\s+A coin\s+binary_accuracy\s+bias\*", shown)
    assert re.search(r"mnist\s+Handwritten digits\s+accuracy\s+cnn\*, logreg", shown)


def test_info_shows_the_brief_and_what_each_baseline_is(kit_command: Kit) -> None:
    shown = kit_command("info", "mnist").stdout
    assert "60,000" in shown
    assert "convolutional network" in shown


def test_data_says_where_it_came_from_and_how_much_there_is(kit_command: Kit) -> None:
    shown = kit_command("data", "coin").stdout
    assert "simulated" in shown
    assert "200 rows" in shown


def test_a_baseline_runs_submits_and_shows_the_board(kit_command: Kit, workspace: Path) -> None:
    done = kit_command("baseline", "coin")
    assert done.returncode == 0, done.stderr
    assert "bias: binary_accuracy 0.8022 in" in done.stdout
    assert "bias *" in done.stdout
    assert len(list((workspace / "submissions" / "coin").glob("*.npy"))) == 1
    assert len(list((workspace / "runs" / "coin").glob("*-bias-0-*/predictions.npy"))) == 1


def test_all_baselines_run_one_after_the_other(kit_command: Kit, workspace: Path) -> None:
    folder = workspace / "tasks" / "coin" / "baselines"
    (folder / "half.py").write_text(
        '"""Says one half for every toss, whatever the coin."""\n'
        "import numpy as np\ndef predict(data, run): return np.full(len(data.x_test), len(data.x_train) / 20)\n"
    )
    done = kit_command("baseline", "coin", "--all", "--rows", "10")
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()[:2]] == ["1/2 coin bias", "2/2 coin half"]
    assert "rows 10" in kit_command("leaderboard", "coin", "--format", "json").stdout


def test_submit_and_check(kit_command: Kit, preds: Path, workspace: Path) -> None:
    done = kit_command("check", "coin", preds)
    assert (done.returncode, "valid submission for coin" in done.stdout) == (0, True)
    assert not (workspace / "submissions").exists()
    done = kit_command("submit", "coin", preds, "--name", "ada", "--note", "first")
    assert done.returncode == 0, done.stderr
    assert "ada on coin, entry 2" in done.stdout
    assert "binary_crossentropy" in done.stdout


def test_npy_and_csv_with_shuffled_rows_score_the_same_to_the_last_digit(kit_command: Kit, tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(100)
    np.save(tmp_path / "preds.npy", values)
    lines = [f"toss{number},{value!r}\n" for number, value in enumerate(values.tolist())]
    np.random.default_rng(1).shuffle(lines)
    (tmp_path / "preds.csv").write_text("id,heads\n" + "".join(lines))
    for name in ("npy", "csv"):
        assert kit_command("submit", "coin", tmp_path / f"preds.{name}", "--name", name).returncode == 0
    rows = json.loads(kit_command("leaderboard", "coin", "--format", "json").stdout)[0]["rows"]
    assert [row["rank"] for row in rows] == [1, 1]
    assert rows[0]["scores"] == rows[1]["scores"]


def test_a_board_that_a_correction_of_the_truth_emptied_says_what_to_do(
    workspace: Path, kit_command: Kit, preds: Path
) -> None:
    kit_command("submit", "coin", preds, "--name", "ada")
    source = workspace / "tasks" / "coin" / "__init__.py"
    source.write_text(source.read_text().replace("default_rng(0)", "default_rng(1)"))
    assert "are listed apart; `kit rescore coin`" in kit_command("data", "coin", "--refresh").stdout
    shown = kit_command("leaderboard", "coin").stdout
    assert "No entries yet. `kit rescore coin` scores those below on the answers of today." in shown
    assert "1 entry was scored anew." in kit_command("rescore", "coin").stdout
    assert "No entries yet" not in kit_command("leaderboard", "coin").stdout


def test_the_board_in_every_format(kit_command: Kit, preds: Path, tmp_path: Path) -> None:
    assert "No entries yet" in kit_command("leaderboard").stdout
    kit_command("submit", "coin", preds, "--name", "ada | <b>")
    (board,) = json.loads(kit_command("leaderboard", "--format", "json").stdout)
    (row,) = board["rows"]
    assert (board["task"], board["metric"], row["rank"], row["rank_range"]) == ("coin", "binary_accuracy", 1, [1, 1])
    assert set(row["scores"]["binary_accuracy"]) == {"value", "low", "high"}
    (line,) = csv.DictReader(io.StringIO(kit_command("leaderboard", "coin", "--format", "csv").stdout))
    assert float(line["binary_accuracy"]) == row["scores"]["binary_accuracy"]["value"]
    markdown = kit_command("leaderboard", "coin", "--format", "md").stdout.splitlines()
    assert len({len(re.findall(r"(?<!\\)\|", each)) for each in markdown}) == 1
    page = tmp_path / "board.html"
    assert kit_command("leaderboard", "coin", "--html", page).returncode == 0
    text = page.read_text()
    assert "ada | &lt;b&gt;" in text
    assert not re.search(r"(src|href)=|<script|@import|url\(", text)
    assert len(kit_command("leaderboard", "coin", "--history", "ada | <b>").stdout.splitlines()) == 2


USER_MISTAKES = [
    (("baseline", "minst"), "Did you mean mnist?"),
    (("baseline", "mnist", "cn"), "Did you mean cnn?"),
    (("baseline", "mnist", "cnn", "--all"), "not both"),
    (("baseline", "mnist", "cnn", "--device", "abacus"), "There is no device 'abacus'"),
    (("info", "nothing_like_it"), "There is no task"),
    (("submit", "coin", "nowhere.npy"), "no such file"),
    (("leaderboard", "coin", "--history", "nobody"), "has no entry"),
    (("leaderboard", "coin", "--public", "--private"), "not both"),
    (("compare", "coin", "a", "b"), "no name and no entry"),
]


@pytest.mark.parametrize(
    ("arguments", "words"), USER_MISTAKES, ids=lambda value: " ".join(value) if type(value) is tuple else ""
)
def test_a_users_mistake_is_one_clear_message(arguments: tuple[str, ...], words: str, kit_command: Kit) -> None:
    done = kit_command(*arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert words in done.stderr


def test_a_mistake_in_a_baseline_keeps_its_traceback(kit_command: Kit, workspace: Path) -> None:
    (workspace / "tasks" / "coin" / "baselines" / "broken.py").write_text(
        '"""Fails."""\ndef predict(data, run): 1 / 0\n'
    )
    done = kit_command("baseline", "coin", "broken")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert not (workspace / "submissions").exists()


def test_completion_offers_tasks_and_baselines(kit_command: Kit) -> None:
    def offered(words: str) -> str:
        asked = {"_KIT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        return kit_command(env={**os.environ, **asked}).stdout

    assert "mnist" in offered("kit info mn")
    assert "logreg" in offered("kit baseline mnist log")


@pytest.mark.parametrize("words", ["leaderboard coin --format json", "leaderboard coin", "--help", "submit --help"])
def test_a_closed_pipe_is_no_error(words: str, kit_command: Kit, preds: Path) -> None:
    kit_command("submit", "coin", preds)
    command = [sys.executable, "-m", "kit", *words.split()]
    listing = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert listing.stdout is not None
    listing.stdout.close()  # as `head` does once it has seen enough
    _, err = listing.communicate()
    assert (listing.returncode, err) == (0, "")
