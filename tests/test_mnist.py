"""MNIST's baselines, quickly: each learns from 3,000 images, repeats itself, and is submitted like anything else."""

from pathlib import Path

import numpy as np
import pytest

from kit import run, tasks
from kit.errors import SourceError
from kit.tasks.mnist import data as mnist
from tests.conftest import load_or_skip

LEAST = {"cnn": 0.94, "logreg": 0.85, "mlp": 0.87, "resnet": 0.80, "svm": 0.95, "xgboost": 0.87}


@pytest.fixture(autouse=True)
def data(shared_cache: None) -> None:
    load_or_skip("mnist")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LEAST))
def test_every_baseline_learns_and_repeats_itself(name: str, workspace: Path) -> None:
    assert set(LEAST) == set(tasks.baselines(tasks.find("mnist")))
    epochs = {"cnn": 3, "mlp": 5, "resnet": 3, "xgboost": 40}.get(name)
    first, second = (run.baseline("mnist", name, rows=3000, epochs=epochs, device="cpu", seed=1) for _ in range(2))
    assert first["score"] > LEAST[name]
    assert first["scores"] == second["scores"]
    assert (first["baseline"], first["seed"], first["device"]) == (True, 1, "cpu")
    assert f"rows {3000:,}" in first["note"]


def test_both_sources_hold_the_same_digits(tmp_path: Path) -> None:
    """The idx files are written here from the arrays: what matters is that reading them gives the arrays back."""
    import gzip

    arrays = mnist._arrays()
    paths = []
    for name, array in ((name, arrays[name]) for name in mnist._CONTENT):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
        paths.append(tmp_path / f"{name}.gz")
        paths[-1].write_bytes(gzip.compress(header + array.tobytes(), compresslevel=1))
    read = mnist._from_idx(paths)
    assert all(np.array_equal(read[name], arrays[name]) for name in mnist._CONTENT)


def test_a_pickle_that_would_run_something_is_not_loaded(tmp_path: Path) -> None:
    import gzip
    import pickle

    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "mnist.pkl.gz").write_bytes(gzip.compress(pickle.dumps(Payload())))
    with pytest.raises(SourceError, match="it was not loaded"):
        mnist._from_pickle(tmp_path / "mnist.pkl.gz")
    assert not (tmp_path / "ran").exists()
