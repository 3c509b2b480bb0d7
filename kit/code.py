"""A baseline's source code, read without running it: its files, the packages they import, the options they read."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kit import tasks
from kit.errors import KitError, shown
from kit.task import OPTIONS, Task

TRAINING = "kit.training"  # its `fit` reads all options of a run
_DATA = {"x_train", "y_train", "groups"}  # of Data: who reads none of them trains on no rows
_DISTRIBUTIONS = {"sklearn": "scikit-learn", "ignite": "pytorch-ignite", "PIL": "pillow"}


@dataclass(frozen=True)
class Code:
    """A baseline's files, in the order that they are met: its own first, then those of tasks that they import."""

    files: tuple[Path, ...]
    imported: frozenset[str]  # modules and names from outside those files, such as "torch.nn" or "kit.training.fit"
    words: frozenset[str]  # attributes and texts: `run.epochs` and getattr(run, "epochs") alike
    hands_over: bool  # the run itself, to a function of another package, which may read anything

    @cached_property
    def packages(self) -> list[str]:
        """Installed packages that the files import; numpy is always one, torch comes with `kit.training`."""
        roots = {name.partition(".")[0] for name in self.imported} - sys.stdlib_module_names - {"kit"}
        return sorted(roots | {"numpy"} | ({"torch", "ignite"} if self.trains else set()))

    @property
    def trains(self) -> bool:
        """Whether it may call `kit.training.fit`."""
        at_hand = any(name.startswith(TRAINING) for name in self.imported) or "training" in self.words
        return at_hand and "fit" in self.words and any(name.startswith("kit") for name in self.imported)

    def reads(self) -> set[str]:
        """The options (see `OPTIONS`) that it may read; those that are not here it cannot read."""
        if self.hands_over:
            return {*OPTIONS, "rows"}
        found = {name for name in OPTIONS if name in self.words}
        found |= {"rows"} if self.words & _DATA else set()
        return found | (set(OPTIONS) if self.trains else set())


def of(task: Task, baseline: str) -> Code:
    """The code of a task's baseline. KitError where a file of it is no Python."""
    first = task.folder / "baselines" / f"{baseline}.py"
    files: dict[Path, ast.Module] = {}
    imported: set[str] = set()
    waiting = [(first, f"kit.tasks.{task.name}.baselines.{baseline}")]
    while waiting:
        file, module = waiting.pop(0)
        if file in files:
            continue
        files[file] = parsed(file)
        for name in _imports(files[file], module, package=file.name == "__init__.py"):
            found = list(_files(name))
            waiting += found
            imported |= set() if found else {name}
    trees = list(files.values())
    nodes = [node for tree in trees for node in ast.walk(tree)]
    words = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    words |= {str(node.value) for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    words |= {name.rpartition(".")[2] for name in imported}
    return Code(tuple(files), frozenset(imported), frozenset(words), any(map(_hands_over, trees)))


def parsed(file: Path) -> ast.Module:
    """A file as a syntax tree."""
    try:
        return ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        raise KitError(f"{file}, line {error.lineno}: {error.msg}. Mend it, then start again.") from error
    except ValueError as error:  # null bytes
        raise KitError(f"{file} is no Python: {shown(str(error))}.") from error


def versions(packages: list[str]) -> dict[str, str]:
    """The version of each package that is installed, by the name it is imported by."""
    from importlib import metadata

    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(_DISTRIBUTIONS.get(name, name))
        except metadata.PackageNotFoundError:
            continue  # a module that is in no package, or one that is not installed
    return found


def _imports(tree: ast.Module, module: str, package: bool) -> Iterator[str]:
    """The full names that a module imports, those inside functions too."""
    home = module.split(".") if package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = home[: len(home) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{start}.{alias.name}" for alias in node.names)


def _files(name: str) -> Iterator[tuple[Path, str]]:
    """(file, module) of the module of a task that an import names, or that holds the name."""
    if not name.startswith("kit.tasks."):
        return
    _, _, task, *parts = name.split(".")
    folder = tasks.folders().get(task)
    for known in (parts, parts[:-1]) if parts else ([],):
        if folder is None or "*" in known:
            continue
        place = folder.joinpath(*known)
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                yield file, ".".join(["kit.tasks", task, *known])
                return


def _hands_over(tree: ast.Module) -> bool:
    """Whether a function's `run` is given, as it is, to something that comes from a package of others."""
    runs = {"run"} | {
        node.args.args[1].arg
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "predict" and len(node.args.args) > 1
    }
    names = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)
        for alias in node.names
        if not (getattr(node, "module", None) or alias.name).startswith("kit")
    }
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        root = call.func
        while isinstance(root, ast.Attribute | ast.Call):
            root = root.value if isinstance(root, ast.Attribute) else root.func
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        handed = any(isinstance(one, ast.Name) and one.id in runs for one in given)
        if handed and isinstance(root, ast.Name) and root.id in names:
            return True
    return False
