"""A MONAI Label server in its own environment, on a copy of the busi bundle with the tiny backbone."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import itk
import numpy as np
import pytest
import torch
from bundle.trained import let_follow_prompts, write_trained
from monai_label.pictures import KINDS, write_picture
from monai_label.server import PYTHON, Answer, LabelServer

from monai_vlsm.networks import CLIPSegDenseAdapter

ROOT = Path(__file__).resolve().parents[2]
VIEWER = "https://viewer.example"
"""The web page that may use the server."""
PROXY = "label.hospital.example"
"""A further name of the server."""
BROKEN = "broken"
"""An image of the server that learns, which cannot be read."""


def write_bundle(folder: Path, seed: int) -> Path:
    """Copy the busi bundle, with adapters that change little, so that it follows prompts as the tiny backbone does."""
    torch.manual_seed(seed)
    network = CLIPSegDenseAdapter("tiny", bottleneck=64, prompt="Tumor in the breast ultrasound image.")
    write_trained("busi", folder, let_follow_prompts(network))
    # A client cannot choose the learning rate; with this one a few epochs are enough to see that it learns.
    train = folder / "configs" / "train.json"
    train.write_text(json.dumps({**json.loads(train.read_text()), "learning_rate": 0.01}))
    return folder


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Path:
    """The bundle that servers learn from, called busi."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "busi", seed=0)


@pytest.fixture(scope="session")
def bundle_with_tiny(bundle, tmp_path_factory) -> Path:
    """The same bundle, with the backbone that its model fits in its configurations."""
    folder = tmp_path_factory.mktemp("with_tiny") / "busi"
    shutil.copytree(bundle, folder)
    inference = folder / "configs" / "inference.json"
    inference.write_text(json.dumps({**json.loads(inference.read_text()), "backbone": "tiny"}))
    return folder


@pytest.fixture(scope="session")
def second(tmp_path_factory) -> Path:
    """Another bundle on the same backbone, called other."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "other", seed=1)


@pytest.fixture(scope="session")
def pair(tmp_path_factory) -> tuple[Path, Path]:
    """A certificate and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=label.example", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="session")
def start(tmp_path_factory, bundle) -> Callable[..., LabelServer]:
    """Prepare a server on all kinds of pictures, with more bundles and options of the command."""
    if not (PYTHON.exists() and list(PYTHON.parents[1].glob("installed-*"))):
        pytest.skip("there is no environment with MONAI Label: scripts/label_env.sh makes it")

    def prepare(*more: str) -> LabelServer:
        folder = tmp_path_factory.mktemp("label")
        studies = folder / "studies"
        studies.mkdir()
        for name in KINDS:
            write_picture(studies, name)
        options = ["--backbone", "tiny", "--origin", VIEWER, "--host-name", PROXY]
        return LabelServer(folder, studies, [str(bundle), *more], options)

    return prepare


@pytest.fixture(scope="session")
def server(start, second) -> Iterator[LabelServer]:
    """A server of two bundles with a login, for tests that leave its models and studies as they are."""
    with start(str(second), "--auth") as started:
        yield started


@pytest.fixture(scope="session")
def learning(start, request) -> Iterator[LabelServer]:
    """A server that is labeled on and trained, with TLS where there is openssl; one of its images is none."""
    pair = request.getfixturevalue("pair") if shutil.which("openssl") else ()
    prepared = start(*(f"--tls-{name}={path}" for name, path in zip(("cert", "key"), pair, strict=False)))
    (prepared.studies / f"{BROKEN}.png").write_bytes(b"no picture")
    with prepared as started:
        yield started


@pytest.fixture
def read(tmp_path) -> Callable[[Answer], itk.Image]:
    """Read the mask in an answer as Slicer does."""

    def read_mask(answer: Answer) -> itk.Image:
        assert answer.status == 200, answer.body[:500]
        path = tmp_path / "answer.nrrd"
        path.write_bytes(answer.mask)
        return itk.imread(str(path))

    return read_mask


@pytest.fixture
def values(read) -> Callable[[Answer], np.ndarray]:
    return lambda answer: itk.array_from_image(read(answer))
