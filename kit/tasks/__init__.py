"""Finds tasks. A task is a folder that holds an `__init__.py` with `task = Task(...)`; its name is the folder's name.

Three places count: the tasks that came with the kit, `tasks/` of a checkout, and `tasks/` of the workspace. All of
them import as `kit.tasks.<name>`, also in a spawned worker process, so nothing is ever loaded by its file's path.

A folder that is no working task stops none of the others: `folders` and `every` leave it out, `problems` says what is
wrong with it. Whether a folder holds a task is read from its source; code of a folder that holds none is never run.
"""

import ast
import importlib
import os
import re
import stat
import sys
import threading
import traceback
import warnings
from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from kit import workspace
from kit.errors import KitError, did_you_mean, first_line, shown
from kit.task import Task

_PACKAGE = Path(__file__).parent
_UNPARSED = (SyntaxError, ValueError, RecursionError, MemoryError)  # what ast raises for what is no Python source
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
_SCOPES = _FUNCTIONS | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp  # names in these are their own
_STAMP = "__changed_at__"  # in a task's module: when its file was changed last, as it was imported
_importing = threading.RLock()
_failed: dict[Path, str] = {}  # folders whose import failed in this process, and why


def _places() -> list[str]:
    checkout = _PACKAGE.parent.parent
    candidates = [_PACKAGE, workspace.root() / "tasks"]
    if (checkout / "pyproject.toml").is_file():
        candidates.insert(1, checkout / "tasks")
    return [str(place) for place in dict.fromkeys(place.resolve() for place in candidates)]


__path__ = _places()


def folders() -> dict[str, Path]:
    """Every folder that holds a task, by name, sorted. A task that came with the kit goes before one of its name."""
    return {name: folder for name, folder in sorted(_named()[0].items()) if not _lacks(folder)}


def problems() -> dict[Path, str]:
    """What is wrong with each folder that is no working task, as far as its source and imports up to now tell."""
    first, twins = _named()
    lacking = {folder: why for folder in first.values() if (why := _lacks(folder))}
    failed = {folder: why for folder, why in _failed.items() if first.get(folder.name) == folder}
    return (
        lacking
        | {folder: f"{first[folder.name]} has the same name and goes before it. Rename the folder." for folder in twins}
        | failed
    )


def own() -> set[str]:
    """Names of the tasks that are the workspace's alone, of whose imports nobody else has made sure."""
    shipped = {_PACKAGE, _PACKAGE.parent.parent / "tasks"}
    return {name for name, folder in _named()[0].items() if folder.parent not in shipped}


def every(only: Collection[str] | None = None) -> list[Task]:
    """All tasks that can be loaded, or those of these names that can; `raise_problems` tells of the others."""
    found = (_loaded(name, folder)[0] for name, folder in folders().items() if only is None or name in only)
    return [task for task in found if task is not None]


def raise_problems(name: str | None = None) -> None:
    """KitError with every folder that is no working task: the last step of a command over all tasks.

    name: speak of the task of that name only.
    """
    found = problems()
    if name is not None:
        mine = _named()[0].get(name)
        found = {folder: why for folder, why in found.items() if folder == mine}
    if found:
        lines = "\n".join(f"  - {folder}: {why}" for folder, why in found.items())
        what = "folder is no working task" if len(found) == 1 else "folders are no working tasks"
        raise KitError(
            f"{len(found)} {what}; the others were not disturbed:\n{lines}\n"
            "Mend it, or move it out of tasks/; a folder whose name begins with _ is left alone."
        )


def find(name: str) -> Task:
    """The task of that name; KitError where there is none, or where its code fails, with the file and the line."""
    folder = _named()[0].get(name)
    if folder is None:
        raise KitError(f"There is no task {name!r}. {did_you_mean(name, list(folders()))}")
    task, problem = None, _lacks(folder)
    if not problem:
        with _importing:
            task, problem = _loaded(name, folder)
    if task is None:
        raise KitError(f"The task {name} cannot be used. {folder}: {problem}")
    return task


def _loaded(name: str, folder: Path) -> tuple[Task | None, str]:
    """The task that a folder's code makes; or None and what is wrong with the code."""
    module_name = f"{__name__}.{name}"
    _failed.pop(folder, None)
    loaded = sys.modules.get(module_name)
    if loaded is not None and Path(loaded.__file__ or "").parent != folder:  # of the workspace before this one
        _forget(module_name)
    _forget_changed()
    try:
        task = getattr(importlib.import_module(module_name), "task", None)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit is an author's mistake here, too
        why = _where(error, folder)
        _forget(module_name)
    else:
        for each in _modules():
            vars(each).setdefault(_STAMP, _changed_at(each))
        if isinstance(task, Task):
            from kit import checks

            if not (faults := checks.task_faults(task)):
                return replace(task, name=name, folder=folder), ""
            why = " ".join(faults)
        else:
            why = f"its __init__.py must hold `task = Task(...)`; `task` is of type {type(task).__name__} there."
    _failed[folder] = why
    return None, why


def _forget(module_name: str) -> None:
    for name in list(sys.modules):
        if name == module_name or name.startswith(f"{module_name}."):
            sys.modules.pop(name, None)


def _forget_changed() -> None:
    """In a notebook, a task's file may have been changed since it was imported: answers must not come from old code.

    Tasks that may hold what they imported from a changed one are imported anew with it; all others stay.
    """
    loaded = _modules()
    changed = {_task_of(each.__name__) for each in loaded if vars(each).get(_STAMP) not in (None, _changed_at(each))}
    while more := {_task_of(each.__name__) for each in loaded if changed and _names(each, changed)} - changed:
        changed |= more
    for each in loaded:
        if _task_of(each.__name__) in changed:
            sys.modules.pop(each.__name__, None)


def _task_of(module_name: str) -> str:
    return module_name.removeprefix(f"{__name__}.").partition(".")[0]


def _names(module: ModuleType, changed: set[str]) -> bool:
    """Whether a module's source speaks of one of these tasks, as it must where it imports from it."""
    try:
        source = Path(module.__file__ or "").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return bool(changed & set(re.findall(r"\w+", source)))


def _modules() -> list[ModuleType]:
    """The tasks' modules that are loaded; not those of baselines, which may be at work."""
    found = list(sys.modules.items())  # other threads import meanwhile
    return [each for name, each in found if name.startswith(f"{__name__}.") and ".baselines" not in name]


def _changed_at(module: ModuleType) -> int:
    """When a module's file was changed last, in nanoseconds."""
    try:
        return Path(module.__file__ or "").stat().st_ctime_ns
    except OSError:
        return 0


def _where(error: BaseException, folder: Path) -> str:
    """An error in one line, with the last line of the folder's own code that led to it."""
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        frames.append((error.filename or "", error.lineno))
    own = [(Path(file), line) for file, line in frames if folder in Path(file).parents]
    place = f"{own[-1][0].relative_to(folder)}, line {own[-1][1]}: " if own else ""
    words = error.msg if isinstance(error, SyntaxError) else shown(" ".join(str(error).split()), 300)
    return f"{place}{type(error).__name__}: {words}" if str(error) else f"{place}{type(error).__name__}"


def _named() -> tuple[dict[str, Path], list[Path]]:
    """name -> the folder with an `__init__.py` that counts, those that came with the kit first; and its twins."""
    __path__[:] = _places()  # the workspace may be another one by now
    importlib.invalidate_caches()
    first: dict[str, Path] = {}
    twins = []
    for folder in (folder for place in __path__ for folder in _packages(Path(place))):
        if first.setdefault(folder.name, folder).resolve() != folder.resolve():
            twins.append(folder)
    return first, twins


def _packages(place: Path) -> list[Path]:
    try:
        with os.scandir(place) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith(("_", ".")))
    except OSError:  # there is no such folder, or it is nobody's to read
        return []
    return [place / name for name in names if os.path.lexists(place / name / "__init__.py")]


def _lacks(folder: Path) -> str:
    """Why a folder's source holds no task; "" where it does. Nothing is run."""
    if not folder.name.isidentifier():
        return "a task's name must be a Python identifier (letters, digits and _). Rename the folder."
    try:
        if _binds_task(folder / "__init__.py"):
            return ""
    except SyntaxError as error:
        line = f"line {error.lineno}: " if error.lineno else ""
        return f"__init__.py, {line}{type(error).__name__}: {error.msg}"
    except OSError as error:
        return f"__init__.py cannot be read: {error.strerror or error}"
    except _UNPARSED as error:
        return f"__init__.py is no Python source: {first_line(error)}"
    return "its __init__.py must hold `task = Task(...)`; nothing in it is named task, so it was not run."


def _binds_task(file: Path, seen: frozenset[Path] = frozenset()) -> bool:
    """Whether a source gives the name `task` a value, itself or by `from .other import *`."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise OSError("it is no ordinary file")
    nodes: list[ast.AST] = [*_parsed(file.read_bytes(), str(file)).body]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Name) and node.id == "task" and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, ast.alias) and (node.asname or node.name) == "task":
            return True
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module and node.names[0].name == "*":
            module = file.parent.joinpath(*node.module.split("."))
            others = {module.with_suffix(".py"), module / "__init__.py"} - seen - {file}
            if any(_binds_task(other, seen | {file}) for other in others if other.is_file()):
                return True
        if not isinstance(node, _SCOPES):
            nodes.extend(ast.iter_child_nodes(node))
    return False


@lru_cache(maxsize=100)  # one command asks several times
def _parsed(source: bytes, name: str) -> ast.Module:
    with warnings.catch_warnings(action="ignore"):  # of odd escapes
        return ast.parse(source, name)


def baselines(task: Task) -> dict[str, str]:
    """The task's baselines by name, each with the first line of its docstring; read without importing them."""
    files = sorted((task.folder / "baselines").glob("[!_]*.py"))
    return {file.stem: _headline(file) for file in files}


def _headline(file: Path) -> str:
    try:
        text = ast.get_docstring(ast.parse(file.read_bytes(), str(file))) or ""
    except (OSError, *_UNPARSED) as error:
        line = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else first_line(error)
        return f"(cannot be read: {line})"
    return text.partition("\n")[0]
