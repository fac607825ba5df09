"""The token of a label server: how it is kept, and who gets in with it, on an application that only reads."""

from __future__ import annotations

import asyncio
import base64
import json
import os

import pytest

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.monai_label import login
from monai_vlsm.monai_label.login import TOKEN, WRONG_A_MINUTE, Guard, Login, read_token, write_token

RIGHT = "right" * 10


@pytest.fixture
def token(tmp_path):
    write_token(tmp_path)
    return tmp_path / TOKEN


def test_a_token_is_made_once_and_kept(tmp_path):
    first = write_token(tmp_path).read_text()
    assert write_token(tmp_path).read_text() == first
    assert read_token(tmp_path) == first.strip()


def test_two_apps_have_different_tokens_that_cannot_be_guessed(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_token(tmp_path / name)
    assert read_token(tmp_path / "a") != read_token(tmp_path / "b")
    assert len(read_token(tmp_path / "a")) >= 43, "256 bits in base 64"


def test_nobody_else_can_read_the_token_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        path = write_token(tmp_path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_server_without_its_token_does_not_start(tmp_path):
    with pytest.raises(MissingFileError, match="label-app --auth"):
        read_token(tmp_path)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620])
def test_a_token_that_others_can_read_is_refused(tmp_path, token, mode):
    token.chmod(mode)
    with pytest.raises(DataError, match="others can read it"):
        read_token(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"short", b"x" * 31, b"x" * 1100, b"x" * 20 + b"\n" + b"y" * 20, b"\xff" * 40]
)
def test_a_token_that_is_none_is_refused(tmp_path, token, content):
    token.write_bytes(content)
    for use in (read_token, write_token):
        with pytest.raises(DataError, match="32 letters or digits"):
            use(tmp_path)


@pytest.mark.parametrize("kind", ["link", "link to nothing", "folder", "pipe"])
def test_a_token_is_read_from_a_plain_file_only(tmp_path, kind):
    elsewhere = tmp_path / "elsewhere"
    if kind == "folder":
        (tmp_path / TOKEN).mkdir()
    elif kind == "pipe":
        os.mkfifo(tmp_path / TOKEN, 0o600)
    else:
        (tmp_path / TOKEN).symlink_to(elsewhere)
    if kind == "link":
        elsewhere.write_text("x" * 43)
    with pytest.raises(DataError, match="delete it"):
        write_token(tmp_path)
    assert kind == "link" or not elsewhere.exists()


async def reads(scope, receive, send):
    """Read the body, and say 200."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def ask(guard, *shown, path="/info/", kind="http"):
    """Return status, headers and body of the answer, and whether anything of the request's body was read."""
    headers = [(b"authorization", value if isinstance(value, bytes) else value.encode()) for value in shown]
    scope = {"type": kind, "method": "POST", "path": path, "headers": headers, "client": ("10.0.0.1", 5)}
    sent, read = [], []

    async def receive():
        read.append(1)
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    asyncio.run(Login(reads, guard)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"], bool(read)


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "shown",
    [f"Bearer {RIGHT}", f"bearer {RIGHT}", f"BEARER  {RIGHT} ", basic(f"user:{RIGHT}"), basic(f":{RIGHT}")],
)
def test_who_shows_the_token_gets_in(shown):
    assert ask(Guard(RIGHT), shown)[0] == 200


@pytest.mark.parametrize(
    "shown",
    [
        "Bearer wrong",
        "Bearer",
        "Bearer ",
        "",
        RIGHT,
        f"Bearer {RIGHT}x",
        f"Bearer {RIGHT[:-1]}",
        f"Bearer {RIGHT.upper()}",
        f"Bearer {RIGHT}\0",
        f"Bearer {RIGHT}, Bearer {RIGHT}",
        f"Digest {RIGHT}",
        f"Basic {RIGHT}",
        "Basic !!!",
        basic(RIGHT),
        basic(f"{RIGHT}:wrong"),
        "Basic " + base64.b64encode(b"user:\xff").decode(),
        b"Bearer \xff\xfe",
        "Bearer " + "x" * 100_000,
    ],
    ids=lambda shown: repr(shown)[:40],
)
def test_who_shows_something_else_does_not(shown):
    status, headers, _, read = ask(Guard(RIGHT), shown)
    assert (status, read) == (401, False)
    assert b"Basic" in headers[b"www-authenticate"]


def test_who_shows_nothing_is_asked_for_the_token_before_anything_is_read():
    status, headers, body, read = ask(Guard(RIGHT))
    assert (status, read) == (401, False)
    assert b"Bearer" in headers[b"www-authenticate"]
    assert "label-app --auth" in json.loads(body)["detail"]


def test_a_second_token_does_not_get_in_behind_the_first():
    assert ask(Guard(RIGHT), f"Bearer {RIGHT}", "Bearer wrong")[0] == 401
    assert ask(Guard(RIGHT), f"Bearer {RIGHT}", f"Bearer {RIGHT}")[0] == 401


@pytest.mark.parametrize("path", ["/auth/", "/auth/token"])
def test_the_way_to_log_in_is_open(path):
    assert ask(Guard(RIGHT), path=path)[0] == 200


@pytest.mark.parametrize(
    "path", ["/auth", "/auth//", "//auth/", "/auth/../info/", "/auth/token/", "/auth/token/valid", "/AUTH/", "/auth/;x"]
)
def test_nothing_that_looks_like_it_is_open(path):
    assert ask(Guard(RIGHT), path=path)[0] == 401


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(login.time, "monotonic", lambda: now[0])
    return now


def test_many_wrong_tokens_are_told_to_wait(clock):
    guard = Guard(RIGHT)
    assert [ask(guard, "Bearer wrong")[0] for _ in range(WRONG_A_MINUTE)] == [401] * WRONG_A_MINUTE
    status, headers, _, _ = ask(guard, "Bearer wrong")
    assert (status, headers[b"retry-after"]) == (429, b"60")
    clock[0] += 61
    assert ask(guard, "Bearer wrong")[0] == 401


def test_nobody_locks_out_who_has_the_token(clock):
    guard = Guard(RIGHT)
    for _ in range(3 * WRONG_A_MINUTE):
        ask(guard, "Bearer wrong")
    assert ask(guard, f"Bearer {RIGHT}")[0] == 200


def test_requests_without_a_token_count_as_no_wrong_ones(clock):
    guard = Guard(RIGHT)
    for _ in range(3 * WRONG_A_MINUTE):
        ask(guard)
    assert ask(guard, "Bearer wrong")[0] == 401


def test_the_log_names_who_came_with_a_wrong_token_and_not_the_token(caplog):
    ask(Guard(RIGHT), "Bearer nearlyright")
    assert "10.0.0.1" in caplog.text
    assert "nearlyright" not in caplog.text


def test_tokens_are_compared_in_constant_time(monkeypatch):
    compared = []
    monkeypatch.setattr(login.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    guard = Guard(RIGHT)
    for given in (RIGHT, "x", ""):
        guard.wait_for(given, "?")
    assert {len(part) for pair in compared for part in pair} == {32}, "digests, which all have one length"
    assert len(compared) == 3
