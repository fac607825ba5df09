"""Every data set the project knows: the single source for preparing, bundles and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_ISIC = "https://isic-challenge-data.s3.amazonaws.com"
_FIGSHARE = "https://ndownloader.figshare.com/files"
_MEDCLIPSEG = "https://huggingface.co/datasets/TahaKoleilat/MedCLIPSeg/resolve/main"
_PRANET = "TestDataset.zip of PraNet (https://github.com/DengPingFan/PraNet)"
_ASK = "Ask the authors before you pass images on."
_NO_TERMS = f"No licence was found with the images. {_ASK}"
_BREAST = "in the breast ultrasound image"


@dataclass(frozen=True)
class DataSet:
    """A data set, what its raw files are, and the defaults of its bundle.

    Args:
        name: of the bundle and of the folder below ``data/``.
        title: as people call it.
        modality: how the images were made.
        target: what the masks show; the name of the label in MONAI Label, lower case.
        prompt: what is segmented when nobody says otherwise; the first sentence of level p1.
        source: where the images come from.
        licence: terms of the images, in a sentence or two.
        citation: of the data set.
        size: number of images, in words.
        raw: the files that ``prepare --source`` takes.
        downloads: addresses of these files where no form has to be signed.
        class_name: what one mask shows, for prompts made from masks; empty if it depends on the mask.
        family: of prompts made from masks, see :func:`monai_vlsm.data.prompts.prompts_from_mask`.
        where: end of a sentence in these prompts.
        medvlsm: folder of its prompts in the annotations of naamiinepal/medvlsm.
        medclipseg: folder of its prompts in those of HealthX-Lab/MedCLIPSeg.
        leaks: what its published split has in training and in another split, and the --split that mends it.
        evaluate_with: bundle whose network is evaluated on it; such a set has no bundle of its own.
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
    size: str = ""
    raw: str = ""
    downloads: tuple[str, ...] = ()
    class_name: str = ""
    family: str = "phrase"
    where: str = "in the image"
    medvlsm: str = ""
    medclipseg: str = ""
    leaks: str = ""
    evaluate_with: str = ""
    backbone: str = "CIDAS/clipseg-rd64-refined"
    learning_rate: float = 1e-3
    batch_size: int = 32
    max_epochs: int = 200
    lr_patience: int = 5


def _polyps(name: str, title: str, **facts: Any) -> DataSet:
    return DataSet(name, title, "colonoscopy", "polyp", "polyp", class_name="polyp", **facts)


def _breast(name: str, title: str, **facts: Any) -> DataSet:
    return DataSet(
        name,
        title,
        "breast ultrasound",
        "tumor",
        f"Tumor {_BREAST}.",
        class_name="tumor",
        family="sentence",
        where=_BREAST,
        **facts,
    )


_ALL = (
    DataSet(
        name="phantom",
        title="Drawn ultrasound phantom",
        modality="ultrasound (drawn)",
        target="lesion",
        prompt="cyst",
        source="python -m monai_vlsm prepare phantom --out data/phantom",
        licence="Drawn by this project's own code, under its Apache-2.0 licence.",
        citation="none",
        size="480 drawn images",
        raw="none, it is drawn",
        backbone="tiny",
        learning_rate=2e-3,
        batch_size=16,
        max_epochs=16,
        lr_patience=1,
    ),
    _polyps(
        "kvasir_seg",
        "Kvasir-SEG",
        source="https://datasets.simula.no/kvasir-seg/",
        licence="Research and education only; commercial use needs the authors' written permission.",
        citation="D. Jha et al.: Kvasir-SEG: A Segmented Polyp Dataset. MMM 2020.",
        size="1000 images",
        raw="kvasir-seg.zip",
        downloads=("https://datasets.simula.no/downloads/kvasir-seg.zip",),
        medvlsm="kvasir_polyp",
        medclipseg="Kvasir",
    ),
    _polyps(
        "bkai",
        "BKAI-IGH NeoPolyp-Small",
        source="https://www.kaggle.com/c/bkai-igh-neopolyp",
        licence="Kaggle login; the rules of the competition apply (research).",
        citation=(
            "P. Ngoc Lan et al.: NeoUNet: Towards Accurate Colon Polyp Segmentation and Neoplasm Detection. ISVC 2021."
        ),
        size="1000 images",
        raw="bkai-igh-neopolyp.zip (train/, train_gt/)",
        medvlsm="bkai_polyp",
        medclipseg="BKAI",
        leaks="2 training images are in validation, 1 in the test, 1 is there twice: --split deduplicated",
    ),
    _polyps(
        "clinicdb",
        "CVC-ClinicDB",
        source="https://polyp.grand-challenge.org/CVCClinicDB/",
        licence="Research and education only, commercial use forbidden. (c) Hospital Clinic, Barcelona, and CVC.",
        citation=(
            "J. Bernal et al.: WM-DOVA maps for accurate polyp highlighting in colonoscopy. "
            "Computerized Medical Imaging and Graphics 43 (2015)."
        ),
        size="612 frames of 29 sequences",
        raw="the unpacked CVC-ClinicDB.rar (Original/, Ground Truth/), or the PNG or TIF archive of its Kaggle copy",
        medvlsm="clinicdb_polyp",
        medclipseg="ClinicDB",
        leaks="frames of all 25 video sequences in the test are in training, too: --split by_sequence",
    ),
    DataSet(
        name="isic16",
        title="ISIC 2016",
        modality="dermoscopy",
        target="skin lesion",
        prompt="skin melanoma",
        class_name="skin melanoma",
        source="https://challenge.isic-archive.com/data/#2016",
        licence="CC-0 according to the data page of the challenge.",
        citation="D. Gutman et al.: Skin Lesion Analysis toward Melanoma Detection. arXiv 1605.01397 (2016).",
        size="1279 images",
        raw="the four ISBI2016_ISIC_Part1_*.zip",
        downloads=tuple(
            f"{_ISIC}/2016/ISBI2016_ISIC_Part1_{part}.zip"
            for part in ("Training_Data", "Training_GroundTruth", "Test_Data", "Test_GroundTruth")
        ),
        medvlsm="isic",
        medclipseg="ISIC",
        leaks="3 training images are in the test, 1 is in training twice: --split deduplicated",
    ),
    DataSet(
        name="dfu",
        title="DFUC 2022",
        modality="photographs of feet",
        target="foot ulcer",
        prompt="foot ulcer",
        class_name="foot ulcer",
        source="https://dfuc2022.grand-challenge.org/dataset/",
        licence="Licence agreement with Manchester Metropolitan University; no redistribution.",
        citation=(
            "C. Kendrick et al.: Translating Clinical Delineation of Diabetic Foot Ulcers into Machine Interpretable "
            "Segmentation. arXiv 2204.11618 (2022)."
        ),
        size="2000 images with masks",
        raw="DFUC2022_train_release.zip (images/, labels/)",
        medvlsm="dfu",
    ),
    DataSet(
        name="camus",
        title="CAMUS",
        modality="cardiac ultrasound",
        target="heart structure",
        prompt="Left ventricular cavity of the heart.",
        family="sentence",
        where="of the heart",
        source="https://humanheart-project.creatis.insa-lyon.fr/database/",
        licence="Registration; CC BY-NC-SA 4.0.",
        citation=(
            "S. Leclerc et al.: Deep Learning for Segmentation using an Open Large-Scale Dataset in 2D "
            "Echocardiography. IEEE TMI 38 (2019)."
        ),
        size="500 patients, 2000 frames with 3 structures",
        raw="training.zip and testing.zip (.mhd), or CAMUS_public with database_nifti/ and --prompts generated",
        medvlsm="camus",
    ),
    _breast(
        "busi",
        "Breast Ultrasound Images (BUSI)",
        source="https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
        licence=(
            f"The article is open access; the page of the images states no licence, mirrors name different ones. {_ASK}"
        ),
        citation=(
            "W. Al-Dhabyani, M. Gomaa, H. Khaled, A. Fahmy: Dataset of breast ultrasound images. "
            "Data in Brief 28 (2020) 104863."
        ),
        size="780 images, 133 of them normal",
        raw="Dataset_BUSI.zip (Dataset_BUSI_with_GT/)",
        medvlsm="busi",
        medclipseg="BUSI",
    ),
    DataSet(
        name="chexlocalize",
        title="CheXlocalize",
        modality="chest X-ray",
        target="finding",
        prompt="Airspace Opacity in a chest Xray.",
        family="sentence",
        where="in a chest Xray",
        source="https://stanfordaimi.azurewebsites.net/datasets/23c56a0d-15de-405b-87c8-99c30138950c",
        licence="Login and data use agreement of Stanford; non-commercial, no redistribution.",
        citation=(
            "A. Saporta et al.: Benchmarking saliency methods for chest X-ray interpretation. "
            "Nature Machine Intelligence 4 (2022)."
        ),
        size="10 findings in the X-rays of 573 patients",
        raw="CheXpert/{val,test}/ and CheXlocalize/gt_segmentations_{val,test}.json",
        medvlsm="chexlocalize",
    ),
    DataSet(
        name="btmri",
        title="Brain Tumor MRI (Jun Cheng)",
        modality="contrast-enhanced brain MRI",
        target="brain tumor",
        prompt="Meningioma in the brain MRI.",
        family="sentence",
        where="in the brain MRI",
        source="https://figshare.com/articles/dataset/brain_tumor_dataset/1512427",
        licence="CC BY 4.0 according to figshare; check its page.",
        citation="J. Cheng et al.: Enhanced Performance of Brain Tumor Classification. PLOS ONE 10 (2015).",
        size="3064 slices of 233 patients",
        raw="the four brainTumorDataPublic_*.zip (.mat), or BTMRI.zip of MedCLIPSeg (with tumour-free slices)",
        downloads=tuple(f"{_FIGSHARE}/{number}" for number in (3381290, 3381296, 3381293, 3381302)),
        medclipseg="BTMRI",
    ),
    DataSet(
        name="qata_cov19",
        title="QaTa-COV19-v2",
        modality="chest X-ray",
        target="infection",
        prompt="Pulmonary infection in the chest X-ray.",
        class_name="pulmonary infection",
        family="sentence",
        where="in the chest X-ray",
        source="https://www.kaggle.com/datasets/aysendegerli/qatacov19-dataset",
        licence="Kaggle login; research, cite the authors. Check its page.",
        citation="A. Degerli et al.: OSegNet: Operational Segmentation Network for COVID-19 Detection. ICIP 2022.",
        size="9258 images",
        raw="archive.zip (QaTa-COV19-v2/{Train Set,Test Set}/), or Covid19.zip of MedCLIPSeg",
        medclipseg="Covid19",
    ),
    DataSet(
        name="eus",
        title="Endoscopic ultrasound of the pancreas",
        modality="endoscopic ultrasound",
        target="tumor",
        prompt="Tumor in the endoscopic ultrasound image.",
        class_name="tumor",
        family="sentence",
        where="in the endoscopic ultrasound image",
        source="https://github.com/HealthX-Lab/MedCLIPSeg/blob/main/assets/DATASETS.md",
        licence=_NO_TERMS,
        citation="M. Jaramillo et al.: Endoscopic ultrasound database of the pancreas. Proc. SPIE 11583 (2020).",
        size="38166 frames",
        raw="a folder with EUS_cancer/ and EUS_healthy/",
        medclipseg="EUS",
    ),
    DataSet(
        name="isic18",
        title="ISIC 2018 Task 1",
        modality="dermoscopy",
        target="skin lesion",
        prompt="skin lesion",
        class_name="skin lesion",
        source="https://challenge.isic-archive.com/data/#2018",
        licence=(
            "CC BY-NC 4.0. Of the 1279 images of isic16, 1147 are in its training set: never train on one and test on "
            "the other."
        ),
        citation="N. Codella et al.: Skin Lesion Analysis Toward Melanoma Detection 2018. arXiv 1902.03368 (2019).",
        size="2594 / 100 / 1000 images",
        raw="the six ISIC2018_Task1*.zip",
        downloads=tuple(
            f"{_ISIC}/2018/ISIC2018_Task1{part}.zip"
            for split in ("Training", "Validation", "Test")
            for part in (f"-2_{split}_Input", f"_{split}_GroundTruth")
        ),
    ),
    _breast(
        "udiat",
        "UDIAT (Dataset B)",
        source="http://www2.docm.mmu.ac.uk/STAFF/M.Yap/dataset.php",
        licence="Signed licence agreement with M. H. Yap; no redistribution.",
        citation="M. H. Yap et al.: Automated Breast Ultrasound Lesions Detection. IEEE JBHI 22 (2018).",
        size="163 images",
        raw="a folder with original/ and GT/, or UDIAT.zip of MedCLIPSeg",
        medclipseg="UDIAT",
    ),
    _polyps(
        "colondb",
        "CVC-ColonDB",
        source=_PRANET,
        licence=f"Research only. {_ASK}",
        citation="N. Tajbakhsh et al.: Automated Polyp Detection in Colonoscopy Videos. IEEE TMI 35 (2016).",
        size="380 frames",
        raw="TestDataset.zip (CVC-ColonDB/{images,masks}/)",
        medvlsm="colondb_polyp",
        medclipseg="ColonDB",
        evaluate_with="kvasir_seg",
    ),
    _polyps(
        "cvc300",
        "CVC-300",
        source=_PRANET,
        licence=f"Research only. {_ASK}",
        citation="D. Vazquez et al.: A Benchmark for Endoluminal Scene Segmentation. arXiv 1612.00799 (2016).",
        size="60 frames",
        raw="TestDataset.zip (CVC-300/{images,masks}/)",
        evaluate_with="kvasir_seg",
    ),
    _polyps(
        "etis",
        "ETIS-Larib",
        source="https://polyp.grand-challenge.org/EtisLarib/",
        licence=f"Property of the Lariboisiere hospital and the ETIS laboratory; research only. {_ASK}",
        citation="J. Silva et al.: Toward embedded detection of polyps in WCE images. IJCARS 9 (2014).",
        size="196 frames",
        raw="TestDataset.zip (ETIS-LaribPolypDB/{images,masks}/)",
        medvlsm="etis_polyp",
        evaluate_with="kvasir_seg",
    ),
    _breast(
        "busbra",
        "BUS-BRA",
        source="https://zenodo.org/records/8231412",
        licence="CC BY 4.0 according to Zenodo; the article says academic and research use. Check both.",
        citation="W. Gomez-Flores et al.: BUS-BRA: A Breast Ultrasound Dataset. Medical Physics 51 (2024).",
        size="1875 images of 1064 patients",
        raw="BUSBRA.zip (Images/, Masks/)",
        downloads=("https://zenodo.org/records/8231412/files/BUSBRA.zip",),
        medclipseg="BUSBRA",
        leaks="377 of 1064 patients are in more than one split: --split by_sequence",
        evaluate_with="busi",
    ),
    _breast(
        "busuc",
        "BUSUC",
        source="https://huggingface.co/datasets/TahaKoleilat/MedCLIPSeg",
        licence=_NO_TERMS,
        citation="see https://www.sciencedirect.com/science/article/pii/S0952197623014768",
        size="811 images",
        raw="BUSUC.zip of MedCLIPSeg",
        downloads=(f"{_MEDCLIPSEG}/BUSUC.zip",),
        medclipseg="BUSUC",
        evaluate_with="busi",
    ),
    _breast(
        "buid",
        "BUID",
        source="https://huggingface.co/datasets/TahaKoleilat/MedCLIPSeg",
        licence=_NO_TERMS,
        citation="see https://www.sciencedirect.com/science/article/pii/S0010482522011465",
        size="232 images",
        raw="BUID.zip of MedCLIPSeg, or a folder with 'N Benign Image.bmp' and 'N Benign Mask.tif'",
        downloads=(f"{_MEDCLIPSEG}/BUID.zip",),
        medclipseg="BUID",
        evaluate_with="busi",
    ),
    DataSet(
        name="brisc",
        title="BRISC 2025",
        modality="brain MRI",
        target="brain tumor",
        prompt="Meningioma in the brain MRI.",
        family="sentence",
        where="in the brain MRI",
        source="https://huggingface.co/datasets/TahaKoleilat/MedCLIPSeg",
        licence=f"Also on Kaggle; check the terms there. {_ASK}",
        citation="A. Fateh et al.: BRISC: Annotated Dataset for Brain Tumor Segmentation. arXiv 2506.14318 (2025).",
        size="6000 slices",
        raw="BRISC.zip of MedCLIPSeg",
        downloads=(f"{_MEDCLIPSEG}/BRISC.zip",),
        medclipseg="BRISC",
        evaluate_with="btmri",
    ),
    DataSet(
        name="uwaterloo_skin",
        title="UWaterloo skin cancer",
        modality="photographs of skin",
        target="skin lesion",
        prompt="skin melanoma",
        class_name="skin melanoma",
        source="https://uwaterloo.ca/vision-image-processing-lab/research-demos/skin-cancer-detection",
        licence="Non-commercial. Check its page.",
        citation="J. Glaister et al.: Segmentation of Skin Lesions From Digital Images. IEEE TBME 61 (2014).",
        size="173 images",
        raw="UWaterlooSkinCancer.zip of MedCLIPSeg",
        downloads=(f"{_MEDCLIPSEG}/UWaterlooSkinCancer.zip",),
        medclipseg="UWaterlooSkinCancer",
        evaluate_with="isic16",
    ),
)

DATASETS: dict[str, DataSet] = {data_set.name: data_set for data_set in _ALL}
BUNDLES: dict[str, DataSet] = {name: data_set for name, data_set in DATASETS.items() if not data_set.evaluate_with}
