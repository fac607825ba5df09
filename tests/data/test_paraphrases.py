"""Tests of the same prompt in other words."""

import re

import pytest

from monai_vlsm.data.paraphrases import MOST_PARAPHRASES, paraphrases
from monai_vlsm.data.sets import DATASETS
from monai_vlsm.errors import DataError

PROMPTS = [
    "polyp",
    "one small round polyp, located in top left of the image",
    "Two medium, large irregular-shaped tumors at the top, right in the breast ultrasound image.",
    "No tumor in the breast ultrasound image.",
    "MRI reveals a meningioma tumor in the right region",
    "100 % {stenosis} $x @y",
    "läsion",
    "",
    " .",
    "...",
    *sorted({facts.prompt for facts in DATASETS.values()}),
]
SIDES = re.compile(r"\b(left|right|top|bottom|center|upper|lower)\b", re.IGNORECASE)
NEGATIONS = re.compile(r"\b(no|not|without|absent|never|none|nothing)\b", re.IGNORECASE)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_there_are_as_many_wordings_as_asked_for_and_all_differ(prompt):
    found = paraphrases(prompt, MOST_PARAPHRASES)
    assert len({prompt.lower(), *map(str.lower, found)}) == MOST_PARAPHRASES + 1


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_has_always_the_same_wordings(prompt):
    assert paraphrases(prompt, 4) == paraphrases(prompt, MOST_PARAPHRASES)[:4]


@pytest.mark.parametrize("words", [SIDES, NEGATIONS], ids=["sides", "negations"])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_sides_and_negations_stay_as_they_are(prompt, words):
    wordings = paraphrases(prompt, MOST_PARAPHRASES)
    said = [[word.lower() for word in words.findall(text)] for text in (prompt, *wordings)]
    assert said == said[:1] * len(said)


@pytest.mark.parametrize("prompt", ["polyp", "meningioma", "MRI reveals a glioma"])
def test_names_stay_as_they_are(prompt):
    assert all(prompt in wording for wording in paraphrases(prompt, MOST_PARAPHRASES))


def test_words_of_size_shape_and_number_are_put_by_others():
    assert paraphrases("One small round-shaped polyp at the top.", 1) == ["1 little circular polyp on the top"]


@pytest.mark.parametrize(
    "name", ["small bowel", "large intestine", "large cell carcinoma", "oval window", "one-legged"]
)
def test_a_word_that_is_part_of_a_name_is_kept(name):
    assert all(name in wording for wording in paraphrases(name, MOST_PARAPHRASES))


def test_a_long_prompt_gets_no_frame_that_would_push_its_end_out():
    prompt = " ".join(["small polyp", *["fold"] * 40, "at the left"])
    assert paraphrases(prompt, MOST_PARAPHRASES) == [prompt.replace("small", "little").replace("at the", "on the")]


@pytest.mark.parametrize(
    ("prompt", "count", "message"),
    [
        (None, 2, "must be a string, not None of type NoneType"),
        (3, 0, "must be a string, not 3 of type int"),
        ("polyp", -1, "expected 0 to 8 paraphrases, got -1"),
        ("polyp", 9, "expected 0 to 8 paraphrases, got 9"),
    ],
)
def test_what_cannot_be_worded_is_named(prompt, count, message):
    with pytest.raises(DataError, match=message):
        paraphrases(prompt, count)
