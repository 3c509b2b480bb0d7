"""The command on a pseudo terminal, or with a stdout of another kind, in this process: what it showed, and its end."""

import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
import threading
from dataclasses import dataclass
from typing import Any

import pytest

from kit import cli


@dataclass
class Shown:
    """Exit code and stdout; `plain` is that without colours."""

    code: int
    text: str

    @property
    def plain(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*m", "", self.text)


def run(monkeypatch: pytest.MonkeyPatch, stdout: Any, *arguments: object) -> int:
    """`kit ...` with that stdout; its exit code."""
    monkeypatch.setattr(sys, "argv", ["kit", *map(str, arguments)])
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int, *arguments: object) -> Shown:
    """`kit ...` on a terminal with so many columns."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    pieces: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(main, 65536):
                pieces.append(piece)
        except OSError:  # the other end was closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    with open(other, "w", encoding="utf-8", newline="") as stdout:
        code = run(monkeypatch, stdout, *arguments)
    reader.join()
    os.close(main)
    return Shown(code, b"".join(pieces).decode().replace("\r\n", "\n"))


def in_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str, *arguments: object) -> tuple[int, bytes]:
    """`kit ...` into a pipe with that encoding, strict as Python has it: exit code, and the bytes."""
    written = io.BytesIO()
    stdout = io.TextIOWrapper(written, encoding=encoding, write_through=True)
    code = run(monkeypatch, stdout, *arguments)
    stdout.flush()
    return code, written.getvalue()
