"""A residual network of dilated convolutions along the RNA.

Each block doubles how far apart the nucleotides are that it looks at (Yu & Koltun, arXiv:1511.07122); residual
connections (He et al., arXiv:1512.03385) let many blocks be trained together. In each, a nucleotide also sees what its
probable partner knows: the two are near each other in space, however far apart in the sequence.

Measured: mae 0.1262, pearson 0.837, in 326.3 s, seed 0, on 2 cores of an Intel Xeon (Sapphire Rapids), no GPU, torch
2.14.1.
"""

import numpy as np
import torch
from torch import Tensor, nn

from kit import Run

from ..data import ShapeData
from ._inputs import CHANNELS, channels, ensemble
from ._losses import masked_bce

EPOCHS, BATCH, LEARNING_RATE, NETWORKS = 6, 64, 0.003, 3
WIDTH, KERNEL, DILATIONS, DROPOUT = 96, 5, (1, 2, 4, 8, 16, 1, 2, 4), 0.1


class Block(nn.Module):
    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(WIDTH)
        self.near = nn.Conv1d(2 * WIDTH, WIDTH, KERNEL, padding=KERNEL // 2 * dilation, dilation=dilation)
        self.mix = nn.Sequential(nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Dropout1d(DROPOUT), nn.Conv1d(WIDTH, WIDTH, 1))

    def forward(self, x: Tensor, pairs: Tensor) -> Tensor:
        """x: (n, channels, 128). pairs: (n, 128, 128), symmetric."""
        known = self.norm(x).relu()
        return x + self.mix(self.near(torch.cat([known, known @ pairs], dim=1)))


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(CHANNELS, WIDTH, KERNEL, padding=KERNEL // 2)
        self.blocks = nn.ModuleList(Block(dilation) for dilation in DILATIONS)
        self.head = nn.Sequential(nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Conv1d(WIDTH, 1, 1))

    def forward(self, codes: Tensor, pairs: Tensor) -> Tensor:
        """(n, 128) codes and (n, 128, 128) pairing probabilities -> (n, 128) logits."""
        x = self.stem(channels(codes, pairs).transpose(1, 2))
        pairs = pairs.to(x.dtype)
        for block in self.blocks:
            x = block(x, pairs)
        return self.head(x)[:, 0]


def predict(data: ShapeData, run: Run) -> np.ndarray:
    return ensemble(
        ResNet,
        data,
        run,
        NETWORKS,
        loss=masked_bce,
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        clip=1.0,
    )
