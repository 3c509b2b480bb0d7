"""Whole-process time to 99 % on the MNIST test set: `kit baseline mnist` against the classic PyTorch recipe.

The recipe is that of the PyTorch examples, written afresh: two convolutions of 32 and 64 channels without padding, max
pooling, dropout, 128 hidden units; batches of 64 through a DataLoader with torchvision-style transforms; Adadelta with
learning rate 1, times 0.7 after each epoch. Its process ends with the first epoch whose test accuracy is 99 %. Each
side is a fresh process with imports, data loading, training and testing; the data has been fetched before. The kit's
side is charged for submitting and for drawing the board too.

    python benchmarks/mnist_time_to_99.py
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

TARGET = 0.99


def recipe(seed: int) -> None:
    """Train as the PyTorch examples do, until an epoch ends with the target reached."""
    import torch
    from torch import nn
    from torch.nn import functional
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms

    import kit
    from kit import prepare, tasks

    class Digits(Dataset):
        """Images through transforms one at a time, as torchvision's own MNIST does it."""

        def __init__(self, images, labels) -> None:
            self.images, self.labels = images, labels
            self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])

        def __len__(self) -> int:
            return len(self.images)

        def __getitem__(self, index: int):
            return self.transform(transforms.functional.to_pil_image(self.images[index])), int(self.labels[index])

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
            self.drop1, self.drop2 = nn.Dropout(0.25), nn.Dropout(0.5)
            self.hidden, self.out = nn.Linear(64 * 12 * 12, 128), nn.Linear(128, 10)

        def forward(self, x):
            x = functional.relu(self.conv2(functional.relu(self.conv1(x))))
            x = self.drop1(functional.max_pool2d(x, 2)).flatten(1)
            return functional.log_softmax(self.out(self.drop2(functional.relu(self.hidden(x)))), dim=1)

    torch.manual_seed(seed)
    data, truth = kit.load("mnist"), prepare.answers(tasks.find("mnist")).truth
    train = DataLoader(Digits(data.x_train, data.y_train), batch_size=64, shuffle=True)
    test = DataLoader(Digits(data.x_test, truth), batch_size=1000)
    model = Net()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    for epoch in range(1, 15):
        model.train()
        for x, y in train:
            optimizer.zero_grad()
            functional.nll_loss(model(x), y).backward()
            optimizer.step()
        schedule.step()
        model.eval()
        with torch.no_grad():
            hits = sum(int((model(x).argmax(dim=1) == y).sum()) for x, y in test)
        print(f"recipe, epoch {epoch}: accuracy {hits / 10_000:.4f}", flush=True)
        if hits / 10_000 >= TARGET:
            return
    sys.exit("the recipe did not reach the target")


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, nargs="+", default=[0])
    options.add_argument("--recipe", type=int, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.recipe is not None:
        return recipe(chosen.recipe)
    with tempfile.TemporaryDirectory() as workspace:
        os.environ["KIT_WORKSPACE"] = workspace
        subprocess.run([sys.executable, "-m", "kit", "data", "mnist"], check=True, stdout=subprocess.DEVNULL)
        for seed in chosen.seeds:
            theirs = seconds([sys.executable, __file__, "--recipe", str(seed)])
            ours = seconds([sys.executable, "-m", "kit", "baseline", "mnist", "--seed", str(seed)])
            print(f"seed {seed}: recipe {theirs:.1f} s, kit {ours:.1f} s, {theirs / ours:.1f} times faster", flush=True)


if __name__ == "__main__":
    main()
