"""A training as pictures: the learning curve and, for classes, who was taken for whom."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kit import render, workspace
from kit.task import Array

MOST_CLASSES = 30  # beyond, the numbers in a confusion matrix could not be read


def learning_curve(path: Path, title: str, history: Sequence[dict[str, Any]], metric: str | None, best: int) -> None:
    """Loss over the training rows, and the metric over those held out, by epoch; the epoch that was kept is marked."""
    figure, axes = _figure(title)
    epochs = [row["epoch"] for row in history]
    axes.plot(epochs, [row["loss"] for row in history], "o-", color="tab:blue", markersize=4, label="training loss")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss (mean over the training rows)", color="tab:blue")
    axes.xaxis.get_major_locator().set_params(integer=True)
    lines = list(axes.lines)
    if metric:
        other = axes.twinx()
        values = [row[metric] for row in history]
        other.plot(epochs, values, "s-", color="tab:orange", markersize=4, label=f"{metric}, rows held out")
        other.set_ylabel(f"{metric} (rows held out)", color="tab:orange")
        lines += other.lines
        if best in epochs:
            kept = values[epochs.index(best)]
            lines += other.plot([best], [kept], "*", color="tab:red", markersize=13, label=f"kept: {kept:.4f}")
    axes.grid(alpha=0.3)
    figure.legend(handles=lines, loc="outside lower center", ncols=3, frameon=False)
    _save(figure, path)


def confusion(path: Path, title: str, truth: Array, predicted: Array) -> None:
    """How many rows of each class were taken for each; the colour is the share of the true class. Few classes only."""
    n = int(max(truth.max(), predicted.max())) + 1
    if n > MOST_CLASSES:
        return
    counts = np.bincount(truth * n + predicted, minlength=n * n).reshape(n, n)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _figure(f"{title}\n{len(truth):,} rows held out, {np.trace(counts) / len(truth):.2%} right")
    drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.5 else "black" if count else "lightgrey"
        axes.text(column, row, f"{count}", ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(n))
    axes.set_yticks(range(n))
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    figure.colorbar(drawn, ax=axes, label="share of the true class", shrink=0.85)
    _save(figure, path)


def _figure(title: str) -> tuple[Any, Any]:
    os.environ.setdefault("MPLCONFIGDIR", str(workspace.libraries() / "matplotlib"))  # else it writes into the home
    from matplotlib.figure import Figure  # half a second, and only wanted at the end of a training

    figure = Figure(figsize=(7.2, 5.2), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=10)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    try:
        with workspace.replacing(path) as file:
            figure.savefig(file, format="png", dpi=120)
    except OSError as error:  # a picture is no reason to lose a training
        render.note(f"{path.name} could not be drawn: {error.strerror}")
