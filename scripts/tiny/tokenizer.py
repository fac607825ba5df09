"""The small tokenizer of the tiny backbone: byte-level BPE in CLIP's file format."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

# Pretraining teaches what these words mean.
SCENE_WORDS = """
a an the no one two three four five six seven eight nine ten at in on of with and located image picture photo scan top
bottom left right center centre middle small medium large big tiny red green blue yellow orange purple violet pink
brown white black dark grey gray bright circle circles round circular disc discs oval ovals ellipse ellipses
elliptical square squares triangle triangles triangular star stars shaped irregular blob blobs plain smooth striped
stripy spotted dotted object objects thing things region regions lesion lesions polyp polyps tumor tumors nodule
nodules endoscopy colonoscopy ultrasound x ray radiograph
"""
# A token of their own keeps prompts of medical data sets short and gives an adapter something to hold on to.
MEDICAL_WORDS = """
abnormal abnormality airspace anterior aorta appears are area areas artery atelectasis atrium benign bladder blood
bone border borders boundary brain breast bumpy cancer carcinoma cardiac cardiomediastinum cardiomegaly cavity cell
chamber chest colon consolidation contrast cross ct cycle cyst cysts dermoscopy devices diabetic diastole dimension
echo edema effusion eighty end enlarged epicardium female fifty flesh foot forty from frontal good growth heart
hippocampus holes hyperechoic hypoechoic inner is it kidney lateral ligament like lining liver lobe lower lump lung
lungs lymph magnetic male malignant mammogram margin mask mass masses melanoma membrane mole mri mucosa mucous mucuos
muscle mushroom myocardium name nevus ninety node nodular normal not octagon often old opacity open or organ outer
pancreas pathology patient pixel pleural pneumonia pneumothorax poor posterior present projecting prostate quality
rectangle rectangular rectum regular resemble resonance rough section segment segmentation septum seventy shadow shape
sixty skin slice sore speckles spleen spot spots stalks stomach study support surface systole tan tear texture that
there thirty this thumb thyroid tissue tissues toe toes tube twenty ulcer ulcers upper valve vein ventricle
ventricular vessel view wall which wound wounds year years
"""


def byte_symbols() -> list[str]:
    """One printable character per byte, in the order of the CLIP vocabulary (printable bytes first)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]


def learn_merges(words: list[str]) -> list[tuple[str, str]]:
    """Learn byte pair merges until every one of ``words`` (ASCII) is a single token."""
    pieces = [[*word[:-1], f"{word[-1]}</w>"] for word in sorted(set(words))]
    merges: list[tuple[str, str]] = []
    while True:
        pairs = Counter(pair for word in pieces for pair in pairwise(word))
        if not pairs:
            return merges
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        pieces = [_merge(word, best) for word in pieces]


def _merge(word: list[str], pair: tuple[str, str]) -> list[str]:
    """Join every occurrence of ``pair`` in a word."""
    joined: list[str] = []
    for piece in word:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def write_tokenizer(folder: Path) -> None:
    """Write vocab.json, merges.txt and tokenizer_config.json, which ``CLIPTokenizer.from_pretrained`` reads."""
    merges = learn_merges((SCENE_WORDS + MEDICAL_WORDS).split())
    symbols = byte_symbols()
    tokens = [*symbols, *(f"{symbol}</w>" for symbol in symbols), *(first + second for first, second in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
    }
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{first} {second}" for first, second in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
