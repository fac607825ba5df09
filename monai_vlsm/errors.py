"""Errors that the person who runs a command can mend, told in one message."""

from __future__ import annotations

import os
import re
import sys
from types import TracebackType


class UserError(Exception):
    """A wrong input, not a fault of the program: says what was expected, what came, and what to do next."""


class DataError(UserError, ValueError):
    """Data, prompt, setting or checkpoint that cannot be used as it is."""


class MissingFileError(UserError, FileNotFoundError):
    """A file or folder that is not there; the message has its full path and the command that creates it."""


def show_plainly() -> None:
    """Let an uncaught UserError end the process with its message alone.

    MONAI evaluates bundles in many layers, and wraps an error in each of them. The whole traceback is shown when the
    environment variable ``MONAI_VLSM_TRACEBACK`` is set.
    """
    if sys.excepthook is not _excepthook and not os.environ.get("MONAI_VLSM_TRACEBACK"):
        sys.excepthook = _excepthook


def _excepthook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, UserError):
        cause = cause.__cause__ or cause.__context__
    message = str(cause) if cause is not None else _from_worker(str(error))
    if message is None:
        sys.__excepthook__(kind, error, traceback)
    else:
        sys.stderr.write(f"\nerror: {message}\n(MONAI_VLSM_TRACEBACK=1 shows the whole traceback)\n")


def _from_worker(text: str) -> str | None:
    """Find a UserError in the text that PyTorch makes of an error in a data loading process."""
    found = re.search(rf"^{re.escape(__name__)}\.\w+: (.+)", text, re.MULTILINE)
    return found.group(1) if found else None
