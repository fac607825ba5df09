"""Tests of the overlays that runs leave behind."""

import errno
import os

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from monai_vlsm.errors import DataError
from monai_vlsm.handlers import OverlayHandler, TensorBoardOverlayHandler
from monai_vlsm.handlers.drawing import MAX_WIDTH, PRED_COLOR, TRUTH_COLOR
from monai_vlsm.transforms.network_input import network_input

WIDTH, HEIGHT = 300, 200
"""Wide enough to be drawn pixel for pixel."""


def image_of(name="a.png", depth=None, space=None):
    """A gray image; MetaTensor says that it is in RAS, readers of raster files do not."""
    shape = (1, WIDTH, HEIGHT) if depth is None else (1, WIDTH, HEIGHT, depth)
    image = MetaTensor(torch.full(shape, 0.5), meta={"filename_or_obj": f"scans/{name}"})
    image.meta["space"] = space
    return image


def top_left(depth=None, index=0):
    """A mask (1, W, H[, D]) of 60 columns and 20 rows at the top left of a raster image."""
    mask = torch.zeros((1, WIDTH, HEIGHT) if depth is None else (1, WIDTH, HEIGHT, depth))
    (mask if depth is None else mask[..., index])[:, :60, :20] = 1
    return mask


def case(image=None, pred=None, label=None, prompt=None):
    """One image of a decollated batch, and what the evaluator made of it."""
    image = image_of() if image is None else image
    pred = torch.zeros_like(image.as_tensor()) if pred is None else pred
    item = {"image": image} if prompt is None else {"image": image, "prompt": prompt}
    return item, {"image": image, "pred": pred, **({} if label is None else {"label": label})}


def evaluate(handler, *batches, epochs=1):
    """Run an engine whose state is that of a SupervisedEvaluator after postprocessing."""

    def process(engine, batch):
        engine.state.batch = [item for item, _ in batch]
        return [output for _, output in batch]

    engine = Engine(process)
    handler.attach(engine)
    engine.run(batches, max_epochs=epochs)


def colored(path, color):
    return (np.asarray(Image.open(path)) == np.array(color)).all(axis=-1)


def center(drawn):
    rows, columns = np.nonzero(drawn)
    return rows.mean(), columns.mean()


@pytest.mark.parametrize(("name", "color"), [("pred", PRED_COLOR), ("label", TRUTH_COLOR)])
def test_masks_are_drawn_where_a_person_sees_them(tmp_path, name, color):
    evaluate(OverlayHandler(tmp_path), [case(**{name: top_left()})])
    drawn = colored(tmp_path / "overlays" / "000_a.png", color)
    assert drawn.any()
    assert not drawn[21:].any()
    assert not drawn[:, 61:].any()


def test_medical_images_are_drawn_upright(tmp_path):
    """In RAS the first voxel is the patient's left back, which is at the bottom right of the picture."""
    image = image_of("a.nii.gz", depth=1, space="RAS")
    evaluate(OverlayHandler(tmp_path), [case(image, pred=top_left(depth=1), label=top_left(depth=1))])
    row, column = center(colored(tmp_path / "overlays" / "000_a.png", TRUTH_COLOR))
    assert row > HEIGHT - 25
    assert column > WIDTH - 65


def test_a_mask_without_channel_is_drawn_as_one_with_a_channel(tmp_path):
    """The last step of inference.json takes the channel away."""
    evaluate(OverlayHandler(tmp_path), [case(pred=top_left()), case(pred=top_left()[0])])
    first, second = ((tmp_path / "overlays" / f"{index:03d}_a.png").read_bytes() for index in range(2))
    assert first == second


def test_of_a_volume_the_slice_with_most_of_the_prediction_is_drawn(tmp_path):
    image = image_of("a.nii.gz", depth=4)
    image[..., 2] = 1.0
    pred = top_left(depth=4, index=2)
    pred[:, :3, :3, 1] = 1
    evaluate(OverlayHandler(tmp_path), [case(image, pred)])
    assert np.asarray(Image.open(tmp_path / "overlays" / "000_a.png"))[-1, -1].tolist() == [255] * 3


def test_the_annotation_of_the_drawn_slice_is_drawn(tmp_path):
    image = image_of("a.nii.gz", depth=4)
    evaluate(OverlayHandler(tmp_path), [case(image, top_left(4, 2), label=top_left(4, 2))])
    assert colored(tmp_path / "overlays" / "000_a.png", TRUTH_COLOR).any()


def test_the_annotation_of_another_slice_is_not_drawn(tmp_path):
    image = image_of("a.nii.gz", depth=4)
    evaluate(OverlayHandler(tmp_path), [case(image, top_left(4, 2), label=top_left(4, 0))])
    assert not colored(tmp_path / "overlays" / "000_a.png", TRUTH_COLOR).any()


def test_files_are_numbered_and_called_as_their_images(tmp_path):
    cases = [[case(image_of(name))] for name in ("b.png", "a.nii.gz", "b.png")]
    evaluate(OverlayHandler(tmp_path), *cases)
    assert sorted(os.listdir(tmp_path / "overlays")) == ["000_b.png", "001_a.png", "002_b.png"]


def test_an_image_without_a_file_is_drawn(tmp_path):
    image = torch.full((1, WIDTH, HEIGHT), 0.5)
    evaluate(OverlayHandler(tmp_path), [({"image": image}, {"image": image, "pred": top_left()})])
    assert os.listdir(tmp_path / "overlays") == ["000_case.png"]


@pytest.mark.parametrize(("cases", "drawn"), [(0, 0), (1, 1), (3, 3), (5, 5), (9, 5)])
def test_only_the_first_cases_are_drawn(tmp_path, cases, drawn):
    evaluate(OverlayHandler(tmp_path, cases=cases), [case(), case()], [case(), case()], [case()])
    assert len(list(tmp_path.glob("overlays/*.png"))) == drawn


def test_without_cases_nothing_is_written(tmp_path):
    evaluate(OverlayHandler(tmp_path / "eval", cases=0), [case()])
    assert not (tmp_path / "eval").exists()


def test_a_sheet_shows_all_cases(tmp_path):
    evaluate(OverlayHandler(tmp_path), [case(), case(), case()], [case(), case()])
    assert Image.open(tmp_path / "overlays.png").size == (4 * WIDTH, 2 * HEIGHT)


def test_a_second_run_of_the_evaluator_draws_anew(tmp_path):
    evaluate(OverlayHandler(tmp_path, cases=8), [case()], epochs=2)
    assert os.listdir(tmp_path / "overlays") == ["000_a.png"]


def overlay_height(folder):
    return Image.open(folder / "overlays" / "000_a.png").size[1]


def test_the_prompt_stands_below_the_image(tmp_path):
    evaluate(OverlayHandler(tmp_path), [case(prompt="polyp")])
    assert overlay_height(tmp_path) > HEIGHT


def test_a_case_without_prompt_gets_the_caption_of_the_handler(tmp_path):
    evaluate(OverlayHandler(tmp_path, caption="polyp"), [case()])
    assert overlay_height(tmp_path) > HEIGHT


def test_a_prompt_of_its_own_wins_over_the_caption(tmp_path):
    evaluate(OverlayHandler(tmp_path / "own", caption="tumor"), [case(prompt="polyp")])
    evaluate(OverlayHandler(tmp_path / "same", caption="polyp"), [case()])
    own, same = ((tmp_path / name / "overlays" / "000_a.png").read_bytes() for name in ("own", "same"))
    assert own == same


# TensorBoard


FLOATS = network_input(torch.full((2, 3, 300, 300), 0.5), 300)
BYTES = torch.full((2, 3, 300, 300), 128, dtype=torch.uint8)


def validate(handler, image=FLOATS, epochs=1):
    """Run an engine whose state is that of an evaluator that does not decollate, with the top left predicted."""

    def process(engine, batch):
        return {"image": batch["image"], "pred": pred, "label": pred}

    pred = torch.zeros(2, 1, 300, 300)
    pred[:, :, :20, :60] = 1
    engine = Engine(process)
    handler.attach(engine)
    engine.run([{"image": image, "prompt": ["polyp", "cyst"]}], max_epochs=epochs)


@pytest.fixture(params=[FLOATS, BYTES], ids=["floats", "bytes"])
def events(tmp_path, request):
    """What TensorBoard reads after two validations of two images."""
    with SummaryWriter(str(tmp_path)) as writer:
        validate(TensorBoardOverlayHandler(writer), request.param, epochs=2)
    return EventAccumulator(str(tmp_path), size_guidance={"images": 0}).Reload()


def test_tensorboard_gets_every_case_in_every_epoch(events):
    steps = {tag: [event.step for event in events.Images(tag)] for tag in events.Tags()["images"]}
    assert steps == {"validation/case 0": [1, 2], "validation/case 1": [1, 2]}


def test_tensorboard_shows_the_image_with_its_normal_brightness(events, tmp_path):
    (tmp_path / "drawn.png").write_bytes(events.Images("validation/case 0")[0].encoded_image_string)
    picture = np.asarray(Image.open(tmp_path / "drawn.png"))
    assert picture[150, 150].tolist() == pytest.approx([128] * 3, abs=1)


def test_tensorboard_shows_the_masks_where_they_are(events, tmp_path):
    (tmp_path / "drawn.png").write_bytes(events.Images("validation/case 0")[0].encoded_image_string)
    drawn = colored(tmp_path / "drawn.png", TRUTH_COLOR)
    assert drawn.any()
    assert not drawn[21:].any()
    assert not drawn[:, 61:].any()


def test_tensorboard_gets_no_more_than_the_cases(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        validate(TensorBoardOverlayHandler(writer, cases=1))
    assert EventAccumulator(str(tmp_path)).Reload().Tags()["images"] == ["validation/case 0"]


def test_tensorboard_gets_nothing_but_events(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        validate(TensorBoardOverlayHandler(writer))
    assert [name.split(".")[0] for name in os.listdir(tmp_path)] == ["events"]


def test_a_full_disk_is_named_and_leaves_no_half_written_overlay(tmp_path, monkeypatch):
    def full(image, path, **options):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(DataError, match=r"overlays.*the disk is full"):
        evaluate(OverlayHandler(tmp_path), [case()])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_bytes_are_drawn_as_their_share_of_255(tmp_path):
    image = MetaTensor(torch.full((1, WIDTH, HEIGHT), 51, dtype=torch.uint8), meta={"filename_or_obj": "a.png"})
    image.meta["space"] = None
    evaluate(OverlayHandler(tmp_path), [case(image, torch.zeros(1, WIDTH, HEIGHT))])
    assert np.asarray(Image.open(tmp_path / "overlays" / "000_a.png"))[50, 50].tolist() == [51, 51, 51]


def test_of_a_turned_volume_the_slice_with_most_of_the_prediction_is_drawn_upright(tmp_path):
    """RAS: both axes of a slice run against the picture."""
    pred = top_left(depth=3, index=2).flip(1, 2)
    evaluate(OverlayHandler(tmp_path), [case(image_of(depth=3, space="RAS"), pred)])
    (name,) = os.listdir(tmp_path / "overlays")
    seen = colored(tmp_path / "overlays" / name, PRED_COLOR)
    assert seen[:21, :61].any()
    assert not seen[30:, :].any()


def test_a_large_picture_is_drawn_small_with_its_mask_in_the_same_place(tmp_path):
    image = MetaTensor(torch.zeros(1, 100, 2 * MAX_WIDTH + 2), meta={"filename_or_obj": "a.png", "space": None})
    pred = torch.zeros(1, 100, 2 * MAX_WIDTH + 2)
    pred[:, :, :30] = 1
    evaluate(OverlayHandler(tmp_path), [case(image, pred=pred)])
    drawn = colored(tmp_path / "overlays" / "000_a.png", PRED_COLOR)
    rows = np.nonzero(drawn)[0]
    factor = drawn.shape[0] / image.shape[2]
    assert rows.max() == pytest.approx(30 * factor, abs=2 * factor + 1)
