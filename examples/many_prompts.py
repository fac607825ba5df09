# %% [markdown]
# # One image, many prompts
#
# The prompt decides what is segmented. An image is encoded once; every further prompt only runs the text encoder
# and the decoder.
#
# `adapters.pt` is what `python train_loop.py`, run in this folder, leaves behind.

# %%
from time import perf_counter

import numpy as np
from PIL import Image

import monai_vlsm as vlsm
from monai_vlsm.data.phantom import draw_phantom
from monai_vlsm.handlers.drawing import contact_sheet, draw_overlay

predictor = vlsm.Predictor(vlsm.load_network("adapters.pt"))

# %% [markdown]
# A scene of the drawn ultrasound phantom: cysts are dark, masses are gray. For images of your own, give the name of a
# file to `set_image`, or an array (H, W) or (H, W, 3).

# %%
scene = draw_phantom(np.random.default_rng(2))
start = perf_counter()
predictor.set_image(scene.image)
print(f"encoding the image: {perf_counter() - start:.3f} s")

# %% [markdown]
# Each prediction has `mask` (bool), `probability` (from 0 to 1) and `prompt`.

# %%
prompts = ["cyst", "mass", "one small cyst", "cyst at the top left", "mass at the bottom right", "no cyst"]
start = perf_counter()
predictions = [predictor.predict(prompt) for prompt in prompts]
print(f"a prompt: {(perf_counter() - start) / len(prompts):.3f} s")

# %%
picture = np.repeat(scene.image[..., None] / 255, 3, axis=2)
drawn = [draw_overlay(picture, prediction.mask, caption=prediction.prompt) for prediction in predictions]
sheet = Image.fromarray(contact_sheet(drawn, columns=3))
sheet.save("many_prompts.png")
sheet

# %% [markdown]
# The scene was drawn, so we know what is where.

# %%
for kind, prediction in zip(("cyst", "mass"), predictions, strict=False):
    truth = scene.masks[kind]
    dice = 2 * (prediction.mask & truth).sum() / max(prediction.mask.sum() + truth.sum(), 1)
    print(f"{kind}: Dice {dice:.3f}")
