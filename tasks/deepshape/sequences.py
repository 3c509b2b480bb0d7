"""RNA sequences as numbers."""

from collections.abc import Iterable

import numpy as np

from kit.task import Array

LETTERS = "ACGU"  # codes 0 to 3
PAD = 4
WIDTH = 128


def encode(sequences: Iterable[str]) -> Array:
    """(n, 128) uint8 codes: 0 to 3 for A, C, G, U, 4 after the end; what is beyond 128 nucleotides is cut."""
    table = np.full(256, PAD, np.uint8)
    table[list(LETTERS.encode())] = range(len(LETTERS))
    lines = [sequence[:WIDTH].ljust(WIDTH, "-") for sequence in sequences]
    return table[np.frombuffer("".join(lines).encode(), np.uint8)].reshape(len(lines), WIDTH)


def decode(codes: Array) -> list[str]:
    """The sequences of (n, 128) codes."""
    letters = np.frombuffer(f"{LETTERS}-".encode(), np.uint8)[codes]
    return [row.tobytes().rstrip(b"-").decode() for row in letters]


def one_hot(codes: Array) -> Array:
    """(n, 128) codes -> (n, 128, 4) float32, all zero after the end."""
    return np.eye(len(LETTERS) + 1, len(LETTERS), dtype=np.float32)[codes]


def nearest(a: Array, b: Array, tail: int = 20, shift: int = 4) -> Array:
    """(n,) the Hamming distance, as a share of the overlap, from each row of `a` to the nearest row of `b`.

    The last `tail` nucleotides, alike in all constructs, are cut off first; the best of all shifts by at most `shift`
    counts. Matches are inner products of one-hot codes, so all pairs are one matrix product a shift.
    """
    a, b = _cut(a, tail), _cut(b, tail)
    best = np.ones(len(a), np.float32)
    for step in range(-shift, shift + 1):
        moved = np.full_like(b, PAD)
        moved[:, max(step, 0) : WIDTH + min(step, 0)] = b[:, max(-step, 0) : WIDTH - max(step, 0)]
        matches = one_hot(a).reshape(len(a), -1) @ one_hot(moved).reshape(len(b), -1).T
        overlap = (a != PAD).astype(np.float32) @ (moved != PAD).astype(np.float32).T
        best = np.minimum(best, 1 - (matches / np.maximum(overlap, 1)).max(axis=1))
    return best


def _cut(codes: Array, tail: int) -> Array:
    """The codes without the last `tail` nucleotides of each sequence."""
    length = (codes != PAD).sum(axis=1, keepdims=True)
    return np.where(np.arange(WIDTH) < length - tail, codes, PAD).astype(np.uint8)
