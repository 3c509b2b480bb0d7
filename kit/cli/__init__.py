"""The `kit` command. Each command is a few lines over the library, which it imports when it runs."""

import errno
import os
import sys
from importlib import import_module

from kit.cli.arguments import app
from kit.errors import KitError

for _group in ("tasks", "training", "board"):  # in the order of `kit --help`
    import_module(f"kit.cli.{_group}")


def main() -> None:
    """The entry point: a KitError is the user's to mend and costs no traceback; everything else keeps its own."""
    _open_streams()
    try:
        app()
    except KitError as error:
        _complain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EBADF):
            raise
        if not error.filename:
            from kit.console import give_up

            give_up()
        what = error.filename or "what the command shows"
        why = "The disk is full" if error.errno == errno.ENOSPC else "Standard output is closed"
        _complain(KitError(f"{why}, so {what} could not be written."))
        sys.exit(1)


def _complain(error: KitError) -> None:
    from kit.console import complain

    if not getattr(error, "unread", False):
        complain(error)


def _open_streams() -> None:
    """Make sure that stdin, stdout and stderr are there: a file that is opened must never take their place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR if number == 2 else os.O_RDONLY)  # writing to stdout still fails
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
