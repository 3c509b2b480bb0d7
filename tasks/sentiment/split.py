"""Texts that say nearly the same, and a split that keeps them on one side. Both sentiment tasks use it.

Everything here depends on the texts alone, through sha256: neither the order of the raw file nor a random generator's
version can move a row.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

import numpy as np

TEST_SHARE = 0.2
SHINGLE, HASHES, BAND = 4, 126, 3  # characters of a shingle, hashes of a signature, hashes that must agree in one band
SAME = 0.4  # the estimated share in common from which on rows belong together: an estimate is off by 0.04 or so


def normal(text: str) -> str:
    """Only the letters and digits of a text, lower-case: what is left when spelling habits are taken away."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).lower())


def near_duplicates(normals: Sequence[str]) -> np.ndarray:
    """(n,) for each normal text the first row that says nearly the same, perhaps by way of others; else its own row.

    Two texts are near-duplicates when, of all 4-character shingles that occur in either, half occur in both. MinHash
    (Broder, 1997) estimates that share: it is how often the least hash of one set is also that of the other. Only
    pairs that agree in a whole band of hashes are looked at (Leskovec, Rajaraman & Ullman, Mining of Massive Datasets,
    chapter 3): 99.6 % of the pairs that have half in common are.
    """
    signatures = _minhash(normals)
    group = np.arange(len(normals))
    for band in range(0, HASHES, BAND):
        key = signatures[:, band : band + BAND] @ _odd_numbers(BAND)
        order = np.argsort(key, kind="stable")
        key, step = key[order], 1
        while (equal := key[:-step] == key[step:]).any():
            one, other = order[:-step][equal], order[step:][equal]
            same = (signatures[one] == signatures[other]).mean(axis=1) >= SAME
            for pair in zip(one[same].tolist(), other[same].tolist(), strict=True):
                low, high = sorted(group[list(pair)])
                group[group == high] = low
            step += 1
    return group


def is_test(normals: Sequence[str], group: np.ndarray) -> np.ndarray:
    """(n,) bool: a fifth of the groups, chosen by the sha256 of a group's first text in the alphabet."""
    first = {}
    for row in sorted(range(len(normals)), key=normals.__getitem__):
        first.setdefault(group[row], normals[row])
    limit = int(TEST_SHARE * 2**64)
    return np.array([_sha("side", first[member]) < limit for member in group])


def shuffled(texts: Sequence[str]) -> np.ndarray:
    """(n,) rows in the order of a sha256 of their text: a shuffle that is the same for ever."""
    return np.argsort(np.array([_sha("order", text) for text in texts], np.uint64), kind="stable")


def _sha(purpose: str, text: str) -> int:
    """64 bits; hashes for different purposes have nothing to do with each other."""
    return int.from_bytes(hashlib.sha256(f"{purpose}\0{text}".encode()).digest()[:8], "big")


def _minhash(normals: Sequence[str]) -> np.ndarray:
    """(n, HASHES) uint64: the least value of each of many hashes over a text's shingles."""
    texts = [text or "-" for text in normals]
    padding = " " * (SHINGLE - 1)  # so that no shingle spans two texts
    joined = "".join(text + padding for text in texts)
    letters = np.frombuffer(joined.encode("utf-32-le"), np.uint32).astype(np.uint64)
    shingles = np.zeros(len(letters), np.uint64)
    for place, factor in enumerate(_odd_numbers(SHINGLE)):
        shingles += np.roll(letters, -place) * factor  # whole numbers of 64 bits wrap around: that is a hash
    shingles = shingles[letters != ord(" ")]
    shingles ^= shingles >> np.uint64(29)
    starts = np.cumsum([0, *map(len, texts)])[:-1]
    signatures = np.empty((len(normals), HASHES), np.uint64)
    for number, factor in enumerate(_odd_numbers(HASHES)):
        hashed = shingles * factor
        signatures[:, number] = np.minimum.reduceat(hashed ^ (hashed >> np.uint64(32)), starts)
    return signatures


def _odd_numbers(n: int) -> np.ndarray:
    return np.array([_sha("factor", str(number)) | 1 for number in range(n)], np.uint64)
