"""Texts as words, and as rows of word numbers for the networks."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kit import KitError

# A word, with what follows an apostrophe; a Chinese character, for Chinese is written without spaces; or a mark.
PATTERN = r"[^\W_\u3400-\u9fff]+(?:'[^\W_]+)?|[\u3400-\u9fff]|[^\w\s]"
PADDING, UNKNOWN = 0, 1


def words(text: str) -> list[str]:
    return re.findall(PATTERN, text.lower())


def counted(counters: Sequence[Any], texts: Sequence[str]) -> list[Any]:
    """What each counter of scikit-learn makes of the training texts, (n, n_features); it learns its words from them."""
    try:
        return [counter.fit_transform(texts) for counter in counters]
    except ValueError as error:  # no word occurs in as many texts as are wanted
        raise KitError(
            f"Training rows with too few words in common ({len(texts):,} rows): give more --rows."
        ) from error


def vocabulary(texts: Iterable[str], least: int = 2) -> dict[str, int]:
    """A number from 2 up for every word that occurs at least so often, the most frequent first."""
    counts = Counter(word for text in texts for word in words(text))
    known = [word for word, count in counts.most_common() if count >= least]
    return {word: number for number, word in enumerate(known, start=UNKNOWN + 1)}


def numbered(texts: Sequence[str], known: dict[str, int], longest: int) -> np.ndarray:
    """(n, longest) int64 word numbers: cut after `longest` words, padded at the end; no words are an unknown one."""
    rows = np.full((len(texts), longest), PADDING)
    for row, text in zip(rows, texts, strict=True):
        numbers = [known.get(word, UNKNOWN) for word in words(text)[:longest]] or [UNKNOWN]
        row[: len(numbers)] = numbers
    return rows
