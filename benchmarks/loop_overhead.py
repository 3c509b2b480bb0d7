"""What does the kit's training loop cost beyond a bare PyTorch loop? Prints the ratios.

    python benchmarks/loop_overhead.py [--rounds 5] [--rows 55000]

Both train the network of mnist's cnn baseline on the same batches, for one epoch a round, in turns: the same shuffling
and slicing, augmentation, mixed precision, loss and AdamW. The bare loop does nothing else. The kit's also sets the
learning rate, notes every loss, looks whether it is a number, draws the bar, writes TensorBoard events with histograms
of all weights, the history and the checkpoints. "The loop" is what happens between the first batch and the last
checkpoint of the epoch; "all of fit" has the model summary, the traced graph and the pictures too, which a training
pays once.
"""

import argparse
import contextlib
import io
import tempfile
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from ignite.engine import Engine
from torch import Tensor, nn

from kit import training
from kit.task import Run
from kit.tasks.mnist.baselines import cnn
from kit.training import devices


def bare(model: nn.Module, x: Tensor, y: Tensor, device: str) -> float:
    """Seconds of one epoch, written out."""
    model = devices.placed(model, device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=cnn.LEARNING_RATE, weight_decay=cnn.WEIGHT_DECAY, fused=True)
    batches = training.Batches([x.to(device), y.to(device)], cnn.BATCH)
    start = perf_counter()
    for images, labels in batches:
        images = cnn.nudge(images).contiguous(memory_format=torch.channels_last)
        with training.autocast(device):
            outputs = model(images)
        loss = cnn.smoothed(outputs.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return perf_counter() - start


def kit(model: nn.Module, x: Tensor, y: Tensor, folder: Path) -> tuple[float, float]:
    """Seconds of the loop, and of all of fit."""
    run_engine, took = Engine.run, []

    def timed(*arguments: object, **options: object) -> object:
        start = perf_counter()
        result = run_engine(*arguments, **options)  # type: ignore[arg-type]
        took.append(perf_counter() - start)
        return result

    Engine.run = timed  # type: ignore[method-assign,assignment]
    start = perf_counter()
    with contextlib.redirect_stderr(io.StringIO()):
        training.fit(
            model,
            x,
            y,
            Run(folder=folder, wanted_device="auto"),
            loss=cnn.smoothed,
            epochs=1,
            batch_size=cnn.BATCH,
            learning_rate=cnn.LEARNING_RATE,
            weight_decay=cnn.WEIGHT_DECAY,
            augment=cnn.nudge,
        )
    Engine.run = run_engine  # type: ignore[method-assign]
    return took[0], perf_counter() - start


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--rows", type=int, default=55_000)
    given = options.parse_args()
    rng = np.random.default_rng(0)
    x = cnn.to_images(rng.integers(0, 256, (given.rows, 28, 28), dtype=np.uint8))
    y = torch.from_numpy(rng.integers(0, 10, given.rows))
    device = training.choose_device("auto")
    print(f"mnist cnn, {given.rows:,} rows in batches of {cnn.BATCH}, {device}, {torch.get_num_threads()} threads")
    rounds: list[tuple[float, float, float]] = []
    with tempfile.TemporaryDirectory() as place:
        for number in range(given.rounds + 1):  # the first round sets things up and does not count
            torch.manual_seed(number)
            alone = bare(cnn.network(), x, y, device)
            loop, whole = kit(cnn.network(), x, y, Path(place) / str(number))
            rounds.append((alone, loop, whole))
            again = f"{loop / alone:.3f} and {whole / alone:.3f} times"
            print(
                f"round {number}: bare {alone:.2f} s, the loop {loop:.2f} s, all of fit {whole:.2f} s; {again}",
                flush=True,
            )
    counted = rounds[1:]
    # the bare loop runs before and after each of the kit's: the mean of both is fair to a machine that drifts
    drift = [loop / ((a + b) / 2) for (a, loop, _), (b, _, _) in pairwise(counted)]
    of_loop = np.median([loop / alone for alone, loop, _ in counted])
    of_fit = np.median([whole / alone for alone, _, whole in counted])
    print(f"median: the loop {of_loop:.3f} times the bare one, ", end="")
    print(f"all of fit {of_fit:.3f}; against neighbours {np.median(drift):.3f}")


if __name__ == "__main__":
    main()
