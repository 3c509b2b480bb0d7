"""The `kit` command. Each command is a few lines over the library, which it imports when it runs."""

import atexit
import errno
import gc
import os
import sys
from importlib import import_module
from typing import NoReturn

from kit.cli.arguments import app
from kit.errors import KitError

for _group in ("tasks", "training", "board", "entries", "disk"):  # in the order of `kit --help`
    import_module(f"kit.cli.{_group}")


def main() -> None:
    """The entry point: what a user can mend costs no traceback; everything else keeps its own."""
    atexit.register(gc.freeze)  # else Python looks for garbage among all modules when it ends: a fifth of a command
    _open_streams()
    try:
        _run()
    except KitError as error:
        _end(error)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # such as `kit predict --help | head`
        _give_up()
        sys.exit(0)
    except OSError as error:
        from kit import workspace

        explained = workspace.explained(error)
        if explained is None and error.errno == errno.EBADF:
            explained = KitError("Standard output is closed, so nothing could be shown.")
        if explained is None:
            raise
        _give_up()  # it may be what could not be written
        _end(explained)


def _run() -> None:
    from kit import workspace

    if folder := workspace.missing():
        from kit.console import note

        note(f"The workspace {folder} (KIT_WORKSPACE) does not exist yet; it is made when there is something to keep.")
    try:
        app()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # typer makes it exit code 1
            raise end.__context__ from None
        raise
    finally:
        sys.stdout.flush()  # while an error can still be told


def _end(error: KitError) -> NoReturn:
    from kit.console import complain

    if not getattr(error, "unread", False):
        complain(error)
    sys.exit(error.exit_code)


def _give_up() -> None:
    from kit.console import give_up

    give_up()


def _open_streams() -> None:
    """Make sure that stdin, stdout and stderr are there: a file that is opened must never take their place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR if number == 2 else os.O_RDONLY)  # writing to stdout still fails
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
