"""Read from the places that may have a file: a URL, resumed where an earlier try broke off, or a file of a mirror.

What fails here is the place, so that the next one is tried; what fails while the draft is written is the user's disk.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from kit.workspace import sha256

_TIMEOUT = (10, 60)  # seconds to connect, and between two pieces


class Unavailable(Exception):
    """A place that does not have the file; the next one is tried."""


@contextmanager
def reading() -> Iterator[None]:
    """A place that fails is not the cache that fails: the next place is tried."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:  # the last two: no file's name, no such home
        raise Unavailable(getattr(error, "strerror", None) or _reason(error)) from error


def pieces(source: IO[bytes]) -> Iterator[bytes]:
    """A file's content; what fails here is reading, whatever becomes of it outside."""
    while True:
        with reading():
            piece = source.read(1 << 20)
        if not piece:
            return
        yield piece


def download(url: str, digest: str, draft: Path) -> None:
    """Download into the draft, going on from what an earlier run left there; a draft broken off is left there too."""
    import requests
    from urllib3.exceptions import HTTPError

    try:
        resumed = _stream(url, draft)
        if resumed and sha256(draft) != digest:  # what was there was no part of this file
            draft.unlink()
            _stream(url, draft)
    except requests.exceptions.ProxyError as error:
        raise Unavailable(f"the proxy failed: {_reason(error)}") from error
    except requests.RequestException as error:
        raise Unavailable(_reason(error)) from error
    except HTTPError as error:
        raise Unavailable(f"broke off, and the next run goes on from there: {_reason(error)}") from error


def _stream(url: str, draft: Path) -> bool:
    """Add the rest of a URL to the draft if the server can, else all of it anew; whether it was the rest."""
    from kit.progress import download_bar

    have = draft.stat().st_size if draft.is_file() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with _opened(url, headers) as answer:
        if have and answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:  # it has no more than we do
            draft.unlink()
            return _stream(url, draft)
        answer.raise_for_status()
        if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
            have = 0
        total = have + int(answer.headers.get("Content-Length", 0))
        with draft.open("ab" if have else "wb") as file, download_bar(url, total, have) as advance:
            # Not decoded: many servers send a .gz file as "Content-Encoding: gzip", and it would arrive unpacked.
            for piece in answer.raw.stream(1 << 16, decode_content=False):
                file.write(piece)
                advance(len(piece))
    return have > 0


def _opened(url: str, headers: dict[str, str]) -> Any:
    import requests

    try:
        return requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT)
    except requests.RequestException:
        raise
    except OSError as error:  # such as a bundle of certificates that is not where it should be
        raise Unavailable(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """The innermost reason in a chain of network errors, without the object that it happened to."""
    while inner := [part for part in (*error.args, getattr(error, "reason", None)) if isinstance(part, Exception)]:
        error = inner[-1]
    return re.sub(r"^(<.*?>|\w+\(.*?\)): ", "", " ".join(str(error).split())) or type(error).__name__
