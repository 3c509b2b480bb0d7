"""A stand-in of the same size for where Eterna's files cannot be had: designed hairpins and random RNAs, folded.

Reactivities are drawn from the distributions that Sükösd et al. (Nucleic Acids Research 2013) fitted to measured ones:
exponential where a nucleotide is unpaired, generalised extreme values at the end of a helix and, lower, inside one.
It is good for trying code. Scores on it say nothing about RNA, and never stand beside scores on real data.
"""

from itertools import pairwise

import numpy as np

from kit import render
from kit.task import Array

from .folding import folded, unpaired
from .sequences import PAD, WIDTH, encode

N_TRAIN, N_TEST, TEST_LENGTH, PER_PROJECT = 9_163, 1_588, 107, 42
_UNSEEN, _DROPOUT = 28, 0.03
_UNPAIRED = 0.681211  # mean of the exponential
_END, _INSIDE = (0.821235, 0.113916, 0.0901397), (0.762581, 0.0492536, 0.0395857)  # shape, scale, location
_HEAD, _TAIL = "GGAAA", "AAAGAAACAACAACAACAAC"


def build(n_train: int = N_TRAIN, n_test: int = N_TEST, seed: int = 0) -> dict[str, Array]:
    """The arrays of `data.load` and `data.answers`: every project, a design or a random lot, is in one part only."""
    render.note("Simulating deepshape: this is a stand-in, not the real data")
    rng = np.random.default_rng(seed)
    train = [_project(rng, int(rng.integers(80, WIDTH))) for _ in range(-(-n_train // PER_PROJECT))]
    test = [_project(rng, TEST_LENGTH) for _ in range(-(-n_test // PER_PROJECT))]
    codes = np.concatenate([*train, *test])
    codes = np.delete(codes, slice(n_train, len(train) * PER_PROJECT), axis=0)[: n_train + n_test]
    y = measure(rng, codes, unpaired(folded("simulated", codes)(codes), codes))
    numbers = np.arange((len(train) + len(test)) * PER_PROJECT, dtype=np.int32) // PER_PROJECT
    return {
        "x_train": codes[:n_train],
        "y_train": y[:n_train],
        "error_train": np.where(np.isnan(y[:n_train]), np.nan, 0.1).astype(np.float32),
        "groups_train": numbers[:n_train],
        "x_test": codes[n_train:],
        "y_test": y[n_train:],
        "groups_test": numbers[len(train) * PER_PROJECT :][:n_test],
        "ids_test": np.arange(1, n_test + 1),
    }


def measure(rng: np.random.Generator, codes: Array, free: Array) -> Array:
    """(n, 128) float32 reactivities in [0, 1], given the probability of being unpaired; NaN where not measured."""
    is_free = rng.random(codes.shape) < free
    beside = np.pad(is_free, ((0, 0), (1, 1)), constant_values=True)
    at_end = beside[:, :-2] | beside[:, 2:]
    loose = rng.exponential(_UNPAIRED, codes.shape)
    paired = np.where(at_end, _extreme(rng, _END, codes.shape), _extreme(rng, _INSIDE, codes.shape))
    length = (codes != PAD).sum(axis=1, keepdims=True)
    seen = (np.arange(WIDTH) < length - _UNSEEN) & (rng.random(codes.shape) >= _DROPOUT)
    return np.where(seen, np.clip(np.where(is_free, loose, paired), 0, 1), np.nan).astype(np.float32)


def _extreme(rng: np.random.Generator, parameters: tuple[float, float, float], size: tuple[int, ...]) -> Array:
    """Generalised extreme values, by turning uniform numbers over the distribution function."""
    shape, scale, location = parameters
    return location + scale * ((-np.log(rng.random(size))) ** -shape - 1) / shape


def _project(rng: np.random.Generator, length: int) -> Array:
    """(42, 128) codes of one length: random, or random under the same one to three hairpins."""
    codes = np.full((PER_PROJECT, WIDTH), PAD, np.uint8)
    codes[:, :length] = rng.integers(0, 4, (PER_PROJECT, length))
    start, end = len(_HEAD), length - len(_TAIL)
    if rng.random() < 0.75:
        edges = np.linspace(start, end, rng.integers(2, 5)).astype(int)
        for left, right in pairwise(edges):
            stem = int(rng.integers(5, max(6, (right - left - 4) // 2)))
            five, three = np.arange(left, left + stem), np.arange(right - 1, right - 1 - stem, -1)
            codes[:, left + stem : right - stem] = np.where(
                rng.random((PER_PROJECT, right - left - 2 * stem)) < 0.6, 0, 2
            )
            codes[:, three] = 3 - codes[:, five]  # A with U, C with G
    codes[:, :start], codes[:, end:length] = encode([_HEAD])[0, :start], encode([_TAIL])[0, : len(_TAIL)]
    return codes
