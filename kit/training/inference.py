"""Predict with a network, whatever device, precision and number of processes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from kit.task import Run
from kit.training import devices
from kit.training.batches import lengths

Inputs = Tensor | Sequence[Tensor]  # what a model's forward takes: one tensor, or several with the same rows


def listed(x: Inputs) -> list[Tensor]:
    return [x] if isinstance(x, Tensor) else list(x)


def predict(model: nn.Module, x: Inputs, run: Run, *, batch_size: int = 1000, padding: int | None = None) -> Tensor:
    """(n_rows, ...) float32 outputs on the cpu, in the order of x. padding: as for `fit`.

    Of several processes each computes its share; all of them get the whole.
    """
    inputs = listed(x)
    mine = devices.share(torch.arange(len(inputs[0])))
    found = outputs(model, [tensor[mine] for tensor in inputs], run.device, batch_size, padding)
    return devices.joined(found, len(inputs[0]))


def outputs(model: nn.Module, inputs: list[Tensor], device: str, batch_size: int, padding: int | None) -> Tensor:
    """(n_rows, ...) float32 outputs on the cpu, from this process alone; in smaller batches where memory is short."""
    if padding is not None and len(inputs) == 1:
        widths, order = lengths(inputs[0], padding).sort(stable=True)
        parts = zip(inputs[0][order].split(batch_size), widths.split(batch_size), strict=True)
        found = [outputs(model, [rows[:, : width[-1]]], device, batch_size, None) for rows, width in parts]
        return torch.cat(found)[order.argsort()]
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), devices.autocast(device):
            pieces = zip(*(tensor.split(batch_size) for tensor in inputs), strict=True)
            return torch.cat([model(*devices.laid_out(piece, model, device)).float().cpu() for piece in pieces])
    except torch.OutOfMemoryError:
        if batch_size == 1:
            raise
    finally:
        model.train(was_training)
    return outputs(model, inputs, device, batch_size // 2, None)
