"""Logistic regression on raw pixels: one weight for each pixel and digit.

The simplest model worth the name: every pixel votes for or against each digit, and nothing looks at two pixels at once.

Measured: accuracy 0.9231, log loss 0.270, in 10.6 s, seed 0, on 2 cores of an Intel Xeon (Sapphire Rapids), no GPU,
torch 2.14.1.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from kit import Data, Run

from ._classes import all_columns, numbered

INVERSE_PENALTY, ITERATIONS = 0.05, 60


def predict(data: Data, run: Run) -> np.ndarray:
    classes, labels = numbered(data.y_train)
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=run.epochs or ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it stops early on purpose
        model.fit(pixels(data.x_train), labels)
    return all_columns(model.predict_proba(pixels(data.x_test)), classes)


def pixels(images: np.ndarray) -> np.ndarray:
    """(n, 28, 28) uint8 -> (n, 784) from 0 to 1."""
    return images.reshape(len(images), -1) / 255
