"""What a competitor of deepshape sees, and the answers; from Eterna's files, or simulated where they cannot be had."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from kit import Answers, Data, Spec
from kit.sources import prepared
from kit.task import Array

from . import eterna, simulated
from .sequences import PAD, WIDTH

SOURCES: dict[str, tuple[str, Callable[[], dict[str, Array]]]] = {
    "eterna": ("Eterna Cloud Lab", eterna.build),
    "simulated": ("simulated", simulated.build),
}


@dataclass(frozen=True, kw_only=True)
class ShapeData(Data):
    """Data, and how exactly each training value was measured.

    error_train: (n_train, 128) float32 standard errors, NaN where nothing was measured.
    """

    error_train: Array

    def head(self, n: int) -> "ShapeData":
        return replace(cast(ShapeData, super().head(n)), error_train=self.error_train[:n])


def load(source: str) -> ShapeData:
    """x: (n, 128) uint8 codes, 0 to 3 for A, C, G, U and 4 after the end. y: (n, 128) float32 in [0, 1], or NaN."""
    found = arrays(source)
    x_test = found["x_test"]
    return ShapeData(
        x_train=found["x_train"],
        y_train=found["y_train"],
        x_test=x_test,
        spec=Spec(
            ids=found["ids_test"],
            columns=tuple(map(str, range(WIDTH))),
            kind="probability",  # truth and predictions lie in [0, 1]; only there has cross-entropy a meaning
            required=x_test != PAD,
            cell=("id_position", "reactivity"),
        ),
        source=SOURCES[source][0],
        groups=found["groups_train"],
        error_train=found["error_train"],
    )


def answers(source: str) -> Answers:
    found = arrays(source)
    return Answers(truth=found["y_test"], groups=found["groups_test"])


def arrays(source: str) -> dict[str, Array]:
    """All arrays of a source, built once."""
    return prepared("deepshape", f"{source}-1", SOURCES[source][1])


def held_out(groups: Array, share: float, seed: int) -> Array:
    """(n,) bool: rows to validate on, about that share of them, whole groups at a time."""
    names, sizes = np.unique(groups, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    chosen = names[order][np.cumsum(sizes[order]) <= share * len(groups)]
    return np.isin(groups, chosen)
