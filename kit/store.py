"""The files of one submission, kept under `submissions/<task>/`: predictions (.npy) and row sums (.sums.npz)."""

import hashlib
import io
from itertools import chain
from typing import BinaryIO

import numpy as np

from kit import predictions
from kit.scoring import Scorecard
from kit.task import Array


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
    """Write what comparing needs, without the truth: sums by unit, each sum's metric, each unit's group and part."""
    widths = [of.stop - of.start for of in card.columns.values()]
    metric = np.repeat(list(card.columns), widths)
    np.savez_compressed(file, sums=card.sums, metric=metric, group=card.units.group, public=card.units.public)
