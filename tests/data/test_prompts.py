"""Tests of prompts from mask geometry, against the published annotations where these are at hand."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_vlsm.data.prompts import describe_mask, prompts_from_mask
from monai_vlsm.errors import DataError

BUSI = Path(__file__).resolve().parents[3] / "shared" / "data" / "busi"
WHERE = "in the breast ultrasound image"
# Stored there at a longest side of 512 pixels, at which components of a few pixels of the original are gone.
SCALED_AWAY = {"42_benign.png", "1_malignant.png"}


def published():
    """(mask file, prompts) of every non-empty mask of the published BUSI annotations (naamiinepal/medvlsm@dc36a3af)."""
    files = [BUSI / "anns" / f"{split}.json" for split in ("train", "val", "test")]
    entries = [entry for file in files if file.is_file() for entry in json.loads(file.read_text(encoding="utf-8"))]
    named = [(entry["mask_name"], entry["prompts"]) for entry in entries if "normal" not in entry["mask_name"]]
    return [item for item in named if item[0] not in SCALED_AWAY]


def disc(center, radius, shape=(120, 160), ratio=1.0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(y - center[0], (x - center[1]) / ratio) <= radius


def blocks(*corners, side=4, shape=(90, 90)):
    mask = np.zeros(shape, dtype=bool)
    for row, column in corners:
        mask[row : row + side, column : column + side] = True
    return mask


def share(pixels, shape=(100, 100)):
    """A mask of one component that covers that many pixels."""
    mask = np.zeros(shape, dtype=bool)
    mask.flat[:pixels] = True
    return mask


@pytest.mark.skipif(not BUSI.is_dir(), reason=f"needs the sample data in {BUSI}, which are not part of the repository")
def test_the_published_annotations_are_all_looked_at():
    assert len(published()) == 83


@pytest.mark.parametrize(("name", "prompts"), published(), ids=lambda value: value if isinstance(value, str) else "")
def test_rule_medvlsm_gives_the_published_sentence(name, prompts):
    mask = np.array(Image.open(BUSI / "masks" / name))
    kind = re.search("benign|malignant", prompts["p5"][0]).group()
    ours = prompts_from_mask(mask, f"{kind} tumor", family="sentence", where=WHERE, location_rule="medvlsm")
    assert {level: ours[level] for level in ("p3", "p4", "p5")} == {
        level: [prompts[level][0]] for level in ("p3", "p4", "p5")
    }


@pytest.mark.parametrize("kind", ["bool", "0/1", "0/255", "float"])
def test_every_encoding_of_a_mask_is_described_alike(kind):
    mask = disc((60, 80), 20)
    encoded = {"bool": mask, "0/1": mask.astype(int), "0/255": mask.astype(np.uint8) * 255, "float": mask * 0.9}[kind]
    assert describe_mask(encoded) == describe_mask(mask)


def test_faint_values_of_a_compressed_mask_are_background():
    noisy = np.where(disc((60, 80), 20), 250, 9).astype(np.uint8)
    assert describe_mask(noisy) == describe_mask(disc((60, 80), 20))


def test_pixels_that_touch_at_a_corner_are_two_objects():
    assert describe_mask(blocks((10, 10), (14, 14))).count == 2


@pytest.mark.parametrize(
    ("pixels", "size"),
    [(9, "tiny"), (10, "small"), (800, "small"), (801, "medium"), (3000, "medium"), (3001, "large")],
)
def test_size_words_change_at_the_published_limits(pixels, size):
    assert describe_mask(share(pixels)).sizes == (size,)


def test_sizes_are_listed_once_from_small_to_large():
    mask = disc((60, 40), 30) | disc((20, 120), 8) | disc((100, 120), 8)
    assert describe_mask(mask).sizes == ("small", "medium")


def test_rule_medvlsm_tells_no_size_of_a_speck():
    speck = blocks((10, 10), side=1, shape=(200, 200))
    assert describe_mask(speck, "medvlsm").sizes == ()


@pytest.mark.parametrize(
    ("corner", "location"),
    [
        *(((10, 10), "top left"), ((10, 43), "top"), ((10, 76), "top right")),
        *(((43, 10), "left"), ((43, 43), "center"), ((43, 76), "right")),
        *(((76, 10), "bottom left"), ((76, 43), "bottom"), ((76, 76), "bottom right")),
    ],
)
@pytest.mark.parametrize("rule", ["width", "medvlsm"])
def test_a_small_object_lies_in_its_cell_of_the_grid(corner, location, rule):
    assert describe_mask(blocks(corner), rule).locations == (location,)


def test_an_object_that_barely_reaches_another_cell_stays_in_its_own():
    mask = np.zeros((90, 90), dtype=bool)
    mask[10:12, 2:32] = True
    assert describe_mask(mask).locations == ("top left",)


def test_an_object_across_cells_lies_where_its_box_has_its_center():
    assert describe_mask(disc((60, 110), 25)).locations == ("right",)


def test_rule_medvlsm_moves_objects_of_wide_images_to_the_right_as_published():
    mask = disc((50, 110), 30, shape=(100, 220))
    assert (describe_mask(mask).locations, describe_mask(mask, "medvlsm").locations) == (("center",), ("right",))


def test_rule_width_names_a_location_once():
    assert describe_mask(blocks((10, 10), (10, 18))).locations == ("top left",)


def test_rule_medvlsm_repeats_a_location_as_published():
    assert describe_mask(blocks((10, 10), (10, 18)), "medvlsm").locations == ("top left", "top left")


def test_rule_width_names_at_most_three_locations():
    mask = blocks((10, 10), (10, 43), (10, 76), (76, 10), (76, 76))
    assert describe_mask(mask).locations == ("top left", "top", "top right")


def test_rule_width_leaves_specks_out():
    mask = disc((60, 80), 20)
    mask[2, 2] = True
    assert describe_mask(mask).count == 1


def test_rule_medvlsm_counts_specks_as_published():
    mask = disc((60, 80), 20)
    mask[2, 2] = True
    assert describe_mask(mask, "medvlsm").count == 2


def test_the_smallest_area_can_be_chosen():
    mask = disc((60, 80), 20)
    mask[2, 2] = True
    assert describe_mask(mask, min_area=0.0).count == 2


def test_a_mask_of_nothing_but_a_speck_is_not_empty():
    assert describe_mask(blocks((10, 10), side=1)).count == 1


@pytest.mark.parametrize("rule", ["width", "medvlsm"])
def test_an_empty_mask_has_no_words(rule):
    found = describe_mask(np.zeros((50, 60), dtype=np.uint8), rule)
    assert (found.count, found.sizes, found.locations, found.shape) == (0, (), (), "")


@pytest.mark.parametrize("radius", [4, 8, 20, 40])
def test_a_disc_is_round(radius):
    assert describe_mask(disc((60.3, 79.8), radius)).shape == "round"


@pytest.mark.parametrize("radius", [6, 12, 24])
@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_an_ellipse_is_oval(radius, ratio):
    assert describe_mask(disc((60, 80), radius, ratio=ratio)).shape == "oval"


def test_a_lobed_outline_is_irregular():
    lobes = [disc((60 + 25 * np.sin(turn), 80 + 25 * np.cos(turn)), 12) for turn in np.arange(0, 6.2, 1.3)]
    assert describe_mask(disc((60, 80), 25) | np.any(lobes, axis=0)).shape == "irregular"


def test_the_shape_is_that_of_the_largest_object():
    assert describe_mask(disc((60, 40), 8, ratio=3) | disc((60, 120), 25)).shape == "round"


def test_a_single_pixel_has_a_shape():
    assert describe_mask(blocks((5, 5), side=1)).shape == "round"


@pytest.mark.parametrize(
    ("mask", "named"),
    [
        (np.zeros((2, 5, 5)), r"\(2, 5, 5\)"),
        (np.zeros(5), r"\(5,\)"),
        (np.zeros((0, 5)), r"\(0, 5\)"),
        (np.full((5, 5), 2), "label map"),
        (np.full((5, 5), 300), "300"),
        (np.full((5, 5), -1), "-1"),
        (np.full((5, 5), np.nan), "nan"),
    ],
)
def test_what_is_no_mask_is_refused_and_named(mask, named):
    with pytest.raises(DataError, match=named):
        describe_mask(mask)


def test_an_unknown_location_rule_is_refused_and_named():
    with pytest.raises(DataError, match="'height'"):
        describe_mask(disc((60, 80), 20), "height")


def test_an_unknown_family_is_refused_and_named():
    with pytest.raises(DataError, match="'poem'"):
        prompts_from_mask(disc((60, 80), 20), "cyst", family="poem")


def test_phrases_have_the_published_levels():
    assert prompts_from_mask(disc((20, 25), 9), "polyp") == {
        "p0": [""],
        "p1": ["polyp"],
        "p2": ["round polyp"],
        "p3": ["round polyp"],
        "p4": ["small round polyp"],
        "p5": ["one small round polyp"],
        "p6": ["one small round polyp, located in top left of the image"],
    }


def test_sentences_have_the_published_levels():
    assert prompts_from_mask(disc((20, 25), 9), "tumor", family="sentence", where=WHERE) == {
        "p0": [""],
        "p1": ["Tumor in the breast ultrasound image."],
        "p2": ["Tumor in the breast ultrasound image."],
        "p3": ["One tumor in the breast ultrasound image."],
        "p4": ["One small tumor in the breast ultrasound image."],
        "p5": ["One small tumor at the top left in the breast ultrasound image."],
        "p6": ["One small round-shaped tumor at the top left in the breast ultrasound image."],
    }


@pytest.mark.parametrize(
    ("family", "texts"),
    [
        ("phrase", ["cyst", "round old cyst", "small round old cyst"]),
        ("sentence", ["Cyst in the image.", "Old cyst in the image.", "One small old cyst in the image."]),
    ],
)
def test_a_kind_is_told_from_p2_on(family, texts):
    prompts = prompts_from_mask(disc((20, 25), 9), "cyst", family=family, kind="old cyst")
    assert [prompts[level][0] for level in ("p1", "p2", "p4")] == texts


def test_an_empty_mask_gives_no_class_at_every_level_but_the_first():
    prompts = prompts_from_mask(np.zeros((50, 60), dtype=bool), "cyst")
    assert prompts == {"p0": [""], **{f"p{level}": ["no cyst"] for level in range(1, 7)}}


def test_an_empty_mask_gives_the_published_sentence():
    prompts = prompts_from_mask(np.zeros((50, 60), dtype=bool), "tumor", family="sentence", where=WHERE)
    assert prompts == {"p0": [""], **{f"p{n}": ["No tumor in the breast ultrasound image."] for n in range(1, 7)}}


@pytest.mark.parametrize(
    ("name", "plural"), [("cyst", "cysts"), ("mass", "masses"), ("opacity", "opacities"), ("x-ray", "x-rays")]
)
def test_two_objects_are_named_in_the_plural(name, plural):
    assert prompts_from_mask(blocks((10, 10), (76, 76)), name)["p5"] == [f"two small round {plural}"]


def test_an_irregular_plural_can_be_given():
    assert prompts_from_mask(blocks((10, 10), (76, 76)), "focus", plural="foci")["p5"][0].endswith(" foci")


def test_the_class_alone_stays_in_the_singular():
    assert prompts_from_mask(blocks((10, 10), (76, 76)), "cyst")["p1"] == ["cyst"]


def test_several_locations_are_joined_as_in_english():
    prompts = prompts_from_mask(blocks((10, 10), (10, 76), (76, 43)), "cyst")
    assert prompts["p6"][0].endswith("located in top left, top right and bottom of the image")


def test_the_place_of_a_phrase_can_be_named():
    prompts = prompts_from_mask(disc((20, 25), 9), "cyst", where="in the phantom")
    assert prompts["p6"][0].endswith("located in top left of the phantom")


@pytest.mark.parametrize(("count", "word"), [(3, "three"), (19, "nineteen"), (21, "twenty-one"), (40, "forty")])
def test_numbers_are_words(count, word):
    corners = [(10 * (i // 10), 9 * (i % 10)) for i in range(count)]
    assert prompts_from_mask(blocks(*corners), "cyst")["p5"][0].startswith(f"{word} small")


def test_more_than_ninety_nine_are_many():
    corners = [(8 * (i // 11), 8 * (i % 11)) for i in range(100)]
    assert prompts_from_mask(blocks(*corners), "cyst")["p5"][0].startswith("many small")


def test_a_speck_without_a_size_word_leaves_no_gap():
    speck = blocks((10, 10), side=1, shape=(200, 200))
    assert prompts_from_mask(speck, "cyst", location_rule="medvlsm")["p5"] == ["one round cyst"]


@pytest.mark.parametrize(
    ("family", "p6"),
    [
        ("phrase", "many tiny round cell nuclei"),
        ("sentence", "Many tiny round-shaped cell nuclei in the image."),
    ],
)
def test_scattered_objects_are_counted_and_not_placed(family, p6):
    rows, columns = np.mgrid[:300, :300] % 20
    mask = (rows - 9) ** 2 + (columns - 9) ** 2 < 20
    assert prompts_from_mask(mask, "cell nuclei", family=family, scattered=True)["p6"] == [p6]
