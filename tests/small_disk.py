"""A disk of two megabytes, where file systems may be mounted."""

from __future__ import annotations

import subprocess

import pytest

FULL = 4 * 2**20
"""Bytes that do not fit."""


def _may_mount() -> bool:
    """Try it in a name space of its own, which takes the disk away with it."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


SMALL_DISK = pytest.mark.skipif(not _may_mount(), reason="file systems cannot be mounted here")
