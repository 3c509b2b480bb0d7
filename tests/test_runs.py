"""Runs from the shell: list them, go on with one, predict with one, watch them."""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from kit import api, run, runs
from kit.board import Board
from kit.errors import KitError
from kit.workspace import root
from tests.conftest import NETWORK, Kit, fill, wait_for_epochs

KIT = [sys.executable, "-m", "kit"]
QUICK = {**os.environ, "OMP_NUM_THREADS": "1"}


def kit_process(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*KIT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **QUICK}
    )


def test_ctrl_c_says_how_to_go_on_and_going_on_ends_with_the_same_score(kit_command: Kit, coin_network: Path) -> None:
    whole = kit_command("baseline", "coin", "network", "--seed", "4")
    assert whole.returncode == 0, whole.stderr
    stopped = kit_process("baseline", "coin", "network", "--seed", "4")
    wait_for_epochs(coin_network, 6 + 2)
    stopped.send_signal(signal.SIGINT)
    _, err = stopped.communicate()
    assert stopped.returncode == 130
    assert re.search(r"stopped: Stopped after step \d+, in epoch \d of 6. All of it is kept.", err)
    assert "Go on: kit baseline coin network --resume" in err
    assert len(list(Board().all("coin"))) == 1
    resumed = kit_command("baseline", "coin", "network", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "Going on with" in resumed.stderr
    assert "epoch  1/6" not in resumed.stderr
    first, second = [np.load(file) for file in sorted((coin_network / "runs/coin").glob("*/predictions.npy"))]
    np.testing.assert_array_equal(first, second)
    assert [entry["seed"] for entry in Board().all("coin")] == [4, 4]
    again = kit_command("baseline", "coin", "network", "--resume")
    assert "network has no unfinished run that could go on" in again.stderr


def stop_after_its_first_steps(*arguments: str) -> str:
    """A run of coin's network that was stopped within its second epoch; its id."""
    found = runs.every("coin")
    stopped = kit_process("baseline", "coin", "network", *arguments)
    before = sum(len(history) for folder, _ in found for history in runs.histories(folder))
    wait_for_epochs(root(), before + 1)
    stopped.send_signal(signal.SIGINT)
    _, err = stopped.communicate()
    assert stopped.returncode == 130, err
    return runs.every("coin")[-1][1].id


def test_a_run_goes_on_as_it_was_started(kit_command: Kit, coin_network: Path) -> None:
    stop_after_its_first_steps("--epochs", "7", "--learning-rate", "0")
    other = kit_command("baseline", "coin", "network", "--resume", "--epochs", "3", "--batch-size", "4")
    assert other.returncode == 1
    assert "--epochs 3 (it was 7), --batch-size 4 (it was not given)" in other.stderr
    same = kit_command(
        "baseline", "coin", "network", "--resume", "--epochs", "7", "--seed", "0", "--learning-rate", "0"
    )
    assert same.returncode == 0, same.stderr
    assert [entry["note"] for entry in Board().all("coin")] == ["epochs 7, learning rate 0"]


def test_a_run_that_was_killed_after_its_submission_does_not_submit_again(coin_network: Path) -> None:
    entry = run.baseline("coin", "network", epochs=1)
    assert entry is not None
    folder = runs.find("coin", entry["id"])
    record = runs.read(folder)
    runs.write(folder, runs.replace(record, state="running", since=time.time() - 5, seconds=1.0))
    assert runs.read(folder).state == "killed"
    again = run.baseline("coin", "network", resume=True)
    assert again == entry
    assert len(list(Board().all("coin"))) == 1
    assert runs.read(folder).state == "finished"


def test_one_process_at_a_time_works_on_a_run(coin_network: Path) -> None:
    entry = run.baseline("coin", "network", epochs=1)
    assert entry is not None
    folder = runs.find("coin", "network")
    runs.write(folder, runs.replace(runs.read(folder), state="running"))
    with runs.alone(folder):
        assert runs.read(folder).state == "running"
        with pytest.raises(KitError, match="Another process is working on"), runs.alone(folder):
            pass
    assert runs.read(folder).state == "killed"


def test_predict_gives_what_the_run_submitted(kit_command: Kit, coin_network: Path, tmp_path: Path) -> None:
    kit_command("baseline", "coin", "network", "--epochs", "2")
    kit_command("baseline", "coin", "bias")
    done = kit_command("predict", "coin", "network", "--out", tmp_path / "preds.npy")
    assert done.returncode == 0, done.stderr
    made = next((coin_network / "runs/coin").glob("*-network-*/predictions.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "preds.npy"), np.load(made))
    assert kit_command("submit", "coin", tmp_path / "preds.npy").returncode == 0
    assert "bias-0" in (error := kit_command("predict", "coin", "bias").stderr)
    assert "has no weights to predict with" in error
    assert "has no run 'nothing'" in kit_command("predict", "coin", "nothing").stderr
    assert "end" in kit_command("predict", "coin", "network", "--out", tmp_path / "preds.csv").stderr


def test_a_run_starts_from_anothers_weights(kit_command: Kit, coin_network: Path) -> None:
    kit_command("baseline", "coin", "network", "--epochs", "2")
    done = kit_command("baseline", "coin", "network", "--from", "network", "--epochs", "1", "--learning-rate", "0.001")
    assert done.returncode == 0, done.stderr
    assert "4 of 4 weights fit" in done.stderr
    note = list(Board().all("coin"))[-1]["note"]
    assert re.fullmatch(r"epochs 1, learning rate 0.001, from coin/\S+-network-0-\w+", note)


def test_runs_are_listed_with_what_they_measured(kit_command: Kit, coin_network: Path) -> None:
    assert "No runs yet" in kit_command("runs").stdout
    kit_command("baseline", "coin", "network", "--epochs", "2", "--seed", "7")
    kit_command("baseline", "coin", "bias")
    head, network, bias = kit_command("runs").stdout.splitlines()
    assert head.split() == ["run", "task", "state", "epochs", "held", "out", "test", "seconds", "remark"]
    assert re.search(
        r"network-7-\w+ +coin +finished +2 +binary_accuracy 0\.\d{4} +binary_accuracy 0\.\d{4} +\d+\.\d +epochs 2",
        network,
    )
    assert re.search(r"bias-0-\w+ +coin +finished +binary_accuracy 0.8022", bias)


def test_a_loss_that_is_no_number_ends_the_run_and_submits_nothing(kit_command: Kit, coin_network: Path) -> None:
    done = kit_command("baseline", "coin", "network", "--learning-rate", "1e30")
    assert done.returncode == 1
    assert re.search(r"The loss is no longer a number at step \d+ \(epoch 1\). Nothing is submitted.", done.stderr)
    assert "--learning-rate 2.5e+29" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(Board().all("coin")) == []
    assert "failed" in kit_command("runs").stdout


def test_tensorboard_serves_the_runs(kit_command: Kit, coin_network: Path) -> None:
    assert "nothing to watch" in kit_command("watch").stderr
    kit_command("baseline", "coin", "network", "--epochs", "2")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = kit_process("watch", "coin", "--port", str(port))
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/runs", timeout=5) as page:
                    if b"network-0" in (listed := page.read()):
                        break
            except OSError:
                pass
            time.sleep(0.1)
        assert b"network-0" in listed
    finally:
        server.kill()
        server.communicate()


def test_the_record_of_a_run_that_cannot_be_read_is_named(workspace: Path) -> None:
    folder, _ = runs.create(run.settings("coin"))
    (folder / "run.json").write_text("{")
    with pytest.raises(KitError, match=r"holds no readable run\.json"):
        runs.every("coin")


def test_a_name_that_could_be_several_runs_is_refused(coin_network: Path) -> None:
    for seed in (0, 1):
        run.baseline("coin", "bias", seed=seed)
    with pytest.raises(KitError, match="2 runs begin with '2'"):
        runs.find("coin", "2")
    assert runs.find("coin", "bias").name == list(Board().all("coin"))[-1]["id"]
    assert api.leaderboard("coin")["entries"].tolist() == [2]


def test_a_full_disk_is_told_without_a_traceback(
    small_disk: Path, kit_command: Kit, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(workspace / "tasks", small_disk / "tasks")
    (small_disk / "leaderboard").mkdir()
    monkeypatch.setenv("KIT_WORKSPACE", str(small_disk))
    fill(small_disk)
    done = kit_command("baseline", "coin")
    assert done.returncode == 1
    assert "disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    (small_disk / "filler").unlink()
    assert kit_command("baseline", "coin").returncode == 0


@pytest.mark.slow
def test_killed_at_twenty_random_moments_it_ends_with_the_same_predictions(
    kit_command: Kit, coin_network: Path
) -> None:
    baseline = coin_network / "tasks/coin/baselines/network.py"
    baseline.write_text(NETWORK.lstrip().replace("epochs=6", "epochs=100"))
    assert kit_command("baseline", "coin", "network", env={**os.environ, **QUICK}).returncode == 0
    rng = random.Random(0)
    for kill in range(20):
        process = kit_process("baseline", "coin", "network", *(["--resume"] if kill else []))
        assert process.stderr is not None
        while "training on cpu" not in process.stderr.readline():
            assert process.poll() is None, "it ended before it could be killed"
        time.sleep(rng.uniform(0, 1.5))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    done = kit_command("baseline", "coin", "network", "--resume", env={**os.environ, **QUICK})
    assert done.returncode == 0, done.stderr
    first, second = [np.load(file) for file in sorted((coin_network / "runs/coin").glob("*/predictions.npy"))]
    np.testing.assert_allclose(second, first, atol=1e-6)
    assert len(list(Board().all("coin"))) == 2
    assert kit_command("verify").returncode == 0


def test_progress_tells_the_best_measure_of_each_training(tmp_path: Path) -> None:
    head = "epoch,step,loss,mae,learning_rate,seconds,best\n"
    for name, rows in {
        "network-0": "1,10,0.5,0.30,0.1,1,1\n2,20,0.4,0.20,0.1,2,1\n3,30,0.3,0.25,0.1,3,0\n",
        "network-1": "1,10,0.5,0.10,0.1,1,1\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "history.csv").write_text(head + rows)
    epochs, measures = runs.progress(tmp_path)
    assert epochs == 4
    assert measures == {"mae": pytest.approx(0.15)}
    assert runs.progress(tmp_path / "nothing") == (0, {})
