"""Run machine-learning competitions without anybody's cloud.

    import kit
    data = kit.load("mnist")                                    # what a competitor may see
    kit.submit("mnist", predictions, name="ada")                # check, score, rank
    kit.leaderboard("mnist")                                    # a pandas DataFrame

Everything here is imported when it is asked for, so that `import kit` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.api import leaderboard, load, score, submit
    from kit.errors import KitError
    from kit.metrics import Metric
    from kit.task import Answers, Data, Run, Spec, Task

__version__ = "0.1.0"

_HOME = {
    **dict.fromkeys(("load", "score", "submit", "leaderboard"), "kit.api"),
    **dict.fromkeys(("Task", "Data", "Spec", "Answers", "Run"), "kit.task"),
    "Metric": "kit.metrics",
    "KitError": "kit.errors",
}

__all__ = [
    "Answers", "Data", "KitError", "Metric", "Run", "Spec", "Task",
    "leaderboard", "load", "score", "submit",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'kit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
