"""Runs from the shell: list them, go on with one, predict with one, watch them."""

import json
import os
import platform
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kit import api, code, provenance, run, runs
from kit.board import Board
from kit.errors import KitError
from kit.task import Data, Run
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


def test_a_run_goes_on_as_it_was_started(coin_network: Path) -> None:
    unfinished(epochs=1, learning_rate=0)
    with pytest.raises(KitError, match=r"--epochs 3 \(it was 1\), --batch-size 4 \(it was not given\)"):
        run.baseline("coin", "network", resume=True, epochs=3, batch_size=4)
    assert run.baseline("coin", "network", resume=True, epochs=1, seed=0, learning_rate=0.0) is not None
    assert [entry["note"] for entry in Board().all("coin")] == ["epochs 1, learning rate 0"]


STEADY = '''
"""The share of heads."""
import numpy as np

SHARE = 1.0

def predict(data, run):
    return np.full(len(data.x_test), SHARE * np.nanmean(data.y_train))
'''


@pytest.fixture
def steady(workspace: Path) -> Path:
    """A workspace with a baseline that learns at once, and takes its size from another file."""
    folder = workspace / "tasks/coin"
    (folder / "helper.py").write_text("SHARE = 0.9")
    (folder / "baselines/steady.py").write_text(STEADY.replace("SHARE = 1.0", "from ..helper import SHARE"))
    return workspace


def unfinished(baseline: str = "network", **options: Any) -> tuple[str, Path]:
    """(id, folder) of a run that claims to have been stopped after its submission."""
    entry = run.baseline("coin", baseline, **options)
    assert entry is not None
    folder = runs.find("coin", entry["id"])
    runs.write(folder, replace(runs.read(folder), state="stopped"))
    return entry["id"], folder


def edited_baseline(workspace: Path, _: pytest.MonkeyPatch) -> None:
    file = workspace / "tasks/coin/baselines/steady.py"
    file.write_text(file.read_text().replace("nanmean", "nanmedian"))


def edited_helper(workspace: Path, _: pytest.MonkeyPatch) -> None:
    (workspace / "tasks/coin/helper.py").write_text("SHARE = 0.8")


def edited_kit(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(provenance, "_of_the_kit", lambda: [Path(__file__)])


def other_torch(_: Path, patch: pytest.MonkeyPatch) -> None:
    real = code.versions
    patch.setattr(code, "versions", lambda packages: {**real(packages), "torch": "0.1"})


def other_data(patch: pytest.MonkeyPatch, change: Callable[[Data], Data]) -> None:
    real = api.load
    patch.setattr(api, "load", lambda task, source=None: change(real(task, source)))


def other_labels(_: Path, patch: pytest.MonkeyPatch) -> None:
    other_data(patch, lambda data: replace(data, y_train=1 - data.y_train))


def other_order(_: Path, patch: pytest.MonkeyPatch) -> None:
    other_data(patch, lambda data: replace(data, x_train=data.x_train[::-1]))


def other_source(_: Path, patch: pytest.MonkeyPatch) -> None:
    other_data(patch, lambda data: replace(data, source="another mint"))


def other_columns(_: Path, patch: pytest.MonkeyPatch) -> None:
    other_data(patch, lambda data: replace(data, spec=replace(data.spec, columns=("tails",))))


def other_groups(_: Path, patch: pytest.MonkeyPatch) -> None:
    other_data(patch, lambda data: replace(data, groups=np.arange(len(data.x_train))))


CHANGES: list[tuple[Callable[[Path, pytest.MonkeyPatch], None], str]] = [
    (edited_baseline, r"code, coin/baselines/steady\.py: was \w{16}, is \w{16}"),
    (edited_helper, r"code, coin/helper\.py: was \w{16}, is \w{16}"),
    (edited_kit, r"the kit's code: was"),
    (other_torch, r"version, torch: was not there, is 0\.1"),
    (other_labels, r"data, y_train: was"),
    (other_order, r"data, x_train: was"),
    (other_source, r"data source: was simulated, is another mint"),
    (other_columns, r"data, spec: was"),
    (other_groups, r"data, groups: was"),
]


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_run_does_not_go_on_with_anything_else(
    change: Callable[[Path, pytest.MonkeyPatch], None],
    words: str,
    steady: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    id_, folder = unfinished("steady")
    (folder / "best.pt").touch()  # as a network would have left
    before = (folder / "run.json").read_bytes()
    change(steady, monkeypatch)
    with pytest.raises(KitError, match=words) as told:
        run.baseline("coin", "steady", resume=True)
    assert str(told.value).count("\n  - ") == 1
    assert f"Start anew: kit baseline coin steady, or from its weights: --from {id_}" in str(told.value)
    assert (folder / "run.json").read_bytes() == before
    capsys.readouterr()
    run.predict("coin", id_)
    assert re.search(words, capsys.readouterr().err.replace("\n", " "))


def test_every_difference_is_told_at_once(steady: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unfinished("steady")
    for change in (edited_helper, edited_baseline, other_labels, other_source):
        change(steady, monkeypatch)
    with pytest.raises(KitError, match="cannot go on") as told:
        run.baseline("coin", "steady", resume=True)
    assert str(told.value).count("\n  - ") == 4


def test_a_run_goes_on_where_nothing_changed_and_by_its_id(coin_network: Path) -> None:
    first, _ = unfinished(seed=5, epochs=1)
    second, _ = unfinished(seed=6, epochs=1)
    assert run.baseline("coin", first[:-1], resume=True, seed=5, epochs=1, device="cpu") is not None
    assert [record.state for _, record in runs.every("coin")] == ["finished", "stopped"]
    with pytest.raises(KitError, match=f"{first} cannot go on: it is finished"):
        run.baseline("coin", first, resume=True)
    with pytest.raises(KitError, match=r"--seed 0 \(it was 6\)"):
        run.baseline("coin", second, resume=True, seed=0)
    with pytest.raises(KitError, match=r"--learning-rate 0 \(it was not given\)"):
        run.baseline("coin", second, resume=True, learning_rate=0)
    with pytest.raises(KitError, match="coin has no run 'netwrk'"):
        run.baseline("coin", "netwrk", resume=True)


def test_a_run_of_an_older_version_goes_on(steady: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, folder = unfinished("steady")
    old = json.loads((folder / "run.json").read_text())
    for name in ("trained_on", "machine"):
        del old[name]
    del old["settings"]["submit"]
    (folder / "run.json").write_text(json.dumps(old))
    assert run.baseline("coin", "steady", resume=True) is not None
    assert "nobody can compare" in capsys.readouterr().err


def test_a_failed_run_that_saved_nothing_hides_no_other(coin_network: Path) -> None:
    first, folder = unfinished(epochs=1)
    baseline = coin_network / "tasks/coin/baselines/network.py"
    good = baseline.read_text()
    with pytest.raises(KitError, match="no longer a number"):  # it has states that are good, yet fails again
        run.baseline("coin", "network", epochs=9, learning_rate=1e30)
    baseline.write_text(good.replace("def predict(data, run):", "def predict(data, run):\n    1 / 0"))
    for name in [name for name in sys.modules if name.startswith("kit.tasks.coin.baselines")]:
        del sys.modules[name]
    with pytest.raises(ZeroDivisionError):
        run.baseline("coin", "network")
    failed = runs.every("coin")[-1][1].id
    assert runs.unfinished("coin", "network", None)[1].id == first
    runs.write(folder, replace(runs.read(folder), state="finished"))
    with pytest.raises(KitError, match=f"{failed} cannot go on: it failed before it saved anything"):
        runs.chosen("coin", failed)


def test_a_run_says_where_it_was_computed_and_what_with(coin_network: Path) -> None:
    entry = run.baseline("coin", "network", epochs=1)
    assert entry is not None
    record = runs.read(runs.find("coin", entry["id"]))
    assert record.machine is not None
    assert record.machine["python"] == platform.python_version()
    assert record.machine["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert record.machine["packages"]["numpy"] == np.__version__
    assert record.machine["threads"] == torch.get_num_threads()
    assert record.machine["processor"]
    assert record.trained_on is not None
    assert set(record.trained_on["code"]) == {"coin/baselines/network.py"}


def test_what_is_only_tried_does_not_land_on_the_board(kit_command: Kit, workspace: Path) -> None:
    done = kit_command("baseline", "coin", "--no-submit")
    assert done.returncode == 0, done.stderr
    (file,) = (workspace / "runs").rglob("predictions.npy")
    assert f"kit submit coin {file}" in done.stderr
    assert done.stdout == ""
    assert list(Board().all()) == []
    assert not list((workspace / "submissions").rglob("*.npy"))
    assert [record.state for _, record in runs.every("coin")] == ["finished"]
    assert kit_command("submit", "coin", file, "--name", "ada").returncode == 0


UNFIT = [
    ({"epochs": 0}, "--epochs 0: a whole number from 1"),
    ({"epochs": 2.5}, "--epochs 2.5: a whole number"),
    ({"epochs": True}, "--epochs True: a whole number"),
    ({"epochs": 10**12}, "--epochs 1000000000000: a whole number from 1 to 2,147,483,647"),
    ({"rows": 0}, "--rows 0"),
    ({"batch_size": -3}, "--batch-size -3"),
    ({"learning_rate": float("nan")}, "--learning-rate nan: a number from 0 up"),
    ({"learning_rate": float("inf")}, "--learning-rate inf"),
    ({"learning_rate": -0.1}, "--learning-rate -0.1"),
    ({"learning_rate": "0.1"}, "--learning-rate 0.1: a number"),
    ({"seed": -1}, "--seed -1: a whole number from 0"),
    ({"seed": 2**32}, "--seed 4294967296"),
    ({"device": "gpu"}, "There is no device 'gpu': known are auto, cuda"),
    ({"device": "cpu:0"}, "There is no device 'cpu:0'"),
    ({"device": "cuda:99"}, "There is no device 'cuda:99' on this machine"),
    ({"device": "CUDA"}, "There is no device 'CUDA'"),
    ({"device": ""}, "There is no device ''"),
    ({"weights_from": "bias"}, "has no weights to start from"),
    ({"weights_from": "nothing"}, "has no run 'nothing'"),
]


@pytest.mark.parametrize(("options", "words"), UNFIT, ids=lambda value: str(value)[:30])
def test_settings_are_checked_before_anything_else(
    options: dict[str, Any], words: str, coin_network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.baseline("coin", "bias")
    monkeypatch.setattr(api, "load", lambda *_: pytest.fail("data was loaded"))
    with pytest.raises(KitError, match=re.escape(words)):
        run.baseline("coin", "network", **options)
    assert len(runs.every("coin")) == 1


def test_all_faults_of_the_settings_are_told_at_once(coin_network: Path) -> None:
    with pytest.raises(KitError, match="cannot be run so") as told:
        run.baseline("coin", "bias", epochs=0, learning_rate=-1, device="gpu")
    assert str(told.value).count("\n  - ") == 4


@pytest.mark.parametrize(
    "options",
    [{"epochs": 3}, {"batch_size": 4}, {"learning_rate": 0}, {"compile": True}, {"rows": 5}, {"device": "cuda"}],
    ids=lambda options: next(iter(options)),
)
def test_an_option_that_a_baseline_does_not_read_is_refused(options: dict[str, Any], workspace: Path) -> None:
    with pytest.raises(KitError, match=f"bias reads no --{next(iter(options)).replace('_', '-')}"):
        run.baseline("coin", "bias", **options)
    assert runs.every("coin") == []
    assert run.baseline("coin", "bias", device="cpu") is not None


def test_an_option_that_was_not_read_after_all_is_not_recorded(workspace: Path) -> None:
    (workspace / "tasks/coin/baselines/lazy.py").write_text(
        '"""Reads the epochs of seed 1 only."""\n'
        "def predict(data, run): return data.x_test[:, 0] * (run.epochs if run.seed else 1)\n"
    )
    with pytest.raises(KitError, match=r"lazy reads no --epochs.*Nothing is submitted"):
        run.baseline("coin", "lazy", epochs=1)
    assert list(Board().all("coin")) == []
    assert [record.state for _, record in runs.every("coin")] == ["failed"]
    entry = run.baseline("coin", "lazy", epochs=1, seed=1)
    assert entry is not None
    assert entry["note"] == "epochs 1"


def test_an_option_may_be_read_in_many_ways(workspace: Path) -> None:
    ways = {
        "plain": "def predict(data, run): return data.x_test[:, 0] * (run.epochs or 1)",
        "renamed": "def predict(data, told): return data.x_test[:, 0] * (told.epochs or 1)",
        "by_name": "def predict(data, run): return data.x_test[:, 0] * (getattr(run, 'epochs') or 1)",
        "handed_over": "import copy\ndef predict(data, run): return data.x_test[:, 0] * copy.copy(run).epochs",
        "elsewhere": "from ..more import predict",
        "absolute": "from kit.tasks.coin.more import predict",
        "inside": "def predict(data, run):\n    from .. import more\n    return more.predict(data, run)",
    }
    (workspace / "tasks/coin/more.py").write_text(ways["plain"])
    for name, text in ways.items():
        (workspace / f"tasks/coin/baselines/{name}.py").write_text(text)
        assert run.settings("coin", name, epochs=1).epochs == 1
        if name != "handed_over":  # where anything may be read, nothing can be refused before
            with pytest.raises(KitError, match="reads no --batch-size"):
                run.settings("coin", name, batch_size=1)


def test_a_run_that_is_refused_later_leaves_no_folder(coin_network: Path) -> None:
    run.baseline("coin", "network", epochs=1)
    file = coin_network / "tasks/coin/baselines/other.py"
    file.write_text(NETWORK.replace("training.fit(net", "training.fit(nn.Sequential(net)"))
    with pytest.raises(KitError, match=r"No weight of .* fits"):
        run.baseline("coin", "other", weights_from="network")
    (coin_network / "tasks/coin/baselines/half.py").write_text(STEADY)
    with pytest.raises(KitError, match="--rows 201: there are 200 training rows"):
        run.baseline("coin", "half", rows=201)
    assert len(runs.every("coin")) == 1


def test_parts_of_a_run_tell_it_what_they_read(tmp_path: Path) -> None:
    whole = Run(wanted_device="cpu", epochs=3, folder=tmp_path, weights_from=tmp_path / "old")
    part = whole.part("network-0").part("deep")
    assert whole.read == frozenset()
    assert (part.epochs, part.device, part.weights_from) == (3, "cpu", tmp_path / "old/network-0/deep")
    assert whole.read == part.read == {"epochs", "device", "weights_from"}
    assert (part.folder, part.name) == (tmp_path / "network-0/deep", ", network-0, deep")


def test_a_run_that_was_killed_after_its_submission_does_not_submit_again(coin_network: Path) -> None:
    entry = run.baseline("coin", "network", epochs=1)
    assert entry is not None
    folder = runs.find("coin", entry["id"])
    record = runs.read(folder)
    runs.write(folder, replace(record, state="running", since=time.time() - 5, seconds=1.0))
    assert runs.read(folder).state == "killed"
    again = run.baseline("coin", "network", resume=True)
    assert again == entry
    assert len(list(Board().all("coin"))) == 1
    assert runs.read(folder).state == "finished"


def test_one_process_at_a_time_works_on_a_run(coin_network: Path) -> None:
    entry = run.baseline("coin", "network", epochs=1)
    assert entry is not None
    folder = runs.find("coin", "network")
    runs.write(folder, replace(runs.read(folder), state="running"))
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
    assert "preds.txt" in kit_command("predict", "coin", "network", "--out", tmp_path / "preds.txt").stderr


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
    assert head.split() == ["run", "task", "state", "epochs", "held", "out", "metric", "test", "seconds", "remark"]
    assert re.search(
        r"network-7-\w+ +coin +finished +2 +binary_accuracy 0\.\d{4} +binary_accuracy +0\.\d{4} +\d+\.\d +epochs 2",
        network,
    )
    assert re.search(r"bias-0-\w+ +coin +finished +binary_accuracy +0.8022", bias)


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
