"""The files of one submission, kept under `submissions/<task>/`: predictions (.npy) and row sums (.sums.npz)."""

import hashlib
import io
import struct
import tokenize
import zipfile
import zlib
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np

from kit import predictions
from kit.scoring import Scorecard
from kit.task import Array

_DAMAGED = (
    *(OSError, EOFError, LookupError, ValueError, TypeError, RuntimeError, MemoryError, SyntaxError),
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
)  # what numpy raises on a file that was


def write_predictions(file: BinaryIO, array: Array) -> str:
    """Write checked predictions in the precision they are kept in, chunk by chunk; the sha256 of what was written."""
    digest = hashlib.sha256()
    header = io.BytesIO()
    kept = predictions.canonical(array[:1]).dtype
    described = {"descr": np.lib.format.dtype_to_descr(kept), "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(header, described)
    pieces = (predictions.canonical(array[rows]).tobytes() for rows in predictions.chunks(array))
    for piece in chain([header.getvalue()], pieces):
        file.write(piece)
        digest.update(piece)
    return digest.hexdigest()


def write_sums(file: BinaryIO, card: Scorecard) -> None:
    """Write what comparing needs, without the truth: sums by unit, and every metric's values on the resamples.

    sums (n_units, k) with each sum's metric, each unit's group and part; one (3, n_resamples) array a metric.
    """
    widths = [of.stop - of.start for of in card.columns.values()]
    of_sums = {"metric": np.repeat(list(card.columns), widths), "group": card.units.group, "public": card.units.public}
    replicates = {f"replicates.{metric}": values for metric, values in card.replicates.items()}
    np.savez_compressed(file, allow_pickle=False, sums=card.sums, **of_sums, **replicates)


def read_replicates(path: Path, metric: str) -> Array | None:
    """(3, n_resamples) values of a metric over all, public and private rows; None where the file does not have them."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            return np.asarray(kept[f"replicates.{metric}"])
    except _DAMAGED:
        return None


def sums_path(file: Path) -> Path:
    """Where the row sums of a file of predictions are kept."""
    return file.with_suffix(".sums.npz")
