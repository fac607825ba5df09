"""Backbone folders of strangers: one error that names the folder, before much memory is taken."""

import json
import os
import tracemalloc

import pytest
import torch
from safetensors.torch import load_file, save_file

from monai_vlsm.errors import DataError
from monai_vlsm.networks import build_network, load_backbone, load_tokenizer
from monai_vlsm.networks.backbone import Backbone


def write_config(folder, part="", **values):
    config = json.loads((folder / "config.json").read_text())
    (config[part] if part else config).update(values)
    (folder / "config.json").write_text(json.dumps(config))


CONFIGS = {
    "negative size": ("", {"reduce_dim": -16}),
    "size of text": ("", {"reduce_dim": "16"}),
    "absurd size": ("vision_config", {"hidden_size": 10**12}),
    "large size": ("text_config", {"hidden_size": 40_000}),
    "absurd layers": ("vision_config", {"num_hidden_layers": 10**6}),
    "more layers": ("vision_config", {"num_hidden_layers": 90}),
    "absurd vocabulary": ("text_config", {"vocab_size": 10**15}),
    "no heads": ("vision_config", {"num_attention_heads": 0}),
    "odd heads": ("vision_config", {"num_attention_heads": 3}),
    "odd decoder heads": ("", {"decoder_num_attention_heads": 5}),
    "null": ("text_config", {"layer_norm_eps": None}),
    "negative eps": ("text_config", {"layer_norm_eps": -1e-5}),
    "not a number": ("text_config", {"layer_norm_eps": float("nan")}),
    "unknown activation": ("vision_config", {"hidden_act": "os.system"}),
    "activation of numbers": ("vision_config", {"hidden_act": 3}),
    "truth for a size": ("", {"projection_dim": True}),
    "fraction": ("", {"projection_dim": 24.5}),
    "text for a truth": ("", {"use_complex_transposed_convolution": "false"}),
    "layers out of range": ("", {"extract_layers": [1, 2, 30]}),
    "negative layers": ("", {"extract_layers": [-1, 2, 3]}),
    "no layers": ("", {"extract_layers": []}),
    "layers twice": ("", {"extract_layers": [1, 1, 2]}),
    "layer alone": ("", {"extract_layers": 3}),
    "layers nested": ("", {"extract_layers": [[1], 2, 3]}),
    "conditional layer": ("", {"conditional_layer": 7}),
    "part is a list": ("", {"text_config": [1]}),
    "part is text": ("", {"vision_config": "x"}),
    "other model": ("", {"model_type": "bert"}),
    "model of numbers": ("", {"model_type": 3}),
    "image in two sizes": ("vision_config", {"image_size": [64, 64]}),
    "patches": ("vision_config", {"patch_size": 7}),
    "one channel": ("vision_config", {"num_channels": 1}),
    "short context": ("text_config", {"max_position_embeddings": 20}),
    "end of text": ("text_config", {"eos_token_id": 5}),
    "end of text in a list": ("text_config", {"eos_token_id": [1, 2]}),
    "vocabulary too small": ("text_config", {"vocab_size": 1000}),
}


@pytest.mark.parametrize("case", list(CONFIGS))
def test_bad_value_of_the_configuration_is_refused_with_the_folder(folder, case):
    part, values = CONFIGS[case]
    write_config(folder, part, **values)
    tracemalloc.start()
    with pytest.raises(DataError, match="my_backbone"):
        load_backbone(str(folder))
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def config_text(text):
    return lambda folder: (folder / "config.json").write_bytes(text)


def file_text(name, text):
    return lambda folder: (folder / name).write_bytes(text)


def replaced(name, make):
    def damage(folder):
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return damage


def tensors(change):
    def damage(folder):
        content = load_file(folder / "model.safetensors")
        change(content)
        save_file(content, folder / "model.safetensors", metadata={"format": "pt"})

    return damage


def in_bin(change):
    def damage(folder):
        content = load_file(folder / "model.safetensors")
        change(content)
        torch.save(content, folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()

    return damage


WEIGHT = "decoder.film_mul.weight"


def no_number(content):
    content[WEIGHT][0, 0] = torch.nan


def infinite_in_half(content):
    content[WEIGHT] = content[WEIGHT].half() * 1e6


def whole_numbers(content):
    content[WEIGHT] = content[WEIGHT].int()


def other_shape(content):
    content[WEIGHT] = content[WEIGHT][:, :5].contiguous()


def missing(content):
    del content[WEIGHT]


def vocabulary(change):
    def damage(folder):
        content = json.loads((folder / "vocab.json").read_text())
        (folder / "vocab.json").write_text(json.dumps(change(content)))

    return damage


def huge_header(folder):
    (folder / "model.safetensors").write_bytes((2**60).to_bytes(8, "little") + b"{}")


DAMAGES = {
    "config empty": config_text(b""),
    "config list": config_text(b"[]"),
    "config null": config_text(b"null"),
    "config deep": config_text(b"[" * 100_000),
    "config in latin": config_text(b'{"model_type": "\xff"}'),
    "config of zeros": config_text(bytes(1000)),
    "config large": config_text(b" " * (20 << 20)),
    "config loop": replaced("config.json", lambda path: path.symlink_to(path)),
    "config folder": replaced("config.json", lambda path: path.mkdir()),
    "config pipe": replaced("config.json", os.mkfifo),
    "config device": replaced("config.json", lambda path: path.symlink_to("/dev/zero")),
    "weights empty": file_text("model.safetensors", b""),
    "weights text": file_text("model.safetensors", b"hello, this is no weights file"),
    "weights huge header": huge_header,
    "weights pipe": replaced("model.safetensors", os.mkfifo),
    "weights device": replaced("model.safetensors", lambda path: path.symlink_to("/dev/zero")),
    "weights loop": replaced("model.safetensors", lambda path: path.symlink_to(path)),
    "weights not a number": tensors(no_number),
    "weights infinite": tensors(infinite_in_half),
    "weights whole numbers": tensors(whole_numbers),
    "weights other shape": tensors(other_shape),
    "weights missing": tensors(missing),
    "bin not a number": in_bin(no_number),
    "bin whole numbers": in_bin(whole_numbers),
    "bin other shape": in_bin(other_shape),
    "bin missing": in_bin(missing),
    "bin without names": in_bin(lambda content: content.update({WEIGHT: [1, 2]})),
    "vocabulary of numbers": vocabulary(lambda content: 3),
    "vocabulary list": vocabulary(list),
    "vocabulary empty": vocabulary(lambda content: {}),
    "vocabulary too large": vocabulary(lambda content: content | {"word": 10_000_000}),
    "vocabulary negative": vocabulary(lambda content: content | {"a": -1}),
    "vocabulary text ids": vocabulary(lambda content: {word: str(number) for word, number in content.items()}),
    "vocabulary without begin": vocabulary(lambda c: {w: n for w, n in c.items() if w != "<|startoftext|>"}),
    "vocabulary with one id twice": vocabulary(lambda content: content | {"a": content["b"]}),
    "vocabulary pipe": replaced("vocab.json", os.mkfifo),
    "merges of noise": file_text("merges.txt", bytes(range(256)) * 10),
    "merges of unknown words": file_text("merges.txt", b"#version\nabc def\n"),
    "merges pipe": replaced("merges.txt", os.mkfifo),
    "tokenizer list": file_text("tokenizer_config.json", b"[]"),
    "tokenizer no JSON": file_text("tokenizer_config.json", b"{"),
    "tokenizer tokens of numbers": file_text("tokenizer_config.json", b'{"bos_token": 3, "eos_token": [1]}'),
    "tokenizer file of noise": file_text("tokenizer.json", b'{"model": 3}'),
    "tokenizer file deep": file_text("tokenizer.json", b"[" * 100_000),
}


@pytest.mark.parametrize("case", list(DAMAGES))
def test_damaged_file_is_refused_with_the_folder(folder, case):
    DAMAGES[case](folder)
    with pytest.raises(DataError, match="my_backbone"):
        load_backbone(str(folder))


@pytest.mark.parametrize("case", [case for case in DAMAGES if case.startswith(("merges", "tokenizer"))])
def test_damaged_tokenizer_is_refused_without_weights_too(folder, case):
    DAMAGES[case](folder)
    with pytest.raises(DataError, match="my_backbone"):
        load_tokenizer(str(folder))


@pytest.mark.parametrize("asked", ["eager", "flash_attention_2", "somebody/kernels", 3], ids=str)
def test_attention_of_a_folder_is_ours_whatever_it_asks_for(folder, asked):
    for part in ("", "vision_config", "text_config"):
        write_config(folder, part, attn_implementation=asked, _attn_implementation=asked)
    config = load_backbone(str(folder)).model.config
    assert {part._attn_implementation for part in (config, config.text_config, config.vision_config)} == {"sdpa"}


def test_eager_and_fused_attention_give_equal_results(reading_backbone, batch, folder):
    image = batch["image"]
    eager = Backbone("eager", load_backbone(str(folder)).model, reading_backbone.tokenizer)
    fused = build_network("zero_shot", eager, "large polyp")(image)
    eager.model.set_attn_implementation("eager")
    network = build_network("zero_shot", eager, "large polyp")
    assert network.backbone.clip.text_model.config._attn_implementation == "eager"
    torch.testing.assert_close(network(image), fused, rtol=0, atol=1e-4)


def test_weights_do_not_change_with_their_file(folder):
    backbone = load_backbone(str(folder))
    before = next(backbone.model.parameters()).clone()
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(os.path.getsize(file.name) // 2)
        file.write(bytes(os.path.getsize(file.name) // 2))
    assert torch.equal(next(backbone.model.parameters()), before)


def test_fields_that_are_not_read_do_no_harm(folder, reading_backbone):
    write_config(
        folder, num_labels=10**9, quantization_config={"quant_method": "x"}, auto_map={"AutoModel": "x.y"}, dtype=5
    )
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "somebody/else"}')
    assert load_backbone(str(folder)).fingerprint == reading_backbone.fingerprint


def test_configuration_of_2022_is_read(folder, reading_backbone):
    config = json.loads((folder / "config.json").read_text())
    config |= {"text_config_dict": config["text_config"], "text_config": None, "vision_config_dict": None}
    (folder / "config.json").write_text(json.dumps(config))
    assert load_backbone(str(folder)).fingerprint == reading_backbone.fingerprint
