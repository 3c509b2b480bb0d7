"""What the networks are given, and what they have in common: weights by measured error, averages over seeds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from kit import Run, training
from kit.metrics import pearson, pooled

from ..data import ShapeData, held_out
from ..pairing import pairing
from ..sequences import LETTERS

CHANNELS = 11
VALID = 0.1  # share of the training rows, in whole projects, that pick the best epoch


def tensors(data: ShapeData) -> tuple[list[Tensor], list[Tensor]]:
    """Training and test inputs: codes (n, 128) uint8 and pairing probabilities (n, 128, 128) float16."""
    train, test = pairing(data)
    return (
        [torch.tensor(data.x_train), torch.from_numpy(train)],
        [torch.tensor(data.x_test), torch.from_numpy(test)],
    )


def channels(codes: Tensor, pairs: Tensor) -> Tensor:
    """(n, 128, 11) float32: letter, end, probability of being unpaired, expected letter of the partner, and its place.

    The last one is how far away, in units of 128 and with sign, the partner is expected.
    """
    letters = one_hot(codes.long(), len(LETTERS) + 1).float()
    paired = pairs.float()
    place = torch.arange(codes.shape[1], device=codes.device) / 128
    free = (1 - paired.sum(dim=2, keepdim=True)).clamp(0, 1)
    away = paired @ place[:, None] - paired.sum(dim=2, keepdim=True) * place[:, None]
    return torch.cat([letters, free, paired @ letters[..., :4], away], dim=2)


def certainty(data: ShapeData) -> Tensor:
    """(n, 128) weights: what was measured badly counts less, with an upper limit."""
    return torch.tensor(1 / (1 + (np.nan_to_num(data.error_train, nan=1.0) / 0.2) ** 2), dtype=torch.float32)


def ensemble(
    network: Callable[[], nn.Module],
    data: ShapeData,
    run: Run,
    networks: int,
    after: Callable[[nn.Module, list[Tensor], Run], None] | None = None,
    **options: Any,
) -> np.ndarray:
    """Train several networks, each with other weights and another tenth of the projects held out; their mean.

    after: told each trained network and the test inputs. options: for `training.fit`.
    """
    train, test = tensors(data)
    total = torch.zeros(data.x_test.shape)
    for number in range(networks):
        seed = run.seed * networks + number
        torch.manual_seed(seed)
        alone = run.part(f"network-{number}")
        model = training.fit(
            network(),
            train,
            torch.tensor(data.y_train),
            alone,
            weights=certainty(data),
            valid=torch.tensor(held_out(data.groups, VALID, seed)),
            metric=pooled(pearson),
            **options,
        )
        total += training.predict(model, test, alone, batch_size=64).sigmoid()
        if after:
            after(model, test, alone)
    return (total / networks).numpy()
