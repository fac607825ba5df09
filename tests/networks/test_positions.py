"""Positions of another grid are computed once, and anew where they may differ."""

import copy

import pytest
import torch

from monai_vlsm.networks.blocks import KeptPositions


@pytest.fixture
def vision(small_backbone):
    return copy.deepcopy(small_backbone.model.clip.vision_model).requires_grad_(False).embeddings


@pytest.fixture
def calls(vision, monkeypatch):
    """Count how often transformers interpolates."""
    counted, interpolate = [], type(vision).interpolate_pos_encoding
    monkeypatch.setattr(
        type(vision), "interpolate_pos_encoding", lambda *given: counted.append(given) or interpolate(*given)
    )
    return counted


def hidden(height: int, width: int) -> torch.Tensor:
    return torch.zeros(1, 1 + height * width // 256, 32)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 64), (352, 352)])
def test_positions_are_those_of_transformers(vision, height, width):
    expected = vision.interpolate_pos_encoding(hidden(height, width), height, width)
    kept = KeptPositions(vision)
    assert all(torch.equal(kept(hidden(height, width), height, width), expected) for _ in range(2))


def test_they_are_computed_once_per_size(vision, calls):
    kept = KeptPositions(vision)
    for size in (96, 96, 128, 128):
        kept(hidden(size, size), size, size)
    assert len(calls) == 2


def test_they_are_computed_anew_after_the_weights_changed(vision):
    kept = KeptPositions(vision)
    before = kept(hidden(96, 96), 96, 96)
    vision.position_embedding.weight.mul_(2)
    torch.testing.assert_close(kept(hidden(96, 96), 96, 96), 2 * before)


def test_trained_positions_get_their_gradient_in_every_step(vision, calls):
    vision.requires_grad_(True)
    kept = KeptPositions(vision)
    for _ in range(2):
        kept(hidden(96, 96), 96, 96).sum().backward()
    assert len(calls) == 2
    assert vision.position_embedding.weight.grad.abs().sum() > 0


def test_what_inference_mode_kept_serves_training(make_network, batch):
    network = make_network("dense")
    with torch.inference_mode():
        network(**batch)
    network(**batch).mean().backward()
