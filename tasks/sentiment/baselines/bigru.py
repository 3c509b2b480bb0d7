"""A recurrent network that reads each sentence both ways, and attention that picks the words that matter.

Gated recurrent units (Cho et al., EMNLP 2014), read in both directions and pooled by attention as in Yang et al.,
"Hierarchical Attention Networks" (NAACL 2016), with word vectors learned from scratch.

Measured: accuracy 0.7973, roc auc 0.872, in 34.0 s, seed 0, on 2 cores of an Intel Xeon (Sapphire Rapids), no GPU,
torch 2.14.1.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from kit import Data, Run, training

from ._words import PADDING, numbered, vocabulary
from .textcnn import LONGEST, SPREAD, forget, loss

EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY, AVERAGE = 6, 50, 0.002, 0.05, 0.995
WIDTH, STATE, DROPOUT = 128, 64, 0.5


class BiGRU(nn.Module):
    """(n, longest) word numbers -> (n,) logits."""

    def __init__(self, n_words: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(n_words, WIDTH, padding_idx=PADDING)
        nn.init.normal_(self.vectors.weight, std=SPREAD)
        self.reader = nn.GRU(WIDTH, STATE, batch_first=True, bidirectional=True)
        self.attention = nn.Sequential(nn.Linear(2 * STATE, STATE), nn.Tanh(), nn.Linear(STATE, 1))
        self.dropout = nn.Dropout(DROPOUT)
        self.last = nn.Linear(2 * STATE, 1)

    def forward(self, numbers: Tensor) -> Tensor:
        lengths = (numbers != PADDING).sum(dim=1).cpu()
        words = self.dropout(self.vectors(numbers))
        packed = pack_padded_sequence(words, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.reader(packed)[0], batch_first=True, total_length=numbers.shape[1])
        scores = self.attention(states).masked_fill((numbers == PADDING).unsqueeze(2), -torch.inf)
        pooled = (scores.softmax(dim=1) * states).sum(dim=1)
        return self.last(self.dropout(pooled)).squeeze(1)


def predict(data: Data, run: Run) -> np.ndarray:
    known = vocabulary(data.x_train)
    model = training.fit(
        BiGRU(len(known) + 2),
        torch.from_numpy(numbered(data.x_train, known, LONGEST)),
        torch.tensor(data.y_train, dtype=torch.float32),
        run,
        loss=loss,
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        weight_decay=WEIGHT_DECAY,
        augment=forget,
        average=AVERAGE,
        padding=PADDING,
    )
    return (
        training.predict(model, torch.from_numpy(numbered(data.x_test, known, LONGEST)), run, padding=PADDING)
        .sigmoid()
        .numpy()
    )
