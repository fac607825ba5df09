"""Tests of choosing and tokenizing prompts."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from monai.data import CacheDataset, DataLoader, MetaTensor
from monai.transforms import Compose
from scipy.stats import chisquare

from monai_vlsm.errors import DataError
from monai_vlsm.networks import load_tokenizer
from monai_vlsm.transforms import AttachPromptd, SelectPromptd, TokenizePromptd

PROMPTS = {"p0": [""], "p1": ["polyp"], "p2": ["pink polyp", "red polyp", "pale polyp"], "p3": "one polyp"}
SHARES = {"polyp": 1 / 3, "pink polyp": 1 / 9, "red polyp": 1 / 9, "pale polyp": 1 / 9, "one polyp": 1 / 3}
"""Of a draw over the levels except p0, and then over the level's sentences."""


def draw(transform, times, prompts=PROMPTS):
    return [transform({"prompts": prompts})["prompt"] for _ in range(times)]


@pytest.mark.parametrize(
    ("level", "expected"), [("p0", ""), ("p1", "polyp"), ("p2", "pink polyp"), ("p3", "one polyp")]
)
def test_a_fixed_level_always_takes_its_first_sentence(level, expected):
    assert set(draw(SelectPromptd(level), 50)) == {expected}


def test_random_prompts_are_uniform_over_levels_and_then_over_sentences():
    transform = SelectPromptd("random").set_random_state(seed=0)
    counts = Counter(draw(transform, 9000))
    assert counts.keys() == SHARES.keys()
    observed, expected = zip(*((counts[text], 9000 * share) for text, share in SHARES.items()), strict=True)
    assert chisquare(observed, expected).pvalue > 0.01


def test_random_is_the_default():
    assert len(set(draw(SelectPromptd().set_random_state(seed=0), 50))) > 1


def test_random_prompts_follow_the_seed():
    first, second = (draw(SelectPromptd().set_random_state(seed=3), 50) for _ in range(2))
    assert first == second


def test_another_seed_draws_other_prompts():
    first, second = (draw(SelectPromptd().set_random_state(seed=seed), 50) for seed in (3, 4))
    assert first != second


def test_a_cached_data_set_draws_anew_every_epoch():
    """CacheDataset keeps what comes before the first random transform only."""
    dataset = CacheDataset([{"prompts": PROMPTS}], SelectPromptd().set_random_state(seed=0), progress=False)
    assert len({dataset[0]["prompt"] for _ in range(50)}) == len(SHARES)


@pytest.mark.parametrize("level", ["random", "p1"])
@pytest.mark.parametrize("entry", [{}, {"prompts": {}}, {"prompts": None}])
def test_an_entry_without_prompts_gets_the_default(level, entry):
    assert SelectPromptd(level, default="lesion")(entry)["prompt"] == "lesion"


def test_the_rest_of_an_entry_is_kept_and_the_entry_not_changed():
    entry = {"image": "a.png", "prompts": PROMPTS}
    assert SelectPromptd("p1")(entry) == {"image": "a.png", "prompt": "polyp"}
    assert entry == {"image": "a.png", "prompts": PROMPTS}


@pytest.mark.parametrize("level", ["random", "p1"])
def test_entries_with_other_numbers_of_sentences_fit_into_a_batch_of_pytorchs_loader(level):
    entries = [{"prompts": PROMPTS}, {"prompts": {"p1": ["a", "b"], "p2": ["c"]}}, {}]
    items = [SelectPromptd(level, default="lesion")(entry) for entry in entries]
    (batch,) = torch.utils.data.DataLoader(items, batch_size=3)
    assert len(batch["prompt"]) == 3


@pytest.mark.parametrize("image", ["scans/a.png", MetaTensor(torch.zeros(1), meta={"filename_or_obj": "scans/a.png"})])
def test_a_missing_level_is_named_with_the_image_and_the_levels_it_has(image):
    with pytest.raises(DataError, match=r"'p7'.*'scans/a\.png'.*\['p0', 'p1', 'p2', 'p3'\].*prepare"):
        SelectPromptd("p7")({"image": image, "prompts": PROMPTS})


def test_an_entry_with_nothing_but_p0_cannot_be_drawn_from():
    with pytest.raises(DataError, match=r"'random'.*'a\.png'.*\['p0'\]"):
        SelectPromptd("random")({"image": "a.png", "prompts": {"p0": [""]}})


@pytest.mark.parametrize("prompt", ["", "polyp", "one small pink polyp at the top left"])
def test_tokens_have_clips_length_and_type(prompt):
    data = TokenizePromptd("prompt", "tiny")({"prompt": prompt})
    assert {name: (data[name].shape, data[name].dtype) for name in ("input_ids", "attention_mask")} == {
        "input_ids": ((77,), torch.int64),
        "attention_mask": ((77,), torch.int64),
    }


def test_the_attention_mask_covers_begin_text_and_end():
    tokenizer = load_tokenizer("tiny")
    data = TokenizePromptd("prompt", "tiny")({"prompt": "polyp"})
    count = int(data["attention_mask"].sum())
    assert data["attention_mask"].tolist() == [1] * count + [0] * (77 - count)
    assert data["input_ids"][0] == tokenizer.bos_token_id
    assert data["input_ids"][count - 1] == tokenizer.eos_token_id


def test_the_tokens_say_what_the_prompt_says():
    data = TokenizePromptd("prompt", "tiny")({"prompt": "One pink polyp"})
    assert load_tokenizer("tiny").decode(data["input_ids"], skip_special_tokens=True).strip() == "one pink polyp"


def test_the_prompt_is_kept_beside_its_tokens():
    assert (
        TokenizePromptd("prompt", "tiny")({"prompt": "polyp", "image": "a.png"}).items()
        >= {
            "prompt": "polyp",
            "image": "a.png",
        }.items()
    )


def test_the_prompt_may_have_another_key():
    data = TokenizePromptd("text", "tiny")({"text": "polyp"})
    expected = TokenizePromptd("prompt", "tiny")({"prompt": "polyp"})
    assert torch.equal(data["input_ids"], expected["input_ids"])


def test_a_prompt_that_is_too_long_is_cut_with_a_warning():
    with pytest.warns(UserWarning, match="only the first 77 are used"):
        data = TokenizePromptd("prompt", "tiny")({"prompt": "polyp " * 200})
    assert data["attention_mask"].sum() == 77


@pytest.mark.parametrize("prompt", [None, 3, torch.zeros(2)])
def test_a_prompt_that_is_not_text_is_refused(prompt):
    with pytest.raises(DataError, match="a prompt must be a string"):
        TokenizePromptd("prompt", "tiny")({"prompt": prompt})


def test_prompts_of_any_length_fit_into_one_batch():
    data = [{"prompts": {"p1": [text]}} for text in ("polyp", "one small pink polyp")]
    transform = Compose([SelectPromptd("p1"), TokenizePromptd("prompt", "tiny")])
    batch = next(iter(DataLoader(CacheDataset(data, transform, progress=False), batch_size=2)))
    assert batch["input_ids"].shape == (2, 77)
    assert batch["prompt"] == ["polyp", "one small pink polyp"]


def attached(**entry):
    image = MetaTensor(torch.zeros(1, 2, 2))
    return AttachPromptd("image", default="cyst")({"image": image, **entry})["image"].meta["prompt"]


def test_an_image_takes_its_prompt_along():
    assert attached(prompt='a "dark" mass, größer als 5 mm') == 'a "dark" mass, größer als 5 mm'


@pytest.mark.parametrize("entry", [{}, {"prompt": None}, {"prompt": ""}, {"prompt": " \n"}], ids=str)
def test_an_image_without_prompt_takes_the_default_along(entry):
    assert attached(**entry) == "cyst"


@pytest.mark.parametrize("prompt", [5, ["cyst"], {"_target_": "os.getcwd"}], ids=str)
def test_a_prompt_that_is_no_string_is_not_attached(prompt):
    with pytest.raises(DataError, match="must be a string"):
        attached(prompt=prompt)


def test_a_wrong_level_names_no_pixels():
    with pytest.raises(DataError, match="datalist entry, it has"):
        SelectPromptd("p9")({"image": torch.zeros(3, 9, 9), "prompts": {"p1": ["polyp"]}})


# Looking tokens up


class CountingTokenizer:
    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.seen = []

    def __call__(self, prompts, **options):
        self.seen += prompts
        return self.tokenizer(prompts, **options)


@pytest.fixture
def counting(tokenizer):
    return CountingTokenizer(tokenizer)


def test_equal_prompts_are_tokenized_once(counting):
    transform = TokenizePromptd(tokenizer=counting)
    first, second = (transform({"prompt": "polyp"}) for _ in range(2))
    assert first["input_ids"] is second["input_ids"]
    transform({"prompt": "cyst"})
    assert set(counting.seen) == {"polyp", "cyst"}
    assert counting.seen.count("polyp") == counting.seen.count("cyst")


def test_prompts_that_are_kept_have_a_bound(counting, monkeypatch):
    monkeypatch.setattr("monai_vlsm.transforms.prompt._MOST_KNOWN", 3)
    transform = TokenizePromptd(tokenizer=counting)
    for number in range(10):
        transform({"prompt": f"polyp {number}"})
    assert len(transform._known) <= 3


def test_threads_get_the_tokens_of_their_own_prompts(tokenizer):
    prompts = [f"polyp {number % 7}" for number in range(200)]
    transform = TokenizePromptd(tokenizer=tokenizer)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda prompt: transform({"prompt": prompt})["input_ids"], prompts))
    expected = [TokenizePromptd(tokenizer=tokenizer)({"prompt": prompt})["input_ids"] for prompt in prompts]
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.mark.parametrize("prompt", [5, ["polyp"], None, {"polyp": 1}])
def test_what_is_no_string_is_refused(tokenizer, prompt):
    with pytest.raises(DataError, match="a prompt must be a string"):
        TokenizePromptd(tokenizer=tokenizer)({"prompt": prompt})
