"""What a training shows while it runs: a bar, a line an epoch, TensorBoard events, a history file."""

import csv
import io
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kit import progress, render, workspace
from kit.training.devices import chance_untouched

LOSS_EVERY = 50  # steps between two points of the loss's curve
_EXAMPLES, _SAMPLE = 16, 10_000  # images shown; weights of a layer that its histogram looks at, at most
_ROOM = 1 << 16  # bytes that must be free for events to be written

Row = dict[str, Any]


class Watch:
    """Shows one training of `epochs` times `steps` steps; says nothing in a process that is not the first.

    history: rows of epochs that were done before, when a training goes on after `step`.
    """

    def __init__(self, folder: Path, epochs: int, steps: int, step: int, history: list[Row], quiet: bool) -> None:
        self.folder, self.history, self.quiet = folder, history, quiet
        self.epochs, self.steps, self.first = epochs, steps, step
        self.recent: list[Tensor] = []  # losses since the last point of the curve
        self.writing = not quiet

    def __enter__(self) -> "Watch":
        if not self.quiet:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(self.folder), purge_step=self.first + 1 if self.first else None)
            self.bar = progress.training_bar(self.epochs, self.steps, self.first)
            self.bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if not self.quiet:
            self.bar.__exit__(*error)
            self.writer.close()

    def begin(self, model: nn.Module, inputs: Sequence[Tensor], device: str) -> None:
        """The layers on the terminal, and the graph in the events. inputs: a row or two."""
        if self.quiet:
            return
        with chance_untouched(), self._events():
            progress.model_summary(layers(model, inputs), device)
            if self.first == 0:
                self._graph(model, inputs)

    def inputs(self, inputs: Sequence[Tensor]) -> None:
        """The first images that the network learns from, as it sees them."""
        with self._events():
            for part in inputs:
                if part.ndim == 4 and part.shape[1] in (1, 3):
                    self._pictures("inputs", part[:_EXAMPLES].float().cpu(), 0)

    def step(self, step: int, loss: Tensor, learning_rate: float) -> None:
        """One step is done. Its loss is read now and then only, for reading waits for the device."""
        if self.quiet:
            return
        self.recent.append(loss)
        if step % LOSS_EVERY == 0:
            mean = float(torch.stack(self.recent).mean())
            with self._events():
                self._add("train/step_loss", mean, step)
                self._add("train/learning_rate", learning_rate, step)
            self.bar.loss(mean)
            self.recent.clear()
        self.bar.advance()

    def epoch(self, step: int, row: Row, metrics: dict[str, float], model: nn.Module) -> None:
        """One epoch is done. row: its number, its loss and so on, as the history keeps it."""
        self.history.append(row)
        if self.quiet:
            return
        self.bar.epoch(row["epoch"], row["loss"], metrics)
        with self._events():
            self._add("train/loss", row["loss"], step)
            for name, value in metrics.items():
                self._add(f"valid/{name}", value, step)
            for name, part in model.named_parameters():
                if part.requires_grad:
                    values = part.detach().flatten().float()
                    self._add(f"weights/{name}", values[:: -(-len(values) // _SAMPLE)], step)
            self._write_history()

    def maps(self, step: int, draw: Callable[[], Tensor]) -> None:
        """Example maps of the model, (n, height, width), as they are after an epoch."""
        with chance_untouched(), self._events():
            if self.writing:
                self._pictures("maps", draw()[:_EXAMPLES, None].float().cpu(), step)

    @contextmanager
    def _events(self) -> Iterator[None]:
        """What is written inside is on disk afterwards; on a full disk nothing more is, and training goes on.

        TensorBoard writes in a thread of its own, which a full disk would end: so it is asked before, and waited for.
        """
        if self.writing and shutil.disk_usage(self.folder).free < _ROOM:
            self._give_up("the disk is full")
        try:
            yield
            if self.writing:
                self.writer.flush()
        except OSError as error:
            self._give_up(error.strerror or str(error))

    def _give_up(self, reason: str) -> None:
        if self.writing:
            render.note(f"No more events are written for TensorBoard: {reason}. Training goes on.")
        self.writing = False

    def _add(self, name: str, value: Any, step: int) -> None:
        """One number as a scalar, several as a histogram."""
        if self.writing:
            is_scalar = isinstance(value, float)
            (self.writer.add_scalar if is_scalar else self.writer.add_histogram)(name, value, step)

    def _pictures(self, name: str, images: Tensor, step: int) -> None:
        """Images with values scaled to what can be shown, side by side."""
        if not self.writing:
            return
        low, high = images.amin(), images.amax()
        self.writer.add_images(name, (images - low) / (high - low).clamp(min=1e-6), step)

    def _graph(self, model: nn.Module, inputs: Sequence[Tensor]) -> None:
        """Which layer feeds which. Some networks cannot be traced; they have no graph, and nothing else is wrong."""
        was_training = model.training
        model.eval()
        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")  # a trace warns of every shape that it takes for fixed
                self.writer.add_graph(model, tuple(inputs))
        except (RuntimeError, TypeError, ValueError, torch.jit.TracingCheckError):
            pass
        finally:
            model.train(was_training)

    def _write_history(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.history)
        with workspace.replacing(self.folder / "history.csv") as file:
            file.write(text.getvalue().encode())


def layers(model: nn.Module, sample: Sequence[Tensor]) -> list[tuple[str, tuple[int, ...], int]]:
    """(layer, output shape of one row, parameters) of each layer without parts of its own, in the order they run."""
    rows: list[tuple[str, tuple[int, ...], int]] = []

    def note(layer: nn.Module, _inputs: Any, output: Any) -> None:
        shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
        rows.append((type(layer).__name__, shape, sum(part.numel() for part in layer.parameters(recurse=False))))

    leaves = [layer for layer in model.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(note) for layer in leaves if not isinstance(layer, nn.Identity)]
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        model(*sample)
    model.train(was_training)
    for hook in hooks:
        hook.remove()
    return rows
