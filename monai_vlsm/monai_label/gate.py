"""The gate in front of the label server: which hosts, web pages and sizes of requests get in."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from monai_vlsm.errors import DataError

LARGEST_UPLOAD = 2 * 2**30
"""Bytes of an uploaded image or label; a CT of 512 x 512 x 1000 voxels has 0.5 GB."""
LARGEST_REQUEST = 2**20
"""Bytes of a request without a file."""
LONGEST_PAUSE = 60
"""Seconds between two parts of a request; who is slower keeps a connection that others may need."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")

_HOST = re.compile(r"(\[[0-9a-f:.%]+\]|[^:\[\]@/]+)(:\d+)?")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d+)?|https?://\[[0-9a-f:]+\](:\d+)?")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def require_origin(origin: str) -> str:
    """Return the origin of a web page as browsers send it, ``https://viewer.example:3000``.

    Raises:
        DataError: if it is something else, ``*`` and ``null`` included: these would let every page in.
    """
    lowered = origin.lower()
    if not _ORIGIN.fullmatch(lowered):
        raise DataError(f"an origin looks like 'https://viewer.example' or 'http://localhost:3000', not {origin!r}.")
    return lowered


def require_host_name(name: str) -> str:
    """Return a name under which clients reach the server, without port.

    Raises:
        DataError: if it is something else, ``*`` included.
    """
    if not re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:]+", name.lower()):
        raise DataError(f"a host name looks like 'label.hospital.example', without port, not {name!r}.")
    return name.lower()


class Gate:
    """ASGI application that answers strangers itself and hands all other requests on.

    A web page may send requests to a server on the visitor's own machine. Browsers name the page in ``Origin``, or say
    in ``Sec-Fetch-Site`` that there is one. A page that has its own name resolve to 127.0.0.1 (DNS rebinding) counts
    as the server's own, and is known by the name in ``Host``. 3D Slicer and Python send neither origin nor site.

    Args:
        app: the application behind the gate.
        hosts: names under which clients reach the server, without port.
        origins: of web pages that may use it, see :func:`require_origin`.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], hosts: Iterable[str], origins: Iterable[str] = ()) -> None:
        self.app = app
        self.hosts = {host.lower() for host in hosts}
        self.origins = set(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403, 408 or 413 with a reason, or let the application answer."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif (refusal := self._refusal(scope)) is not None:
            await answer(send, 403, refusal)
        else:
            await self._limited(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        hosts, origins = headers_of(scope, b"host"), headers_of(scope, b"origin")
        host = _HOST.fullmatch(hosts[0].lower()) if len(hosts) == 1 else None
        if host is None or host[1].strip("[]") not in self.hosts:
            return f"this server is not known as {', '.join(hosts)!r}: start it with --host-name NAME if it should be."
        if any(origin.lower() not in self.origins for origin in origins):
            return f"the web page {', '.join(origins)!r} may not use this server: start it with --origin if it should."
        if not origins and set(headers_of(scope, b"sec-fetch-site")) - {"none", "same-origin"}:
            return "another web page may not use this server."
        return None

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 or 408 as soon as the body is larger than a request of its kind may be, or does not come."""
        uploads = scope["method"] == "PUT" or scope["path"].startswith("/infer/")
        body, started = _Body(receive, LARGEST_UPLOAD if uploads else LARGEST_REQUEST), False

        async def unless_refused(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            if body.refusal is None:
                started = True
                await send(message)

        lengths = headers_of(scope, b"content-length")
        if any(not length.isdecimal() or int(length) > body.limit for length in lengths):
            body.refuse_size()
        else:
            try:
                await self.app(scope, body, unless_refused)
            except Exception:
                if body.refusal is None:
                    raise
        if body.refusal is not None and not started:
            await answer(send, *body.refusal)


class _Body:
    """The body of a request as the application receives it, which ends where it is too large or does not come.

    Args:
        receive: what the server received.
        limit: bytes.
    """

    def __init__(self, receive: Receive, limit: int) -> None:
        self.limit = limit
        self.refusal: tuple[int, str] | None = None
        self._receive = receive
        self._received = 0
        self._is_whole = False

    def refuse_size(self) -> None:
        """Note that it is too large."""
        self.refusal = 413, f"this request may have {self.limit:,} bytes."

    async def __call__(self) -> MutableMapping[str, Any]:
        """Return what comes next; the application sees a client that left, and reads no further, when it is refused."""
        try:
            async with asyncio.timeout(None if self._is_whole else LONGEST_PAUSE):
                message = await self._receive()
        except TimeoutError:
            self.refusal = 408, f"nothing more of this request came for {LONGEST_PAUSE} seconds."
            return {"type": "http.disconnect"}
        self._is_whole = not message.get("more_body", False)
        self._received += len(message.get("body", b""))
        if self._received > self.limit:
            self.refuse_size()
        return message if self.refusal is None else {"type": "http.disconnect"}


def headers_of(scope: Scope, name: bytes) -> list[str]:
    """Return the values of a header, one for each time that it is there."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


async def answer(send: Send, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
    """Answer with a reason, and end the connection, so that nothing more of the request is read."""
    body = json.dumps({"detail": reason}).encode()
    own = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
    listed = [(name.lower().encode(), value.encode()) for name, value in {**own, **(headers or {})}.items()]
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send({"type": "http.response.body", "body": body})
