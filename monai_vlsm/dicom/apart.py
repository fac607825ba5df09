"""GDCM in a process of its own: some damaged pixels make it end the process in which it runs."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from io import BytesIO
from threading import Lock, Timer
from typing import IO, cast

import numpy as np
from pydicom import Dataset

from monai_vlsm.dicom.decoding import APART, decode
from monai_vlsm.errors import DataError

_LENGTH = 8
"""Bytes in front of a message that tell its length."""
_LONGEST = 600.0
"""Seconds, after which it is taken for an endless loop over damaged pixels."""


class _Helper:
    """A process that decodes, started when it is first needed, and anew after it ended."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def ask(self, message: bytes) -> bytes:
        """Return the answer to a message, none if the helper ended over it, or takes longer than any image."""
        with self._lock:
            process = self._running()
            deadline = Timer(_LONGEST, process.kill)
            deadline.start()
            try:
                _send(cast(IO[bytes], process.stdin), message)
                return _receive(cast(IO[bytes], process.stdout))
            except BaseException as error:
                # After Ctrl-C, too: its answer would be taken for that to the next message.
                process.kill()
                process.wait()
                if not isinstance(error, (OSError, EOFError)):
                    raise
                return b""
            finally:
                deadline.cancel()

    def _running(self) -> subprocess.Popen[bytes]:
        # A process that was forked shares the pipes of its parent, and must not use them.
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            places = os.pathsep.join(filter(None, sys.path))
            self._owner, self._process = (
                os.getpid(),
                subprocess.Popen(
                    [sys.executable, "-P", "-W", "ignore", "-m", __name__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": places},
                ),
            )
        return self._process


_HELPER = _Helper()


def decode_apart(pixels: Dataset) -> np.ndarray:
    """Decode pixels with GDCM.

    Raises:
        DataError: if they are damaged.
    """
    answer = _HELPER.ask(pickle.dumps(pixels))
    if not answer:
        raise DataError("its compressed pixels are damaged")
    return np.load(BytesIO(answer), allow_pickle=False)


def _send(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(len(message).to_bytes(_LENGTH, "little") + message)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes:
    length = pipe.read(_LENGTH)
    message = pipe.read(int.from_bytes(length, "little"))
    if len(length) < _LENGTH or len(message) < int.from_bytes(length, "little"):
        raise EOFError
    return message


def _answer(message: bytes) -> bytes:
    stream = BytesIO()
    try:
        np.save(stream, decode(pickle.loads(message), APART), allow_pickle=False)
    except Exception:
        return b""
    return stream.getvalue()


def main() -> None:
    """Decode what comes in until the other process closes the pipe."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    try:
        while True:
            _send(answers, _answer(_receive(sys.stdin.buffer)))
    except (OSError, EOFError):
        return


if __name__ == "__main__":
    main()
