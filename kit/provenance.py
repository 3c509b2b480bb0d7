"""What a run was trained on, and where: data, code, versions, machine. Who goes on with a run compares them first."""

import dataclasses
import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kit import code, prepare, tasks
from kit.digest import digest
from kit.settings import Settings
from kit.task import Data

Facts = dict[str, Any]
_NOTED = ("scipy", "pandas", "torchvision", "transformers", "tokenizers", "RNA", "vaderSentiment")  # beside the code's


def of(wanted: Settings, data: Data) -> Facts:
    """What a run is trained on: where its data came from, a hash of each part of it, of each file of code, versions.

    data: as the baseline is given it. All are plain values, for JSON.
    """
    task = tasks.find(wanted.task)
    source = code.of(task, wanted.baseline)
    parts = {part.name: getattr(data, part.name) for part in dataclasses.fields(data) if part.name != "source"}
    return {
        "data source": data.source,
        "answers": prepare.fingerprint(task)[:16],
        "data": {name: digest(value) for name, value in parts.items()},
        "code": {_named(file, task.folder): digest(file.read_bytes()) for file in source.files},
        "the kit's code": digest([file.read_bytes() for file in _of_the_kit()]),
        "version": {"python": platform.python_version(), **code.versions(source.packages)},
    }


def differences(was: Facts, now: Facts) -> list[str]:
    """What is not as it was, a line each; another device, machine or number of processes is no difference."""
    found = []
    for what in [*was, *(name for name in now if name not in was)]:
        a, b = was.get(what), now.get(what)
        if isinstance(a, dict) and isinstance(b, dict):
            found += [f"{what}, {line}" for line in differences(a, b)]
        elif a != b:
            found.append(f"{what}: was {_shown(a)}, is {_shown(b)}")
    return found


def machine(packages: Iterable[str] = ()) -> Facts:
    """Where a run was computed: Python, versions of what was imported, processor, threads."""
    torch = sys.modules.get("torch")
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    loaded = sorted(name for name in {*packages, *_NOTED} if name in sys.modules)
    return {
        "python": platform.python_version(),
        "packages": code.versions(loaded),
        "system": platform.platform(),
        "processor": _processor(),
        "processors": here,
        "threads": torch.get_num_threads() if torch else int(os.environ.get("OMP_NUM_THREADS") or here or 1),
    }


def _of_the_kit() -> list[Path]:
    """The kit's own files that decide what is learned."""
    here = Path(__file__).parent
    return [*sorted((here / "training").rglob("*.py")), here / "metrics.py"]


def _named(file: Path, folder: Path) -> str:
    """A file of a task, with the task's name before it."""
    return file.relative_to(folder.parent).as_posix() if folder.parent in file.parents else "/".join(file.parts[-3:])


def _shown(value: Any) -> str:
    return "not there" if value is None else str(value)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
