"""How much faster and smaller is the U-Net of deepshape than the plain way to train it? Prints the ratios.

    python benchmarks/unet_throughput.py [--sequences 128] [--lengths 64 128] [--batch 16]

The plain way: the images of all sequences are made beforehand and stored as float32 in the usual layout, and the
network computes in float32. The kit's way: the data set stays codes, each batch's image is built where the model
computes, the channels are last in memory, and bfloat16 is used where the processor has it. Same network, sequences and
loss. The two take turns, batch by batch, so that a machine busy with other things slows both alike.
"""

import argparse
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn

from kit.tasks.deepshape.baselines import unet
from kit.training import autocast, choose_device

TRAINING_ROWS = 9_163  # of the whole data set


class Trainer:
    """One network with its optimizer. plain: given images, in float32; else given codes."""

    def __init__(self, device: str, plain: bool) -> None:
        torch.manual_seed(0)
        self.device, self.plain = device, plain
        self.model: nn.Module = unet.UNet().to(device)
        if not plain:
            self.model = self.model.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)

    def step(self, given: Tensor, targets: Tensor) -> float:
        """Seconds of one step."""
        start = perf_counter()
        if self.plain:
            maps = self.model.map(given)
        else:
            with autocast(self.device):
                maps = self.model(given, None)
        value = unet.loss(maps.float(), targets, torch.ones_like(targets))
        self.optimizer.zero_grad()
        value.backward()
        self.optimizer.step()
        if self.device == "cuda":
            torch.cuda.synchronize()
        return perf_counter() - start


def measure(n: int, length: int, batch: int, device: str) -> tuple[float, float, int, int]:
    """Sequences a second and bytes of inputs in memory at a time, the plain way and the kit's."""
    codes = torch.randint(0, 4, (n, length), dtype=torch.uint8, device=device)
    targets = torch.rand(n, length, device=device)
    images = torch.cat([unet.image(part, None).contiguous() for part in codes.split(batch)])
    plain, kit = Trainer(device, plain=True), Trainer(device, plain=False)
    took = [
        (plain.step(image, target), kit.step(code, target))
        for code, image, target in zip(codes.split(batch), images.split(batch), targets.split(batch), strict=True)
    ][2:]  # the first steps set things up
    one = images[0].nbytes
    memory = TRAINING_ROWS * one, TRAINING_ROWS * length + batch * one
    return batch / np.median([a for a, _ in took]), batch / np.median([b for _, b in took]), *memory


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sequences", type=int, default=128)
    options.add_argument("--lengths", type=int, nargs="+", default=[64, 128])
    options.add_argument("--batch", type=int, default=16)
    given = options.parse_args()
    unet.PAIRING = False
    device = choose_device("auto")
    print(f"U-Net, {unet.FILTERS} filters, {TRAINING_ROWS:,} sequences, {device}, {torch.get_num_threads()} threads")
    for length in given.lengths:
        plain, kit, plain_bytes, kit_bytes = measure(given.sequences, length, given.batch, device)
        print(
            f"length {length:4}: {plain:7.1f} -> {kit:7.1f} sequences/s, {kit / plain:.2f} times as fast; "
            f"inputs {plain_bytes / 1e6:8,.0f} -> {kit_bytes / 1e6:6,.0f} MB, {plain_bytes / kit_bytes:.0f} times less"
        )


if __name__ == "__main__":
    main()
