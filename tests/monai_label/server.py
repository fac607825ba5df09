"""A MONAI Label server to try things on, and a client that sends what 3D Slicer's plugin sends."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-label" / "bin" / "python"
SLICER = {"result_extension": ".nrrd", "result_dtype": "uint8"}
"""What the plugin adds to the parameters of every inference."""


@dataclass(frozen=True)
class Answer:
    """What the server said: an HTTP status, and a body of ``content_type``."""

    status: int
    body: bytes
    content_type: str = ""

    def json(self) -> Any:
        """Return the body as JSON; in an answer with a mask, its parameters."""
        return json.loads(self._part("params") if "multipart" in self.content_type else self.body)

    @property
    def mask(self) -> bytes:
        """The content of the file with the mask."""
        return self._part("image")

    @property
    def reason(self) -> str:
        """Why a request failed."""
        return str(self.json()["detail"])

    def _part(self, name: str) -> bytes:
        boundary = self.content_type.split("boundary=")[1].encode()
        for part in self.body.split(b"--" + boundary):
            head, _, content = part.partition(b"\r\n\r\n")
            if f'name="{name}"'.encode() in head:
                return content.removesuffix(b"\r\n")
        raise ValueError(f"there is no {name!r} in the answer: {self.body[:200]!r}")


class LabelClient:
    """Send requests to the server at ``url``.

    Args:
        url: of the server.
        token: of its login; None sends none.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.token = token

    def info(self) -> Any:
        """Return what the server offers."""
        return self.request("GET", "/info/").json()

    def open_session(self, file: Path) -> Answer:
        """Upload an image that is not kept, as Slicer does with one that its user has loaded."""
        return self.multipart("PUT", "/session/", {}, {"files": file})

    def infer(self, model: str, image: str = "", file: Path | None = None, **params: Any) -> Answer:
        """Ask for the mask of an image of the studies, or of a ``file``."""
        files = {} if file is None else {"file": file}
        path = f"/infer/{model}?image={urllib.parse.quote_plus(image)}"
        return self.multipart("POST", path, {**SLICER, **params}, files)

    def add_image(self, image: str, file: Path) -> Answer:
        """Upload an image to the studies."""
        return self.multipart("PUT", f"/datastore/?image={urllib.parse.quote_plus(image)}", {}, {"file": file})

    def save_label(self, image: str, file: Path, tag: str = "") -> Answer:
        """Submit the mask of an image."""
        path = f"/datastore/label?image={urllib.parse.quote_plus(image)}"
        path += f"&tag={urllib.parse.quote_plus(tag)}" if tag else ""
        return self.multipart("PUT", path, {"label_info": []}, {"label": file})

    def train(self, model: str, run_sync: bool = False, **params: Any) -> Answer:
        """Start training on all images that have a label; ``run_sync`` waits for its end."""
        return self.request("POST", f"/train/{model}?run_sync={run_sync}", json.dumps(params).encode())

    def options(self, section: str, model: str) -> dict[str, Any]:
        """Return the parameters that Slicer sends when its user changes nothing; of lists, the first item."""
        config = self.info()[section][model]["config"]
        return {name: value[0] if isinstance(value, list) else value for name, value in config.items()}

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and return the answer, whatever its status."""
        login = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        headers = {**login, **({"Content-Type": kind} if body is not None else {}), **(headers or {})}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=600, context=ssl._create_unverified_context()) as answer:
                return Answer(answer.status, answer.read(), answer.headers.get("Content-Type", ""))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read(), error.headers.get("Content-Type", ""))

    def multipart(self, method: str, path: str, params: Any, files: Mapping[str, Path]) -> Answer:
        """Send a form with ``params`` as JSON, and with files."""
        boundary = uuid4().hex
        parts = [('name="params"', json.dumps(params).encode())]
        parts += [(f'name="{name}"; filename="{file.name}"', file.read_bytes()) for name, file in files.items()]
        body = b"".join(
            f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"
            for head, content in parts
        )
        return self.request(
            method, path, body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
        )


class LabelServer(LabelClient):
    """Prepare an app, serve it on a free port, stop it at the end of the ``with`` block.

    Args:
        folder: for app and log.
        studies: folder of images.
        bundles: names or folders.
        options: more arguments of ``python -m monai_vlsm label-app``.

    Raises:
        RuntimeError: if the server ends before it answers; with the end of its log.
    """

    def __init__(self, folder: Path, studies: Path, bundles: Sequence[str], options: Sequence[str] = ()) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        super().__init__(f"{'https' if any(one.startswith('--tls') for one in bundles) else 'http'}://127.0.0.1:{port}")
        self.app, self.studies, self.log = folder / "app", studies, folder / "server.log"
        self.command = [str(PYTHON), "-W", "ignore", "-m", "monai_vlsm", "label-app", *bundles, "--start"]
        self.command += ["--app", str(self.app), "--studies", str(studies), "--port", str(port), *options]

    def __enter__(self) -> LabelServer:
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                self.command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        try:
            self._wait(seconds=600)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def memory(self) -> float:
        """Return the resident memory of the server in MB."""
        listed = subprocess.run(
            ["ps", "-ww", "-o", "rss=,args=", "-g", str(self._process.pid)], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        return next(int(line.split()[0]) / 1024 for line in listed if "start_server" in line)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._process.poll() is None:
            try:
                written = self.app / "login_token"
                self.token = written.read_text().strip() if written.exists() else None
                if self.request("GET", "/info/").status == 200:
                    return
            except OSError:
                time.sleep(0.5)
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()[-3000:]}")

    def _stop(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(30)
