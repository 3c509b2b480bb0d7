"""Write predictions to a file that `kit check` accepts: .npy, .npz, .csv, .csv.gz or .parquet."""

import gzip
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kit import workspace
from kit.errors import KitError, shown
from kit.predictions import canonical
from kit.readers import FORMATS
from kit.task import Array, Spec


def ready(path: Path) -> str:
    """The format that a file's ending asks for; KitError where such a file could not be written."""
    ending = next((ending for ending in FORMATS if path.name.lower().endswith(ending)), None)
    name = shown(path, 300)
    if ending is None:
        raise KitError(f"{name}: unknown format; predictions are written to a file that ends in {', '.join(FORMATS)}.")
    if path.is_dir():
        raise KitError(f"{name} is a folder; give the name of a file in it.")
    if not path.parent.is_dir():
        raise KitError(f"{name} cannot be written: there is no folder {shown(path.parent, 300)}. Make it first.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise KitError(
            f"{name} cannot be written: the folder {shown(path.parent.resolve(), 300)} is read-only for you."
        )
    return ending


def write(path: Path, predictions: Array, spec: Spec) -> None:
    """Write predictions in the precision that they are kept in, whole or not at all.

    predictions: one of `spec.shapes`, in the order of its ids, which a table carries along.
    """
    ending, array = ready(path), canonical(np.asarray(predictions))
    with workspace.replacing(path) as file:
        if ending == ".npy":
            np.save(file, array)
        elif ending == ".npz":
            np.savez_compressed(file, predictions=array)
        else:
            _write_table(file, _table(array, spec), ending)


def _table(array: Array, spec: Spec) -> Any:
    """A pyarrow Table: the ids, and a column of class names or one for each column of the Spec."""
    import pyarrow as pa

    ids = pa.array(np.char.decode(spec.ids, "utf-8") if spec.ids.dtype.kind == "S" else spec.ids)
    if spec.kind == "class" and array.ndim == 1:
        names = np.array(spec.columns)
        return pa.table({"id": ids, "label": pa.array(names[array.astype(np.int64)])})
    cells = array.reshape(len(spec.ids), -1)
    return pa.table({"id": ids, **{name: pa.array(cells[:, n]) for n, name in enumerate(spec.columns)}})


def _write_table(file: BinaryIO, table: Any, ending: str) -> None:
    if ending == ".parquet":
        from pyarrow import parquet

        parquet.write_table(table, file)
        return
    from pyarrow import csv

    options = csv.WriteOptions(quoting_style="needed")
    if ending == ".csv":
        csv.write_csv(table, file, options)
        return
    with gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed:
        csv.write_csv(table, packed, options)
