"""A convolution, then a recurrent network that reads the RNA from both ends.

Gated recurrent units (Cho et al., arXiv:1406.1078), one from each end (Schuster & Paliwal, 1997): as many did
in the OpenVaccine contest (Wayment-Steele et al., Nature Machine Intelligence 2022). The pairing
probabilities come in as channels.

Measured: mae 0.1337, pearson 0.818, in 304.0 s, seed 0, on 2 cores of an Intel Xeon (Sapphire Rapids), no GPU, torch
2.14.1.
"""

import numpy as np
from torch import Tensor, nn

from kit import Run

from ..data import ShapeData
from ._inputs import CHANNELS, channels, ensemble
from ._losses import masked_bce

EPOCHS, BATCH, LEARNING_RATE, NETWORKS = 10, 64, 0.003, 1
WIDTH, LAYERS, KERNEL, DROPOUT = 96, 2, 7, 0.1


class BiGRU(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.near = nn.Conv1d(CHANNELS, WIDTH, KERNEL, padding=KERNEL // 2)
        self.far = nn.GRU(WIDTH, WIDTH, LAYERS, batch_first=True, bidirectional=True, dropout=DROPOUT)
        self.head = nn.Sequential(nn.LayerNorm(2 * WIDTH), nn.Linear(2 * WIDTH, 1))

    def forward(self, codes: Tensor, pairs: Tensor) -> Tensor:
        """(n, 128) codes and (n, 128, 128) pairing probabilities -> (n, 128) logits."""
        x = self.near(channels(codes, pairs).transpose(1, 2)).relu().transpose(1, 2)
        return self.head(self.far(x)[0])[..., 0]


def predict(data: ShapeData, run: Run) -> np.ndarray:
    return ensemble(
        BiGRU,
        data,
        run,
        NETWORKS,
        loss=masked_bce,
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        clip=1.0,
    )
