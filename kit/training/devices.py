"""The one place that decides device, precision, layout in memory, and what each of several processes does.

Several processes are started by torchrun and talk through `ignite.distributed`; without it there is one, of rank 0.
Each takes every n-th row of each batch, so that n processes together do the steps that one would do alone.
"""

import atexit
import io
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from kit.errors import KitError
from kit.task import Array

DEVICES = ("cuda", "mps", "cpu")
MOST_CUDA = 128  # devices, where torch cannot count them
_SHARE = 0.5  # of the device's free memory may be filled with data; the rest is for the model


def available_devices() -> list[str]:
    """The devices of this machine, the fastest first."""
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [device for device in DEVICES if here[device]]


def choose_device(wanted: str) -> str:
    """The device to use: the fastest there is for "auto", else the one wanted; KitError where this machine lacks it.

    Of several processes on one machine each takes the cuda device with its own number.
    """
    here = available_devices()
    device = here[0] if wanted == "auto" else wanted
    kind, colon, place = device.partition(":")
    if kind not in DEVICES or (colon and not (kind == "cuda" and place.isdecimal())):
        raise KitError(
            f"There is no device {wanted!r}: known are auto, cuda, cuda:1 and so on, mps, cpu; "
            f"this machine has {', '.join(here)}. Leave --device out."
        )
    if kind not in here or (colon and int(place) >= (torch.cuda.device_count() or MOST_CUDA)):
        raise KitError(
            f"There is no device {wanted!r} on this machine; there is {', '.join(here)}. Leave --device out."
        )
    if device == "cuda" and (number := os.environ.get("LOCAL_RANK")):
        if int(number) >= torch.cuda.device_count():
            raise KitError(
                f"{torch.cuda.device_count()} cuda devices for more processes; start fewer (--nproc-per-node)."
            )
        return f"cuda:{number}"
    return device


def autocast(device: str) -> Any:
    """Mixed precision where the hardware computes in bfloat16: recent cuda cards, and processors with AVX512-BF16."""
    kind = device.partition(":")[0]
    if kind == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif kind == "cpu":
        fast = (
            bool(torch.cpu.get_capabilities().get("avx512_bf16")) if hasattr(torch.cpu, "get_capabilities") else False
        )
    else:
        fast = False
    return torch.autocast(kind, torch.bfloat16) if fast else nullcontext()


def layout(model: nn.Module) -> torch.memory_format:
    """Channels last for networks that convolve images: the layout that fast convolutions read."""
    images = any(isinstance(part, nn.Conv2d) for part in model.modules())
    return torch.channels_last if images else torch.contiguous_format


def placed(model: nn.Module, device: str) -> nn.Module:
    return model.to(device).to(memory_format=layout(model))


def laid_out(inputs: Sequence[Tensor], model: nn.Module, device: str) -> list[Tensor]:
    """Inputs on the device, as they lie best in memory: images, which have four dimensions, in the model's layout."""
    moved = [part.to(device, non_blocking=True) for part in inputs]
    form = layout(model) if any(part.ndim == 4 for part in moved) else torch.contiguous_format
    return [part.contiguous(memory_format=form) if part.ndim == 4 else part for part in moved]


def resident(tensors: Sequence[Tensor], device: str) -> list[Tensor]:
    """The data set on the device where it fits; else in pinned memory, from which batches travel fast."""
    if not device.startswith("cuda"):
        return [tensor.to(device) for tensor in tensors]
    free, _ = torch.cuda.mem_get_info(device)
    if sum(tensor.nbytes for tensor in tensors) <= _SHARE * free:
        return [tensor.to(device) for tensor in tensors]
    return [tensor.pin_memory() for tensor in tensors]


# Several processes


def backend(device: str) -> str:
    """What the processes talk through: NCCL between cuda devices, Gloo between processors."""
    return "nccl" if device.startswith("cuda") else "gloo"


def join(device: str) -> None:
    """Become one of the processes that torchrun started; nothing where it did not."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and idist.get_world_size() == 1:
        if device == "mps":
            raise KitError("Several processes cannot share an mps device. Give --device cpu.")
        idist.initialize(backend(device))
        atexit.register(idist.finalize)


def rank() -> int:
    return int(idist.get_rank())


def world() -> int:
    """How many processes train together."""
    return int(idist.get_world_size())


def spread(model: nn.Module, device: str) -> nn.Module:
    """The model to train: in several processes one whose gradients are the mean over all of them."""
    if world() == 1:
        return model
    return DistributedDataParallel(model, device_ids=[torch.device(device)] if device.startswith("cuda") else None)


def share(rows: Tensor) -> Tensor:
    """This process's share of some rows; shares are disjoint and make up the whole."""
    return rows[rank() :: world()]


def added_up(sums: Array) -> Array:
    """(...) float64: the sum over all processes. Whole numbers stay exact up to 2^53."""
    if world() == 1:
        return sums
    every = torch.as_tensor(idist.all_reduce(torch.tensor(sums, dtype=torch.float64), "SUM"))
    return np.asarray(every.cpu().numpy())


def largest(numbers: Sequence[int]) -> list[int]:
    """The largest of each number over all processes."""
    if world() == 1:
        return list(numbers)
    return [int(number) for number in torch.as_tensor(idist.all_reduce(torch.tensor(numbers), "MAX")).tolist()]


def joined(outputs: Tensor, n: int) -> Tensor:
    """(n, ...) the rows of all processes in order, from what each made of its `share` of n rows; the same in all."""
    if world() == 1:
        return outputs
    most = -(-n // world())
    padded = torch.cat([outputs, outputs.new_zeros(most - len(outputs), *outputs.shape[1:])])
    every = torch.as_tensor(idist.all_gather(padded)).cpu().view(world(), most, *outputs.shape[1:])
    return every.transpose(0, 1).reshape(world() * most, *outputs.shape[1:])[:n]


def in_step() -> None:
    """Give all processes the random state of the first one: they then draw the same order of rows."""
    if world() > 1:
        set_random_state(same(random_state()))


def same(value: Any) -> Any:
    """What the first process holds, in all of them: plain values and tensors, and nothing is unpickled."""
    if world() == 1:
        return value
    buffer = io.BytesIO()
    torch.save(value, buffer)
    mine = torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)
    sent = idist.broadcast(mine if rank() == 0 else None, src=0, safe_mode=True)
    return torch.load(io.BytesIO(torch.as_tensor(sent).cpu().numpy().tobytes()), weights_only=True)


# Chance


def random_state() -> dict[str, Any]:
    """What decides all draws to come, as plain values and tensors: they can be stored and read without unpickling."""
    version, keys, gauss = random.getstate()
    name, words, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - libraries draw from it
    cuda = [torch.cuda.get_rng_state()] if torch.cuda.is_initialized() else []
    of_numpy = [name, torch.from_numpy(np.asarray(words, np.int64)), *rest]
    return {"torch": torch.get_rng_state(), "cuda": cuda, "numpy": of_numpy, "python": [version, list(keys), gauss]}


def set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"][0])
    name, words, *rest = state["numpy"]
    np.random.set_state((name, words.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    version, keys, gauss = state["python"]
    random.setstate((version, tuple(keys), gauss))


@contextmanager
def chance_untouched() -> Iterator[None]:
    """What is drawn inside changes no draw outside: looking at a training must not change it."""
    before = random_state()
    try:
        yield
    finally:
        set_random_state(before)
