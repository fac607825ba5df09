"""Drawing of one phantom scene: an image like ultrasound of a test phantom, with cysts and masses to be told apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.floating[Any]]

CLASSES = ("cyst", "mass")

# (cysts, masses) in a scene and how often; both kinds in most scenes, because then only the prompt tells what to mask.
_OBJECT_COUNTS = ((1, 1), (2, 1), (1, 2), (2, 2), (1, 0), (0, 1), (0, 0))
_OBJECT_SHARES = (0.44, 0.15, 0.15, 0.06, 0.07, 0.07, 0.06)
# Range of the display: 0 dB is white, -_DYNAMIC_RANGE_DB black.
_DYNAMIC_RANGE_DB = 52.0


@dataclass(frozen=True)
class Scene:
    """One drawn image and the masks of the objects in it.

    Args:
        image: (H, W) uint8, gray, upright.
        masks: class name -> (H, W) bool, for every class of ``CLASSES``; all False where the scene has no such object.
    """

    image: NDArray[np.uint8]
    masks: dict[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class _View:
    """Field of view of a curved array: where its (virtual) center is, and polar coordinates of every pixel."""

    x: Field
    y: Field
    angle: Field  # radians from the vertical, (H, W)
    radius: Field  # pixels from the center of the array, (H, W)
    center: tuple[float, float]
    half_angle: float
    near: float  # radius of the transducer's face, pixels
    far: float
    unit: float  # pixels; all lengths are given as fractions of it

    @property
    def depth(self) -> Field:
        """Depth below the transducer as a fraction of the deepest one."""
        return (self.radius - self.near) / (self.far - self.near)

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Pixels that the array sees."""
        return (np.abs(self.angle) <= self.half_angle) & (self.radius >= self.near) & (self.radius <= self.far)


@dataclass(frozen=True)
class _Object:
    """Place and outline of one object; ``relative`` is the distance from its center, 1 on the outline."""

    kind: str
    x: float
    y: float
    angle: float  # radians from the vertical
    radius: float  # pixels from the center of the array
    size: float  # radius in pixels of the circle that holds the outline
    relative: Field

    @property
    def outside(self) -> Field:
        """Distance from the outline in pixels, nearly; negative inside."""
        return (self.relative - 1) * self.size


def draw_phantom(rng: np.random.Generator, size: tuple[int, int] = (192, 160)) -> Scene:
    """Draw one scene.

    Args:
        rng: source of all randomness; the same state gives the same scene.
        size: (width, height) in pixels.
    """
    view = _draw_view(rng, size)
    objects = _place_objects(rng, view)
    echo = _draw_tissue(rng, view)
    echo += _rib(rng, view, objects)
    for item in objects:
        echo += _beam_effect(rng, view, item)
    for item in objects:
        draw = _draw_cyst if item.kind == "cyst" else _draw_mass
        echo = draw(rng, echo, view, item)
    echo += _draw_speckle(rng, view)
    gray = np.clip(1 + echo / _DYNAMIC_RANGE_DB, 0, 1) * view.inside
    masks = {kind: np.zeros(gray.shape, dtype=bool) for kind in CLASSES}
    for item in objects:
        masks[item.kind] |= item.relative <= 1
    return Scene(image=np.round(255 * gray).astype(np.uint8), masks=masks)


def _draw_view(rng: np.random.Generator, size: tuple[int, int]) -> _View:
    width, height = size
    above = rng.uniform(0.3, 0.7) * height
    center = (width / 2 + rng.uniform(-0.02, 0.02) * width, -above)
    near, far = above + 0.03 * height, above + 0.97 * height
    widest = (width / 2 - abs(center[0] - width / 2) - 2) / far
    half_angle = math.asin(min(widest, math.sin(math.radians(rng.uniform(26, 38)))))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle, radius = np.arctan2(x - center[0], y - center[1]), np.hypot(x - center[0], y - center[1])
    return _View(x, y, angle, radius, center, half_angle, near, far, unit=float(min(size)))


def _place_objects(rng: np.random.Generator, view: _View) -> list[_Object]:
    cysts, masses = _OBJECT_COUNTS[rng.choice(len(_OBJECT_COUNTS), p=_OBJECT_SHARES)]
    placed: list[_Object] = []
    for kind in rng.permutation(["cyst"] * cysts + ["mass"] * masses):
        size = math.exp(rng.uniform(math.log(0.11), math.log(0.25))) * view.unit
        for _ in range(60):
            radius = view.near + size + rng.uniform(0.05, 1) * max(view.far - view.near - 2 * size, 0.0)
            angle = rng.uniform(-1, 1) * view.half_angle
            x, y = view.center[0] + radius * math.sin(angle), view.center[1] + radius * math.cos(angle)
            margin = size + 0.02 * view.unit
            seen = radius * math.sin(view.half_angle - abs(angle)) > margin and radius + margin < view.far
            if seen and all(math.hypot(x - other.x, y - other.y) > margin + other.size for other in placed):
                outline = _cyst_outline if kind == "cyst" else _mass_outline
                relative = outline(rng, view.x - x, view.y - y, size)
                placed.append(_Object(str(kind), x, y, angle, radius, size, relative))
                break
            size *= 0.97
    return placed


def _cyst_outline(rng: np.random.Generator, x: Field, y: Field, size: float) -> Field:
    ratio = rng.uniform(0.6, 1.0)
    along, across = _turned(x, y, rng.uniform(0, math.pi))
    return np.hypot(along / size, across / (size * ratio))


def _mass_outline(rng: np.random.Generator, x: Field, y: Field, size: float) -> Field:
    waves = np.array([2, 3, 4, 5, 7])
    strength = rng.uniform(0.4, 1.0, waves.size) * np.array([0.16, 0.18, 0.15, 0.11, 0.05])
    shift = rng.uniform(0, 2 * math.pi, waves.size)
    angles = np.linspace(-math.pi, math.pi, 361)
    outline = 1 + (strength * np.cos(np.multiply.outer(angles, waves) + shift)).sum(-1)
    outline *= size / outline.max()
    return np.hypot(x, y) / np.interp(np.arctan2(y, x), angles, outline).astype(np.float32)


def _turned(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    return x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)


def _inside(distance: Field, blur: float) -> Field:
    """Share of a pixel that is inside an outline; ``blur``: half the width of the border, pixels."""
    return np.clip(0.5 - distance / (2 * blur), 0, 1)


def _line(distance: Field, width: float) -> Field:
    return np.exp(-((distance / width) ** 2))


def _coarse_noise(rng: np.random.Generator, view: _View, cell: float) -> Field:
    """Noise of mean 0 and standard deviation below 1 with blobs about ``cell`` (fraction of the unit) wide."""
    step = cell * view.unit
    grid = rng.standard_normal((int(view.y.max() / step) + 2, int(view.x.max() / step) + 2), dtype=np.float32)
    return ndimage.map_coordinates(grid, [view.y / step, view.x / step], order=1, output=np.float32)


def _draw_tissue(rng: np.random.Generator, view: _View) -> Field:
    """Echo of the background in dB: layers that follow the transducer, attenuation, vessels, a dark wedge."""
    knots = np.linspace(-view.half_angle, view.half_angle, 6)
    depth = view.depth + np.interp(view.angle, knots, rng.normal(0, 0.025, 6)).astype(np.float32)
    borders = np.sort(rng.uniform(0.08, 0.9, rng.integers(2, 5))).astype(np.float32)
    levels = rng.uniform(-4, 4, borders.size + 1).astype(np.float32)
    echo = levels[np.searchsorted(borders, depth)] - 17 + 1.5 * _coarse_noise(rng, view, 0.12)
    for border in borders.tolist():
        echo += rng.uniform(3, 8) * _line(depth - border, 0.011)
    echo += 10 * _line(view.depth, 0.025) - rng.uniform(4, 10) * np.clip(view.depth, 0, 1) ** 1.5
    for _ in range(rng.integers(0, 3)):
        echo += _vessel(rng, view)
    if rng.random() < 0.4:
        middle, width = rng.uniform(-1, 1) * view.half_angle, rng.uniform(0.05, 0.12) * view.half_angle
        echo -= rng.uniform(5, 10) * _line(view.angle - middle, width)
    return echo


def _vessel(rng: np.random.Generator, view: _View) -> Field:
    """Echo in dB of a bent tube with bright walls, as dark as a cyst: a threshold cannot find the cysts."""
    radius, angle = rng.uniform(view.near, view.far), rng.uniform(-1, 1) * view.half_angle
    x = view.x - (view.center[0] + radius * math.sin(angle))
    y = view.y - (view.center[1] + radius * math.cos(angle))
    along, across = _turned(x, y, rng.uniform(0, math.pi))
    bend, wave = rng.uniform(0.02, 0.06) * view.unit, rng.uniform(5, 12) / view.unit
    distance = np.abs(across - bend * np.sin(wave * along + rng.uniform(0, 2 * math.pi)))
    half, length = rng.uniform(0.012, 0.025) * view.unit, rng.uniform(0.12, 0.35) * view.unit
    tube = 5 * _line(distance - half - 1.5, 1.0) - 20 * _inside(distance - half, 0.8)
    return tube * _inside(np.abs(along) - length, 3)


def _rib(rng: np.random.Generator, view: _View, objects: list[_Object]) -> Field:
    """Echo in dB of a bright arc and the black shadow below it, in a sector free of objects; 0 where there is none."""
    for _ in range(8):
        angle, half = rng.uniform(-1, 1) * view.half_angle, rng.uniform(0.08, 0.2) * view.half_angle
        if all(abs(angle - item.angle) > half + item.size / item.radius for item in objects):
            inside = _inside(np.abs(view.angle - angle) - half, 0.15 * half)
            below = view.radius - view.near - rng.uniform(0.1, 0.75) * (view.far - view.near)
            return inside * (12 * _line(below, 2.5) - rng.uniform(15, 25) * np.clip(below / 4 - 0.5, 0, 1))
    return np.zeros_like(view.radius)


def _beam_effect(rng: np.random.Generator, view: _View, item: _Object) -> Field:
    """Echo in dB gained below a cyst (fluid attenuates less than tissue) or lost below a mass."""
    sideways = item.radius * np.abs(view.angle - item.angle)
    beyond = view.radius - item.radius - item.size
    strength = rng.uniform(7, 10) if item.kind == "cyst" else rng.uniform(-5, -3)
    fade = np.clip(1 + beyond / item.size, 0, 1) * np.exp(-np.clip(beyond, 0, None) / (0.25 * view.unit))
    return strength * _inside(sideways - 0.8 * item.size, 0.15 * item.size) * fade


def _draw_cyst(rng: np.random.Generator, echo: Field, view: _View, item: _Object) -> Field:
    inside = _inside(item.outside, 1)
    # Only faces across the beam reflect it back, so the wall is bright above and below and faint at the sides.
    facing = np.abs(view.y - item.y) / (np.hypot(view.x - item.x, view.y - item.y) + 1)
    wall = 7 * _line(item.outside - 1.2, 1.2) * facing**2
    return (echo + wall) * (1 - inside) - rng.uniform(38, 48) * inside


def _draw_mass(rng: np.random.Generator, echo: Field, view: _View, item: _Object) -> Field:
    inside = _inside(item.outside, 1)
    contrast = rng.uniform(9, 13) if rng.random() < 0.5 else rng.uniform(-16, -12)
    # Replaces the tissue, so that no layer or vessel runs through it.
    level = float(np.median(echo[item.relative <= 1])) + contrast
    texture = 3.0 * _coarse_noise(rng, view, 0.035)
    rim = -4 * _line(item.outside - 1, 1.5)
    return (echo + rim) * (1 - inside) + (level + texture) * inside


def _draw_speckle(rng: np.random.Generator, view: _View) -> Field:
    """Speckle in dB around 0: Rayleigh amplitude, made on beams and depths so that it widens with depth."""
    lines, samples = 96, round(view.far - view.near)
    noise = rng.standard_normal((2, samples, lines), dtype=np.float32)
    smooth = ndimage.gaussian_filter(noise, (0, 0.8, 1.0))
    amplitude = np.hypot(*smooth) / (smooth.std() * math.sqrt(math.pi / 2))
    column = (view.angle / view.half_angle + 1) / 2 * (lines - 1)
    seen = ndimage.map_coordinates(amplitude, [view.radius - view.near, column], order=1, mode="nearest")
    return 20 * np.log10(np.maximum(seen, 0.05))
