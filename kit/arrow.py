"""From numpy to Arrow and back without pandas, which pyarrow's own conversions import, at 0.2 s a process."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kit.task import Array


def strings(words: Array | Sequence[str]) -> Any:
    """Text (also as UTF-8 bytes) or whole numbers -> a pyarrow StringArray."""
    import pyarrow as pa

    array = np.asarray(words) if len(words) else np.zeros(0, "S1")
    if array.dtype.kind in "iu":
        array = array.astype("S")
    elif array.dtype.kind == "U":
        array = np.char.encode(array, "utf-8")
    letters = np.ascontiguousarray(array).view(np.uint8).reshape(len(array), -1)
    lengths = letters.shape[1] - np.argmax(letters[:, ::-1] != 0, axis=1)  # all but the padding
    lengths[~letters.any(axis=1)] = 0
    ends = np.zeros(len(array) + 1, np.int32)
    np.cumsum(lengths, out=ends[1:])
    kept = letters[np.arange(letters.shape[1]) < lengths[:, None]]
    return pa.StringArray.from_buffers(len(array), pa.py_buffer(ends), pa.py_buffer(kept))


def values(cells: Any, null: float) -> Array:
    """A pyarrow Array of numbers as numpy, with `null` in its empty cells."""
    import pyarrow as pa

    whole = pa.Array.from_buffers(cells.type, len(cells), [None, cells.buffers()[1]], offset=cells.offset)
    found = np.asarray(np.from_dlpack(whole))
    return np.where(nulls(cells), found.dtype.type(null), found) if cells.null_count else found


def nulls(cells: Any) -> Array:
    """Which cells are empty, as bool."""
    import pyarrow.compute as pc

    return true(pc.is_null(cells))


def true(mask: Any) -> Array:
    """Which cells of a boolean pyarrow Array are true; an empty one is not."""
    import pyarrow as pa

    bits = values(mask.cast(pa.uint8()), 0) if mask.null_count else np.from_dlpack(mask.cast(pa.uint8()))
    return np.asarray(bits).astype(bool)
