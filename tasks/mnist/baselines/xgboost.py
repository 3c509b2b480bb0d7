"""Gradient-boosted trees on raw pixels: each tree mends what the ones before it got wrong.

XGBoost (Chen & Guestrin, arXiv:1603.02754). Each split may look at a third of the pixels only, which makes the trees
differ from each other and training quicker.

Measured: accuracy 0.9802, log loss 0.062, in 106.7 s, seed 0, on 2 cores of an Intel Xeon (Sapphire Rapids), no GPU,
torch 2.14.1.
"""

import numpy as np
from xgboost import XGBClassifier

from kit import Data, Run

from ._classes import all_columns, numbered

ROUNDS, LEARNING_RATE, DEPTH, BINS = 200, 0.2, 6, 32
ROWS, PIXELS = 0.7, 0.3  # the share that each tree, and each split, may look at


def predict(data: Data, run: Run) -> np.ndarray:
    classes, labels = numbered(data.y_train)
    model = XGBClassifier(
        n_estimators=run.epochs or ROUNDS,
        learning_rate=LEARNING_RATE,
        max_depth=DEPTH,
        max_bin=BINS,
        subsample=ROWS,
        colsample_bynode=PIXELS,
        random_state=run.seed,
        device=run.device if run.device.startswith("cuda") else "cpu",
    )
    model.fit(data.x_train.reshape(len(data.x_train), -1), labels)
    return all_columns(model.predict_proba(data.x_test.reshape(len(data.x_test), -1)), classes)
