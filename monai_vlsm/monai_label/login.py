"""The login of the label server: one token, made here, that clients show with every request."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import math
import os
import re
import secrets
import stat
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.monai_label.gate import Receive, Scope, Send, answer, headers_of

TOKEN = Path("login_token")
"""In the folder of an app: what clients must know, readable by the one who starts the server alone."""
WRONG_A_MINUTE = 10
"""Wrong tokens that are told so; further ones are told to wait. The right one is taken at any time: nobody guesses 256
bits, and whoever can be locked out by others has no server."""
LONGEST_TOKEN = 1000
"""Characters that are looked at."""

_OPEN = ("/auth/", "/auth/token")
"""Where clients ask whether there is a login, and log in."""
_logger = logging.getLogger("monai_vlsm")


def write_token(app: Path) -> Path:
    """Write a new token into the folder of an app, unless there is one, and return its file."""
    path = app / TOKEN
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        read_token(app)
        return path
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    return path


def read_token(app: Path) -> str:
    """Return the token of an app.

    Raises:
        MissingFileError: if there is none.
        DataError: if its file is a link, others can read it, or what it holds is easily guessed.
    """
    path = app / TOKEN
    try:
        # Without O_NONBLOCK a pipe of that name would be waited for.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError as error:
        raise MissingFileError(f"there is no {str(path)!r}: 'label-app --auth' makes one.") from error
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read ({error.strerror}): delete it, --auth makes another.") from error
    try:
        if not _is_mine_alone(os.fstat(descriptor)):
            raise DataError(f"{str(path)!r} is no file, or others can read it: delete it, --auth makes another token.")
        token = os.read(descriptor, LONGEST_TOKEN + 2).strip().decode("latin-1")
    finally:
        os.close(descriptor)
    if not re.fullmatch(rf"[!-~]{{32,{LONGEST_TOKEN}}}", token):
        raise DataError(f"{str(path)!r} must hold 32 letters or digits or more: delete it, --auth makes another token.")
    return token


class Guard:
    """Compares tokens in a time that tells nothing of them, and counts the wrong ones.

    Args:
        token: the right one.
    """

    def __init__(self, token: str) -> None:
        self._digest = _digest(token)
        self._wrong: deque[float] = deque(maxlen=WRONG_A_MINUTE)

    def wait_for(self, given: str, client: str) -> float | None:
        """Return None for the right token; for a wrong one, seconds after which another try is heard.

        Args:
            given: what a client showed.
            client: its address, for the log.
        """
        if len(given) <= LONGEST_TOKEN and hmac.compare_digest(_digest(given), self._digest):
            return None
        now = time.monotonic()
        if len(self._wrong) == WRONG_A_MINUTE and now - self._wrong[0] < 60:
            return 60 - (now - self._wrong[0])
        self._wrong.append(now)
        _logger.warning(f"a wrong login token came from {client!r:.80}")
        return 0.0


class Login:
    """ASGI application that hands on the requests that show the token, and reads nothing of others but their headers.

    The token comes as ``Authorization: Bearer TOKEN``, or as the password of ``Authorization: Basic`` of any user.

    Args:
        app: the application behind the login.
        guard: which knows the token.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], guard: Guard) -> None:
        self.app = app
        self.guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 429 with a reason, or let the application answer."""
        if scope["type"] != "http" or scope["path"] in _OPEN:
            await self.app(scope, receive, send)
            return
        given = _shown_token(headers_of(scope, b"authorization"))
        if given is None:
            await answer(send, *_asked())
        elif (seconds := self.guard.wait_for(given, str((scope.get("client") or "?")[0]))) is not None:
            await answer(send, *refused(seconds))
        else:
            await self.app(scope, receive, send)


def _is_mine_alone(facts: os.stat_result) -> bool:
    """Tell whether a file can be read by its owner only, where an operating system says so."""
    return stat.S_ISREG(facts.st_mode) and (os.name != "posix" or not facts.st_mode & 0o077)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _shown_token(headers: list[str]) -> str | None:
    """Return what is shown, None if a request shows nothing; two headers at once, or another scheme, are wrong."""
    if not headers:
        return None
    scheme, _, value = headers[0].partition(" ")
    if len(headers) > 1 or scheme.lower() not in ("bearer", "basic"):
        return ""
    if scheme.lower() == "bearer":
        return value.strip()
    try:
        decoded = base64.b64decode(value.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded.partition(":")[2]


def _asked() -> tuple[int, str, dict[str, str]]:
    ways = {"WWW-Authenticate": 'Basic realm="monai_vlsm", charset="UTF-8", Bearer realm="monai_vlsm"'}
    return 401, "this server wants a login: its token is in the file that 'label-app --auth' named.", ways


def refused(seconds: float) -> tuple[int, str, dict[str, str]]:
    """Return status, reason and headers of the answer to a wrong token, see :meth:`Guard.wait_for`."""
    if not seconds:
        return 401, "this is not the token of this server.", _asked()[2]
    wait = str(math.ceil(seconds))
    return 429, f"this is not the token, and there were many wrong ones: wait {wait} seconds.", {"Retry-After": wait}
