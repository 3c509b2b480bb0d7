"""Run commands as whole processes and tell their seconds and peak memory; shared by the benchmarks."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Usage:
    """Wall-clock seconds and peak memory (MB) of one process, medians over its runs."""

    seconds: float
    megabytes: float


def process(command: list[str], runs: int = 3) -> Usage:
    """Run a command several times and take the medians; its output is shown only if it fails."""
    return alternately({"": command}, runs)[""]


def alternately(commands: dict[str, list[str]], runs: int) -> dict[str, Usage]:
    """The same for several commands that take turns, so that what slows the machine for a while slows all of them."""
    found: dict[str, list[Usage]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            found[name].append(_once(command))
    return {
        name: Usage(float(np.median([one.seconds for one in used])), float(np.median([one.megabytes for one in used])))
        for name, used in found.items()
    }


def _once(command: list[str]) -> Usage:
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_environment())
    assert child.stdout is not None
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{output.decode()}")
    return Usage(seconds, usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2))


def _environment() -> dict[str, str]:
    """This one, but byte code is kept, as that of an installed package is: compiling is not what is measured."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def python(script: str, *arguments: str, runs: int = 3) -> Usage:
    """A python script given as text, in a process of its own."""
    return process([sys.executable, "-c", script, *arguments], runs)


def kit(*arguments: str, runs: int = 3) -> Usage:
    return process([sys.executable, "-m", "kit", *arguments], runs)


def row(what: str, usage: Usage, note: str = "") -> None:
    print(f"{what:<44} {usage.seconds:8.2f} s {usage.megabytes:8.0f} MB   {note}")
