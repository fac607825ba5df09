"""Quiet and quick recording of graphs."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True, scope="session")
def _no_traces_of_the_compiler():
    """pytest listens to every logger, and torch writes out all that it compiles as soon as anyone does."""
    logger = logging.getLogger("torch.__trace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logger, "handlers", [])
        patch.setattr(logger, "addHandler", lambda handler: None)
        yield
