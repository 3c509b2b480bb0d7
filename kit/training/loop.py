"""Train a network: what baselines call. Where and how it is computed, watched and kept is not their concern."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from kit import render
from kit.digest import digest
from kit.errors import KitError
from kit.metrics import Metric
from kit.task import Array, Run
from kit.training import checkpoints, devices, stops
from kit.training.batches import Batches, split
from kit.training.engine import Judge, Recipe, Training
from kit.training.inference import Inputs, listed


def fit(
    model: nn.Module,
    x: Inputs,
    y: Tensor,
    run: Run,
    *,
    loss: Callable[..., Tensor],
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float = 0.01,
    warm_up: float = 0.2,
    augment: Callable[[Tensor], Tensor] | None = None,
    average: float | None = None,
    clip: float | None = None,
    weights: Tensor | None = None,
    valid: float | Tensor = 0.0,
    groups: Array | None = None,
    metric: Metric | None = None,
    patience: int | None = None,
    padding: int | None = None,
    maps: Callable[..., Tensor] | None = None,
) -> nn.Module:
    """Train a model with AdamW and return it with its best weights, ready to predict.

    x, y: (n_rows, ...) inputs and targets, on the cpu. loss: (outputs, targets) -> mean loss, or (outputs, targets,
    weights) where `weights`, (n_rows, ...), are given.
    epochs, batch_size, learning_rate: unless the run says otherwise. The learning rate rises in a straight line for a
    share `warm_up` of the steps, then falls in one (Smith & Topin, arXiv:1708.07120).
    augment: changes a batch of the first inputs. average: momentum of the moving average of the weights, which is kept
    instead. clip: largest norm of the gradient.
    valid: share of the rows held out (whole groups, where `groups`, (n_rows,), are given), or (n_rows,) bool, which
    ones. `metric` over them picks the best epoch, and training ends when `patience` epochs bring no better.
    padding: the value at the ends of rows that are shorter than others (see `Batches`).
    maps: (model, inputs) -> (n, height, width), pictures for TensorBoard.

    Everything is kept in the run's folder. A run that goes on takes up what it finds there, and one that only predicts
    trains nothing. Raises Stopped after Ctrl-C, KitError where the loss is no number or memory does not suffice.
    """
    folder = run.claim()
    recipe = Recipe(
        loss=loss,
        epochs=epochs if run.epochs is None else run.epochs,
        batch_size=batch_size if run.batch_size is None else run.batch_size,
        learning_rate=learning_rate if run.learning_rate is None else run.learning_rate,
        weight_decay=weight_decay,
        warm_up=warm_up,
        augment=augment,
        average=average,
        clip=clip,
        patience=patience,
        maps=maps,
        compile=run.compile,
    )
    first_weights = run.weights_from
    if run.start == "load":
        return _with(model, checkpoints.weights(folder), run)
    devices.in_step()
    first = devices.rank() == 0
    if run.start == "new" and first:
        checkpoints.clear(folder)
    saved = devices.same(checkpoints.newest(folder) if first else None) if run.start == "resume" else None
    if saved and saved["done"]:
        devices.set_random_state(saved["chance"])
        return _with(model, saved["best"], run)
    model = devices.placed(model, run.device).train()
    if first_weights:
        source = first_weights / folder.relative_to(run.folder)
        _start_from(model, devices.same(checkpoints.weights(source) if first else None), source.name)
    inputs = listed(x)
    held_out, kept = split(len(y), valid, groups)
    judge = None
    if len(held_out) and metric is not None:
        judge = Judge(metric, [tensor[held_out] for tensor in inputs], y[held_out], padding)
    rows = [tensor[kept] for tensor in ([*inputs, y] if weights is None else [*inputs, y, weights])]
    if not len(kept):
        raise KitError(
            f"No row is left to train on: all {len(y):,} are held out. Hold out fewer (valid), or give more."
        )
    with stops.advice(recipe.batch_size):
        batches = Batches(devices.resident(rows, run.device), recipe.batch_size, padding)
        recipe = replace(recipe, data=digest(rows))
        return Training(model, batches, len(inputs), recipe, judge, run, folder).run(saved)


def _with(model: nn.Module, weights: dict[str, Tensor], run: Run) -> nn.Module:
    """The model with weights that were trained before."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise KitError(f"The weights of {run.folder.name} are of another network. {_first_line(error)}") from error
    return devices.placed(model, run.device)


def _start_from(model: nn.Module, given: dict[str, Tensor], source: str) -> None:
    """Take another training's weights where name and shape agree, and say which ones do not."""
    own = model.state_dict()
    fitting = {name: part for name, part in given.items() if name in own and own[name].shape == part.shape}
    if not fitting:
        raise KitError(f"No weight of {source} fits this network, by name and shape. Start from a run of its own kind.")
    model.load_state_dict(fitting, strict=False)
    new = [name for name in own if name not in fitting]
    left = f"; new: {', '.join(new[:5])}{', ...' if len(new) > 5 else ''}" if new else ""
    render.note(f"Starting from {source}: {len(fitting)} of {len(own)} weights fit{left}")


def _first_line(error: Any) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[1] if len(lines) > 1 else lines[0]
