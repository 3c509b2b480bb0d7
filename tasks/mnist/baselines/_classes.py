"""What models of scikit-learn and XGBoost need: labels of two classes at least, counted from 0; a column for each."""

import numpy as np

from kit import KitError

DIGITS = 10


def numbered(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the classes that occur, in order; (n,) the number of each label's class among them)."""
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise KitError(f"{len(labels):,} training rows with one class only, {classes[0]}: give more --rows.")
    return classes, numbers


def all_columns(probabilities: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(n, n_classes) -> (n, 10): a digit that did not occur in training has probability 0."""
    whole = np.zeros((len(probabilities), DIGITS), probabilities.dtype)
    whole[:, classes] = probabilities
    return whole
