"""The process that decodes damaged pixels answers the question that was asked."""

from __future__ import annotations

import pytest

from monai_vlsm.dicom import apart


def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next_one(monkeypatch):
    def stop(pipe):
        raise KeyboardInterrupt

    helper = apart._Helper()
    monkeypatch.setattr(apart, "_receive", stop)
    with pytest.raises(KeyboardInterrupt):
        helper.ask(b"no pixels")
    assert helper._process is not None
    assert helper._process.poll() is not None
