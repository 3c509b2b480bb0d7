"""The mean reactivity of each nucleotide at each position: what can be known without looking at structure.

Unpaired A and G react more than C and U, and the first and last positions are alike in all constructs. A letter that
was never seen at a position gets its mean over all positions.

Measured: mae 0.2211, pearson 0.526, in 0.0 s, seed 0, on 2 cores of an Intel Xeon (Sapphire Rapids), no GPU, torch
2.14.1.
"""

import numpy as np

from kit import Data, Run

from ..sequences import LETTERS


def predict(data: Data, run: Run) -> np.ndarray:
    table = np.stack([means(data, letter) for letter in range(len(LETTERS))] + [np.zeros(data.x_test.shape[1])])
    return table[data.x_test, np.arange(data.x_test.shape[1])]


def means(data: Data, letter: int) -> np.ndarray:
    """(128,) mean reactivity of one letter by position."""
    measured = (data.x_train == letter) & ~np.isnan(data.y_train)
    values = np.where(measured, data.y_train, 0)
    counts = measured.sum(axis=0)
    overall = values.sum() / max(1, counts.sum())
    return np.where(counts > 0, values.sum(axis=0) / np.maximum(counts, 1), overall)
