"""The U-Net with a map that is symmetric by construction: the mean of the map and its transpose, no penalty needed.

Measured: mae 0.1366, pearson 0.807, in 493.4 s, seed 0, on 2 cores of an Intel Xeon (Sapphire Rapids), no GPU, torch
2.14.1. The map's asymmetry is 0.
"""

import numpy as np
from torch import Tensor

from kit import Run

from ..data import ShapeData
from ._inputs import ensemble
from ._losses import masked_bce
from .unet import BATCH, EPOCHS, LEARNING_RATE, NETWORKS, UNet, maps, report


def loss(maps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    return masked_bce(maps.mean(dim=2), targets, weights)


def predict(data: ShapeData, run: Run) -> np.ndarray:
    return ensemble(
        lambda: UNet(symmetric=True),
        data,
        run,
        NETWORKS,
        after=report,
        maps=maps,
        loss=loss,
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        clip=1.0,
    )
