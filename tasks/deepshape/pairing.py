"""The pairing probabilities of the rows of Data."""

import numpy as np

from kit import Data
from kit.task import Array

from .data import SOURCES, arrays
from .folding import folded


def pairing(data: Data) -> tuple[Array, Array]:
    """Pairing probabilities of the training and of the test rows: (n, 128, 128) float16 each, symmetric."""
    source = next(name for name, (words, _) in SOURCES.items() if words == data.source)
    every = arrays(source)
    look_up = folded(source, np.concatenate([every["x_train"], every["x_test"]]))
    return look_up(data.x_train), look_up(data.x_test)
