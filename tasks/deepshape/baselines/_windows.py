"""Features of a window around each nucleotide, for models that look at one position at a time."""

import numpy as np

from ..folding import unpaired
from ..sequences import PAD, WIDTH, one_hot

RADIUS = 8
CHUNK = 500  # rows whose windows are in memory at a time


def chunks(n: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, n, CHUNK)]


def windows(codes: np.ndarray, pairs: np.ndarray | None, radius: int = RADIUS) -> np.ndarray:
    """(n, 128, k) float32: the channels of each nucleotide and of its `radius` neighbours on each side.

    codes: (n, 128). pairs: (n, 128, 128) pairing probabilities, or None for sequence alone. Channels are the letter,
    and with pairs the probabilities of being that letter unpaired, of pairing with each letter, and of being stacked on
    the pair before. Once for each nucleotide come the distances to both ends, its partner's place, and `loops`.
    """
    letters = one_hot(codes)
    length = (codes != PAD).sum(axis=1, keepdims=True)
    place = np.broadcast_to(np.arange(WIDTH, dtype=np.float32), codes.shape)
    parts, own = [letters], [place[..., None], (length - 1 - place)[..., None]]
    if pairs is not None:
        probability = pairs.astype(np.float32)
        paired = probability @ letters
        parts += [letters * unpaired(pairs, codes)[..., None], paired, stacked(probability)[..., None]]
        partner = (probability * place[:, None]).sum(axis=2) / np.maximum(probability.sum(axis=2), 1e-3)
        beside = probability @ np.concatenate([moved(letters, step) for step in (-2, -1, 1, 2)], axis=2)
        own += [(partner - place)[..., None], loops(probability), beside]
    channels = np.pad(np.concatenate(parts, axis=2), ((0, 0), (radius, radius), (0, 0)))
    around = np.lib.stride_tricks.sliding_window_view(channels, 2 * radius + 1, axis=1)
    return np.concatenate([around.reshape(*codes.shape, -1), *own], axis=2, dtype=np.float32)


def moved(channels: np.ndarray, step: int) -> np.ndarray:
    """(n, 128, k) channels of the nucleotide that is `step` further on; 0 where there is none."""
    wide = np.pad(channels, ((0, 0), (2, 2), (0, 0)))
    return wide[:, 2 + step : 2 + step + WIDTH]


def stacked(pairs: np.ndarray) -> np.ndarray:
    """(n, 128) how likely i and i - 1 are paired with j and j + 1, if one pair says nothing about the other."""
    after = np.zeros_like(pairs)
    after[:, 1:, :-1] = pairs[:, :-1, 1:]
    return np.minimum(pairs, after).sum(axis=2)


def loops(pairs: np.ndarray) -> np.ndarray:
    """(n, 128, k): the probability that i is the o-th nucleotide of a hairpin loop of 3 to 6, for each of those.

    That is the probability of the pair that closes the loop, i - 1 - o with i + size - o.
    """
    wide = np.pad(pairs, ((0, 0), (7, 7), (7, 7)))
    here = np.arange(WIDTH) + 7
    places = [(offset, size) for size in (3, 4, 5, 6) for offset in range(size)]
    return np.stack([wide[:, here - 1 - offset, here + size - offset] for offset, size in places], axis=2)
