"""Every data set the project knows: the single source for preparing, bundles and tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataSet:
    """A data set and the defaults of its bundle.

    Args:
        name: of the bundle and of the folder below ``data/``.
        title: as people call it.
        modality: how the images were made.
        target: what the masks show; the name of the label in MONAI Label, lower case.
        prompt: what is segmented when nobody says otherwise; the first sentence of level p1.
        source: where the images come from.
        licence: terms of the images, in a sentence or two.
        citation: of the data set.
        backbone: default of the bundle.
        learning_rate: of AdamW.
        batch_size: images per step.
        max_epochs: at most; training stops early when validation Dice does.
        lr_patience: epochs without a lower validation loss before the learning rate falls.
    """

    name: str
    title: str
    modality: str
    target: str
    prompt: str
    source: str
    licence: str
    citation: str
    backbone: str = "CIDAS/clipseg-rd64-refined"
    learning_rate: float = 1e-3
    batch_size: int = 32
    max_epochs: int = 200
    lr_patience: int = 5


DATASETS: dict[str, DataSet] = {
    data_set.name: data_set
    for data_set in (
        DataSet(
            name="phantom",
            title="Drawn ultrasound phantom",
            modality="ultrasound (drawn)",
            target="lesion",
            prompt="cyst",
            source="python -m monai_vlsm prepare phantom --out data/phantom",
            licence="Drawn by this project's own code, under its Apache-2.0 licence.",
            citation="none",
            backbone="tiny",
            learning_rate=3e-3,
            batch_size=16,
            max_epochs=14,
            lr_patience=1,
        ),
        DataSet(
            name="busi",
            title="Breast Ultrasound Images (BUSI)",
            modality="breast ultrasound",
            target="tumor",
            prompt="Tumor in the breast ultrasound image.",
            source="https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
            licence=(
                "The article is open access; the page of the images states no licence, mirrors name different ones. "
                "Ask the authors before you pass images on."
            ),
            citation=(
                "W. Al-Dhabyani, M. Gomaa, H. Khaled, A. Fahmy: Dataset of breast ultrasound images. "
                "Data in Brief 28 (2020) 104863."
            ),
        ),
    )
}
