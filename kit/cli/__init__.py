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
    try:
        app()
    except KitError as error:
        from kit import render

        render.complain(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # `kit leaderboard | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        from kit import render

        render.complain(KitError(f"The disk is full, so {error.filename or 'a file'} could not be written. Make room."))
        sys.exit(1)
