"""Imports go one way, and the light commands stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "sklearn", "xgboost", "pandas", "scipy", "timm", "ignite", "tensorboard", "transformers"}
HEAVY |= {"matplotlib", "ray"}

# lower layers first; a module may import those before its own line, at its top and inside its functions alike
LAYERS = [
    {"digest", "errors", "migrations", "queries", "seals", "sharing"},
    {"console", "names", "schema", "task", "workspace"},
    {"archive", "arrow", "database", "dialects", "midranks", "prepared", "progress", "render", "statistics", "sums"},
    {"board", "download", "matching", "metrics", "ranks", "readers"},
    {"chain", "checks", "csv_reader", "ids", "receipts", "sources", "training"},
    {"tables", "tasks"},
    {"code", "origin", "values"},
    {"labelled", "settings"},
    {"objects", "runs"},
    {"disk", "predictions"},
    {"answers", "scoring", "writers"},
    {"legacy", "prepare", "store"},
    {"judge", "provenance", "ranking", "recording"},
    {"api", "chart", "export", "verify"},
    {"page", "run"},
    {"cluster"},
    {"grid"},
    {"cli"},
]
# what leads upwards all the same, inside a function, so that its cost is paid where it is wanted
UPWARD = {
    ("task", "training"),  # a Run looks for its device when a baseline asks for one
    ("api", "ranking"),
    ("settings", "training"),  # whether a device is there can only be asked of torch
}
# the packages that only certain files may import, wherever in the file
ONLY = {
    "torch": {"training"},
    "ignite": {"training"},
    "tensorboard": {"training"},
    "matplotlib": {"training/pictures.py"},
    "pandas": {"api.py"},
    "ray": {"cluster.py"},
    "rich": {"console.py", "render.py", "progress.py", "cli"},
    "typer": {"cli"},
}
NOWHERE = {"sklearn", "xgboost", "timm", "transformers", "scipy", "torchvision", "tokenizers", "vaderSentiment", "RNA"}


def imports(tree: ast.AST, package: tuple[str, ...]) -> set[str]:
    """The full names of all that a module imports, inside functions too; but not for type checking only.

    package: what its relative imports start from, such as ("kit", "training").
    """
    match tree:
        case ast.If() if "TYPE_CHECKING" in ast.unparse(tree.test):
            inner: list[ast.AST] = [*tree.orelse]
        case _:
            inner = list(ast.iter_child_nodes(tree))
    found = set().union(*(imports(node, package) for node in inner))
    match tree:
        case ast.Import():
            found |= {name.name for name in tree.names}
        case ast.ImportFrom():
            start = package[: len(package) - tree.level + 1] if tree.level else ()
            found |= {".".join([*start, *filter(None, [tree.module]), name.name]) for name in tree.names}
        case ast.Call() if ast.unparse(tree.func).endswith(("import_module", "__import__")):
            found |= {one.value for one in tree.args if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return found


def imported_by(file: Path) -> set[str]:
    return imports(ast.parse(file.read_text()), file.relative_to(ROOT).parent.parts)


def kit_modules(found: set[str]) -> set[str]:
    return {name.split(".")[1] for name in found if name.startswith("kit.")}


def upward(module: str, found: set[str]) -> set[str]:
    """The modules of the kit that one imports from its own layer or above, the known exceptions left out."""
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    wrong = {other for other in kit_modules(found) if other != module and level.get(other, -1) >= level[module]}
    return {other for other in wrong if (module, other) not in UPWARD}


def misplaced(file: str, found: set[str]) -> set[str]:
    """The packages that a file of the kit, such as "training/loop.py", imports and may not."""
    roots = {name.partition(".")[0] for name in found}
    allowed = {root for root, places in ONLY.items() if {file, file.partition("/")[0]} & places}
    return roots & (NOWHERE | set(ONLY)) - allowed


KIT = sorted((ROOT / "kit").rglob("*.py"))


@pytest.mark.parametrize("file", [file for file in KIT if not file.stem.startswith("__")], ids=lambda file: file.stem)
def test_imports_go_one_way(file: Path) -> None:
    module = file.relative_to(ROOT / "kit").parts[0].removesuffix(".py")
    assert any(module in layer for layer in LAYERS), f"{file.name} has no layer"
    assert not upward(module, imported_by(file)), f"{file} imports from its own layer or above"


@pytest.mark.parametrize("file", KIT, ids=lambda file: file.stem)
def test_heavy_packages_stay_where_they_belong(file: Path) -> None:
    assert not misplaced(file.relative_to(ROOT / "kit").as_posix(), imported_by(file))


def test_no_exception_is_left_over() -> None:
    found = {
        (module, other)
        for file in KIT
        for module in [file.relative_to(ROOT / "kit").parts[0].removesuffix(".py")]
        for other in kit_modules(imported_by(file))
    }
    assert found >= UPWARD


HIDDEN = {
    "at the top": "from kit import cli",
    "of a name": "from kit.cli import main",
    "inside a function": "def f():\n    from kit import cli",
    "inside a method": "class A:\n    def f(self):\n        import kit.cli",
    "under a condition": "if 1:\n    pass\nelse:\n    try:\n        import kit.cli\n    except ImportError: pass",
    "relative": "def f():\n    from . import cli",
    "relative, of a name": "from .cli import main",
    "by its name": "from importlib import import_module\ndef f(): return import_module('kit.cli')",
    "beside type checking": "if TYPE_CHECKING:\n    pass\nelse:\n    from kit import cli",
}


@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN)
def test_the_rule_sees_an_import_wherever_it_hides(text: str) -> None:
    assert upward("board", imports(ast.parse(text), ("kit",))) == {"cli"}
    if " ." not in text:  # else it can only be of the kit
        heavy = text.replace("kit.cli", "torch.nn").replace("kit", "torch")
        assert misplaced("board.py", imports(ast.parse(heavy), ("kit",))) == {"torch"}


def test_the_rule_leaves_types_alone() -> None:
    text = "if TYPE_CHECKING:\n    import torch\n    from kit import cli"
    assert not imports(ast.parse(text), ("kit",))


@pytest.mark.parametrize(
    "file", sorted((ROOT / "tasks").glob("*/*.py")), ids=lambda file: f"{file.parent.name}.{file.stem}"
)
def test_a_task_needs_nothing_heavy(file: Path) -> None:
    assert not {name.split(".")[0] for name in imported_by(file)} & HEAVY


FORMATS = ("npy", "npz", "csv", "csv.gz", "parquet")
COMMANDS = [
    ("--help",),
    ("tasks",),
    ("leaderboard",),
    ("runs",),
    *(("check", "coin", "{preds}." + ending) for ending in FORMATS),
    *(("submit", "coin", "{preds}." + ending) for ending in FORMATS),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_light_commands_import_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    preds = tmp_path / "preds"
    table = pd.DataFrame({"id": [f"toss{n}" for n in reversed(range(100))], "heads": 0.5})
    np.save(f"{preds}.npy", table["heads"])
    np.savez(f"{preds}.npz", table["heads"])
    table.to_csv(f"{preds}.csv", index=False)
    table.to_csv(f"{preds}.csv.gz", index=False)
    table.to_parquet(f"{preds}.parquet", index=False)
    words = [argument.format(preds=preds) for argument in arguments]
    script = (
        "import sys; from kit import cli; sys.argv = ['kit', *sys.argv[1:]]\n"
        "try: cli.main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"heavy = set(sys.modules) & {HEAVY!r}\n"
        "print('heavy:', sorted(heavy), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "heavy: []" in done.stderr
