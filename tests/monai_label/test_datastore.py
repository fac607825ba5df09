"""The server, and the processes that it starts, share one file of what is known of the studies."""

from __future__ import annotations

import json
import os
import subprocess

import numpy as np
import pytest
from monai_label.server import PYTHON, ROOT
from PIL import Image

TWO_WRITERS = """
import json, sys
from monai_vlsm.monai_label.datastore import StudiesDatastore
folder = sys.argv[1]
server, batch = (StudiesDatastore(folder, auto_reload=False) for _ in range(2))
server.update_image_infos({"a": {"reviews": ["reject"]}})
batch.save_label("b", folder + "/b.png", "original", {"model": "busi"})
server.refresh()
print(json.dumps([server.get_image_info("a").get("reviews"), server.get_label_info("b", "original").get("model")]))
"""


@pytest.mark.skipif(not PYTHON.exists(), reason="there is no environment with MONAI Label")
def test_a_batch_does_not_write_over_reviews(tmp_path):
    for name in ("a", "b"):
        Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    done = subprocess.run(
        [PYTHON, "-c", TWO_WRITERS, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [["reject"], "busi"]
