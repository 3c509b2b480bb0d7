"""What ends a training before its time: the user, a loss that is no number, memory that does not suffice."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from kit.errors import KitError, Stopped
from kit.training import devices

LOOK_EVERY = 20  # steps between two looks at the device, and between two talks of several processes
SAME_WISH = 1.0  # seconds; torchrun passes Ctrl-C on to processes that have had it from the terminal already


class Watchman:
    """Notes that the user wants to stop, and the first step whose loss was no number; tells it now and then.

    Looking at a loss waits for the device, so on cuda it is looked at every few steps; the step that went wrong is
    noted on the device itself.
    """

    def __init__(self, device: str) -> None:
        self.every = 1 if device == "cpu" and devices.world() == 1 else LOOK_EVERY
        self.wanted: float | None = None  # since when the user wants to stop
        self.wrong = torch.zeros((), dtype=torch.int64, device=device)

    def see(self, step: int, loss: Tensor) -> None:
        """Note whether the loss of a step is a number."""
        if self.every > 1:
            self.wrong = torch.where((self.wrong == 0) & ~loss.isfinite(), step, self.wrong)
        elif not math.isfinite(loss):
            self.wrong.fill_(step)

    def look(self, step: int, always: bool = False) -> tuple[bool, int]:
        """(the user wants to stop, first step whose loss was no number or 0), the same in all processes."""
        if step % self.every and not always:
            return False, 0
        wanted, wrong = devices.largest([int(self.wanted is not None), int(self.wrong)])
        return bool(wanted), wrong

    @contextmanager
    def on_duty(self) -> Iterator[None]:
        """Ctrl-C, and the polite signal of schedulers, ask for a stop; a second Ctrl-C does not wait for it."""

        def ask(number: int, _frame: Any) -> None:
            if self.wanted is None:
                self.wanted = time.monotonic()
            elif number == signal.SIGINT and time.monotonic() - self.wanted >= SAME_WISH:
                raise KeyboardInterrupt

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def no_number(step: int, epoch: int, learning_rate: float, clip: float | None) -> KitError:
    """The loss became NaN or infinite."""
    tries = [f"a smaller learning rate (--learning-rate {learning_rate / 4:g}; it was {learning_rate:g})"]
    tries += [] if clip else ["a limit on the gradient (clip=1.0 where the baseline calls training.fit)"]
    tries += ["a look at the inputs: are they finite, and scaled to about 1?"]
    listed = "".join(f"\n  - {one}" for one in tries)
    return KitError(
        f"The loss is no longer a number at step {step} (epoch {epoch}). Nothing is submitted. Try:{listed}"
    )


def stopped(step: int, epoch: int, epochs: int) -> Stopped:
    """The user asked for it."""
    return Stopped(f"Stopped after step {step}, in epoch {epoch} of {epochs}. All of it is kept.")


@contextmanager
def advice(batch_size: int) -> Iterator[None]:
    """Memory that does not suffice, and batches too small to normalise over, are for the user to mend: what to try."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise KitError(
            f"A batch of one row cannot be normalised over (BatchNorm), and batches have {batch_size} rows. "
            "Give a larger --batch-size, or more --rows."
        ) from error
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and "allocate memory" not in str(error):
            raise
        reason = str(error).strip().splitlines()[0].rpartition("] ")[2]
        advice = f"Try --batch-size {batch_size // 2}" if batch_size > 1 else "Try a smaller network"
        raise KitError(f"Out of memory with batches of {batch_size} rows: {reason}\n{advice}.") from error
