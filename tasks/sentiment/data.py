"""10,605 sentences from movie reviews, each rated by about 20 people (Hutto & Gilbert, VADER, ICWSM 2014)."""

import hashlib
import tarfile
from pathlib import Path

import numpy as np

from kit import Answers, Data, Spec
from kit.errors import SourceError
from kit.sources import File, Package, fetch

from .split import is_test, near_duplicates, normal, shuffled

_ARCHIVE = File(
    "hutto_ICWSM_2014.tar.gz",
    "d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa",
    url="https://raw.githubusercontent.com/cjhutto/vaderSentiment/master/additional_resources/hutto_ICWSM_2014.tar.gz",
    package=Package(
        "vaderSentiment==3.3.2",
        "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
        "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz",
    ),
)
_MEMBER = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
_MEMBER_SHA256 = "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350"
_MEMBER_LIMIT = 4 << 20  # bytes; the file has 1.4 MB


def load() -> Data:
    """x: (n,) object array of str. y_train: (n,) float32 mean valence, -4..4: positive where above 0, no side at 0."""
    texts, valence, test = _rows()
    return Data(
        x_train=texts[~test],
        y_train=valence[~test],
        x_test=texts[test],
        spec=Spec(ids=np.arange(test.sum()), columns=("positive",), kind="probability"),
        source="Movie review sentences, VADER (Hutto & Gilbert, 2014)",
    )


def answers() -> Answers:
    """1 for positive, 0 for negative, NaN where the raters' mean is exactly 0."""
    _, valence, test = _rows()
    return Answers(truth=np.where(valence == 0, np.nan, valence > 0)[test])


def _rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All sentences, their mean valence and whether each is a test row, shuffled: the file is sorted by sentiment."""
    [archive] = fetch("sentiment", [_ARCHIVE])
    lines = extract(archive, _MEMBER, _MEMBER_SHA256, _MEMBER_LIMIT).decode().split("\r\n")
    _, valence, texts = zip(*(line.split("\t") for line in lines), strict=True)
    normals = [normal(text) for text in texts]
    test = is_test(normals, near_duplicates(normals))
    order = shuffled(texts)
    return np.array(texts, object)[order], np.array(valence, np.float32)[order], test[order]


def extract(archive: Path, member: str, sha256: str, limit: int) -> bytes:
    """One regular file of at most `limit` bytes out of a tar, by its exact name; nothing is written anywhere."""
    try:
        with tarfile.open(archive) as tar:
            info = tar.getmember(member)
            if not info.isreg() or info.size > limit or (source := tar.extractfile(info)) is None:
                raise SourceError(
                    f"{member} in {archive} is no ordinary file of at most {limit:,} bytes; it was not read."
                )
            content = source.read(limit)
    except (KeyError, tarfile.TarError, EOFError) as error:
        raise SourceError(f"{archive} does not hold {member}. Delete the archive and run the command again.") from error
    if (got := hashlib.sha256(content).hexdigest()) != sha256:
        raise SourceError(
            f"{member} in {archive} has sha256 {got}, expected {sha256}. Delete the archive; run it again."
        )
    return content
