"""Every test has a workspace and a cache of its own; the toy task is found in it the way a user's task is."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side, and threads that wait for each other crawl

import errno
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import kit
import kit.tasks
from kit import Data
from kit.errors import SourceError

HERE = Path(__file__).parent
MIRROR = os.environ.get("KIT_MIRROR")


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace with the toy task `coin` in its `tasks/`."""
    folder = tmp_path / "workspace"
    shutil.copytree(HERE / "toy", folder / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    for variable in [name for name in os.environ if name.startswith("KIT_") or name == "COLUMNS"]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("KIT_WORKSPACE", str(folder))
    monkeypatch.setenv("KIT_CACHE", str(tmp_path / "cache"))
    yield folder
    for name in [name for name in sys.modules if name.startswith("kit.tasks.coin")]:
        del sys.modules[name]


@pytest.fixture
def shared_cache(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own cache and mirror: data is fetched once, not for every test."""
    monkeypatch.delenv("KIT_CACHE")
    if MIRROR:
        monkeypatch.setenv("KIT_MIRROR", MIRROR)


def load_or_skip(name: str) -> Data:
    """A task's data from the first of its sources; the test is skipped where that cannot be had."""
    try:
        return kit.load(name, source=next(iter(kit.tasks.find(name).sources), None))
    except SourceError as error:
        pytest.skip(f"its data cannot be had here: {error}")


Kit = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def kit_command(workspace: Path) -> Kit:
    """Run `kit ...` as a process of its own, as a user would; the result has stdout, stderr and returncode."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "kit"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]

    return run


NETWORK = '''
"""A network that tells heads from tails by the number of the toss."""
import time
import numpy as np, torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from kit import training
from kit.metrics import binary_accuracy

def slowly(batch):
    time.sleep(0.02)
    return batch + 0.1 * torch.randn_like(batch)

def predict(data, run):
    x = torch.linspace(-1, 1, 200)[:, None].repeat(1, 3)
    net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))
    model = training.fit(net, x, (x[:, 0] > 0).float(), run, loss=binary_cross_entropy_with_logits, epochs=6,
                         batch_size=10, learning_rate=0.01, augment=slowly, valid=0.2, metric=binary_accuracy)
    return training.predict(model, x[:100], run).sigmoid().numpy()
'''


@pytest.fixture
def coin_network(workspace: Path) -> Path:
    (workspace / "tasks" / "coin" / "baselines" / "network.py").write_text(NETWORK.lstrip())
    return workspace


def wait_for_epochs(workspace: Path, n: int) -> None:
    for _ in range(600):
        lines = sum(len(file.read_text().splitlines()) - 1 for file in (workspace / "runs").rglob("history.csv"))
        if lines >= n:
            return
        time.sleep(0.1)
    pytest.fail(f"no {n} epochs within a minute")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 400 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path) -> None:
    """Leave no room at all."""
    try:
        with (disk / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(512))
    except OSError as error:
        assert error.errno == errno.ENOSPC  # noqa: PT017 - the loop has no other end
