"""Errors that the person who runs a command can mend, told in one message."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any


class UserError(Exception):
    """A wrong input, not a fault of the program: says what was expected, what came, and what to do next."""


class DataError(UserError, ValueError):
    """Data, prompt, setting or checkpoint that cannot be used as it is."""


class OtherRunError(DataError):
    """A folder of results that belongs to another run by now."""


class MissingFileError(UserError, FileNotFoundError):
    """A file or folder that is not there; the message has its full path and the command that creates it."""


def show_user_errors_plainly() -> None:
    """Let an uncaught UserError end the process with its message alone, and Ctrl-C with its notes.

    MONAI evaluates bundles in many layers, and wraps an error in each of them. The whole traceback is shown when the
    environment variable ``MONAI_VLSM_TRACEBACK`` is set.
    """
    if not isinstance(sys.excepthook, _PlainHook) and not os.environ.get("MONAI_VLSM_TRACEBACK"):
        sys.excepthook = _PlainHook(sys.excepthook)


class _PlainHook:
    """An excepthook that tells UserErrors and Ctrl-C plainly and leaves all others to the hook there was before."""

    def __init__(self, previous: Callable[[type[BaseException], BaseException, TracebackType | None], Any]) -> None:
        self._previous = previous

    def __call__(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        message = find_message(error)
        if isinstance(error, KeyboardInterrupt):
            sys.stderr.write("\n".join(["\nstopped by Ctrl-C", *getattr(error, "__notes__", ()), ""]))
        elif message is None:
            self._previous(kind, error, traceback)
        else:
            sys.stderr.write(f"\nerror: {message}\n(MONAI_VLSM_TRACEBACK=1 shows the whole traceback)\n")


def find_message(error: BaseException | None) -> str | None:
    """Return the message of the first UserError among ``error`` and its causes."""
    found = find_user_error(error)
    return None if found is None else str(found)


def is_full_disk(error: BaseException | None) -> bool:
    """Tell whether ``error`` itself says that a disk is full, or a quota used up."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def find_user_error(error: BaseException | None) -> UserError | None:
    """Return the first UserError among ``error`` and its causes; one of a data loading process as a DataError."""
    for cause in with_causes(error):
        # PyTorch keeps the class of an error in a worker, and makes its whole traceback the message.
        text = _from_worker(str(cause))
        if text is not None:
            return DataError(text)
        if isinstance(cause, UserError):
            return cause
    return None


@contextmanager
def told_of(what: str) -> Iterator[None]:
    """Let a DataError begin with what it is about: a file, or a place in one."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{what}: {error}") from error


def with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield ``error``, what it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _from_worker(text: str) -> str | None:
    """Find a UserError in the text that PyTorch makes of an error in a data loading process: a whole traceback."""
    begin, end = rf"^{re.escape(__name__)}\.\w+: ", r"\n\n(?:The above exception|During handling)|\s*\Z"
    found = re.findall(f"{begin}(.+?)(?:{end})", text, re.MULTILINE | re.DOTALL)
    return found[-1] if found else None
