"""Finds tasks. A task is a folder that holds an `__init__.py` with `task = Task(...)`; its name is the folder's name.

Three places count: the tasks that came with the kit, `tasks/` of a checkout, and `tasks/` of the workspace. All of
them import as `kit.tasks.<name>`, also in a spawned worker process, so nothing is ever loaded by its file's path.
"""

import ast
import importlib
from dataclasses import replace
from pathlib import Path

from kit import workspace
from kit.errors import KitError, did_you_mean
from kit.task import Task

_PACKAGE = Path(__file__).parent


def _places() -> list[str]:
    checkout = _PACKAGE.parent.parent
    candidates = [_PACKAGE, workspace.root() / "tasks"]
    if (checkout / "pyproject.toml").is_file():
        candidates.insert(1, checkout / "tasks")
    return [str(place) for place in dict.fromkeys(place.resolve() for place in candidates)]


__path__ = _places()


def folders() -> dict[str, Path]:
    """Every task's folder by name, sorted; two of one name are an error that names both."""
    __path__[:] = _places()  # the workspace may be another one by now
    importlib.invalidate_caches()
    found: dict[str, Path] = {}
    for place in map(Path, __path__):
        for init in sorted(place.glob("*/__init__.py")):
            name, folder = init.parent.name, init.parent
            if name.startswith(("_", ".")):
                continue
            if not name.isidentifier():
                raise KitError(f"{folder}: a task's name must be a Python identifier. Rename the folder.")
            if name in found:
                raise KitError(f"Two tasks are named {name}: {found[name]} and {folder}. Rename one of the folders.")
            found[name] = folder
    return dict(sorted(found.items()))


def find(name: str) -> Task:
    """The task of that name."""
    known = folders()
    if name not in known:
        raise KitError(f"There is no task {name!r}. {did_you_mean(name, list(known))}")
    module = importlib.import_module(f"{__name__}.{name}")
    if not isinstance(task := getattr(module, "task", None), Task):
        raise KitError(f"{known[name] / '__init__.py'} must hold `task = Task(...)`.")
    from kit import checks

    checks.raise_any(name, checks.task_faults(task))
    return replace(task, name=name, folder=known[name])


def baselines(task: Task) -> dict[str, str]:
    """The task's baselines by name, each with the first line of its docstring; read without importing them."""
    files = sorted((task.folder / "baselines").glob("[!_]*.py"))
    return {file.stem: _headline(file) for file in files}


def _headline(file: Path) -> str:
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]
