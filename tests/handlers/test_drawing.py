"""Tests of drawing overlays."""

import numpy as np
import pytest

from monai_vlsm.handlers.drawing import (
    MAX_WIDTH,
    MIN_WIDTH,
    PRED_COLOR,
    TRUTH_COLOR,
    contact_sheet,
    draw_masks,
    draw_overlay,
)

LONG = "One medium circle shaped malignant tumor at the upper left of the breast ultrasound image, seen from the side"


def gray(height, width, level=0.5):
    return np.full((height, width, 3), level)


def block(height, width):
    """A mask whose rows 4 to 9 and columns 8 to 19 are set."""
    mask = np.zeros((height, width))
    mask[4:10, 8:20] = 1
    return mask


def is_color(picture, color):
    return (picture == np.array(color)).all(axis=-1)


def frame(mask, width=1):
    """Return the pixels of a block's edge, and those up to ``width`` pixels outside it."""
    inner, outer = np.zeros(mask.shape, bool), np.zeros(mask.shape, bool)
    rows, columns = np.nonzero(mask)
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    inner[top + 1 : bottom - 1, left + 1 : right - 1] = True
    outer[top - width : bottom + width, left - width : right + width] = True
    return ~inner & outer


def corners_left_out(picture):
    """An outline is dilated crosswise, so it lacks the outer corners of a frame."""
    return picture.sum() - 4


@pytest.mark.parametrize("masks", [{}, {"pred": block(20, 300)}, {"truth": block(20, 300)}])
def test_an_overlay_of_a_wide_image_has_its_size(masks):
    assert draw_overlay(gray(20, 300), **masks).shape == (20, 300, 3)


def test_an_overlay_is_made_of_bytes():
    assert draw_overlay(gray(20, 300)).dtype == np.uint8


def test_without_masks_the_image_is_shown_as_it_is():
    image = np.random.default_rng(0).random((20, 300, 3))
    np.testing.assert_allclose(draw_overlay(image) / 255, image, atol=0.002)


def test_values_beyond_the_range_are_clipped():
    image = np.concatenate([gray(4, 300, -3), gray(4, 300, 7)])
    assert draw_overlay(image)[[0, -1], 0].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_the_arguments_are_not_changed():
    arguments = [gray(20, 30), block(20, 30), block(20, 30)]
    before = [array.copy() for array in arguments]
    draw_overlay(*arguments, "polyp")
    for array, copy in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(("name", "color"), [("truth", TRUTH_COLOR), ("pred", PRED_COLOR)])
def test_an_outline_runs_where_the_mask_ends(name, color):
    mask = block(20, 300)
    outline = is_color(draw_overlay(gray(20, 300), **{name: mask}), color)
    assert outline.sum() == corners_left_out(frame(mask))
    assert not (outline & ~frame(mask)).any()


def test_the_prediction_is_filled_lightly():
    overlay = draw_overlay(gray(20, 300), pred=block(20, 300))
    np.testing.assert_allclose(overlay[6, 12], 0.75 * 128 + 0.25 * np.array(PRED_COLOR), atol=1)


def test_the_annotation_is_not_filled():
    assert draw_overlay(gray(20, 300), truth=block(20, 300))[6, 12].tolist() == [128, 128, 128]


def test_the_annotation_is_drawn_above_the_prediction():
    overlay = draw_overlay(gray(20, 300), block(20, 300), block(20, 300))
    assert not is_color(overlay, PRED_COLOR).any()
    assert is_color(overlay, TRUTH_COLOR).any()


@pytest.mark.parametrize("name", ["pred", "truth"])
def test_an_empty_mask_draws_nothing(name):
    overlay = draw_overlay(gray(20, 300), **{name: np.zeros((20, 300))})
    np.testing.assert_array_equal(overlay, draw_overlay(gray(20, 300)))


def test_a_mask_that_fills_the_image_is_outlined_at_its_border():
    overlay = draw_overlay(gray(20, 300), truth=np.ones((20, 300)))
    border = np.ones((20, 300), bool)
    border[1:-1, 1:-1] = False
    np.testing.assert_array_equal(is_color(overlay, TRUTH_COLOR), border)


def test_outlines_of_large_images_are_thicker():
    mask = np.zeros((1024, 1024))
    mask[400:600, 400:600] = 1
    outline = is_color(draw_overlay(gray(1024, 1024), truth=mask), TRUTH_COLOR)
    assert outline[500, :500].sum() == 5


# Small images


@pytest.mark.parametrize(
    ("height", "width", "factor"), [(51, 35, 8), (35, 51, 6), (8, 255, 2), (8, 256, 1), (8, 257, 1)]
)
def test_a_small_image_is_enlarged_by_a_whole_factor(height, width, factor):
    overlay = draw_overlay(gray(height, width))
    assert overlay.shape == (height * factor, width * factor, 3)
    assert overlay.shape[1] >= MIN_WIDTH


def test_an_image_of_a_single_column_does_not_fill_the_memory():
    assert draw_overlay(gray(900, 1)).size < 5_000_000


def test_the_pixels_of_a_small_image_stay_sharp():
    image = np.random.default_rng(0).random((20, 64, 3))
    np.testing.assert_array_equal(draw_overlay(image)[::4, ::4], draw_overlay(image)[3::4, 3::4])


def test_outlines_of_a_small_image_are_thin_and_where_the_mask_is():
    overlay = draw_overlay(gray(20, 64), truth=block(20, 64))
    enlarged = np.kron(block(20, 64), np.ones((4, 4)))
    outline = is_color(overlay, TRUTH_COLOR)
    assert outline.sum() == corners_left_out(frame(enlarged))
    assert not (outline & ~frame(enlarged)).any()


# Captions


def text_of(overlay, height):
    """Return where the strip below an overlay is written on."""
    return overlay[height:].max(axis=-1) > 100


@pytest.mark.parametrize("caption", ["", "   "])
def test_without_caption_there_is_no_strip(caption):
    assert draw_overlay(gray(20, 300), caption=caption).shape == (20, 300, 3)


def test_a_caption_stands_below_the_image():
    overlay = draw_overlay(gray(20, 300), caption="polyp")
    np.testing.assert_array_equal(overlay[:20], draw_overlay(gray(20, 300)))
    assert text_of(overlay, 20).any()


def test_different_captions_look_different():
    first, second = (draw_overlay(gray(20, 300), caption=caption) for caption in ("polyp", "tumor"))
    assert (first != second).any()


@pytest.mark.parametrize("caption", [LONG, LONG.upper(), "W" * 120, "i" * 300])
def test_a_long_caption_is_wrapped_and_not_cut(caption):
    text = text_of(draw_overlay(gray(20, 300), caption=caption), 20)
    assert len(text) >= 2 * 13
    assert not text[:, -2:].any()
    assert not text[-2:].any()


def test_a_caption_that_is_twice_as_long_has_about_twice_the_lines():
    one, two = (len(draw_overlay(gray(20, 300), caption=LONG * times)) - 20 for times in (2, 4))
    assert 1.7 < two / one < 2.1


def test_a_wrapped_caption_shows_its_last_word():
    first, second = (draw_overlay(gray(20, 300), caption=f"{LONG} {word}") for word in ("left", "right"))
    assert (text_of(first, 20) != text_of(second, 20)).any()


@pytest.mark.parametrize("caption", ["Läsion", "病变", "two\nlines", "tab\tin"])
def test_any_text_can_be_a_caption(caption):
    assert text_of(draw_overlay(gray(20, 300), caption=caption), 20).any()


def test_a_caption_fits_below_a_tiny_image():
    overlay = draw_overlay(gray(35, 51), caption=LONG)
    assert text_of(overlay, 35 * 6).any()
    assert overlay.shape[1] == 51 * 6


# Contact sheets


def colored(height, width, level):
    return np.full((height, width, 3), level, dtype=np.uint8)


@pytest.mark.parametrize(
    ("count", "columns", "shape"),
    [(1, 4, (20, 30, 3)), (3, 4, (20, 90, 3)), (4, 4, (20, 120, 3)), (5, 4, (40, 120, 3)), (5, 2, (60, 60, 3))],
)
def test_a_sheet_has_rows_and_columns(count, columns, shape):
    assert contact_sheet([colored(20, 30, 200)] * count, columns).shape == shape


def test_pictures_stand_in_reading_order():
    sheet = contact_sheet([colored(20, 30, level) for level in (50, 100, 150, 200)], columns=2)
    assert sheet[10::20, 15::30, 0].tolist() == [[50, 100], [150, 200]]


def test_pictures_are_scaled_to_the_width_of_the_first():
    sheet = contact_sheet([colored(20, 30, 100), colored(80, 60, 200)])
    assert sheet.shape == (40, 60, 3)
    assert (sheet[:, 30:] == 200).all()


def test_a_row_is_as_high_as_its_highest_picture():
    sheet = contact_sheet([colored(10, 30, 100), colored(20, 30, 200), colored(5, 30, 100)], columns=2)
    assert sheet.shape == (25, 60, 3)


def test_the_rest_of_a_sheet_is_dark():
    sheet = contact_sheet([colored(10, 30, 100), colored(20, 30, 200), colored(20, 30, 200)], columns=2)
    assert (sheet[10:20, :30] == 24).all()
    assert (sheet[20:, 30:] == 24).all()


def test_a_sheet_of_photographs_is_no_wider_than_a_screen():
    sheet = contact_sheet([colored(40, MAX_WIDTH, 200)] * 4)
    assert sheet.shape == (10, MAX_WIDTH, 3)


def test_a_single_mask_is_drawn_as_a_prediction_is():
    drawn = draw_masks(gray(20, 300), [block(20, 300)], [PRED_COLOR])
    np.testing.assert_array_equal(drawn, draw_overlay(gray(20, 300), block(20, 300)))


def test_every_mask_has_its_color_and_a_caption_behind_a_square_of_it():
    colors = [(255, 0, 0), (0, 0, 255)]
    masks = [block(40, 300), np.roll(block(40, 300), 20, axis=0)]
    drawn = draw_masks(gray(40, 300), masks, colors, ["polyp", "tool"])
    picture, captions = drawn[:40], drawn[40:]
    assert captions.shape[0] > 2 * 13
    for color in colors:
        assert is_color(picture, color).any()
        assert is_color(captions, color).any()
