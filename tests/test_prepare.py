"""Preparing: faults of a task are named all at once, stale answers are seen, and nothing half-written is used."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kit
from kit import api, checks, metrics, origin, prepare, tasks
from kit.errors import KitError
from kit.task import Answers, Data, Spec, Task

N = 6
CLASSES = Spec(np.arange(N), ("a", "b", "c"), kind="class")
CHANCE = Spec(np.arange(N), ("chance",), kind="probability")
VALUE = Spec(np.arange(N), ("value",))
LABELS = np.array([0, 1, 2, 0, 1, 2])


def forget() -> None:
    """Have the tasks of the workspace imported anew, as another process would."""
    for name in [name for name in sys.modules if name.startswith(("kit.tasks.coin", "kit.tasks.dice"))]:
        del sys.modules[name]


ANSWERS: dict[str, tuple[Any, Spec, str]] = {
    "labels from 1": (Answers(LABELS + 1), CLASSES, "counted from 1"),
    "a label -1": (
        Answers(np.where(LABELS == 2, -1, LABELS)),
        CLASSES,
        r"2 labels are no whole numbers from 0 to 2: -1",
    ),
    "half a label": (Answers(LABELS / 2), CLASSES, "no whole numbers from 0 to 2: 0.5"),
    "a label too high": (Answers(LABELS * 2), CLASSES, "no whole numbers from 0 to 2: 4"),
    "text labels": (Answers(np.array(list("abcabc"))), CLASSES, "holds text.*place in Spec.columns"),
    "objects": (Answers(np.array([0, 1, 2, None, 1, 2], object)), CLASSES, "holds Python objects"),
    "dates": (Answers(np.arange(N).astype("datetime64[D]")), VALUE, "holds dates"),
    "complex": (Answers(np.arange(N) * 1j), VALUE, "holds complex numbers"),
    "masked": (Answers(np.ma.masked_array(np.arange(N), LABELS == 1)), VALUE, "masked cells"),
    "ragged": (Answers([[1], [1, 2], 3, 4, 5, 6]), VALUE, "the truth is no array"),  # type: ignore[arg-type]
    "chances of 5": (Answers(np.linspace(0, 5, N)), CHANCE, r"must lie in 0\.\.1; 4 values.*goes from 0 to 5"),
    "chances below 0": (Answers(np.linspace(-1, 1, N)), CHANCE, r"must lie in 0\.\.1; 3 values"),
    "too large": (Answers(np.full(N, 1e300)), VALUE, "too large for float32"),
    "nothing measured": (Answers(np.full(N, np.nan)), VALUE, "NaN everywhere"),
    "groups of another length": (Answers(np.zeros(N), groups=np.zeros(4, int)), VALUE, "groups has shape"),
    "groups with NaN": (Answers(np.zeros(N), groups=np.full(N, np.nan)), VALUE, "groups holds float64"),
    "groups with gaps": (Answers(np.zeros(N), groups=np.array(["a", None] * 3, object)), VALUE, "groups holds object"),
    "public as places": (Answers(np.zeros(N), public=np.arange(N)), VALUE, "public holds int64"),
    "ids in another order": (Answers(np.zeros(N), ids=np.arange(N)[::-1]), VALUE, "ids of the answers are not"),
    "no Answers": (np.zeros(N), VALUE, "answers.. returned of type ndarray; an Answers"),
    "required classes": (
        Answers(LABELS),
        replace(CLASSES, required=np.ones((N, 3), bool)),
        "required is given with kind 'class'",
    ),
    "required as numbers": (Answers(np.zeros(N)), replace(VALUE, required=np.ones(N)), "required holds float64"),
    "nothing required": (Answers(np.full(N, np.nan)), replace(VALUE, required=np.zeros(N, bool)), "requires no cell"),
    "an unknown kind": (Answers(np.zeros(N)), replace(VALUE, kind="number"), "kind is 'number'; 'class', 'prob"),  # type: ignore[arg-type]
    "columns twice": (Answers(np.zeros((N, 2))), Spec(np.arange(N), ("x", "x")), "columns holds 'x' twice"),
    "a blank column": (Answers(np.zeros((N, 2))), Spec(np.arange(N), ("x", " ")), "holds ' '; every column needs"),
    "no columns": (Answers(np.zeros(N)), Spec(np.arange(N), ()), "columns is empty"),
    "one class": (Answers(np.zeros(N)), Spec(np.arange(N), ("a",), kind="class"), "kind 'class' needs two"),
    "a bad cell": (Answers(np.zeros(N)), replace(VALUE, cell=("id", "id")), "two different headers"),
    "ids twice": (
        Answers(np.zeros(N)),
        Spec(np.array([0, 1, 1, 2, 2, 3]), ("v",)),
        "2 ids in Spec.ids are not unique: 1, 2",
    ),
    "ids alike": (Answers(np.zeros(2)), Spec(np.array(["é", "é"]), ("v",)), "1 id in Spec.ids is not unique"),
    "blank ids": (Answers(np.zeros(3)), Spec(np.array(["a", "", "b "]), ("v",)), "2 ids in Spec.ids are empty or have"),
    "control characters": (
        Answers(np.zeros(2)),
        Spec(np.array(["a\x1b[2J", "b"]), ("v",)),
        "1 id in Spec.ids is not printable",
    ),
    "NUL": (Answers(np.zeros(2)), Spec(np.array(["a\0b", "b"]), ("v",)), "1 id in Spec.ids is not printable"),
    "no UTF-8": (Answers(np.zeros(2)), Spec(np.array([b"\xff", b"b"]), ("v",)), "no UTF-8"),
    "no rows": (Answers(np.zeros(0)), Spec(np.zeros(0, int), ("v",)), "Spec.ids is empty"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_and_spec_that_do_not_fit_are_refused(case: str) -> None:
    given, spec, words = ANSWERS[case]
    with pytest.raises(KitError, match=rf"(?s)Task toy.*{words}"):
        prepare.complete(given, spec, "toy")


@pytest.mark.parametrize(
    ("given", "spec"),
    [
        (Answers(LABELS), CLASSES),
        (Answers(LABELS.astype(np.uint8)), CLASSES),
        (Answers(np.where(LABELS == 1, np.nan, LABELS)), CLASSES),
        (Answers(LABELS > 0), CHANCE),
        (Answers(np.linspace(-1e30, 1e30, N), groups=np.array(list("aabbcc"))), VALUE),
        (Answers([1, 2, 3, 4, 5, 6], public=[0, 0, 0, 1, 1, 1], ids=np.arange(N).astype(str)), VALUE),  # type: ignore[arg-type]
    ],
)
def test_proper_answers_pass_and_are_completed(given: Answers, spec: Spec) -> None:
    full = prepare.complete(given, spec, "toy")
    assert np.array_equal(full.truth, np.asarray(given.truth, np.float32), equal_nan=True)
    assert full.truth.dtype == np.float32
    assert full.groups is not None
    assert full.groups.dtype == np.int32
    assert full.public is not None
    assert full.public.dtype == bool
    assert full.ids is not None
    assert len(full.ids) == N


@pytest.mark.parametrize(
    ("of", "spec", "words"),
    [
        (metrics.log_loss, VALUE, "log_loss is for kind 'class', not 'value'"),
        (metrics.accuracy, CHANCE, "accuracy is for kind 'class', not 'probability'"),
        (metrics.mae, CLASSES, "mae is for kind 'probability' or 'value', not 'class'"),
        (replace(metrics.binary_accuracy, name="accuracy"), CLASSES, "accuracy is for kind"),
        (metrics.spearman, CLASSES, "spearman is for kind"),
        (metrics.roc_auc, CLASSES, "roc_auc is for kind"),
        (metrics.macro_f1(10), CLASSES, r"macro_f1\(10\) is for 10 classes; the Spec names 3"),
        (metrics.macro_f1(3), CLASSES, None),
        (metrics.accuracy, CLASSES, None),
        (metrics.mae, CHANCE, None),
        (metrics.binary_crossentropy, VALUE, "binary_crossentropy is for kind 'probability'"),
    ],
)
def test_a_metric_that_cannot_score_the_kind_is_named(of: Any, spec: Spec, words: str | None) -> None:
    truth = LABELS if spec.kind == "class" else LABELS / 2
    if words is None:
        prepare.complete(Answers(truth), spec, "toy", [of])
        return
    with pytest.raises(KitError, match=words):
        prepare.complete(Answers(truth), spec, "toy", [of])


def task(**changes: Any) -> Task:
    whole: dict[str, Any] = {
        "title": "Toy",
        "metrics": (metrics.mae,),
        "baseline": "x",
        "load": lambda: data(),
        "answers": lambda: Answers(np.zeros(N)),
        "name": "toy",
    }
    return Task(**{**whole, **changes})


def data(**changes: Any) -> Data:
    whole: dict[str, Any] = {"x_train": np.zeros(3), "y_train": np.zeros(3), "x_test": np.zeros(N), "spec": VALUE}
    return Data(**{**whole, "source": "made up", **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metrics": ("accuracy",)}, "metric 'accuracy' is of type str; a Metric"),
        ({"metrics": (np.mean,)}, "metric 'mean' is a function"),
        ({"metrics": "accuracy"}, "metrics is of type str; a tuple"),
        ({"metrics": (metrics.mae)}, "metrics is of type Metric; a tuple"),
        ({"metrics": None}, "metrics is None; a tuple"),
        ({"metrics": ()}, "it has no metric"),
        ({"metrics": (metrics.mae, replace(metrics.mse, name="mae"))}, "two metrics are named mae"),
        ({"metrics": (replace(metrics.mae, name=""),)}, "metric's name is ''"),
        ({"metrics": (replace(metrics.mae, higher_is_better=None),)}, "higher_is_better of 'mae' is None"),
        ({"sources": "web"}, "sources is 'web'; a tuple"),
        ({"sources": ("../web",)}, "sources is"),
        ({"sources": ("web", "web")}, "name twice: web"),
        ({"title": ""}, "its title is ''"),
        ({"load": "data.csv"}, "load is of type str; a function"),
        ({"baseline": None}, "baseline is None"),
    ],
)
def test_a_task_made_wrongly_says_so(changes: dict[str, Any], words: str) -> None:
    made = task(**changes)
    found = checks.task_faults(made) + checks.missing_faults(made)
    assert [fault for fault in found if words in fault], found


def test_the_same_is_said_when_the_task_is_found(workspace: Path) -> None:
    edit(workspace, "(binary_accuracy, binary_crossentropy)", "('accuracy', 'accuracy')")
    with pytest.raises(KitError, match=r"task coin cannot be used.*the metric 'accuracy' is of type str"):
        tasks.find("coin")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (data(x_test=np.zeros(5)), "x_test has 5 rows; 6 are expected"),
        (data(y_train=np.zeros(2)), "x_train has 3 rows and y_train 2"),
        (data(groups=np.zeros(2, int)), r"Data.groups has shape \(2,\); \(3,\)"),
        (data(groups=np.array([0, 1, np.nan])), "Data.groups holds float64"),
        (data(source=" "), "Data.source is ' '"),
        (data(x_train=7), "x_train is of type int, without rows"),
        (data(spec=None), "Data.spec is None"),
        (None, r"load\(\) returned None"),
        ((1, 2), r"load\(\) returned of type tuple"),
    ],
)
def test_data_that_do_not_fit_are_refused(given: Any, words: str, workspace: Path) -> None:
    with pytest.raises(KitError, match=rf"Task toy: .*{words}"):
        prepare.load(task(load=lambda: given))
    assert not list(Path(os.environ["KIT_CACHE"]).rglob("truth.npy"))


def test_all_faults_of_a_task_come_at_once(workspace: Path) -> None:
    wrong = task(
        metrics=(metrics.log_loss,),
        load=lambda: data(x_test=np.zeros(5), y_train=np.zeros(2), spec=replace(VALUE, kind="number")),  # type: ignore[arg-type]
        answers=lambda: Answers(np.zeros(4), groups=np.zeros(N)),
    )
    with pytest.raises(KitError, match="Task toy has 6 faults") as raised:
        prepare.load(wrong)
    for words in ("x_test", "y_train", "'number'", "the truth has shape", "groups holds", "log_loss"):
        assert words in str(raised.value)


def test_a_default_baseline_that_is_not_there_is_named(workspace: Path) -> None:
    edit(workspace, '"bias", load', '"bais", load')
    with pytest.raises(KitError, match=r"Task coin: its default baseline 'bais' is not .*Did you mean bias\?"):
        kit.load("coin")
    shutil.rmtree(workspace / "tasks" / "coin" / "baselines")  # nobody has written one yet: scores need none
    assert kit.load("coin").source == "simulated"


@pytest.mark.parametrize(
    ("raises", "words"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("open('/nowhere/truth.csv')", "FileNotFoundError.*/nowhere/truth.csv"),
        ("Spec(np.ones(3), ('a',))", "one row of whole numbers"),
        ("{}['truth']", "KeyError"),
    ],
)
def test_what_goes_wrong_in_a_tasks_own_code_is_one_line(raises: str, words: str, workspace: Path) -> None:
    for function in ("load", "answers"):
        init = workspace / "tasks" / "coin" / "__init__.py"
        shutil.copy(Path(__file__).parent / "toy" / "coin" / "__init__.py", init)
        edit(workspace, "task = Task(", f"def broken():\n    {raises}\n\ntask = Task(")
        edit(
            workspace,
            "load, lambda: Answers(_tosses()[1][N_TRAIN:])",
            "load, broken" if function == "answers" else "broken, broken",
        )
        forget()
        with pytest.raises(KitError, match=rf"Task coin: {function}\(\) failed.*{words}") as raised:
            kit.load("coin")
        assert "__init__.py, line" in str(raised.value) or "one row" in str(raised.value)


def edit(workspace: Path, old: str, new: str, name: str = "coin", file: str = "__init__.py") -> None:
    path = workspace / "tasks" / name / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# ---- what the answers are made from

FROM_FILE = """
from pathlib import Path
task = replace(task, answers=lambda: Answers(np.loadtxt(Path(__file__).parent / "data" / "truth.csv")))
"""


@pytest.fixture
def from_file(workspace: Path) -> Path:
    """The coin with its truth in a file; returns that file."""
    init = workspace / "tasks" / "coin" / "__init__.py"
    init.write_text(init.read_text() + "\nfrom dataclasses import replace\n" + FROM_FILE)
    file = workspace / "tasks" / "coin" / "data" / "truth.csv"
    file.parent.mkdir()
    np.savetxt(file, np.arange(100) % 2)
    return file


def test_a_corrected_file_of_truth_is_seen(from_file: Path) -> None:
    kit.submit("coin", np.full(100, 0.9), name="ada")
    before = prepare.fingerprints(tasks.find("coin"))
    time = from_file.stat().st_mtime_ns
    np.savetxt(from_file, 1 - np.arange(100) % 2)  # as long as the old one, and as old
    os.utime(from_file, ns=(time, time))
    after = prepare.fingerprints(tasks.find("coin"))
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert kit.submit("coin", np.full(100, 0.9), name="ada")["answers"] == after[0]


def test_a_module_of_another_task_is_part_of_what_answers_are_made_from(workspace: Path) -> None:
    other = workspace / "tasks" / "dice"
    shutil.copytree(workspace / "tasks" / "coin", other)
    (other / "split.py").write_text("flip = False\n")
    edit(workspace, "task = Task(", "from ..dice.split import flip\n\ntask = Task(")
    edit(
        workspace, "Answers(_tosses()[1][N_TRAIN:])", "Answers((1 - _tosses()[1] if flip else _tosses()[1])[N_TRAIN:])"
    )
    first = prepare.fingerprint(tasks.find("coin"))
    (other / "split.py").write_text("flip = True\n")
    forget()
    assert prepare.fingerprint(tasks.find("coin")) != first


@pytest.mark.parametrize(
    "line",
    [
        "from ..dice.split import flip",
        "from ..dice import (\n    split,\n)",
        "from .. import dice",
        "from kit.tasks import dice",
        "import kit.tasks.dice",
        "def lazily():\n    from kit.tasks.dice import split",
        "importlib.import_module('kit.tasks.dice.split')",
    ],
)
def test_every_way_to_import_from_another_task_is_seen(line: str, workspace: Path) -> None:
    shutil.copytree(workspace / "tasks" / "coin", workspace / "tasks" / "dice")
    coin = tasks.find("coin")
    extra = workspace / "tasks" / "coin" / "extra.py"
    extra.write_text(line + "\n")
    before = origin.key(coin)
    (workspace / "tasks" / "dice" / "table.csv").write_text("1")
    assert origin.key(coin) != before


@pytest.mark.parametrize("file", ["truth.csv", "data/deep/truth.npy", "helper.py", "names.txt", "tables/README.md"])
def test_every_file_of_the_folder_counts(file: str, workspace: Path) -> None:
    coin = tasks.find("coin")
    path = workspace / "tasks" / "coin" / file
    keys = [origin.key(coin)]
    path.parent.mkdir(parents=True, exist_ok=True)
    for content in ("a", "b"):
        path.write_text(content)
        keys.append(origin.key(coin))
    path.rename(path.with_name("renamed"))
    keys.append(origin.key(coin))
    assert len(set(keys)) == 4


@pytest.mark.parametrize(
    "file",
    [
        "README.md",
        "baselines/new.py",
        "__pycache__/x.pyc",
        ".git/config",
        ".truth.csv.swp",
        "truth.csv~",
        "#truth.csv#",
    ],
)
def test_files_that_no_answer_is_made_from_do_not_count(file: str, workspace: Path) -> None:
    coin = tasks.find("coin")
    before = origin.key(coin)
    path = workspace / "tasks" / "coin" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a")
    assert origin.key(coin) == before


def test_a_file_is_hashed_once_as_long_as_nothing_touches_it(from_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coin, read = tasks.find("coin"), []
    whole = origin.workspace.sha256
    monkeypatch.setattr(origin.workspace, "sha256", lambda path: read.append(path.name) or whole(path))
    monkeypatch.setattr(origin, "_SETTLED", -(10**18))  # as if all of it were old
    key = origin.key(coin)
    assert sorted(read) == ["__init__.py", "truth.csv"]
    assert origin.key(coin) == key
    assert len(read) == 2
    from_file.touch()
    assert origin.key(coin) == key
    assert read[2:] == ["truth.csv"]
    monkeypatch.undo()
    assert origin.key(coin) == key


def test_a_link_back_ends_and_a_damaged_index_costs_nothing(workspace: Path) -> None:
    coin = tasks.find("coin")
    key = origin.key(coin)
    for content in ("", "[", "[1]", '{"a": 1}', json.dumps({str(coin.folder / "__init__.py"): [1]})):
        index = Path(os.environ["KIT_CACHE"]) / "coin" / "files.json"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_text(content)
        assert origin.key(coin) == key
    (coin.folder / "loop").symlink_to(coin.folder)
    origin.key(coin)


def test_a_fingerprint_covers_ids_and_the_older_one_does_not() -> None:
    base = prepare.complete(Answers(np.zeros(N)), VALUE, "toy")
    other = replace(base, ids=np.arange(N)[::-1])
    assert base.fingerprint != other.fingerprint
    assert base.fingerprint_v1 == other.fingerprint_v1
    text = np.array([f"é{row}" for row in range(N)])
    forms = [text, text.astype("U20"), np.char.encode(text, "utf-8")]
    assert len({replace(base, ids=ids).fingerprint for ids in forms}) == 1
    numbers = [np.arange(N, dtype=kind) for kind in ("u1", "<i4", ">i8", "u8")]
    assert len({replace(base, ids=ids).fingerprint for ids in numbers}) == 1


def test_the_older_fingerprint_is_what_it_was() -> None:
    # of prepare.complete(Answers([0, 1, NaN, 0.5]), ids 0..3) when ids were no part of it
    full = prepare.complete(Answers(np.array([0, 1, np.nan, 0.5])), Spec(np.arange(4), ("v",)), "toy")
    assert full.fingerprint_v1 == "1047ff637524d7c0e9ac7565409351eb6f0686779a5b4c02e08e8f6be9b7ad92"


# ---- the folder


def test_refresh_says_whether_the_answers_changed(workspace: Path, kit_command: Any) -> None:
    coin = tasks.find("coin")
    assert prepare.refresh(coin) is None
    before = prepare.fingerprint(coin)
    assert api.refreshed(coin, None) == "Prepared anew."
    kit.submit("coin", np.full(100, 0.9), name="ada")
    inode = (prepare.prepared(coin) / "truth.npy").stat().st_ino
    assert prepare.refresh(coin) == before
    assert (prepare.prepared(coin) / "truth.npy").stat().st_ino != inode
    assert api.refreshed(coin, before) == "Prepared anew: the answers are the same."
    edit(workspace, "default_rng(0)", "default_rng(11)")
    done = kit_command("data", "coin", "--refresh")
    assert "`kit rescore coin`" in done.stdout
    forget()
    assert "the answers changed" in api.refreshed(tasks.find("coin"), before)


@pytest.mark.parametrize("harm", ["cut", "empty", "gone", "swapped", "facts", "facts gone", "pickle"])
def test_what_is_damaged_is_prepared_anew(harm: str, workspace: Path) -> None:
    coin = tasks.find("coin")
    place, before = prepare.prepared(coin), prepare.fingerprints(coin)
    truth = place / "truth.npy"
    match harm:
        case "cut":
            truth.write_bytes(truth.read_bytes()[:-7])
        case "empty":
            truth.write_bytes(b"")
        case "gone":
            truth.unlink()
        case "swapped":
            np.save(truth, np.zeros(3))
        case "facts":
            (place / "facts.json").write_text("{")
        case "facts gone":
            (place / "facts.json").unlink()
        case "pickle":
            np.save(truth, np.array([{}] * 100), allow_pickle=True)
    with pytest.raises(KitError, match=rf"{place} are damaged.*kit data coin --refresh"):
        prepare.kept(coin)
    assert prepare.fingerprints(coin) == before
    assert prepare.answers(coin).truth.shape == (100,)
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_the_prepared_folder_is_as_open_as_the_umask_says(workspace: Path) -> None:
    old = os.umask(0o027)
    try:
        place = prepare.prepared(tasks.find("coin"))
    finally:
        os.umask(old)
    assert stat.S_IMODE(place.stat().st_mode) == 0o750
    assert {stat.S_IMODE(file.stat().st_mode) for file in place.iterdir()} == {0o640}


def test_four_processes_prepare_at_once(workspace: Path) -> None:
    script = "from kit import prepare, tasks; print(prepare.answers(tasks.find('coin')).truth.shape)"
    children = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) for _ in range(4)]
    assert [child.communicate()[0] for child in children] == [b"(100,)\n"] * 4
    place = prepare.prepared(tasks.find("coin"))
    assert not [path for path in place.parent.iterdir() if path.name.startswith(".")]


# ---- the chosen source

SOURCES = """
from dataclasses import replace

task = replace(task, sources=("lab", "simulated"), load=lambda source: replace(load(), source=source),
               answers=lambda source: Answers(_tosses()[1][N_TRAIN:] if source == "lab" else np.zeros(N_TEST)))
"""


@pytest.fixture
def two_workspaces(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    init = workspace / "tasks" / "coin" / "__init__.py"
    init.write_text(init.read_text() + SOURCES)
    shutil.copytree(workspace, tmp_path / "second")
    places = {"first": workspace, "second": tmp_path / "second"}

    def enter(name: str) -> None:
        monkeypatch.setenv("KIT_WORKSPACE", str(places[name]))
        forget()

    return enter


def test_a_chosen_source_belongs_to_the_workspace(two_workspaces: Callable[[str], None]) -> None:
    first = prepare.fingerprint(tasks.find("coin"))
    two_workspaces("second")
    assert kit.load("coin", source="simulated").source == "simulated"
    assert prepare.fingerprint(tasks.find("coin")) != first
    two_workspaces("first")
    assert prepare.chosen_source(tasks.find("coin")) == "lab"
    assert prepare.fingerprint(tasks.find("coin")) == first
    two_workspaces("second")
    assert prepare.chosen_source(tasks.find("coin")) == "simulated"


def test_the_choice_of_an_older_kit_is_taken_over(two_workspaces: Callable[[str], None]) -> None:
    old = Path(os.environ["KIT_CACHE"]) / "coin" / "source"
    old.parent.mkdir(parents=True)
    old.write_text("simulated")
    assert kit.load("coin").source == "simulated"
    old.unlink()
    assert prepare.chosen_source(tasks.find("coin")) == "simulated"


def test_a_workspace_that_cannot_be_written_to_is_read(
    two_workspaces: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Any:
        if path.suffix == ".source":
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path)

    whole = prepare.workspace.replacing
    monkeypatch.setattr(prepare.workspace, "replacing", refuse)
    assert kit.load("coin", source="simulated").source == "simulated"
    assert prepare.source(tasks.find("coin")) == "simulated"
    assert prepare.kept(tasks.find("coin")) is not None


# ---- one process that goes on while files change, such as a notebook


def test_code_that_was_changed_since_it_was_imported_is_imported_anew(workspace: Path) -> None:
    shutil.copytree(workspace / "tasks" / "coin", workspace / "tasks" / "dice")
    (workspace / "tasks" / "dice" / "split.py").write_text("flip = False\n")
    edit(workspace, "task = Task(", "from ..dice.split import flip\n\ntask = Task(")
    edit(
        workspace, "Answers(_tosses()[1][N_TRAIN:])", "Answers((1 - _tosses()[1] if flip else _tosses()[1])[N_TRAIN:])"
    )
    first = kit.submit("coin", np.full(100, 0.9), name="ada")
    module = sys.modules["kit.tasks.coin"]
    assert kit.submit("coin", np.full(100, 0.9), name="ada")["answers"] == first["answers"]
    assert sys.modules["kit.tasks.coin"] is module
    (workspace / "tasks" / "dice" / "split.py").write_text("flip = True\n")
    second = kit.submit("coin", np.full(100, 0.9), name="ada")
    assert second["answers"] != first["answers"]
    edit(workspace, "default_rng(0)", "default_rng(11)")
    assert kit.submit("coin", np.full(100, 0.9), name="ada")["answers"] not in (first["answers"], second["answers"])
