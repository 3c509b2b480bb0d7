"""Base-pairing probabilities from ViennaRNA (Lorenz et al., Algorithms for Molecular Biology 2011).

The partition function (McCaskill, Biopolymers 1990) gives, for each two nucleotides of an RNA, the probability that
they pair in thermal equilibrium. It takes about 10 ms for a sequence of 107; all processors fold at the same time.
"""

import importlib.util
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from kit import render
from kit.errors import KitError
from kit.sources import prepared
from kit.task import Array

from .sequences import PAD, WIDTH, decode

# Two models, averaged. On 500 training rows the probability of being unpaired correlates with reactivity at r = 0.646
# for Turner's energies at 37 degrees, 0.663 at 65 and 0.664 for those of Andronescu et al. (Bioinformatics 2007) at 37;
# weighted by measured error, the mean of two such models does 0.01 better than either.
MODELS = (("Turner2004", 60.0), ("Andronescu2007", 37.0))
_RARE = 1e-3  # pairs less likely than this are left out
_CHUNK = 64  # sequences handed to a process at a time


def folded(source: str, codes: Array) -> Callable[[Array], Array]:
    """Fold all sequences of a data set, once: they are kept in the cache. The result looks sequences up among them.

    It turns (n, 128) codes into (n, 128, 128) float16, symmetric pairing probabilities; sequences that are new to it
    are folded each time.
    """

    def build() -> dict[str, Array]:
        unique = np.unique(codes, axis=0)
        return {"codes": unique, "pairs": fold(unique)}

    known = prepared("deepshape", f"pairing-{source}-2", build)
    kept = _as_bytes(known["codes"])

    def look_up(wanted: Array) -> Array:
        rows = np.minimum(np.searchsorted(kept, _as_bytes(wanted)), len(kept) - 1)
        found = known["pairs"][rows]
        if (new := kept[rows] != _as_bytes(wanted)).any():
            found[new] = fold(wanted[new])
        return found

    return look_up


def _as_bytes(codes: Array) -> Array:
    """Each row as one value; np.unique sorts rows of codes as bytes sort."""
    return np.ascontiguousarray(codes).view(np.dtype((np.void, WIDTH)))[:, 0]


def fold(codes: Array) -> Array:
    """(n, 128) codes -> (n, 128, 128) float16 symmetric pairing probabilities."""
    if importlib.util.find_spec("RNA") is None:
        raise KitError("Folding needs ViennaRNA, which is not installed here. Install it: pip install ViennaRNA")
    chunks = [decode(codes[start : start + _CHUNK]) for start in range(0, len(codes), _CHUNK)]
    workers = min(os.cpu_count() or 1, len(chunks))
    if workers < 2:  # not worth a process
        return _dense(map(_fold, chunks), len(codes))
    render.note(f"Folding {len(codes):,} sequences with ViennaRNA in {workers} processes")
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        return _dense(pool.map(_fold, chunks), len(codes))


def unpaired(pairs: Array, codes: Array) -> Array:
    """(n, 128) float32: the probability that a nucleotide pairs with none; 0 after the end of the sequence."""
    return np.clip(1 - pairs.sum(axis=2, dtype=np.float32), 0, 1) * (codes != PAD)


def _fold(sequences: list[str]) -> tuple[Array, Array]:
    """(3, k) row, i < j, and (k,) probability of each likely pair: little to send from one process to another."""
    import RNA

    found = []
    for parameters, celsius in MODELS:
        getattr(RNA, f"params_load_RNA_{parameters}")()
        model = RNA.md()
        model.temperature = celsius
        for row, sequence in enumerate(sequences):
            compound = RNA.fold_compound(sequence, model)
            compound.pf()
            likely = compound.plist_from_probs(_RARE)
            found += [(row, pair.i - 1, pair.j - 1, pair.p / len(MODELS)) for pair in likely]
    table = np.array(found, np.float64).reshape(-1, 4)
    return table[:, :3].T.astype(np.intp), table[:, 3]


def _dense(chunks: Iterable[tuple[Array, Array]], n: int) -> Array:
    pairs = np.zeros((n, WIDTH, WIDTH), np.float16)
    for number, ((row, i, j), probability) in enumerate(chunks):
        upper = np.zeros((_CHUNK, WIDTH, WIDTH), np.float32)
        np.add.at(upper, (row, i, j), probability)  # a pair comes once from each model
        part = pairs[number * _CHUNK : (number + 1) * _CHUNK]
        part[:] = (upper + upper.transpose(0, 2, 1))[: len(part)]
    return pairs
