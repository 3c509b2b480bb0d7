"""What a notebook hands over, told apart: arrays, tensors, tables, and whatever carries labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kit import arrow, labelled
from kit.errors import first_line, shown
from kit.task import Spec
from kit.values import WANTED, Read, by_position, filled, has, refused


def read(source: Any, spec: Spec) -> Read:
    """Predictions in the order of the Spec, before their values are checked; PredictionError for what holds none."""
    source = _unwrapped(source)
    if isinstance(source, Mapping):
        return labelled.of_mapping(source, spec)
    if labelled.is_records(source):
        return labelled.of_records(source, spec)
    if isinstance(source, np.ndarray) and source.dtype.names:
        return labelled.of_columns({name: filled(source[name]) for name in source.dtype.names}, spec)
    if has(source, "dims", "coords"):
        return labelled.of_labelled_array(source, spec)
    if labelled.has_index(source) and has(source, "columns"):
        return labelled.of_frame(source, spec)
    if labelled.has_index(source):
        return labelled.of_series(source, source.index, spec)
    if not labelled.is_table(source) and (has(source, "__arrow_c_stream__") or has(source, "to_pylist")):
        source = _streamed(source)
    return labelled.of_table(source, spec) if labelled.is_table(source) else by_position(source, spec)


def _streamed(source: Any) -> Any:
    """What an Arrow stream holds: a table, or a single column."""
    import pyarrow as pa

    try:
        column = pa.chunked_array([source] if isinstance(source, pa.Array) else source)
    except Exception as error:  # whatever the other library's code raises
        raise refused(f"this table cannot be read: {first_line(error)}.") from error
    return pa.Table.from_struct_array(column) if pa.types.is_struct(column.type) else arrow.plain(column)


def _unwrapped(source: Any) -> Any:
    """The array or table inside; words for what cannot be predictions."""
    kind = type(source).__name__
    if source is None:
        raise refused(f"this is None (does a function lack its return?); {WANTED}")
    if isinstance(source, bytes | bytearray):
        raise refused("these are bytes of a file; give its path, or what np.load(io.BytesIO(data)) returns.")
    if has(source, "read") and not has(source, "dtype"):
        name = getattr(source, "name", None)
        path = f" its path, {shown(name)}, or" if isinstance(name, str) else ""
        raise refused(f"this is an open file ({kind}); give{path} what it holds: np.load(file), pd.read_csv(file).")
    if has(source, "__next__") and not has(source, "__arrow_c_stream__"):
        raise refused(f"this is a {kind}, which yields its values once; give list(...) of it.")
    if isinstance(source, set | frozenset):
        raise refused(f"this is a {kind}, which has no order; {WANTED}")
    if has(source, "collect", "lazy"):
        raise refused(f"this is a {kind}, which is not computed yet; give what its collect() returns.")
    if has(source, "compute", "dask"):
        raise refused(f"this is a {kind} of dask, which is not computed yet; give what its compute() returns.")
    if has(source, "toarray", "nnz"):
        raise refused(f"this is a sparse matrix ({kind}); give what its toarray() returns.")
    if isinstance(source, type) or (callable(source) and not has(source, "__array__")):
        raise refused(f"this is no array of numbers but {shown(source)}, which is to be called; {WANTED}")
    if kind == "NpzFile":
        if len(source) != 1:
            raise refused(f"it holds {len(source)} arrays; one is wanted: np.load(path)['name'].")
        return next(iter(source.values()))
    if has(source, "data_vars", "to_dataframe"):
        return source.to_dataframe()
    return _of_tensor(source) if has(source, "detach") else source


def _of_tensor(tensor: Any) -> Any:
    """A torch tensor as numpy can take it, wherever it lies and whatever its precision."""
    if getattr(tensor, "is_meta", False):
        raise refused("this tensor is on the device meta, where it has a shape and no values.")
    if str(getattr(tensor, "layout", "torch.strided")) != "torch.strided" or getattr(tensor, "is_nested", False):
        raise refused(f"this is no array of numbers: the tensor's layout is {tensor.layout}; give its to_dense().")
    try:
        tensor = tensor.detach().cpu()
        tensor = tensor.dequantize() if getattr(tensor, "is_quantized", False) else tensor
        tensor = tensor.resolve_conj().resolve_neg() if hasattr(tensor, "resolve_neg") else tensor
        return tensor.float() if tensor.is_floating_point() and tensor.element_size() < 4 else tensor
    except (RuntimeError, NotImplementedError, TypeError) as error:
        raise refused(f"this tensor cannot be read: {first_line(error)}.") from error
