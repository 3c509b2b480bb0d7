"""Tasks are found as folders, ours and a user's alike; every task that ships keeps its promises."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import kit
from kit import prepare, scoring, tasks
from kit.errors import KitError
from kit.predictions import read
from kit.task import Answers, Data, Spec, Task, public_rows
from tests.conftest import load_or_skip

SHIPPED = sorted(folder.parent.name for folder in (Path(__file__).parent.parent / "tasks").glob("*/__init__.py"))


def load(name: str) -> tuple[Task, Data]:
    data = load_or_skip(name)
    return tasks.find(name), data


def perfect(task: Task, spec: Spec) -> np.ndarray:
    """The answers as a submission; cells that were not measured get any valid value."""
    truth = np.nan_to_num(np.asarray(prepare.answers(task).truth))
    return np.eye(len(spec.columns), dtype=np.float32)[truth.astype(int)] if spec.kind == "class" else truth


def constant(task: Task, spec: Spec) -> np.ndarray:
    """The same for every row: even odds for classes, else the mean of the truth."""
    if spec.kind == "class":
        return np.full(spec.shape, 1 / len(spec.columns))
    return np.full(spec.shape, np.nanmean(np.asarray(prepare.answers(task).truth)))


@pytest.mark.usefixtures("shared_cache")
@pytest.mark.parametrize("name", SHIPPED)
def test_the_answers_score_best_and_a_constant_scores_chance(name: str) -> None:
    task, data = load(name)
    answers = prepare.answers(task)
    best = scoring.score(task.metrics, read(perfect(task, data.spec), data.spec), answers, data.spec)
    flat = scoring.score(task.metrics, read(constant(task, data.spec), data.spec), answers, data.spec)
    for metric in task.metrics:
        top, chance = best.scores[metric.name]["all"].value, flat.scores[metric.name]["all"].value
        limit = {True: 1.0, False: 0.0}[metric.higher_is_better]
        if metric.name != "binary_crossentropy":  # of truth between 0 and 1 its least value is the truth's own entropy
            assert top == pytest.approx(limit, abs=1e-6)
        assert np.isnan(chance) or (top > chance if metric.higher_is_better else top < chance)
    if data.spec.kind == "class":
        truth = np.asarray(answers.truth)
        assert flat.scores["accuracy"]["all"].value == pytest.approx(np.nanmean(truth == 0))
        assert flat.scores["log_loss"]["all"].value == pytest.approx(np.log(len(data.spec.columns)), rel=1e-6)


@pytest.mark.usefixtures("shared_cache")
@pytest.mark.parametrize("name", SHIPPED)
def test_data_spec_and_baselines_fit_each_other(name: str) -> None:
    task, data = load(name)
    assert len(data.x_test) == len(data.spec.ids) == len(set(data.spec.ids.tolist()))
    assert len(data.x_train) == len(data.y_train)
    assert task.baseline in tasks.baselines(task)
    assert all(line.endswith((".", ":")) and len(line) > 20 for line in tasks.baselines(task).values())
    assert (task.folder / "README.md").is_file()
    assert len(data.head(10).x_train) == 10
    assert 0.25 < np.asarray(prepare.answers(task).public).mean() < 0.35


@pytest.mark.usefixtures("shared_cache")
def test_mnist_is_the_real_one() -> None:
    _, data = load("mnist")
    assert (data.x_train.shape, data.x_test.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert data.x_train.dtype == np.uint8
    assert np.bincount(data.y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


def test_a_users_task_is_found_in_the_workspace() -> None:
    assert tasks.find("coin").title == "A coin"
    assert tasks.baselines(tasks.find("coin")) == {"bias": "Says what the coin's bias is: the best that anyone can do."}
    assert {"coin", *SHIPPED} <= set(tasks.folders())


def test_an_unknown_task_is_met_with_the_nearest_name() -> None:
    with pytest.raises(KitError, match=r"no task 'minst'. Did you mean mnist\?"):
        tasks.find("minst")


def spec(n: int, **options: object) -> Spec:
    return Spec(ids=np.arange(n), columns=("value",), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (Answers(np.zeros(3)), "the truth has shape"),
        (Answers(np.array([0, 1, np.inf, 0])), "infinite"),
        (Answers(np.zeros(4), groups=np.zeros(3)), "groups has shape"),
        (Answers(np.zeros(4), public=np.zeros(5, bool)), "public has shape"),
    ],
)
def test_answers_that_do_not_fit_are_refused(answers: Answers, words: str) -> None:
    with pytest.raises(KitError, match=words):
        prepare.complete(answers, spec(4), "toy")


def test_truth_where_no_prediction_is_required_is_refused() -> None:
    required = np.array([True, True, False, False])
    prepare.complete(Answers(np.array([0, np.nan, np.nan, np.nan])), spec(4, required=required), "toy")
    with pytest.raises(KitError, match="measured"):
        prepare.complete(Answers(np.array([0, 1, 2, np.nan])), spec(4, required=required), "toy")


def test_public_rows_depend_on_the_id_alone() -> None:
    ids = np.arange(20_000)
    public = public_rows(ids)
    order = np.random.default_rng(0).permutation(len(ids))
    assert np.array_equal(public_rows(ids[order]), public[order])
    assert np.array_equal(public_rows(ids.astype(str)), public)
    assert public.mean() == pytest.approx(0.3, abs=0.01)


def test_a_fingerprint_covers_truth_public_and_groups() -> None:
    base = Answers(np.zeros(4, np.float32), np.arange(4), np.zeros(4, bool))
    others = [
        replace(base, truth=np.array([0, 0, 0, 1], np.float32)),
        replace(base, groups=np.array([0, 0, 1, 2])),
        replace(base, public=np.array([True, False, False, False])),
    ]
    assert len({each.fingerprint for each in (base, *others)}) == 4
    assert replace(base).fingerprint == base.fingerprint


def test_answers_are_prepared_once_and_anew_when_the_task_changes(workspace: Path) -> None:
    before = prepare.prepared(tasks.find("coin"))
    stamp = (before / "truth.npy").stat().st_mtime_ns
    assert prepare.prepared(tasks.find("coin")) == before
    assert (before / "truth.npy").stat().st_mtime_ns == stamp
    source = workspace / "tasks" / "coin" / "__init__.py"
    source.write_text(source.read_text() + "\n# changed\n")
    assert prepare.folder(tasks.find("coin")) != before


def test_a_spec_made_wrongly_says_so() -> None:
    with pytest.raises(KitError, match="one row of whole numbers or text"):
        Spec(ids=np.array([0.5, 1.5]), columns=("a",))
    with pytest.raises(KitError, match=r"Spec\.required has shape"):
        Spec(ids=np.arange(3), columns=("a",), required=np.ones(4, bool))


def test_head_keeps_the_test_rows(workspace: Path) -> None:
    data = kit.load("coin")
    small = data.head(5)
    assert (len(small.x_train), len(small.x_test), small.spec) == (5, 100, data.spec)
    with pytest.raises(KitError, match="give 1 to as many"):
        data.head(0)


def test_metrics_are_told_apart_by_name() -> None:
    for name in SHIPPED:
        names = [metric.name for metric in tasks.find(name).metrics]
        assert len(names) == len(set(names))


SOURCES = """
from dataclasses import replace
from kit.errors import SourceError

def load_from(source):
    if source == "lab" and not __import__("os").environ.get("LAB"):
        raise SourceError("The lab is closed.")
    return replace(load(), source=source)

def answers_from(source):
    truth = _tosses()[1][N_TRAIN:]
    return Answers(truth if source == "lab" else 1 - truth)

task = replace(task, load=load_from, answers=answers_from, sources=("lab", "simulated"))
"""


def test_the_next_source_is_taken_and_what_was_prepared_stays_chosen(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    init = workspace / "tasks" / "coin" / "__init__.py"
    init.write_text(init.read_text() + SOURCES)
    assert kit.load("coin").source == "simulated"
    shown = capsys.readouterr().err
    assert "The lab is closed." in shown
    assert "Using the source 'simulated' instead." in shown
    simulated = kit.submit("coin", np.full(100, 0.9), name="ada")
    monkeypatch.setenv("LAB", "open")
    assert kit.submit("coin", np.full(100, 0.8), name="ada")["answers"] == simulated["answers"]
    assert kit.load("coin", source="lab").source == "lab"
    real = kit.submit("coin", np.full(100, 0.9), name="ada")
    assert (real["source"], simulated["source"]) == ("lab", "simulated")
    assert real["answers"] != simulated["answers"]
    assert kit.leaderboard("coin")["entries"].tolist() == [1]
    with pytest.raises(KitError, match=r"no source 'lob'. Did you mean lab\?"):
        kit.load("coin", source="lob")
