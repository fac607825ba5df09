"""What check finds in a data set, on arrays in place of files."""

import numpy as np
import pytest

from monai_vlsm.data.check.files import FileFacts, read_files
from monai_vlsm.data.check.prompts import check_prompts
from monai_vlsm.data.check.report import check_entries
from monai_vlsm.data.datalist import load_splits
from monai_vlsm.data.prepare.annotations import Annotations
from monai_vlsm.data.sets import DATASETS
from monai_vlsm.errors import DataError

SHAPE = (1, 20, 16)


def entry(name, split_prompts=None, **changes):
    prompts = split_prompts or {"p0": [""], "p1": ["polyp"]}
    return {"image": f"/set/images/{name}", "label": f"/set/masks/{name}", "prompts": prompts, **changes}


def splits(training, validation=(), test=()):
    return {"training": list(training), "validation": list(validation), "test": list(test)}


class Disk:
    """Arrays by path: a different picture for each image, a mask with a bar; both can be replaced."""

    def __init__(self):
        self.images, self.masks, self.values = {}, {}, {}

    def image(self, path):
        if path not in self.images:
            self.images[path] = np.random.default_rng(len(self.images)).random(SHAPE, dtype=np.float32)
        return self._get(self.images[path])

    def mask(self, path):
        bar = np.zeros(SHAPE, dtype=np.float32)
        bar[:, :5] = 1
        return self._get(self.masks.get(path, bar))

    def stored(self, path):
        return self.values.get(path, self.mask(path) * 255)

    @staticmethod
    def _get(found):
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def check(disk):
    def run(entries, groups=None):
        files = read_files(entries, disk.image, disk.mask, disk.stored, progress=iter)
        return check_entries(entries, files, "/set", groups or {}, lambda texts: [len(t.split()) + 2 for t in texts])

    return run


def texts(report, severity):
    return [finding.text for finding in report.findings if finding.severity == severity]


def test_a_sound_data_set_has_no_findings(check):
    report = check(splits([entry("1.png")], [entry("2.png")], [entry("3.png")]))
    assert report.findings == []
    assert report.errors == []


def test_a_file_that_cannot_be_read_is_an_error_with_its_reason(check, disk):
    disk.images["/set/images/1.png"] = DataError("the image file '/set/images/1.png' cannot be read: truncated")
    (found,) = check(splits([entry("1.png")], [entry("2.png")], [entry("3.png")])).errors
    assert "cannot be used" in found.text
    assert found.names == ("images/1.png: the image file 'images/1.png' cannot be read: truncated",)


def test_a_mask_of_another_size_is_an_error_with_both_sizes(check, disk):
    disk.masks["/set/masks/1.png"] = np.ones((1, 20, 15), dtype=np.float32)
    (found,) = check(splits([entry("1.png")], [entry("2.png")], [entry("3.png")])).errors
    assert found.names == ("images/1.png (20 x 16) and masks/1.png (20 x 15)",)


def test_a_slice_with_a_third_axis_has_the_size_of_its_picture(check, disk):
    disk.masks["/set/masks/1.nii"] = np.eye(20, 16, dtype=np.float32)[None, :, :, None]
    assert not check(splits([entry("1.nii")], [entry("2.png")], [entry("3.png")])).errors


def test_a_label_map_is_an_error(check, disk):
    values = np.zeros(SHAPE)
    values[:, :5], values[:, 5:9] = 1, 2
    disk.values["/set/masks/1.png"] = values
    (found,) = check(splits([entry("1.png")], [entry("2.png")], [entry("3.png")])).errors
    assert "several values" in found.text
    assert found.names == ("masks/1.png (1, 2)",)


def test_a_gray_label_map_of_full_range_is_an_error(check, disk):
    values = np.zeros(SHAPE)
    values[:, :5], values[:, 5:9] = 127, 255
    disk.values["/set/masks/1.png"] = values
    (found,) = check(splits([entry("1.png")], [entry("2.png")], [entry("3.png")])).errors
    assert found.names == ("masks/1.png (127, 255)",)


def test_probabilities_in_a_medical_file_are_an_error_as_all_above_0_is_mask(check, disk):
    disk.values["/set/masks/1.nii.gz"] = np.linspace(0, 1, 320).reshape(SHAPE)
    (found,) = check(splits([entry("1.nii.gz")], [entry("2.png")], [entry("3.png")])).errors
    assert found.names[0].startswith("masks/1.nii.gz (0.00")


def test_a_volume_is_an_error_as_training_takes_slices(check, disk):
    disk.images["/set/images/1.nii"] = np.random.default_rng(0).random((*SHAPE, 3))
    disk.masks["/set/masks/1.nii"] = np.tile(np.eye(20, 16)[None, :, :, None], 3)
    (found,) = check(splits([entry("1.nii")], [entry("2.png")], [entry("3.png")])).errors
    assert found.names == ("images/1.nii",)


def test_soft_edges_are_a_warning(check, disk):
    values = np.zeros(SHAPE)
    values[:, :10], values[:, 10] = 255, np.arange(100, 116)
    disk.values["/set/masks/1.png"] = values
    report = check(splits([entry("1.png")], [entry("2.png")], [entry("3.png")]))
    assert report.errors == []
    assert [finding.names for finding in report.findings] == [("masks/1.png",)]


def test_the_same_pixels_in_two_splits_are_an_error_that_names_both(check, disk):
    disk.images["/set/images/3.png"] = disk.image("/set/images/1.png").copy()
    (found,) = check(splits([entry("1.png")], [entry("2.png")], [entry("3.png")])).errors
    assert found.names == ("training: images/1.png = test: images/3.png",)


def test_the_same_file_in_two_splits_is_an_error(check):
    (found,) = check(splits([entry("1.png")], [entry("2.png")], [entry("1.png")])).errors
    assert found.names == ("training: images/1.png = test: images/1.png",)


def test_the_same_pixels_in_another_shape_are_another_picture(check, disk):
    disk.images |= {"/set/images/1.png": np.zeros(SHAPE), "/set/images/3.png": np.zeros((1, 16, 20))}
    disk.masks["/set/masks/3.png"] = np.eye(16, 20)[None]
    assert not check(splits([entry("1.png")], [entry("2.png")], [entry("3.png")])).errors


def test_the_same_pixels_within_a_split_are_a_warning(check, disk):
    disk.images["/set/images/4.png"] = disk.image("/set/images/1.png").copy()
    report = check(splits([entry("1.png"), entry("4.png")], [entry("2.png")], [entry("3.png")]))
    assert report.errors == []
    assert [finding.names for finding in report.findings] == [("images/1.png = images/4.png",)]


def test_an_entry_that_is_there_twice_is_a_warning(check):
    report = check(splits([entry("1.png"), entry("1.png")], [entry("2.png")], [entry("3.png")]))
    assert texts(report, "warning") == ["entries that are in their split twice"]


def test_several_classes_of_one_image_are_no_duplicates(check):
    two = [entry("1.png"), entry("1.png", {"p1": ["cyst"]}, label="/set/masks/1_cyst.png")]
    assert check(splits(two, [entry("2.png")], [entry("3.png")])).findings == []


def test_a_patient_in_two_splits_is_an_error_that_names_him(check):
    groups = {"/set/images/1.png": "patient7", "/set/images/2.png": "patient8", "/set/images/3.png": "patient7"}
    (found,) = check(splits([entry("1.png")], [entry("2.png")], [entry("3.png")]), groups).errors
    assert found.names == ("patient7: 1 in training (images/1.png), 1 in test (images/3.png)",)


def test_an_empty_prompt_above_p0_is_an_error(check):
    prompts = {"p0": [""], "p1": ["polyp"], "p2": ["round polyp", ""]}
    (found,) = check(splits([entry("1.png", prompts)], [entry("2.png")], [entry("3.png")])).errors
    assert found.names == ("training: masks/1.png, p2",)


def test_an_entry_without_p1_is_an_error(check):
    (found,) = check(splits([entry("1.png")], [entry("2.png", {"p2": ["round polyp"]})], [entry("3.png")])).errors
    assert found.names == ("validation: masks/2.png",)


@pytest.mark.parametrize(("words", "warnings"), [(75, 0), (76, 1)])
def test_prompts_of_more_than_77_tokens_are_a_warning(check, words, warnings):
    prompts = {"p1": ["polyp"], "p6": [" ".join(["polyp"] * words)]}
    report = check(splits([entry("1.png", prompts)], [entry("2.png")], [entry("3.png")]))
    assert len(texts(report, "warning")) == warnings
    assert all("78 tokens" in finding.names[0] for finding in report.findings)


@pytest.mark.parametrize(
    ("prompts", "filled", "said"),
    [
        (
            {"p1": ["polyp"], "p4": ["small polyp"]},
            0,
            ["training: masks/1.png: p4 is 'small polyp', the mask is empty"],
        ),
        ({"p1": ["No polyp"]}, 1, ["training: masks/1.png: p1 is 'No polyp', the mask is not empty"]),
        ({"p1": ["polyp"], "p4": ["no polyp"]}, 0, []),
        ({"p1": ["no polyp"], "p4": ["no polyp"]}, 0, []),
        ({"p1": ["polyp"]}, 0, []),
    ],
)
def test_a_prompt_that_says_something_else_than_the_mask_is_a_warning(check, disk, prompts, filled, said):
    disk.masks["/set/masks/1.png"] = np.zeros(SHAPE, dtype=np.float32)
    disk.masks["/set/masks/1.png"][:, :5] = filled
    report = check(splits([entry("1.png", prompts)], [entry("2.png")], [entry("3.png")]))
    assert [name for finding in report.findings for name in finding.names] == said


def test_a_mask_that_fills_the_image_is_a_warning(check, disk):
    disk.masks["/set/masks/1.png"] = np.ones(SHAPE, dtype=np.float32)
    report = check(splits([entry("1.png")], [entry("2.png")], [entry("3.png")]))
    assert texts(report, "warning") == ["masks over 95% of the image: are they inverted?"]


def test_a_split_without_entries_is_a_warning(check):
    report = check(splits([entry("1.png")], [entry("2.png")]))
    assert texts(report, "warning") == ["splits without entries: test"]


def test_empty_masks_in_one_split_only_are_a_warning(check, disk):
    empty = [entry(f"e{number}.png", {"p1": ["no polyp"]}) for number in range(10)]
    disk.masks |= {item["label"]: np.zeros(SHAPE, dtype=np.float32) for item in empty}
    full = [entry(f"f{number}.png") for number in range(10)]
    report = check(splits(full, [entry("v.png")], empty))
    assert "the share of empty masks differs between splits: 0% in training, 100% in test" in texts(report, "warning")


def test_a_class_without_training_is_a_warning(check):
    report = check(splits([entry("1.png")], [entry("2.png")], [entry("3.png", {"p1": ["cyst"]})]))
    (found,) = report.findings
    assert (found.severity, found.names) == ("warning", ("cyst",))


def test_a_rare_class_is_a_warning(check):
    many = [entry(f"{number}.png") for number in range(30)]
    report = check(splits([*many, entry("c.png", {"p1": ["cyst"]})], [entry("v.png")], [entry("t.png")]))
    assert [finding.names for finding in report.findings] == [("cyst (1 of 30)",)]


def test_errors_stand_before_warnings(check):
    report = check(splits([entry("1.png"), entry("2.png", {"p2": ["polyp"]})], [entry("3.png")]))
    assert [finding.severity for finding in report.findings] == ["error", "warning"]


def test_the_summary_counts_entries_images_groups_and_empty_masks(check, disk):
    disk.masks["/set/masks/2.png"] = np.zeros(SHAPE, dtype=np.float32)
    two = [entry("1.png"), entry("2.png", {"p1": ["no polyp"]})]
    report = check(
        splits(two, [entry("3.png")], [entry("4.png")]), {"/set/images/1.png": "a", "/set/images/2.png": "a"}
    )
    expected = {"entries": 2, "images": 2, "groups": 1, "empty masks": 1, "foreground": 0.25}
    assert report.splits["training"] == pytest.approx(expected)
    assert report.classes == {"polyp": {"training": 2, "validation": 1, "test": 1}}


@pytest.mark.parametrize(
    ("name", "leaks"),
    [
        (
            "isic",
            {f"training: images/ISIC_{n}.jpg = test: images/ISIC_{n}.jpg" for n in ("0000279", "0001184", "0001385")},
        ),
        (
            "bkai_polyp",
            {
                f"training: images/{image}.jpeg = {split}: images/{image}.jpeg"
                for split, image in (
                    ("validation", "a0b0a1230b118fa8625605da2023387f"),
                    ("validation", "d7a36ccf1225024da63fb9a76b926334"),
                    ("test", "cdc265a0b0a1230b118fa8625605da20"),
                )
            },
        ),
        ("kvasir_polyp", set()),
        ("busi", set()),
    ],
)
def test_the_known_leaks_of_the_published_splits_are_found(shared_folder, name, leaks):
    folder = shared_folder / "annotations" / "medvlsm" / name
    report = check_entries(load_splits(folder), FileFacts(), folder, {}, lambda texts: [0] * len(texts))
    assert {found for finding in report.errors for found in finding.names} == leaks


@pytest.mark.parametrize(
    "text",
    [
        "Healthy pancreas with no focal lesions on EUS",
        "Homogeneous pancreas with intact structure",
        "a normal brain MRI scan with no signs of abnormality",
        "nothing abnormal detected on brain imaging",
        "brain scan shows complete normality",
    ],
)
def test_texts_of_healthy_images_go_with_empty_masks(check, disk, text):
    """They need not begin with "no"; 20,885 of 21,632 published ones of EUS do not."""
    disk.masks["/set/masks/1.png"] = np.zeros(SHAPE, dtype=np.float32)
    report = check(splits([entry("1.png", {"p1": ["tumor"], "p2": [text]})]))
    assert not [finding for finding in report.findings if "something else than the mask" in finding.text]


@pytest.mark.parametrize(
    ("name", "is_healthy", "count"),
    [
        ("eus", lambda key: key.startswith("H"), 21632),
        ("btmri", lambda key: "-no" in key, 2000),
        ("brisc", lambda key: "_no_" in key, 1207),
    ],
)
def test_all_published_texts_of_healthy_images_go_with_empty_masks(shared_folder, name, is_healthy, count):
    published = Annotations(shared_folder / "annotations").medclipseg(DATASETS[name])
    healthy = [annotation for annotation in published if is_healthy(annotation.key)]
    entries = splits(
        {"image": annotation.key, "label": "empty", "prompts": {"p1": ["tumor"], "p2": annotation.prompts["p2"]}}
        for annotation in healthy
    )
    findings = check_prompts(entries, FileFacts(foreground={"empty": 0.0}), lambda texts: [1] * len(texts))
    assert len(healthy) == count
    assert list(findings) == []
