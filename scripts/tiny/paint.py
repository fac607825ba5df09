"""How drawn scenes look: backgrounds, the surface of objects, and what lies over the whole picture."""

import math
from functools import lru_cache

import numpy as np

IMAGE_SIZE = 96
GRID_Y, GRID_X = np.mgrid[:IMAGE_SIZE, :IMAGE_SIZE].astype(np.float32)

COLORS = {
    "red": (0.85, 0.12, 0.12),
    "green": (0.15, 0.62, 0.2),
    "blue": (0.15, 0.3, 0.85),
    "yellow": (0.95, 0.87, 0.15),
    "orange": (0.97, 0.52, 0.08),
    "purple": (0.5, 0.15, 0.62),
    "pink": (0.98, 0.6, 0.75),
    "brown": (0.48, 0.28, 0.12),
    "white": (0.97, 0.97, 0.95),
    "black": (0.05, 0.05, 0.06),
    "dark": (0.06, 0.06, 0.06),
    "gray": (0.58, 0.58, 0.58),
    "bright": (0.95, 0.95, 0.95),
}
GRAY_PALETTE = ("dark", "gray", "bright")
PALETTES = {
    "photo": ("red", "green", "blue", "yellow", "orange", "purple", "pink", "brown", "white", "black"),
    "endoscopy": ("green", "blue", "yellow", "purple", "brown", "white", "black"),
    "ultrasound": GRAY_PALETTE,
    "xray": GRAY_PALETTE,
}
LOOKS = tuple(PALETTES)


def paint(
    rng: np.random.Generator, image: np.ndarray, depth: np.ndarray, attributes: dict[str, str], look: str
) -> np.ndarray:
    """Return ``image``, the surroundings of one object, with the object on it: soft edge, texture and shading."""
    box = tuple(slice(size) for size in depth.shape)
    color = np.array(COLORS[attributes["color"]], np.float32)
    gray = attributes["color"] in GRAY_PALETTE
    color = np.clip(color + rng.normal(0, 0.03 if gray else 0.06, 1 if gray else 3).astype(np.float32), 0.02, 1)
    surface = color * (1 + rng.uniform(0.03, 0.15) * _noise(rng)[box][..., None])
    if attributes["texture"] != "plain":
        other = color * 0.45 if color.mean() > 0.3 else color * 0.5 + 0.45
        pattern = _pattern(rng, attributes["texture"], box)[..., None]
        surface = surface * (1 - pattern) + other * pattern
    if look == "endoscopy":  # a bump under a lamp: bright in its middle
        surface = surface * (0.8 + 0.3 * np.clip(depth / max(depth.max(), 1), 0, 1))[..., None]
    softness = rng.uniform(0.4, 1.3)  # pixels
    alpha = 1 / (1 + np.exp(np.clip(-depth / softness, -20, 20)))
    return image * (1 - alpha[..., None]) + surface * alpha[..., None]


def _pattern(rng: np.random.Generator, texture: str, box: tuple[slice, ...]) -> np.ndarray:
    """Stripes or spots as float in [0, 1] for the pixels of ``box``."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(4.5, 7.5)  # radians, pixels
    x, y = GRID_X[box], GRID_Y[box]
    u = (x * math.cos(angle) + y * math.sin(angle)) * (2 * math.pi / period)
    if texture == "striped":
        return 1 / (1 + np.exp(-4 * np.sin(u)))
    v = (y * math.cos(angle) - x * math.sin(angle)) * (2 * math.pi / period)
    return 1 / (1 + np.exp(-5 * (np.sin(u) + np.sin(v) - 0.6)))


@lru_cache(maxsize=1)
def _noise_bank() -> np.ndarray:
    """Smooth noise of several roughnesses, (48, 256, 256) float, mean 0 and deviation 1: drawn once, as it is slow."""
    rng = np.random.default_rng(7)
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None]) + 1 / 256
    maps = []
    for power in np.linspace(1.0, 2.2, 48):
        spectrum = np.fft.fft2(rng.normal(size=(256, 256))) / frequency**power
        field = np.fft.ifft2(spectrum).real
        maps.append((field - field.mean()) / field.std())
    return np.stack(maps).astype(np.float32)


def _noise(rng: np.random.Generator) -> np.ndarray:
    """A random piece of the noise bank, (H, W) float."""
    which, x, y = rng.integers(48), *rng.integers(0, 256 - IMAGE_SIZE, 2)
    return _noise_bank()[which, y : y + IMAGE_SIZE, x : x + IMAGE_SIZE]


def _slope(rng: np.random.Generator) -> np.ndarray:
    """A linear ramp from -1 to 1 in a random direction, (H, W) float."""
    angle = rng.uniform(0, 2 * np.pi)
    return (2 / IMAGE_SIZE * GRID_X - 1) * math.cos(angle) + (2 / IMAGE_SIZE * GRID_Y - 1) * math.sin(angle)


def _photo(rng: np.random.Generator) -> np.ndarray:
    """A muted, uneven surface: its color never reaches that of an object."""
    tint = rng.uniform(0.35, 0.7) + rng.uniform(-0.08, 0.08, 3)
    shade = 1 + rng.uniform(0, 0.2) * _slope(rng) + rng.uniform(0.03, 0.15) * _noise(rng)
    return (tint.astype(np.float32) * shade[..., None]).astype(np.float32)


def _endoscopy(rng: np.random.Generator) -> np.ndarray:
    """Mucosa: reddish, with a dark lumen and brighter folds."""
    tint = np.array([0.78, 0.42, 0.36], np.float32) + rng.normal(0, 0.04, 3).astype(np.float32)
    x, y, reach = rng.uniform(0, IMAGE_SIZE), rng.uniform(0, IMAGE_SIZE), rng.uniform(15, 40)
    lumen = np.exp(-np.hypot(GRID_X - x, GRID_Y - y) / reach)
    folds = 0.08 * np.sin(np.hypot(GRID_X - x, GRID_Y - y) / rng.uniform(4, 9) + _noise(rng))
    shade = 1 - rng.uniform(0.3, 0.6) * lumen + folds + 0.06 * _noise(rng)
    return (tint * shade[..., None]).astype(np.float32)


def _ultrasound(rng: np.random.Generator) -> np.ndarray:
    """Tissue in horizontal layers; the speckle comes in ``finish``."""
    layers = np.sin(GRID_Y / rng.uniform(6, 20) + rng.uniform(0, 6) + 0.7 * _noise(rng))
    gray = rng.uniform(0.27, 0.37) * (1 + 0.15 * layers + 0.1 * _noise(rng))
    return np.repeat(gray[..., None], 3, 2).astype(np.float32)


def _xray(rng: np.random.Generator) -> np.ndarray:
    """Soft gradients with slanted bands like ribs."""
    angle = rng.uniform(-0.5, 0.5)
    bands = np.sin((GRID_Y + math.sin(angle) * GRID_X + 3 * _noise(rng)) / rng.uniform(3.5, 6))
    gray = rng.uniform(0.28, 0.38) * (1 + 0.2 * _slope(rng) + 0.12 * np.maximum(bands, 0) + 0.06 * _noise(rng))
    return np.repeat(gray[..., None], 3, 2).astype(np.float32)


BACKGROUNDS = {"photo": _photo, "endoscopy": _endoscopy, "ultrasound": _ultrasound, "xray": _xray}


def finish(rng: np.random.Generator, image: np.ndarray, look: str) -> np.ndarray:
    """Add what lies over the whole picture (light, speckle, grain) and return uint8."""
    if look == "ultrasound":
        speckle = rng.rayleigh(0.8, (IMAGE_SIZE, IMAGE_SIZE)).astype(np.float32)
        speckle += np.roll(speckle, 1, 1)
        speckle /= 2  # wider than high, as the beam is
        fade = 1 - rng.uniform(0, 0.25) * GRID_Y / IMAGE_SIZE
        image = (image + 0.02) * (1 + rng.uniform(0.3, 0.6) * (speckle - 1))[..., None] * fade[..., None]
    elif look == "endoscopy":
        image = _highlights(rng, image)
        away = np.hypot(GRID_X - IMAGE_SIZE / 2, GRID_Y - IMAGE_SIZE / 2) / IMAGE_SIZE
        image = image * (1 - rng.uniform(0.2, 0.7) * away**2)[..., None]
    else:
        image = image * (1 + rng.uniform(0, 0.1) * _slope(rng))[..., None]
    grain = rng.standard_normal((*image.shape[:2], 1 if look in ("ultrasound", "xray") else 3), np.float32)
    image = image + rng.uniform(0.005, 0.04) * grain
    return (np.clip(image, 0, 1) ** rng.uniform(0.85, 1.15) * 255).astype(np.uint8)


def _highlights(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Return ``image`` with a few reflections of the lamp."""
    for _ in range(rng.integers(0, 6)):
        x, y = rng.uniform(0, IMAGE_SIZE, 2)
        spot = np.exp(-(((GRID_X - x) / rng.uniform(1, 2.5)) ** 2) - ((GRID_Y - y) / rng.uniform(1, 2.5)) ** 2)
        image = image * (1 - spot[..., None]) + spot[..., None]
    return image
