"""Images that a server keeps for a while, also after one of its processes was killed."""

from __future__ import annotations

import time
from pathlib import Path

from monailabel.utils.sessions import Sessions

_BEING_WRITTEN = 60
"""Seconds in which a folder may be without a description."""


class KeptImages(Sessions):
    """MONAI Label's sessions, which are also tidied up where one has no description, or half of one.

    MONAI Label itself neither starts nor tidies up there. Other users of the machine cannot look into their folder.
    """

    def __init__(self, store_path: str, expiry: int) -> None:
        super().__init__(store_path, expiry)
        Path(store_path).mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(store_path).chmod(0o700)

    def remove_expired(self) -> int:
        """Remove what is kept no longer, and what was never finished; return how many."""
        store, now = Path(self.store_path), time.time()
        folders = [path for path in store.iterdir() if path.is_dir()] if store.is_dir() else []
        expired = [path.name for path in folders if self._ends(path) < now]
        for name in expired:
            self.remove_session(name)
        return len(expired)

    def _ends(self, folder: Path) -> float:
        try:
            session = self.get_session(folder.name, update_ts=False, fetch_cache=False)
        except ValueError:
            session = None
        if session is not None:
            return float(session.last_access_ts + session.expiry)
        return folder.stat().st_mtime + _BEING_WRITTEN if folder.exists() else 0.0
