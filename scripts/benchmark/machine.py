"""Where and with what something was measured."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import monai_vlsm

_FAST_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_fp16")


def describe(device: str) -> dict[str, Any]:
    """Return machine, versions, date and commit."""
    facts = _processor()
    return {
        "processor": facts.get("model name", platform.processor()),
        "flags": [flag for flag in _FAST_FLAGS if flag in facts.get("flags", "").split()],
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "monai": version("monai"),
        "transformers": version("transformers"),
        "monai_vlsm": monai_vlsm.__version__,
        "commit": _commit(),
        "date": datetime.date.today().isoformat(),
    }


def _processor() -> dict[str, str]:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _commit() -> str | None:
    """Return the commit, with ``+`` where files were changed since; None outside a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--exclude", "*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
