"""The built wheel, installed outside the repository, has its tasks and takes a submission."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_kit_and_its_tasks_and_no_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"kit/py.typed", "kit/tasks/__init__.py", "kit/tasks/mnist/README.md"} <= set(names)
    assert "kit/tasks/mnist/baselines/cnn.py" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"kit", "competition_kit"}
    assert {Path(name).suffix for name in names if "dist-info" not in name} <= {".py", ".md", ".typed"}


def test_it_lists_tasks_and_takes_a_submission_elsewhere(wheel: Path, tmp_path: Path, workspace: Path) -> None:
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def kit(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "kit", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    origin = [sys.executable, "-P", "-c", "import kit.tasks.mnist; print(kit.__file__, kit.tasks.mnist.__file__)"]
    shown = subprocess.run(origin, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert [Path(path).is_relative_to(site) for path in shown.split()] == [True, True]
    listed = kit("tasks")
    assert listed.returncode == 0, listed.stderr
    assert "mnist" in listed.stdout
    np.save(tmp_path / "preds.npy", np.full(100, 0.5))
    done = kit("submit", "coin", "preds.npy", "--name", "ada")
    assert done.returncode == 0, done.stderr
    assert (workspace / "leaderboard" / "board.sqlite").is_file()
