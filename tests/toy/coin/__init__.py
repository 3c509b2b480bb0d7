"""Toy task: how likely is it that a coin shows heads? A tenth of the tosses were not watched."""

import numpy as np

from kit import Answers, Data, Spec, Task
from kit.metrics import binary_accuracy, binary_crossentropy

N_TRAIN, N_TEST = 200, 100


def _tosses() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    bias = rng.random(N_TRAIN + N_TEST)
    heads = (rng.random(len(bias)) < bias).astype(float)
    heads[rng.random(len(bias)) < 0.1] = np.nan
    return bias[:, None], heads


def load() -> Data:
    x, y = _tosses()
    spec = Spec(ids=np.array([f"toss{i}" for i in range(N_TEST)]), columns=("heads",), kind="probability")
    return Data(x[:N_TRAIN], y[:N_TRAIN], x[N_TRAIN:], spec, source="simulated")


task = Task("A coin", (binary_accuracy, binary_crossentropy), "bias", load, lambda: Answers(_tosses()[1][N_TRAIN:]))
