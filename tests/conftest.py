"""Settings for all tests (no network, one thread) and the small CLIPSeg that the networks are tested on."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

# The client of the hub reads these when it is imported: an empty cache and no network, wherever the tests run.
EMPTY_HUB = tempfile.TemporaryDirectory(prefix="monai_vlsm_empty_hub_", ignore_cleanup_errors=True)
os.environ |= {"HF_HOME": EMPTY_HUB.name, "HF_HUB_OFFLINE": "1"}
for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE", "MONAI_VLSM_BACKBONE"):
    os.environ.pop(name, None)

# Numbers are compared with those of float32, whatever the processor is fast at; tests of a precision name it.
os.environ.setdefault("MONAI_VLSM_PRECISION", "float32")

torch.set_num_threads(1)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tell at once what failed: a run that is ended from outside comes to no summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        sys.stdout.write(f"\n{report.nodeid} ({report.when})\n{report.longreprtext}\n")
        sys.stdout.flush()


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder beside the repository with reference tensors and the vocabulary of CLIP."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip("no folder 'shared' with reference data beside the repository")
    return folder


@pytest.fixture(scope="session")
def small_backbone():
    """A CLIPSeg with all parts of the real one, of 100,000 parameters that follow from a formula; no tokenizer."""
    from golden.make_golden import small_config, small_model

    from monai_vlsm.networks import Backbone

    return Backbone("small", small_model(small_config()))


@pytest.fixture(scope="session")
def tokenizer():
    """The tokenizer of the shipped backbone."""
    from monai_vlsm.networks import load_tokenizer

    return load_tokenizer("tiny")


@pytest.fixture(scope="session")
def reading_backbone(tokenizer):
    """A small CLIPSeg with a tokenizer."""
    from golden.make_golden import small_config, small_model

    from monai_vlsm.networks import Backbone

    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return Backbone("reading", small_model(small_config(text={"vocab_size": len(tokenizer), **ids})), tokenizer)


@pytest.fixture(scope="session")
def no_traces_of_the_compiler() -> Iterator[None]:
    """pytest listens to every logger, and torch writes out all that it records as soon as anyone does."""
    logger = logging.getLogger("torch.__trace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logger, "handlers", [])
        patch.setattr(logger, "addHandler", lambda handler: None)
        yield


@pytest.fixture(scope="session")
def exported(tmp_path_factory, no_traces_of_the_compiler) -> Path:
    """A calibrated bundle in ``busi``, its ``backbone``, and its files of ONNX in ``onnx``; once for all processes."""
    from exporting.made import make_exported

    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return make_exported(shared / "exported")


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of two megabytes; for tests that are marked with SMALL_DISK."""
    folder = tmp_path / "small_disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Two images of 64 x 64 pixels with a prompt each."""
    from golden.make_golden import small_inputs

    inputs = small_inputs()
    return {name: inputs[name] for name in ("image", "input_ids", "attention_mask")}
