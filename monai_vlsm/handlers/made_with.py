"""What numbers depend on besides data and settings: machine, versions, checkpoint and command."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from monai_vlsm.bundle.fill import package_versions
from monai_vlsm.data.whole import file_sha256

_CPU_FACTS = Path("/proc/cpuinfo")
_LOGIN = re.compile(r"(?<=://)[^/\s]*@")
"""Name and password in an address."""


def made_with(device: str | torch.device, checkpoint: str | Path | None = None) -> dict[str, Any]:
    """Return what this process runs on and with, for a file of results.

    Args:
        device: of the network.
        checkpoint: file of the network's weights; None where it has none of its own.

    Returns:
        ``{"date", "command", "device", "cpu_cores", "system", "python", "versions": {...}, "checkpoint_sha256"}``; the
        date is that of UTC, the checksum None without a checkpoint.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(map(_quoted, ["python", *sys.orig_argv[1:]])),
        "device": _device_name(torch.device(device)),
        "cpu_cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": package_versions(),
        "checkpoint_sha256": None if checkpoint is None else file_sha256(Path(checkpoint)),
    }


def _quoted(argument: str) -> str:
    """Return an argument as a shell takes it, lists of files without a row of quotes, addresses without passwords."""
    argument = _LOGIN.sub("", argument)
    return f'"{argument}"' if "'" in argument and not re.search(r'["$`\\!]', argument) else shlex.quote(argument)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return _cpu_name() if device.type == "cpu" else str(device)


def _cpu_name() -> str:
    """Return the name of the processor, which Python itself does not know on Linux."""
    facts = _CPU_FACTS.read_text(encoding="utf-8", errors="replace") if _CPU_FACTS.is_file() else ""
    named = (line.partition(":")[2].strip() for line in facts.splitlines() if line.startswith("model name"))
    return next(named, "") or platform.processor() or "CPU"
