"""From numpy to Arrow and back without pandas, which pyarrow's own conversions import, at 0.2 s a process."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kit.task import Array


def strings(words: Sequence[str]) -> Any:
    """A few words as a pyarrow StringArray."""
    import pyarrow as pa

    letters = [word.encode() for word in words]
    ends = np.cumsum([0, *map(len, letters)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(words), pa.py_buffer(ends), pa.py_buffer(b"".join(letters)))


def cast(cells: Any, wanted: Any, safe: bool = True) -> Any:
    """`cells.cast`, which imports pyarrow.compute (0.03 s), where there is anything to cast."""
    return cells if cells.type == wanted else cells.cast(wanted, safe=safe)


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


def numbers(array: Array) -> Any:
    """A numpy array of int64 or float64 as a pyarrow Array of the same values."""
    import pyarrow as pa

    kind = pa.int64() if array.dtype == np.int64 else pa.float64()
    return pa.Array.from_buffers(kind, len(array), [None, pa.py_buffer(np.ascontiguousarray(array))])


def plain(column: Any) -> Any:
    """A ChunkedArray without dictionaries whose words pyarrow cannot look up, such as a Categorical of polars."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type) or column.type.value_type != pa.string_view():
        return column
    pieces = [
        pa.DictionaryArray.from_arrays(piece.indices, piece.dictionary.cast(pa.string())) for piece in column.chunks
    ]
    return pa.chunked_array(pieces, pa.dictionary(column.type.index_type, pa.string()))
