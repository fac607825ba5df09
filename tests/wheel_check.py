"""Make a bundle with the installed package, give it weights, and predict; run by test_wheel.py, or by hand anywhere."""

import sys
from pathlib import Path

import numpy as np
import torch

import monai_vlsm
from monai_vlsm.bundle import filled_template, installed_versions
from monai_vlsm.data.sets import DATASETS
from monai_vlsm.networks import CLIPSegDenseAdapter
from monai_vlsm.predictor import Predictor

folder = Path("bundle")
for path, text in filled_template(DATASETS["phantom"], installed_versions()).items():
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text, encoding="utf-8")
(folder / "models").mkdir()
torch.save({"model": CLIPSegDenseAdapter("tiny").state_dict()}, folder / "models" / "model.pt")
prediction = Predictor.from_bundle(folder, device="cpu").set_image(np.eye(40, 60, dtype=np.uint8)).predict("cyst")
sys.stdout.write(f"{Path(monai_vlsm.__file__).parent} {prediction.mask.shape}\n")
