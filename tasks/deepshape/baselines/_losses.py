"""Losses that follow the rule for missing truth: a target that is NaN was not measured, and costs nobody anything.

Each is the mean over measured values; where a batch holds none it is 0, with a gradient of 0, and training goes on. The
unmeasured targets are replaced before the loss is computed: NaN times zero is still NaN, also in a gradient.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def masked_bce(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of logits against targets in [0, 1], of the same shape; weights count more or less."""
    losses = binary_cross_entropy_with_logits(logits, targets.nan_to_num(), reduction="none")
    return _mean(losses, targets, weights)


def masked_mse(outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Squared error of outputs against targets of the same shape."""
    return _mean((outputs - targets.nan_to_num()).square(), targets, weights)


def symmetry(maps: Tensor) -> Tensor:
    """Mean squared difference between (..., L, L) maps and their transposes: 0 where i says of j what j says of i."""
    return (maps - maps.transpose(-1, -2)).square().mean()


def _mean(losses: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    counts = (~targets.isnan()).to(losses.dtype)
    if weights is not None:
        counts = counts * weights.nan_to_num()
    return (losses * counts).sum() / counts.sum().clamp(min=torch.finfo(losses.dtype).tiny)
