import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from golden.make_golden import small_config
from transformers import CLIPTokenizer

from monai_vlsm.data.prompts import MAX_TOKENS
from monai_vlsm.errors import DataError
from monai_vlsm.networks import load_tokenizer
from monai_vlsm.networks.text import end_of_text, tokenize

PROMPTS = ["a photo of a cat", "", "one large pink polyp, located in the top left of the image", "Benign TUMOR!"]


@pytest.fixture(scope="module")
def clip_tokenizer(shared_folder):
    return load_tokenizer(str(shared_folder / "clip_tokenizer"))


def text_config(eos_token_id):
    return small_config(text={"eos_token_id": eos_token_id}).text_config


@pytest.mark.parametrize(("prompt", "batch_size"), [("polyp", 1), ("", 1), (["polyp"], 1), (("polyp", "cyst"), 2)])
def test_prompts_become_77_ids_each(tokenizer, prompt, batch_size):
    tokens = tokenize(tokenizer, prompt)
    assert {name: (t.shape, t.dtype) for name, t in tokens.items()} == dict.fromkeys(
        ("input_ids", "attention_mask"), ((batch_size, 77), torch.int64)
    )


def test_mask_covers_begin_words_and_end(tokenizer):
    tokens = tokenize(tokenizer, "polyp")
    seen = tokens["input_ids"][tokens["attention_mask"].bool()]
    assert (seen[0], seen[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert len(seen) == tokens["attention_mask"].sum() > 2


def test_long_prompt_is_cut_with_a_warning_and_still_ends(tokenizer):
    with pytest.warns(UserWarning, match=f"only the first {MAX_TOKENS} are used"):
        tokens = tokenize(tokenizer, ["polyp", "polyp " * 100])
    assert tokens["input_ids"].shape == (2, 77)
    assert tokens["input_ids"][1, -1] == tokenizer.eos_token_id


def test_warning_names_the_long_prompt_and_its_size(tokenizer):
    with pytest.warns(UserWarning, match=r"'green cyst .*has 122 tokens"):
        tokenize(tokenizer, "green cyst " * 60)


def test_prompt_that_just_fits_is_not_warned_about(tokenizer):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokens = tokenize(tokenizer, "polyp " * 75)
    assert tokens["attention_mask"].all()


@pytest.mark.parametrize("prompt", [None, 3, ["polyp", None], [["polyp"]], b"polyp"], ids=repr)
def test_prompt_that_is_no_string_is_refused(tokenizer, prompt):
    with pytest.raises(DataError, match="a prompt must be a string, not"):
        tokenize(tokenizer, prompt)


def test_text_ends_at_the_first_end_token():
    ids = torch.tensor([[62, 5, 63, 63], [62, 63, 5, 63]])
    assert end_of_text(ids, text_config(63)).tolist() == [2, 1]


def test_text_ends_at_the_highest_id_in_old_configurations():
    ids = torch.tensor([[62, 5, 63, 63], [62, 2, 63, 1]])
    assert end_of_text(ids, text_config(2)).tolist() == [2, 2]


def test_ids_equal_those_of_openai_clip(clip_tokenizer):
    """Values of clip.tokenize in openai/CLIP."""
    tokens = tokenize(clip_tokenizer, "a photo of a cat")
    assert tokens["input_ids"][0, :7].tolist() == [49406, 320, 1125, 539, 320, 2368, 49407]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_ids_and_mask_equal_those_of_clip_tokenizer(clip_tokenizer, shared_folder, prompt):
    plain = CLIPTokenizer.from_pretrained(shared_folder / "clip_tokenizer")
    expected = plain([prompt], padding="max_length", max_length=77, return_tensors="pt")
    tokens = tokenize(clip_tokenizer, prompt)
    assert {name: tensor.tolist() for name, tensor in tokens.items()} == {
        name: expected[name].tolist() for name in ("input_ids", "attention_mask")
    }


@pytest.mark.parametrize("eos_token_id", [2, 49407])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_text_of_clip_ends_at_its_last_token_that_is_no_padding(clip_tokenizer, prompt, eos_token_id):
    tokens = tokenize(clip_tokenizer, prompt)
    last = len(clip_tokenizer(prompt)["input_ids"]) - 1
    assert end_of_text(tokens["input_ids"], text_config(eos_token_id)).tolist() == [last]


def test_threads_get_the_tokens_of_their_own_prompts(tokenizer):
    prompts = ["cyst", "a dark mass " * 20, "bright object at the top left " * 3, "x" * 2000]
    alone = [tokenize(tokenizer, prompt)["input_ids"] for prompt in prompts]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda index: tokenize(tokenizer, prompts[index % 4])["input_ids"], range(4000)))
    wrong = [index for index, ids in enumerate(together) if not torch.equal(ids, alone[index % 4])]
    assert wrong == []
