"""Several processes train as one: real ones, started by torchrun on the cpu."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from kit.training import devices
from tests.conftest import Kit, load_or_skip, wait_for_epochs

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

SCRIPT = """
import sys
from contextlib import nullcontext
from pathlib import Path
import numpy as np, torch
from torch import nn
from torch.nn.functional import cross_entropy
from kit import training
from kit.metrics import accuracy
from kit.task import Run
from kit.training import devices
from kit.training.engine import Judge

folder = Path(sys.argv[1])
devices.join("cpu")
devices.autocast = lambda device: nullcontext()  # rounding to 8 bits would hide how near the two are
torch.manual_seed(0)
x = torch.randn(1003, 2)
y = (x.norm(dim=1) > 1.18).long()
run = Run(wanted_device="cpu", folder=folder / "run")
net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2))
model = training.fit(net, x, y, run, loss=cross_entropy, epochs=5, batch_size=30, learning_rate=0.03,
                     valid=0.3, metric=accuracy)
outputs = training.predict(model, x, run)
held_out = Judge(accuracy, [x], y, None).measure(model, "cpu")
mine = devices.share(torch.arange(1003))
sums = accuracy.rows(y[mine].numpy().astype("float32"), outputs[mine].numpy()).sum(axis=0)
np.savez(folder / f"{devices.world()}-{devices.rank()}.npz", outputs=outputs, rows=mine, sums=sums,
         added=devices.added_up(sums), held_out=held_out, accuracy=(outputs.argmax(1) == y).double().mean(),
         chance=torch.rand(3), same=devices.same({"a": [1, devices.rank()]})["a"])
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, np.ndarray]]:
    """What one process found ("1-0"), and each of two ("2-0", "2-1")."""
    folder = tmp_path_factory.mktemp("spread")
    script = folder / "script.py"
    script.write_text(SCRIPT)
    for command in ([sys.executable], TORCHRUN):
        done = subprocess.run([*command, str(script), str(folder)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return {file.stem: dict(np.load(file)) for file in folder.glob("*.npz")}


def test_two_processes_find_what_one_finds(results: dict[str, dict[str, np.ndarray]]) -> None:
    one, first, second = results["1-0"], results["2-0"], results["2-1"]
    np.testing.assert_array_equal(first["outputs"], second["outputs"])
    np.testing.assert_allclose(first["outputs"], one["outputs"], atol=1e-4)  # gradients add up in another order
    assert one["accuracy"] > 0.9


def test_shares_are_disjoint_and_their_sums_are_exact(results: dict[str, dict[str, np.ndarray]]) -> None:
    first, second = results["2-0"], results["2-1"]
    assert sorted([*first["rows"], *second["rows"]]) == list(range(1003))
    np.testing.assert_array_equal(first["sums"] + second["sums"], first["added"])
    np.testing.assert_array_equal(first["added"], second["added"])
    for found in (first, second):
        assert found["added"][1] == 1003
        assert found["held_out"] == found["accuracy"]


def test_all_processes_agree_on_chance_and_on_what_the_first_says(results: dict[str, dict[str, np.ndarray]]) -> None:
    np.testing.assert_array_equal(results["2-0"]["chance"], results["2-1"]["chance"])
    assert results["2-1"]["same"].tolist() == [1, 0]


def test_cuda_devices_talk_through_nccl_and_processors_through_gloo() -> None:
    assert devices.backend("cuda:1") == "nccl"
    assert devices.backend("cpu") == "gloo"


def test_each_process_takes_the_cuda_device_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert devices.choose_device("auto") == devices.choose_device("cuda") == "cuda:1"
    assert devices.choose_device("cpu") == "cpu"
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(devices.KitError, match="2 cuda devices for more processes"):
        devices.choose_device("auto")


def board(kit_command: Kit) -> list[dict[str, object]]:
    return json.loads(kit_command("leaderboard", "coin", "--format", "json").stdout)[0]["rows"]  # type: ignore[no-any-return]


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [*TORCHRUN, "-m", "kit", "baseline", "coin", "network", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def predictions(workspace: Path) -> list[np.ndarray]:
    return [np.load(file) for file in sorted((workspace / "runs" / "coin").glob("*/predictions.npy"))]


def test_one_process_writes_for_all_and_the_entry_says_how_many_there_were(
    kit_command: Kit, coin_network: Path
) -> None:
    out, err = start().communicate()
    (row,) = board(kit_command)
    assert row["entries"] == 1, err
    assert row["note"] == "2 processes"
    assert out.count("network: binary_accuracy") == 1
    assert err.count("epoch  6/6") == 1
    assert len(list((coin_network / "runs" / "coin").glob("*"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_several_processes_stop_and_go_on_to_the_same_predictions(
    number: signal.Signals, kit_command: Kit, coin_network: Path
) -> None:
    assert start().wait() == 0
    (whole,) = predictions(coin_network)
    broken = start()
    wait_for_epochs(coin_network, 6 + 2)
    workers = Path(f"/proc/{broken.pid}/task/{broken.pid}/children").read_text().split()
    if number == signal.SIGKILL:  # torchrun's workers are in sessions of their own
        for pid in workers:
            os.kill(int(pid), number)
    os.killpg(broken.pid, number)
    _, err = broken.communicate()
    assert broken.returncode != 0
    if number == signal.SIGINT:
        assert "Go on: kit baseline coin network --resume" in err
    states = [line.split()[2] for line in kit_command("runs", "coin").stdout.splitlines()[1:]]
    assert states == ["finished", "stopped" if number == signal.SIGINT else "killed"]
    resumed = start("--resume")
    assert resumed.wait() == 0
    np.testing.assert_allclose(predictions(coin_network)[1], whole, atol=1e-6)
    assert board(kit_command)[0]["entries"] == 2


@pytest.mark.slow
def test_two_hosts_train_together_and_the_first_one_writes(coin_network: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(coin_network / "tasks", other / "tasks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    rendezvous = ["--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d"]
    rendezvous += ["--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "club"]
    command = [*TORCHRUN[:3], *rendezvous, "-m", "kit", "baseline", "coin", "network"]
    hosts = []
    for place in (coin_network, other):
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "KIT_WORKSPACE": str(place),
            "KIT_CACHE": str(place / "cache"),
        }
        hosts.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        )
    told = [host.communicate(timeout=240) for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], told
    assert sum(out.count("network: binary_accuracy") for out, _ in told) == 1
    writers = [place for place in (coin_network, other) if (place / "submissions").exists()]
    assert len(writers) == 1
    assert len(predictions(writers[0])) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("shared_cache")
def test_two_processes_score_on_mnist_as_one_does(kit_command: Kit) -> None:
    load_or_skip("mnist")
    one = kit_command("baseline", "mnist", "cnn")
    assert one.returncode == 0, one.stderr
    two = subprocess.run(
        [*TORCHRUN, "-m", "kit", "baseline", "mnist", "cnn"], capture_output=True, text=True, check=False
    )
    assert two.returncode == 0, two.stderr
    found = [float(done.stdout.split("accuracy ")[1].split()[0]) for done in (one, two)]
    print("one process, two processes:", found)
    assert abs(found[0] - found[1]) <= 0.001
