"""A real server under load: it answers others, and forgets who has left."""

from __future__ import annotations

import http.client
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import nibabel
import numpy as np
import pytest
from filelock import FileLock
from monai_label.pictures import picture
from monai_label.server import SLICER

SLICES = 12


@pytest.fixture(scope="module")
def volume(server, tmp_path_factory):
    """A session with a volume whose inference takes a while."""
    path = tmp_path_factory.mktemp("volume") / "volume.nii.gz"
    slices = np.stack([picture().T] * SLICES, axis=-1)
    nibabel.save(nibabel.Nifti1Image(slices, np.diag([-0.4, -0.4, 2, 1])), path)
    session = server.open_session(path).json()["session_id"]
    yield session
    server.request("DELETE", f"/session/{session}")


def test_info_is_answered_at_once_while_eight_inferences_run(server, volume):
    path = f"/infer/busi?session_id={volume}"
    with ThreadPoolExecutor(8) as clients:
        running = [clients.submit(server.multipart, "POST", path, SLICER, {}) for _ in range(8)]
        waits = []
        while not all(one.done() for one in running):
            begin = time.monotonic()
            assert server.request("GET", "/info/").status == 200
            waits.append(time.monotonic() - begin)
            time.sleep(0.1)
        answers = [one.result() for one in running]
    assert [answer.status for answer in answers] == [200] * 8
    assert len({answer.mask for answer in answers}) == 1
    assert len(waits) > 2, "the inferences were over too soon: the test says nothing"
    assert sorted(waits)[len(waits) // 2] < 1, waits


@pytest.mark.parametrize("path", ["/activelearning/random", "/review/gray"])
def test_info_is_answered_while_a_request_waits_for_the_studies(server, path):
    body = b'{"verdict": "fix", "reviewer": "Ada", "version": "0123456789abcdef"}' if "review" in path else b"{}"
    with ThreadPoolExecutor(2) as clients:
        with FileLock(server.studies / ".lock"):
            waiting = clients.submit(server.request, "POST", path, body)
            time.sleep(0.2)
            assert clients.submit(server.info).result(timeout=30)
        assert waiting.result(timeout=30).status in (200, 400, 404)


def test_different_requests_at_the_same_time_get_their_own_answers(server):
    asked = [
        {"prompt": prompt, "model": model}
        for prompt in ("bright object", "dark lesion", "")
        for model in ("busi", "other")
    ]
    asked += [{"prompt": "busi: dark lesion; other: bright object", "model": "any"}]
    alone = [server.infer(image="gray", **one).mask for one in asked]
    assert len(set(alone)) == len(asked), "equal answers would show nothing"
    with ThreadPoolExecutor(8) as clients:
        together = list(clients.map(lambda one: server.infer(image="gray", **one).mask, asked * 2))
    assert together == alone * 2


def test_clients_that_leave_take_no_place_from_others(server, volume):
    url = urllib.parse.urlsplit(server.url)
    for _ in range(40):
        connection = http.client.HTTPConnection(url.hostname, url.port)
        shown = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", f"/infer/busi?session_id={volume}", b"params={}", shown)
        connection.sock.close()
    begin = time.monotonic()
    assert server.infer("busi", "gray").status == 200, "40 that left would fill the queue"
    assert time.monotonic() - begin < 60
