"""Arrays out of an .npz file that may be damaged, or made to do harm: what is wrong with it is said in words."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kit.errors import KitError, first_line
from kit.task import Array


def read(path: Path, names: Sequence[str] | None = None, most: int = 1 << 30) -> dict[str, Array]:
    """The arrays in a file, or those of these names. most: bytes that they may take in memory.

    KitError, in words that follow the file's name, where it is missing or damaged in whatever way.
    """
    if not path.is_file():  # opening a pipe would wait for ever
        raise KitError("is missing" if not path.exists() else "is no file")
    try:
        with zipfile.ZipFile(path) as archive:
            inside = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wanted = {name: inside[name] for name in (inside if names is None else names)}
            if len(inside) < len(archive.infolist()) or sum(info.file_size for info in wanted.values()) > most:
                raise ValueError("it holds more than it should")
            content = {name: io.BytesIO(archive.read(info)) for name, info in wanted.items()}
        return {name: np.lib.format.read_array(member, allow_pickle=False) for name, member in content.items()}
    except PermissionError as error:
        raise KitError("may not be read") from error
    except Exception as error:  # a decoder may raise anything at all where a bit was flipped
        raise KitError(f"is damaged ({first_line(error)})") from error
