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

# lower layers first; a module may import at its top from those before its own line
LAYERS = [
    {"errors", "sharing"},
    {"workspace", "seals"},
    {"task", "console", "names", "schema", "digest"},
    {"arrow", "sums", "midranks", "archive", "origin", "prepared", "database"},
    {"metrics", "statistics", "dialects", "matching", "board"},
    {"ids", "readers", "ranks", "checks", "chain", "receipts"},
    {"csv_reader", "tables"},
    {"values"},
    {"labelled"},
    {"objects"},
    {"predictions"},
    {"scoring", "answers", "tasks", "render", "export", "writers"},
    {"prepare", "store", "legacy", "progress", "code"},
    {"download", "judge", "recording", "settings"},
    {"ranking", "verify", "api", "sources", "runs", "training", "provenance"},
    {"run", "chart", "disk"},
    {"page"},
    {"cluster"},
    {"grid"},
    {"cli"},
]


def imports(file: Path, anywhere: bool = False) -> set[str]:
    """Modules that a file imports at its top, or anywhere in it; never those for type checking only."""
    tree = ast.parse(file.read_text())
    found: set[str] = set()
    nodes = ast.walk(tree) if anywhere else tree.body
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def kit_modules(found: set[str]) -> set[str]:
    return {name.split(".")[1] for name in found if name.startswith("kit.") and len(name.split(".")) > 1}


@pytest.mark.parametrize("file", sorted((ROOT / "kit").glob("*.py")), ids=lambda file: file.stem)
def test_imports_go_one_way(file: Path) -> None:
    level = {module: number for number, layer in enumerate(LAYERS) for module in layer}
    if file.stem.startswith("__"):
        return
    assert file.stem in level, f"{file.name} has no layer"
    upward = {module for module in kit_modules(imports(file)) if level.get(module, -1) >= level[file.stem]}
    assert not upward, f"{file.name} imports from its own layer or above: {upward}"


@pytest.mark.parametrize("file", sorted((ROOT / "kit").rglob("*.py")), ids=lambda file: file.stem)
def test_only_training_imports_torch_and_only_render_rich_and_only_cli_typer(file: Path) -> None:
    roots = {name.split(".")[0] for name in imports(file, anywhere=True)}
    assert not roots & {"sklearn", "xgboost", "timm", "transformers", "scipy"}
    assert file.parent.name == "training" or not roots & {"torch", "ignite"}
    assert file.stem == "pictures" or "matplotlib" not in roots
    assert file.stem == "cluster" or "ray" not in roots
    assert file.stem in ("console", "render", "progress") or "rich" not in roots
    assert file.parent.name == "cli" or "typer" not in roots


@pytest.mark.parametrize(
    "file", sorted((ROOT / "tasks").glob("*/*.py")), ids=lambda file: f"{file.parent.name}.{file.stem}"
)
def test_a_task_needs_nothing_heavy(file: Path) -> None:
    assert not {name.split(".")[0] for name in imports(file, anywhere=True)} & HEAVY


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
