"""The files of one submission, kept under `submissions/<task>/`: predictions (.npy) and row sums (.sums.npz)."""

import hashlib
import io
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np

from kit import archive, predictions
from kit.errors import KitError
from kit.scoring import Scorecard
from kit.statistics import RESAMPLES
from kit.task import Array

_REPLICATES = 10 * 3 * 8 * RESAMPLES  # bytes that the values of one metric may take


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


def sums_arrays(card: Scorecard) -> dict[str, Array]:
    """What comparing needs, without the truth: sums by unit, and every metric's values on the resamples.

    sums (n_units, k) with each sum's metric, each unit's group and part; one (3, n_resamples) array a metric.
    """
    widths = [of.stop - of.start for of in card.columns.values()]
    of_sums = {"metric": np.repeat(list(card.columns), widths), "group": card.units.group, "public": card.units.public}
    replicates = {f"replicates.{metric}": values for metric, values in card.replicates.items()}
    return {"sums": card.sums, **of_sums, **replicates}


def write_sums(file: BinaryIO, card: Scorecard) -> None:
    """Write the arrays of `sums_arrays`."""
    np.savez_compressed(file, allow_pickle=False, **sums_arrays(card))


def read_replicates(path: Path, metric: str) -> Array | None:
    """(3, n_resamples) values of a metric over all, public and private rows; None where the file does not have them."""
    try:
        [found] = archive.read(path, [f"replicates.{metric}"], _REPLICATES).values()
    except KitError:
        return None
    return found if found.dtype == np.float64 and found.ndim == 2 and len(found) == 3 else None


def read_n_groups(path: Path) -> dict[str, int]:
    """Part -> how many groups its replicates were drawn from; empty where the file does not have them."""
    try:
        group, public = archive.read(path, ["group", "public"], _REPLICATES).values()
    except KitError:
        return {}
    if group.ndim != 1 or group.shape != public.shape or public.dtype != bool:
        return {}
    inside = {"all": np.ones(len(group), bool), "public": public, "private": ~public}
    return {part: len(np.unique(group[of_part])) for part, of_part in inside.items()}


def sums_path(file: Path) -> Path:
    """Where the row sums of a file of predictions are kept."""
    return file.with_suffix(".sums.npz")
