"""One bad folder in `tasks/` is named with what is wrong and where, and disturbs no other task."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import kit
from kit import tasks
from kit.errors import KitError
from kit.verify import verify
from tests.conftest import Kit

TASK = "from kit import Task\ntask = Task('A title', (), 'none', None, None)\n"
BROKEN: dict[str, tuple[str, dict[str, str | bytes], str]] = {  # kind: folder, its files, what is said about it
    "import error": ("torn", {"__init__.py": "import nowhere_to_be_found\n" + TASK}, "__init__.py, line 1: ModuleNo"),
    "import error further in": (
        "torn",
        {"__init__.py": "from .data import load\n" + TASK, "data.py": "\n\nfrom json import nothing\nload = 1\n"},
        "data.py, line 3: ImportError: cannot import name 'nothing' from 'json'",
    ),
    "division by zero": ("torn", {"__init__.py": f"{TASK}\n1 / 0\n"}, "__init__.py, line 4: ZeroDivisionError: divi"),
    "wrong arguments": ("torn", {"__init__.py": "from kit import Task\ntask = Task()\n"}, "line 2: TypeError: Task."),
    "syntax error": ("torn", {"__init__.py": f"{TASK}def (\n"}, "__init__.py, line 3: SyntaxError: invalid syntax"),
    "syntax error further in": (
        "torn",
        {"__init__.py": "from .data import load\n" + TASK, "data.py": "load = (1,\n"},
        "data.py, line 1: SyntaxError: '(' was never closed",
    ),
    "tabs and blanks": (
        "torn",
        {"__init__.py": TASK + "if 1:\n\t1\n        1\n"},
        "line 5: TabError: inconsistent use",
    ),
    "sys.exit": ("torn", {"__init__.py": TASK + "import sys\nsys.exit('bye')\n"}, "line 4: SystemExit: bye"),
    "an error that is no Exception": (
        "torn",
        {"__init__.py": TASK + "class Odd(BaseException): pass\nraise Odd\n"},
        "__init__.py, line 4: Odd",
    ),
    "recursion without end": (
        "torn",
        {"__init__.py": TASK + "def f(): return f()\nf()\n"},
        "__init__.py, line 3: RecursionError: maximum recursion depth exceeded",
    ),
    "its own words": (
        "torn",
        {"__init__.py": TASK + "raise ImportError('pip install\\n  something')\n"},
        "__init__.py, line 3: ImportError: pip install something",
    ),
    "bytes that are no UTF-8": (
        "torn",
        {"__init__.py": TASK.encode() + b"x = '\xff'\n"},
        "SyntaxError: (unicode error) 'utf-8'",
    ),
    "UTF-16": ("torn", {"__init__.py": TASK.encode("utf-16")}, "__init__.py, "),
    "an unknown encoding": ("torn", {"__init__.py": "# coding: klingon\n" + TASK}, "SyntaxError: unknown encoding"),
    "NUL": ("torn", {"__init__.py": TASK.encode() + b"\0"}, "null bytes"),
    "brackets without end": ("torn", {"__init__.py": TASK + "x = " + "(" * 5000}, "__init__.py"),
    "no task": ("empty", {"__init__.py": ""}, "its __init__.py must hold `task = Task(...)`; nothing in it is named"),
    "a task that is none": ("odd", {"__init__.py": "task = 5\n"}, "`task` is of type int there."),
    "a task class": ("odd", {"__init__.py": "from kit import Task as task\n"}, "`task` is of type type there."),
    "a task in a function": ("odd", {"__init__.py": "def f():\n    task = 1\n"}, "nothing in it is named task"),
    "no identifier": ("two-coins", {"__init__.py": TASK}, "a task's name must be a Python identifier"),
    "a number": ("2024", {"__init__.py": TASK}, "a task's name must be a Python identifier"),
    "a copy": ("coin (copy)", {"__init__.py": TASK}, "a task's name must be a Python identifier"),
    "somebody's package": (
        "email",
        {
            "__init__.py": "import os\nos.mkdir('ran')\nfrom .parser import *\n",
            "parser.py": "import os\nos.mkdir('ran')\n",
        },
        "nothing in it is named task, so it was not run",
    ),
    "a twin": ("mnist", {"__init__.py": "import os\nos.mkdir('ran')\n" + TASK}, "has the same name and goes before it"),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # where code that should not run would leave its mark
    return tmp_path


def write(workspace: Path, name: str, files: dict[str, str | bytes]) -> Path:
    folder = workspace / "tasks" / name
    folder.mkdir()
    for file, content in files.items():
        (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def refused(job: Callable[[], object]) -> str:
    with pytest.raises(KitError) as caught:
        job()
    return str(caught.value)


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_task_is_named_and_the_others_go_on(kind: str, workspace: Path, here: Path) -> None:
    name, files, words = BROKEN[kind]
    folder = write(workspace, name, files)
    assert [task.name for task in tasks.every()] == [
        *(one for one in tasks.folders() if one != name or kind == "a twin")
    ]
    assert {"coin", "mnist", "sentiment"} <= {task.name for task in tasks.every()}
    assert list(tasks.problems()) == [folder]
    assert words in tasks.problems()[folder]
    told = refused(tasks.raise_problems)
    assert told.startswith("1 folder is no working task; the others were not disturbed:\n")
    assert f"  - {folder}: {tasks.problems()[folder]}\n" in told
    if kind == "a twin":
        assert "ran" not in tasks.find("mnist").title
        assert tasks.find("mnist").folder != folder
        tasks.raise_problems("mnist")
    else:
        assert f"{folder}: " in refused(lambda: tasks.find(name))
        assert words in refused(lambda: tasks.find(name))
        assert words in refused(lambda: tasks.raise_problems(name))
    tasks.raise_problems("coin")
    assert kit.submit("coin", np.full(100, 0.5), name="ada")["task"] == "coin"
    assert not (here / "ran").exists()


def test_several_are_named_together(workspace: Path) -> None:
    folders = [write(workspace, name, {"__init__.py": ""}) for name in ("one", "two")]
    told = refused(tasks.raise_problems)
    assert told.startswith("2 folders are no working tasks;")
    assert all(f"  - {folder}: " in told for folder in folders)


def test_what_cannot_be_opened_is_named(workspace: Path) -> None:
    (workspace / "tasks" / "folder" / "__init__.py").mkdir(parents=True)
    dangling, pipe = workspace / "tasks" / "dangling", workspace / "tasks" / "pipe"
    dangling.mkdir()
    (dangling / "__init__.py").symlink_to("nowhere.py")
    pipe.mkdir()
    os.mkfifo(pipe / "__init__.py")
    assert {folder.name: why for folder, why in tasks.problems().items()} == {
        "dangling": "__init__.py cannot be read: No such file or directory",
        "folder": "__init__.py cannot be read: it is no ordinary file",
        "pipe": "__init__.py cannot be read: it is no ordinary file",
    }


def test_what_is_no_folder_of_a_task_is_left_alone(workspace: Path) -> None:
    (workspace / "tasks" / "mnist").symlink_to(tasks.find("mnist").folder)  # the same one is no twin
    write(workspace, "_email", {"__init__.py": "1 / 0\n"})
    write(workspace, ".git", {"__init__.py": "1 / 0\n"})
    write(workspace, "notes", {"README.md": "# Notes"})
    (workspace / "tasks" / "mnist.py").write_text("1 / 0\n")
    assert tasks.problems() == {}
    assert tasks.find("mnist").title == "Handwritten digits"


@pytest.mark.parametrize(
    "files",
    [
        {"__init__.py": "from .spec import *\n", "spec.py": "from .deep import *\n", "deep.py": TASK},
        {"__init__.py": "from .spec import task\n", "spec.py": TASK},
        {"__init__.py": "from .spec import mine as task\n", "spec.py": TASK + "mine = task\n"},
        {"__init__.py": "from kit import Task\nif True:\n    task: Task = Task('A', (), 'b', None, None)\n"},
        {"__init__.py": "\ufeff" + TASK},
        {"__init__.py": b"# coding: latin-1\n# \xe9\n" + TASK.encode()},
    ],
)
def test_a_task_may_be_named_in_any_plain_way(files: dict[str, str | bytes], workspace: Path) -> None:
    name = f"plain{abs(hash(str(files)))}"
    write(workspace, name, files)
    assert tasks.problems() == {}
    assert tasks.find(name).name == name


def test_star_imports_in_a_circle_end(workspace: Path) -> None:
    write(
        workspace,
        "round",
        {"__init__.py": "from .a import *\n", "a.py": "from .b import *", "b.py": "from .a import *"},
    )
    assert "nothing in it is named task" in refused(lambda: tasks.find("round"))


def test_a_task_that_was_mended_is_loaded_anew(workspace: Path) -> None:
    folder = write(workspace, "mended", {"__init__.py": "from .data import x\n" + TASK, "data.py": "x = 1 / 0\n"})
    assert "data.py, line 1: ZeroDivisionError" in refused(lambda: tasks.find("mended"))
    (folder / "data.py").write_text("x = 11 / 11\n")
    assert tasks.find("mended").folder == folder
    assert tasks.problems() == {}


def test_a_task_of_another_workspace_is_not_taken_for_this_ones(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(workspace, "same", {"__init__.py": TASK})
    assert tasks.find("same").title == "A title"
    (tmp_path / "other" / "tasks").mkdir(parents=True)
    monkeypatch.setenv("KIT_WORKSPACE", str(tmp_path / "other"))
    write(tmp_path / "other", "same", {"__init__.py": TASK.replace("A title", "Another")})
    assert tasks.find("same").title == "Another"


def test_a_baseline_that_cannot_be_read_is_listed_with_the_reason(workspace: Path) -> None:
    baselines = workspace / "tasks" / "coin" / "baselines"
    (baselines / "torn.py").write_text("'''A torn one.'''\ndef (\n")
    (baselines / "latin.py").write_bytes(b"'''\xe9'''\n")
    (baselines / "folder.py").mkdir()
    found = tasks.baselines(tasks.find("coin"))
    assert list(found) == ["bias", "folder", "latin", "torn"]
    assert found["torn"] == "(cannot be read: line 2: invalid syntax)"
    assert found["folder"].startswith("(cannot be read: ")
    assert found["latin"].startswith("(cannot be read: ")


@pytest.fixture
def mixed(workspace: Path, here: Path) -> Path:
    """A workspace with one entry and four bad folders, one of which had an entry, too."""
    shutil.copytree(workspace / "tasks" / "coin", workspace / "tasks" / "torn")
    kit.submit("torn", np.full(100, 0.5), name="ada")
    for module in [name for name in sys.modules if name.startswith("kit.tasks.torn")]:
        del sys.modules[module]
    (workspace / "tasks" / "torn" / "__init__.py").write_text("import nowhere_to_be_found\n" + TASK)
    kit.submit("coin", np.full(100, 0.5), name="ada")
    for kind in ("somebody's package", "a twin", "no identifier"):
        write(workspace, *BROKEN[kind][:2])
    return workspace


def test_commands_over_all_tasks_go_on_and_exit_with_1(mixed: Path, kit_command: Kit) -> None:
    for command, shown in (
        (["tasks"], "Handwritten digits"),
        (["leaderboard", "--format", "json"], '"task": "coin"'),
        (["verify"], "2 entries verified"),
    ):
        done = kit_command(*command)
        assert done.returncode == 1, command
        assert shown in done.stdout
        if "json" in command:
            assert [board["task"] for board in json.loads(done.stdout)] == ["coin"]
        assert "Traceback" not in done.stderr
        for name in ("torn", "email", "mnist", "two-coins"):
            assert done.stderr.count(f"  - {mixed / 'tasks' / name}: ") == 1
        assert "torn: __init__.py, line 1: ModuleNotFoundError: No module named 'nowhere_to_be_found'" in done.stderr


def test_a_command_about_a_good_task_is_not_disturbed(mixed: Path, kit_command: Kit) -> None:
    for command in (["info", "coin"], ["verify", "coin"]):
        done = kit_command(*command)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_command_about_the_broken_task_says_where_it_breaks(mixed: Path, kit_command: Kit) -> None:
    for command in (["leaderboard", "torn"], ["verify", "torn"]):
        done = kit_command(*command)
        assert done.returncode == 1
        assert done.stderr.count("error: ") == 1
        assert f"{mixed / 'tasks' / 'torn'}: __init__.py, line 1: ModuleNotFoundError" in done.stderr
    assert not Path("ran").exists()


def test_completion_offers_what_there_is(mixed: Path) -> None:
    from kit.cli import complete

    assert complete.tasks(SimpleNamespace(params={}), "co") == ["coin"]
    assert verify()[1] == []


def test_every_baseline_of_every_task_goes_past_a_broken_one(mixed: Path) -> None:
    from kit import grid

    options = {"device": "cpu", "epochs": None, "rows": None, "batch_size": None, "learning_rate": None}
    options |= {"compile": False, "weights_from": None}
    jobs = grid.jobs(None, None, True, [0], False, options)
    assert {"coin", "mnist"} <= {job.task for job in jobs}
    assert "torn" not in {job.task for job in jobs}
