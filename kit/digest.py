"""A hash of a value's content, the same in every process: whether two runs were given the same."""

import dataclasses
import hashlib
import sys
from collections.abc import Collection, Set
from pathlib import Path
from typing import Any

import numpy as np

_DIGITS = 16  # hexadecimal ones that are kept of a sha256: of two contents, one pair in 2^64 looks the same


def digest(value: Any) -> str:
    """A hash of a value's content: arrays, tensors, tables, texts, numbers, and what is made of them."""
    whole = hashlib.sha256()
    _add(whole, value)
    return whole.hexdigest()[:_DIGITS]


def _add(whole: Any, value: Any) -> None:
    """Add a value to a hash, each part with its type and size before it: no two values read alike."""
    if (torch := sys.modules.get("torch")) and isinstance(value, torch.Tensor):
        whole.update(f"tensor {value.dtype} {tuple(value.shape)}:".encode())
        value = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()  # numpy knows no bfloat16
    elif hasattr(value, "to_numpy"):  # a table
        value = {"columns": [str(name) for name in getattr(value, "columns", [])], "values": value.to_numpy()}
    if isinstance(value, np.ndarray) and value.dtype != object:
        whole.update(f"array {value.dtype.str} {value.shape}:".encode())
        whole.update(np.ascontiguousarray(value).view(np.uint8).data if value.size and value.itemsize else b"")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        _add(whole, {part.name: getattr(value, part.name) for part in dataclasses.fields(value)})
    elif isinstance(value, dict):
        whole.update(f"dict {len(value)}:".encode())
        for name, part in value.items():
            _add(whole, name)
            _add(whole, part)
    elif isinstance(value, bytes | str | int | float | complex | Path | np.generic | None):
        text = value if isinstance(value, bytes) else repr(value).encode("utf-8", "backslashreplace")
        whole.update(f"{type(value).__name__} {len(text)}:".encode() + text)
    elif isinstance(value, Collection):  # not an iterator, which a look would use up
        parts = sorted(value, key=repr) if isinstance(value, Set) else list(value)
        whole.update(f"list {len(parts)}:".encode())
        for part in parts:
            _add(whole, part)
    else:
        whole.update(f"{type(value).__qualname__};".encode())  # its content cannot be known
