"""Runs on a Ray cluster: a real one, started here, whose workers get lost."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit import cluster, runs
from kit.errors import KitError
from tests.conftest import Kit

SLOW = '''
"""Takes its time, and then says something of its own for each seed."""
import time
import numpy as np

def predict(data, run):
    time.sleep(2)
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / "thoughts.txt").write_text(f"seed {run.seed}")
    return np.full(len(data.x_test), np.random.default_rng(run.seed).random())
'''


@pytest.fixture
def two_workers(workspace: Path) -> Iterator[Any]:
    """A cluster of a head that does no work and two nodes with one processor each."""
    pytest.importorskip("ray", reason="Ray is not installed")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    (workspace / "tasks" / "coin" / "baselines" / "slow.py").write_text(SLOW.lstrip())
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        started.add_node(num_cpus=1)
    started.wait_for_nodes()
    yield started
    started.shutdown()


def entries(kit_command: Kit) -> list[tuple[str, int]]:
    """(baseline, seed) of every entry on the board."""
    from kit.board import Board

    return [(entry["name"], entry["seed"]) for entry in Board().all("coin")]


@pytest.mark.slow
def test_a_lost_worker_loses_no_result_and_doubles_none(two_workers: Any, kit_command: Kit, workspace: Path) -> None:
    command = [sys.executable, "-m", "kit", "baseline", "coin", "--all", "--seeds", "0,1,2", "--on", "ray"]
    environment = {**os.environ, "RAY_ADDRESS": two_workers.address}
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert driver.stdout is not None
    first = driver.stdout.readline()
    assert first.startswith("1/6 coin "), first
    states = Counter(record.state for _, record in runs.every("coin"))
    assert states == {"finished": states["finished"], "sent": 6 - states["finished"]}
    with pytest.raises(KitError, match="slow has no unfinished run"):  # what is out is nobody else's to go on with
        runs.unfinished("coin", "slow", 2)
    two_workers.remove_node(next(iter(two_workers.worker_nodes)), allow_graceful=False)
    out, err = driver.communicate(timeout=240)
    assert driver.returncode == 0, err
    assert Counter(entries(kit_command)) == {(name, seed): 1 for name in ("bias", "slow") for seed in (0, 1, 2)}
    assert [line.split()[0] for line in out.splitlines() if "/6 coin" in line] == [f"{n}/6" for n in range(2, 7)]
    assert kit_command("runs", "coin").stdout.count("finished") == 6
    thoughts = [file.read_text() for file in (workspace / "runs").rglob("thoughts.txt")]
    assert sorted(thoughts) == ["seed 0", "seed 1", "seed 2"]
    assert kit_command("verify").returncode == 0
    assert "6 entries verified" in kit_command("verify").stdout


@pytest.mark.slow
def test_a_job_that_fails_is_told_and_the_others_count(two_workers: Any, kit_command: Kit, workspace: Path) -> None:
    (workspace / "tasks" / "coin" / "baselines" / "broken.py").write_text(
        '"""Fails."""\ndef predict(data, run): 1 / 0\n'
    )
    environment = {**os.environ, "RAY_ADDRESS": two_workers.address}
    done = kit_command("baseline", "coin", "--all", "--on", "ray", env=environment)
    assert done.returncode == 1
    assert "coin broken, seed 0: division by zero" in done.stderr
    assert "1 of 3 runs failed" in done.stderr
    assert sorted(entries(kit_command)) == [("bias", 0), ("slow", 0)]
    assert "failed" in kit_command("runs", "coin").stdout


def test_only_an_address_of_ray_is_taken(kit_command: Kit) -> None:
    done = kit_command("baseline", "coin", "--on", "slurm")
    assert done.returncode == 1
    assert "--on slurm: ray, or the address of a Ray cluster" in done.stderr


def test_what_a_worker_sends_stays_in_its_folder(tmp_path: Path) -> None:
    with pytest.raises(KitError, match="does not belong in"):
        cluster._unpack({"../elsewhere.txt": b"x"}, tmp_path / "run")
    assert not (tmp_path / "elsewhere.txt").exists()
    cluster._unpack({"network-0/best.pt": b"weights"}, tmp_path / "run")
    assert cluster._packed(tmp_path / "run", "best.pt") == {"network-0/best.pt": b"weights"}


def test_a_grid_here_goes_on_where_one_run_fails(kit_command: Kit, workspace: Path) -> None:
    (workspace / "tasks" / "coin" / "baselines" / "another.py").write_text(
        '"""Fails."""\ndef predict(data, run): 1 / 0\n'
    )
    done = kit_command("baseline", "coin", "--all", "--seeds", "3,1,3")
    assert done.returncode == 1
    assert "2 of 4 runs failed: coin another, seed 3; coin another, seed 1" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert entries(kit_command) == [("bias", 3), ("bias", 1)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("coin", "--seeds", "0,x"), "whole numbers with commas"),
        (("coin", "--seeds", "0,1", "--seed", "2"), "--seed or --seeds"),
        (("coin", "bias", "--all"), "not both"),
        (("--seeds", "0,1"), "Which task?"),
        (("coin", "--all", "--resume"), "--resume goes on with one run"),
        ((), "Which task?"),
    ],
    ids=lambda value: " ".join(value) if type(value) is tuple else "",
)
def test_a_grid_that_makes_no_sense_is_one_clear_message(
    arguments: tuple[str, ...], words: str, kit_command: Kit
) -> None:
    done = kit_command("baseline", *arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
