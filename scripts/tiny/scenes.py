"""Procedurally drawn scenes: what the tiny backbone is pretrained on."""

from dataclasses import dataclass

import numpy as np
from paint import BACKGROUNDS, COLORS, GRID_X, GRID_Y, IMAGE_SIZE, LOOKS, PALETTES, finish, paint

ANGLES = np.linspace(0, 2 * np.pi, 360, endpoint=False)
HALO = 8  # pixels around an object in which its soft edge still shows

SHAPES = ("circle", "oval", "square", "triangle", "star")
# Number of corners, and radius halfway between two corners as a fraction of the radius at a corner.
CORNERS = {"square": (4, 2**-0.5), "triangle": (3, 0.5), "star": (5, 0.45)}
# Fractions of the image; the gaps keep the words true for an object whose size is measured with a small error.
# The words change at 8 % and 30 %, as in the prompts published for medical data sets.
# Below 3.5 % (20 pixels across) one shape looks like the other.
SIZES = {"small": (0.035, 0.065), "medium": (0.095, 0.25), "large": (0.31, 0.36)}
SIZE_ODDS = (0.6, 0.32, 0.08)
ROWS, COLUMNS = ("top", "", "bottom"), ("left", "", "right")
TEXTURES = ("plain", "striped", "spotted")
ATTRIBUTES = {
    "shape": SHAPES,
    "color": tuple(COLORS),
    "size": tuple(SIZES),
    "texture": TEXTURES,
    "place": tuple(f"{row} {column}".strip() or "center" for row in ROWS for column in COLUMNS),
}


@dataclass(frozen=True)
class Thing:
    """One object of a scene.

    Args:
        attributes: value of every attribute that a prompt may name (shape, color, size, place, texture).
        mask: (H, W) bool, the pixels of the object; masks of one scene are disjoint.
    """

    attributes: dict[str, str]
    mask: np.ndarray


@dataclass(frozen=True)
class Scene:
    """A drawn picture with its objects; ``image`` is (H, W, 3) uint8, upright RGB."""

    image: np.ndarray
    look: str
    things: tuple[Thing, ...]


@dataclass(frozen=True)
class _Outline:
    """Where an object lies: its center (pixels) and its radius at each of ``ANGLES`` (pixels)."""

    x: float
    y: float
    radius: np.ndarray

    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the picture that the object and its soft edge can touch."""
        middle_edge = ((self.y, self.radius * np.sin(ANGLES)), (self.x, self.radius * np.cos(ANGLES)))
        rows, columns = (
            slice(max(int(middle + edge.min()) - HALO, 0), int(middle + edge.max()) + HALO)
            for middle, edge in middle_edge
        )
        return rows, columns

    def depth(self, box: tuple[slice, slice]) -> np.ndarray:
        """Distance (pixels, radial) from the outline for the pixels of ``box``, positive inside."""
        dx, dy = GRID_X[box] - self.x, GRID_Y[box] - self.y
        turn = np.arctan2(dy, dx) * np.float32(len(ANGLES) / (2 * np.pi))
        return self.radius.astype(np.float32)[turn.astype(np.int32) % len(ANGLES)] - np.hypot(dx, dy)


def draw_scene(seed: int, index: int, look: str | None = None) -> Scene:
    """Draw scene ``index`` of the endless series ``seed``; equal arguments give equal scenes.

    Args:
        seed: number of the series.
        index: number of the scene in it.
        look: one of ``LOOKS``; drawn at random if None.
    """
    rng = np.random.default_rng((seed, index))
    look = look or str(rng.choice(LOOKS))
    described = _distinct(rng, look)
    image, things, occupied = BACKGROUNDS[look](rng), [], np.zeros((IMAGE_SIZE, IMAGE_SIZE), bool)
    for attributes in described:
        outline = _place(rng, attributes, occupied)
        if outline is None:
            continue
        box = outline.box()
        depth = outline.depth(box)
        image[box] = paint(rng, image[box], depth, attributes, look)
        mask = np.zeros_like(occupied)
        mask[box] = depth > 0
        occupied |= mask
        things.append(Thing(attributes, mask))
    if len(things) < 2 or all(thing.attributes == things[0].attributes for thing in things):
        return draw_scene(seed, index + 2**40, look)  # nothing to tell apart: another draw of the same series
    return Scene(finish(rng, image, look), look, tuple(things))


def _distinct(rng: np.random.Generator, look: str) -> list[dict[str, str]]:
    """Describe two to five objects, largest first, that share some values so that a prompt must combine words."""
    described: list[dict[str, str]] = []
    for _ in range(rng.integers(2, 6)):
        new = {
            "shape": str(rng.choice(SHAPES)),
            "color": str(rng.choice(PALETTES[look])),
            "texture": str(rng.choice(TEXTURES, p=(0.6, 0.2, 0.2))),
            "size": str(rng.choice(list(SIZES), p=SIZE_ODDS)),
        }
        if look == "ultrasound":  # speckle would hide the pattern
            new["texture"] = "plain"
        if described:
            other = described[rng.integers(len(described))]
            new.update({name: other[name] for name in ("shape", "color") if rng.random() < 0.3})
        described.append(new)
    return sorted(described, key=lambda new: -SIZES[new["size"]][0])


def _radius(rng: np.random.Generator, shape: str, area: float) -> np.ndarray:
    """Radius (pixels) of a shape of ``area`` (pixels) at each of ``ANGLES``.

    Shapes with corners stand upright to within 20 degrees, the others are turned at random.
    """
    cornered = shape in CORNERS
    turned = ANGLES + (np.pi / 2 + rng.uniform(-0.35, 0.35) if cornered else rng.uniform(0, 2 * np.pi))
    if shape == "oval":
        ratio = rng.uniform(1.7, 2.4)
        radius = 1 / np.sqrt(np.cos(turned) ** 2 / ratio + np.sin(turned) ** 2 * ratio)
    elif shape == "circle":
        radius = 1 + 0.02 * np.cos(3 * turned)
    else:
        radius = _polygon(turned + (np.pi / 4 if shape == "square" else 0), *CORNERS[shape])
    return radius * np.sqrt(area / (np.pi * np.mean(radius**2)))


def _polygon(angles: np.ndarray, corners: int, valley: float) -> np.ndarray:
    """Polar equation of a polygon with its tips at radius 1 and the points halfway between tips at ``valley``."""
    half = np.pi / corners
    along = angles % (2 * half)
    along = np.minimum(along, 2 * half - along)
    return valley * np.sin(half) / (np.sin(along) + valley * np.sin(half - along))


def _place(rng: np.random.Generator, attributes: dict[str, str], occupied: np.ndarray) -> _Outline | None:
    """Find room for an object in a cell of the 3x3 grid and add the cell's name as "place"; None if there is none."""
    low, high = SIZES[attributes["size"]]
    area = IMAGE_SIZE**2 * np.exp(rng.uniform(np.log(low), np.log(high)))
    radius = _radius(rng, attributes["shape"], area)
    edge_x, edge_y = radius * np.cos(ANGLES), radius * np.sin(ANGLES)
    margin, third = 0.03 * IMAGE_SIZE, IMAGE_SIZE / 3  # pixels; near a border the name of the cell would be arguable
    for _ in range(25):
        row, column = rng.integers(0, 3, 2)
        left = max(column * third + margin, 2 - edge_x.min())
        right = min((column + 1) * third - margin, IMAGE_SIZE - 3 - edge_x.max())
        top = max(row * third + margin, 2 - edge_y.min())
        bottom = min((row + 1) * third - margin, IMAGE_SIZE - 3 - edge_y.max())
        if left > right or top > bottom:
            continue
        x, y = rng.uniform(left, right), rng.uniform(top, bottom)
        # Objects come largest first, so one that covers another also has covered points on its own (widened) edge.
        at_x, at_y = (np.clip(c + 1.15 * e, 0, IMAGE_SIZE - 1).astype(int) for c, e in ((x, edge_x), (y, edge_y)))
        if not occupied[at_y, at_x].any() and not occupied[int(y), int(x)]:
            attributes["place"] = ATTRIBUTES["place"][3 * row + column]
            return _Outline(x, y, radius)
    return None
