"""The app in the process of the tests; run in the environment of MONAI Label."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("monailabel", reason="MONAI Label is not installed in this environment")

from monailabel.config import settings

from monai_vlsm.errors import DataError
from monai_vlsm.monai_label.app_folder import add_bundle, write_app
from monai_vlsm.monai_label.pinned import digest_of


@pytest.fixture
def prepared(bundle, tmp_path, monkeypatch):
    """The settings with which MONAI Label's own command would start an app that 'label-app' wrote."""
    app = tmp_path / "app"
    write_app(app)
    add_bundle(app, str(bundle), "tiny")
    conf = {"models": "busi", "checked": digest_of(app, ["busi"]), "zoo_source": "ngc", "sam2": "false"}
    for name, value in {"APP_DIR": str(app), "STUDIES": str(tmp_path / "studies"), "APP_CONF": conf}.items():
        monkeypatch.setattr(settings, f"MONAI_LABEL_{name}", value)
    monkeypatch.syspath_prepend(app)


def test_monai_labels_own_routes_do_not_serve_the_app(prepared):
    from monailabel.app import app

    async def start():
        async with app.router.lifespan_context(app):
            pass

    with pytest.raises(DataError, match="label-app --start"):
        asyncio.run(start())
