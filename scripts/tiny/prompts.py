"""Prompts for drawn scenes: text, and the mask of everything in the scene that the text fits."""

from dataclasses import dataclass

import numpy as np
from paint import PALETTES
from scenes import ATTRIBUTES, Scene

# The attributes that a prompt of each kind names, and how often the kind is drawn.
KINDS = {
    ("shape",): 3,
    ("color",): 3,
    ("place",): 3,
    ("size",): 1,
    ("texture",): 1,
    ("color", "shape"): 3,
    ("shape", "place"): 2,
    ("color", "place"): 2,
    ("size", "shape"): 2,
    ("size", "color"): 1,
    ("size", "place"): 1,
    ("texture", "shape"): 1,
    ("size", "color", "shape"): 2,
    ("color", "shape", "place"): 2,
    ("size", "color", "shape", "place"): 2,
    ("size", "color", "texture", "shape", "place"): 1,
}
NOUNS = {
    "circle": ("circle", "disc"),
    "oval": ("oval", "ellipse"),
    "square": ("square",),
    "triangle": ("triangle",),
    "star": ("star",),
}
WORDS = {
    "circle": ("round", "circular"),
    "oval": ("oval", "elliptical"),
    "square": ("square",),
    "triangle": ("triangular",),
    "star": ("star shaped",),
    "dark": ("dark", "black"),
    "bright": ("bright", "white"),
    "gray": ("grey", "gray"),
    "purple": ("purple", "violet"),
    "striped": ("striped", "stripy"),
    "spotted": ("spotted", "dotted"),
    "plain": ("plain", "smooth"),
    "large": ("large", "big"),
    "center": ("center", "middle"),
}
ANY_NOUN = {
    "photo": ("object", "thing", "region"),
    "endoscopy": ("object", "lesion", "polyp", "region"),
    "ultrasound": ("object", "lesion", "tumor", "region"),
    "xray": ("object", "lesion", "nodule", "region"),
}
PICTURES = {
    "photo": ("photo", "picture"),
    "endoscopy": ("endoscopy image", "colonoscopy image"),
    "ultrasound": ("ultrasound image", "ultrasound scan"),
    "xray": ("x-ray image", "radiograph"),
}
NUMBERS = ("no", "one", "two", "three", "four", "five")


@dataclass(frozen=True)
class Prompt:
    """A text and what it fits.

    Args:
        text: the prompt.
        kind: names of the attributes that the text uses.
        targets: positions, in the scene, of the objects that it fits; never all of them, none if it says "no ...".
        mask: (H, W) bool, the union of these objects.
    """

    text: str
    kind: tuple[str, ...]
    targets: tuple[int, ...]
    mask: np.ndarray


def matches(scene: Scene, wanted: dict[str, str]) -> tuple[int, ...]:
    """Positions of the objects that have all ``wanted`` attribute values."""
    return tuple(i for i, thing in enumerate(scene.things) if wanted.items() <= thing.attributes.items())


def draw_prompts(scene: Scene, rng: np.random.Generator, count: int) -> list[Prompt]:
    """Draw ``count`` prompts that go round the objects of the scene, so that they contradict each other."""
    options = [_options(scene, i) for i in rng.permutation(len(scene.things))]
    prompts = []
    for i in range(count):
        fitting = options[i % len(options)]
        kind = _draw_kind(list(fitting), rng)
        attributes = scene.things[fitting[kind][0]].attributes
        prompts.append(_prompt(scene, {name: attributes[name] for name in kind}, fitting[kind], rng))
    return prompts


def draw_absent_prompt(scene: Scene, rng: np.random.Generator) -> Prompt:
    """Draw a prompt that says what is not in the scene, such as "no red circle"; its mask is empty."""
    known = {**ATTRIBUTES, "color": PALETTES[scene.look]}
    while True:
        named = {name: str(rng.choice(known[name])) for name in _draw_kind(list(KINDS), rng)}
        if not matches(scene, named):
            return _prompt(scene, named, (), rng)


def _draw_kind(kinds: list[tuple[str, ...]], rng: np.random.Generator) -> tuple[str, ...]:
    """One of ``kinds`` by their odds."""
    odds = np.array([KINDS[kind] for kind in kinds], float)
    return kinds[rng.choice(len(kinds), p=odds / odds.sum())]


def _options(scene: Scene, which: int) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Kinds of prompt that fit object ``which`` but not the whole scene, each with the objects that it fits."""
    attributes = scene.things[which].attributes
    found = {kind: matches(scene, {name: attributes[name] for name in kind}) for kind in KINDS}
    return {kind: targets for kind, targets in found.items() if len(targets) < len(scene.things)}


def _prompt(scene: Scene, attributes: dict[str, str], targets: tuple[int, ...], rng: np.random.Generator) -> Prompt:
    """Put the ``attributes`` that all ``targets``, and nothing else, have into words."""
    phrase = _noun_phrase(attributes, scene.look, len(targets), rng)
    text = _locate(phrase, attributes.get("place"), rng)
    if rng.random() < 0.25:
        picture = rng.choice(PICTURES[scene.look])
        text = f"{text} in the {picture}" if rng.random() < 0.5 else f"{picture} with {text}"
    mask = np.zeros(scene.image.shape[:2], bool)
    for i in targets:
        mask |= scene.things[i].mask
    return Prompt(text, tuple(attributes), targets, mask)


def _noun_phrase(attributes: dict[str, str], look: str, count: int, rng: np.random.Generator) -> str:
    """Article or number, adjectives and noun, in the plural now and then where several objects fit."""
    shape = attributes.get("shape")
    words = [_word(attributes[name], rng) for name in ("size", "texture", "color") if name in attributes]
    if shape is None:
        noun = str(rng.choice(ANY_NOUN[look]))
    elif rng.random() < 0.6:
        noun = str(rng.choice(NOUNS[shape]))
    else:
        words.insert(int(rng.integers(len(words) + 1)), str(rng.choice(WORDS[shape])))
        noun = str(rng.choice(ANY_NOUN[look]))
    start = str(rng.choice(("", "", "the", "number", "a") if count == 1 else ("", "the", "number")))
    if (count > 1 and start) or (count != 1 and rng.random() < 0.5):
        noun += "s"
    start = NUMBERS[count] if start == "number" or not count else start
    return " ".join(word for word in (start, *words, noun) if word)


def _word(value: str, rng: np.random.Generator) -> str:
    """One of the words for an attribute value."""
    return str(rng.choice(WORDS.get(value, (value,))))


def _locate(phrase: str, place: str | None, rng: np.random.Generator) -> str:
    """Add the name of a cell of the 3x3 grid to a noun phrase."""
    if place is None:
        return phrase
    place = _word(place, rng)
    forms = (
        "{0} at the {1}",
        "{0} in the {1}",
        "{0} on the {1}",
        "{0}, located in {1} of the image",
        "{0} located in {1}",
    )
    return str(rng.choice(forms)).format(phrase, place)
