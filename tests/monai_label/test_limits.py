"""What the studies and the sessions of a server have room for, and where nothing is written."""

from __future__ import annotations

import pytest

from monai_vlsm.monai_label import studies
from monai_vlsm.monai_label.refusals import BusyError
from monai_vlsm.monai_label.studies import require_room


@pytest.fixture
def kept(tmp_path):
    """Three sessions of ten bytes."""
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "upload.png").write_bytes(b"x" * 8)
        (tmp_path / name / "meta.info").write_bytes(b"{}")
    return tmp_path


def test_a_session_more_fits_where_there_is_room(kept, monkeypatch):
    monkeypatch.setattr(studies, "MOST_SESSIONS", 4)
    monkeypatch.setattr(studies, "LARGEST_SESSIONS", 35)
    require_room(kept, 5)


@pytest.mark.parametrize(("name", "limit"), [("MOST_SESSIONS", 3), ("LARGEST_SESSIONS", 34)])
def test_sessions_have_a_number_and_a_size(kept, monkeypatch, name, limit):
    monkeypatch.setattr(studies, name, limit)
    with pytest.raises(BusyError, match="close one"):
        require_room(kept, 5)


def test_a_server_without_sessions_has_room(tmp_path):
    require_room(tmp_path / "nothing", 5)
