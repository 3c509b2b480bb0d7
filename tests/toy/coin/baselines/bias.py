"""Says what the coin's bias is: the best that anyone can do."""

import numpy as np

from kit import Data, Run


def predict(data: Data, run: Run) -> np.ndarray:
    return data.x_test[:, 0]
