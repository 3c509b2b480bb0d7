"""Progress on the terminal: a download, a training and the layers of what is trained."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from kit.console import note, printable, stderr

MOST_LAYERS = 40  # listed one by one


@contextmanager
def download_bar(url: str, total: int, have: int = 0) -> Iterator[Callable[[int], None]]:
    """A bar for one download; yields advance(bytes). Off a terminal, one line says what was fetched."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    name = printable(url.rpartition("/")[2])
    console = stderr()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(f"Downloading {name}", total=total or None, completed=have)
        yield lambda n: progress.advance(bar, n)
        done = int(progress.tasks[bar].completed)
    if not console.is_terminal:
        note(f"Downloaded {name} ({done:,} bytes)")


class TrainingBar:
    """A bar over all steps of a training with its loss, and a line for each epoch with loss, metrics and seconds."""

    def __init__(self, epochs: int, steps: int, done: int) -> None:
        self.console = stderr()
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} steps"),
        )
        times = (
            TextColumn("{task.fields[shown]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self.progress = Progress(
            *columns, *times, console=self.console, disable=not self.console.is_terminal, transient=True
        )
        self.epochs, self.start, self.waiting, self.measured = epochs, time.perf_counter(), 0, ""
        self.bar = self.progress.add_task(self._at(done // steps), total=epochs * steps, completed=done, shown="")

    def __enter__(self) -> TrainingBar:
        self.progress.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.progress.stop()

    def advance(self) -> None:
        """One more step; drawn now and then only, for a step may be far shorter than drawing."""
        self.waiting += 1
        if self.waiting == 10:
            self.progress.advance(self.bar, self.waiting)
            self.waiting = 0

    def loss(self, value: float) -> None:
        """The mean loss of the last steps."""
        self.progress.update(self.bar, shown=f"loss {value:.4f}{self.measured}")

    def epoch(self, number: int, loss: float, metrics: dict[str, float]) -> None:
        """One epoch is done: its mean loss, and what was measured on the rows held out."""
        self.measured = "".join(f"  held-out {printable(name)} {value:.4f}" for name, value in metrics.items())
        seconds = time.perf_counter() - self.start
        self.console.print(f"epoch {number:>2}/{self.epochs}  loss {loss:.4f}{self.measured}  {seconds:.1f} s")
        self.progress.update(self.bar, description=self._at(number))

    def _at(self, done: int) -> str:
        return f"epoch {min(done + 1, self.epochs)}/{self.epochs}"


def training_bar(epochs: int, steps: int, done: int = 0) -> TrainingBar:
    """done: steps that an earlier part of this training did."""
    return TrainingBar(epochs, steps, done)


def model_summary(layers: Sequence[tuple[str, tuple[int, ...], int]], device: str) -> None:
    """The layers of a model: kind, output shape of one row, parameters; those of a deep model added up by kind."""
    if len(layers) > MOST_LAYERS:
        kinds = list(dict.fromkeys(name for name, _, _ in layers))
        alike = {kind: [row for row in layers if row[0] == kind] for kind in kinds}
        layers = [(f"{len(rows)} x {kind}", (), sum(row[2] for row in rows)) for kind, rows in alike.items()]
    table = Table("layer", "output", "parameters", box=None, header_style="bold", pad_edge=False)
    table.columns[2].justify = "right"
    for name, shape, parameters in layers:
        table.add_row(Text(printable(name)), " x ".join(map(str, shape)), f"{parameters:,}" if parameters else "")
    console = stderr()
    console.print(table)
    console.print(f"{sum(row[2] for row in layers):,} parameters, training on {device}")
