"""What is known about a data set: names, terms, raw files, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from monai_vlsm.data.absent import absent_wordings
from monai_vlsm.data.sets.raw import RawCase, RawFiles

MEDCLIPSEG = "https://huggingface.co/datasets/TahaKoleilat/MedCLIPSeg/resolve/main"
"""Where the copies of MedCLIPSeg are."""
ASK = "Ask the authors before you pass images on."
MEDVLSM_PROMPTS = "The prompts of the published annotations come from\nhttps://github.com/naamiinepal/medvlsm (MIT)."
MASK_PROMPTS = "The prompts were made from the masks."
NO_TERMS = f"No license was found with the images. {ASK}"


@dataclass(frozen=True)
class DatasetFacts:
    """A data set, what its raw files are, and the defaults of its bundle.

    Args:
        name: of the bundle and of the folder below ``data/``.
        title: as people call it.
        modality: how the images were made.
        target: what the masks show; the name of the label in MONAI Label, lower case.
        prompt: what is segmented when nobody says otherwise; the first sentence of level p1.
        source: where the images come from.
        license: terms of the images, in a sentence or two.
        citation: of the data set.
        prompt_source: where the prompts come from, a sentence.
        size: number of images, in words.
        raw: the files that ``prepare --source`` takes.
        downloads: addresses of these files, where no form has to be signed, with their sha256; empty if none is known.
        checksums: sha256 of archives that are fetched by hand, by what they are; shown by ``prepare --list``.
        class_name: what one mask shows, for prompts made from masks; empty if it depends on the mask.
        family: of prompts made from masks, see :func:`monai_vlsm.data.prompts.prompts_from_mask`.
        where: end of a sentence in these prompts.
        scattered: whether masks show small objects all over; ``class_name`` is in the plural then.
        medvlsm: folder of its prompts in the annotations of naamiinepal/medvlsm.
        medclipseg: folder of its prompts in those of HealthX-Lab/MedCLIPSeg.
        texts: what texts for prompts its raw files hold, in a word or two; they are used where nothing was published.
        leaks: what of its published split is in training and in another split, with the --split that mends it if any
            does, and what else makes results look better than they are.
        read: makes cases of its raw files; none where only the form of MedCLIPSeg is known.
        finish: adds to the cases of either form what other raw files tell.
        group: in the form of MedCLIPSeg, from the stem of an image to its patient or sequence; empty if not known.
        class_of: in that form, from the stem of an image to what its mask shows; empty for ``class_name``.
        evaluate_with: bundle whose network is evaluated on it; such a set has no bundle of its own.
        backbone: default of the bundle.
        learning_rate: of AdamW; None is that of the method.
        batch_size: images per step.
        max_epochs: at most; training stops early when validation Dice does.
        lr_patience: epochs without a lower validation loss before the learning rate falls.
        negative_fraction: of the training prompts that ask for what an image does not show; 0 is the paper's recipe.
    """

    name: str
    title: str
    modality: str
    target: str
    prompt: str
    source: str
    license: str
    citation: str
    prompt_source: str = MEDVLSM_PROMPTS
    size: str = ""
    raw: str = ""
    downloads: Mapping[str, str] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)
    class_name: str = ""
    family: str = "phrase"
    where: str = "in the image"
    scattered: bool = False
    medvlsm: str = ""
    medclipseg: str = ""
    texts: str = ""
    leaks: str = ""
    evaluate_with: str = ""
    backbone: str = "CIDAS/clipseg-rd64-refined"
    learning_rate: float | None = None
    batch_size: int = 32
    max_epochs: int = 200
    lr_patience: int = 5
    negative_fraction: float = 0
    read: Callable[[RawFiles], list[RawCase]] = lambda files: []
    finish: Callable[[list[RawCase], RawFiles], list[RawCase]] = lambda cases, files: cases
    group: Callable[[str], str] = lambda stem: ""
    class_of: Callable[[str], str] = lambda stem: ""

    @property
    def absent_prompts(self) -> tuple[str, ...]:
        """Names of things that no image of the set shows."""
        return absent_wordings(self.modality, self.title, self.target, self.prompt, self.where)
