"""Who gets through the gate of the label server, on an application that only reads."""

from __future__ import annotations

import asyncio
import json

import pytest

from monai_vlsm.monai_label import gate
from monai_vlsm.monai_label.gate import LOOPBACK, Gate

VIEWER = "https://viewer.example"
SLICER = {"host": "127.0.0.1:8000"}
NEVER = b"never comes"


async def reads(scope, receive, send):
    """Read the body to its end, and say 200."""
    while (message := await receive()).get("more_body"):
        pass
    status = 200 if message["type"] == "http.request" else 400
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def ask(headers, method="GET", path="/info/", parts=(b"",), kind="http"):
    """Return the status and the body of the answer; no status if a connection was closed instead."""
    listed = headers.items() if isinstance(headers, dict) else headers
    scope = {"type": kind, "method": method, "path": path, "headers": [(k.encode(), v.encode()) for k, v in listed]}
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages[-1]["more_body"] = False
    sent = []

    async def receive():
        if messages[0]["body"] is NEVER:
            await asyncio.Event().wait()
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(Gate(reads, [*LOOPBACK, "label.example"], [VIEWER])(scope, receive, send))
    return sent[0].get("status"), sent[-1].get("body", b"")


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "127.0.0.1", "localhost:8000", "LOCALHOST", "[::1]:8000", "label.example"]
)
def test_clients_without_a_web_page_get_in_under_every_name_of_the_server(host):
    assert ask({"host": host})[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1:8000@evil.example",
        "127.0.0.1/evil.example",
        "localhost.",
        "127.0.0.1:",
        "[evil.example]:8000",
        "xlocalhost",
        "",
    ],
)
def test_a_page_whose_name_resolves_to_this_machine_is_refused(host):
    status, body = ask({"host": host})
    assert (status, "--host-name" in json.loads(body)["detail"]) == (403, True)


def test_a_request_without_a_host_is_refused():
    assert ask({})[0] == 403


def test_a_second_host_does_not_get_in_behind_the_first():
    assert ask([("host", "127.0.0.1"), ("host", "evil.example")])[0] == 403


def test_the_web_page_that_was_listed_gets_in():
    assert ask({**SLICER, "origin": VIEWER, "sec-fetch-site": "cross-site"})[0] == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://viewer.example",
        "https://viewer.example:444",
        "https://viewer.example.evil.example",
        "http://127.0.0.1:8000",
        "http://localhost:3000",
        "null",
        "*",
        "",
    ],
)
def test_any_other_web_page_is_refused(origin):
    status, body = ask({**SLICER, "origin": origin})
    assert (status, "--origin" in json.loads(body)["detail"]) == (403, True)


def test_a_second_origin_does_not_get_in_behind_the_first():
    assert ask([*SLICER.items(), ("origin", VIEWER), ("origin", "https://evil.example")])[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_a_page_that_sends_no_origin_is_known_by_its_site(site):
    assert ask({**SLICER, "sec-fetch-site": site})[0] == 403


def test_an_address_typed_into_a_browser_is_answered():
    assert ask({**SLICER, "sec-fetch-site": "none"})[0] == 200


def test_websockets_are_closed():
    assert ask(SLICER, kind="websocket") == (None, b"")


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(gate, "LARGEST_UPLOAD", 100)
    monkeypatch.setattr(gate, "LARGEST_REQUEST", 10)


@pytest.mark.parametrize(("method", "path", "limit"), [("PUT", "/datastore/", 100), ("POST", "/infer/busi", 100)])
@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 413)])
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in pieces"])
def test_an_upload_has_a_limit(small, method, path, limit, more, status, announced):
    body = b"x" * (limit + more)
    headers = {**SLICER, "content-length": str(len(body))} if announced else SLICER
    assert ask(headers, method, path, [body[:50], body[50:]])[0] == status


def test_a_request_without_a_file_has_a_smaller_limit(small):
    status, body = ask({**SLICER, "content-length": "11"}, "POST", "/train/busi")
    assert (status, "10 bytes" in json.loads(body)["detail"]) == (413, True)


@pytest.mark.parametrize("length", ["-1", "1e9", "", "²"])
def test_a_length_that_is_no_number_is_refused(length):
    assert ask({**SLICER, "content-length": length}, "PUT")[0] == 413


@pytest.mark.parametrize("parts", [[NEVER], [b"begin", NEVER]], ids=["nothing", "half"])
def test_a_body_that_does_not_come_ends_the_request(monkeypatch, parts):
    monkeypatch.setattr(gate, "LONGEST_PAUSE", 0.05)
    status, body = ask(SLICER, "POST", "/auth/token", parts)
    assert (status, "nothing more of this request came" in json.loads(body)["detail"]) == (408, True)


def test_an_answer_may_take_longer_than_a_pause(monkeypatch):
    monkeypatch.setattr(gate, "LONGEST_PAUSE", 0.05)
    sent = []

    async def computes(scope, receive, send):
        assert not (await receive())["more_body"]
        gone = asyncio.ensure_future(receive())
        await asyncio.sleep(0.15)
        assert not gone.done()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone.cancel()

    async def tried():
        messages = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive():
            return messages.pop(0) if messages else await asyncio.Event().wait()

        async def send(message):
            sent.append(message["status"])

        scope = {"type": "http", "method": "POST", "path": "/infer/busi", "headers": [(b"host", b"localhost")]}
        await Gate(computes, LOOPBACK)(scope, receive, send)

    asyncio.run(tried())
    assert sent == [200]
