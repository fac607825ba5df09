"""Baselines without text: networks of MONAI behind the interface of the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NoReturn

import torch
from monai.data import MetaTensor
from torch import nn

from monai_vlsm.errors import DataError, UserError
from monai_vlsm.networks.backbone import Backbone, load_backbone
from monai_vlsm.networks.nets.prompted import ImageFeatures, PromptedNetwork
from monai_vlsm.networks.precision import AUTO

_CHANNELS = (32, 64, 128, 256, 512)
_logger = logging.getLogger("monai_vlsm")


@dataclass(frozen=True)
class Architecture:
    """A network of MONAI.

    Args:
        build: makes it for three channels in and one out.
        multiple: pixels that height and width must be multiples of.
        needs: package that MONAI itself does not install.
    """

    build: Callable[[Any], nn.Module]
    multiple: int = 16
    needs: str | None = None


class _LastOnly(nn.Module):
    """MONAI's U-Net++ without deep supervision: its last output, and none of the layers of the others.

    Args:
        network: whose other output layers would get no gradient.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        for name in ("final_conv_0_1", "final_conv_0_2", "final_conv_0_3"):
            setattr(network, name, nn.Identity())

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, H, W) to (B, 1, H, W)."""
        return self.network(image)[-1]


def _flexible_unet(nets: Any) -> nn.Module:
    """Return what MONAI has nearest to DeepLabv3+: an encoder made for classification, here not pre-trained.

    The decoder is that of a U-Net in place of atrous pooling. MONAI's ResNet-18 and -34 pass no gradient through their
    shortcuts, hence EfficientNet.
    """
    network = nets.FlexibleUNet(3, 1, "efficientnet-b0", pretrained=False)
    network.encoder.set_swish(memory_efficient=False)  # what saves memory cannot be exported
    for head in ("_conv_head", "_bn1", "_fc"):
        setattr(network.encoder, head, nn.Identity())
    return network


ARCHITECTURES: Mapping[str, Architecture] = {
    "unet": Architecture(lambda nets: nets.BasicUNet(2, 3, 1)),
    "unetpp": Architecture(lambda nets: _LastOnly(nets.BasicUNetPlusPlus(2, 3, 1))),
    "attention_unet": Architecture(lambda nets: nets.AttentionUnet(2, 3, 1, channels=_CHANNELS, strides=(2, 2, 2, 2))),
    "flexible_unet": Architecture(_flexible_unet, multiple=32),
    "swin_unetr": Architecture(
        lambda nets: nets.SwinUNETR(3, 1, feature_size=24, spatial_dims=2), multiple=32, needs="einops"
    ),
}
"""By the name of the method."""


def require_package(method: str) -> None:
    """Raise a UserError if a package that a method of ``ARCHITECTURES`` needs is not installed."""
    needs = ARCHITECTURES[method].needs if method in ARCHITECTURES else None
    if needs and find_spec(needs) is None:
        raise UserError(f"the method {method!r} needs the package {needs}: pip install {needs}")


class ImageOnlyNetwork(PromptedNetwork):
    """A network of MONAI that reads no text: whatever the prompt is, the mask is the same.

    It starts from random weights. Of the backbone only the tokenizer and the size of images are used, so that commands,
    bundles and servers treat it as any other network; its checkpoint names the backbone and needs the same one.

    Args:
        backbone: hub id, local folder, ``"tiny"`` or a Backbone; None is the default, see ``load_backbone``.
        architecture: name in ``ARCHITECTURES``, and of the method.
        prompt: what people are told that it segments.
        precision: in which it computes, see CLIPSegNetwork; its weights are float32.

    Raises:
        DataError: if there is no such architecture.
        UserError: if a package that it needs is not installed.
    """

    reads_text = False

    def __init__(
        self,
        backbone: str | Backbone | None = None,
        architecture: str = "unet",
        prompt: str = "",
        precision: str = AUTO,
    ) -> None:
        if architecture not in ARCHITECTURES:
            raise DataError(f"there is no architecture {architecture!r}, choose one of {', '.join(ARCHITECTURES)}.")
        super().__init__(load_backbone(backbone), prompt, architecture)
        chosen = ARCHITECTURES[architecture]
        require_package(architecture)
        from monai.networks import nets

        self.multiple = chosen.multiple
        self.segmenter = chosen.build(nets)
        self.set_precision(precision)
        self.eval()
        _logger.warning(f"The method {architecture!r} reads no text: its mask is the same for every prompt.")

    def encode_image(self, image: torch.Tensor, states: torch.Tensor | None = None) -> ImageFeatures:
        """Segment ``image`` (B, 3, H, W); no prompt changes it."""
        image = image.as_tensor() if isinstance(image, MetaTensor) else image
        height, width = image.shape[-2:]
        if height % self.multiple or width % self.multiple:
            raise DataError(
                f"height and width of the image must be multiples of {self.multiple} pixels for the method "
                f"{self.method!r}, not {height} x {width}."
            )
        with self._casting():
            return ImageFeatures((self._run(ImageOnlyNetwork._segment, image),), (height, width))

    def encode_text(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return 0 for each prompt (B, L): (B, 1)."""
        return torch.zeros_like(input_ids[:, :1], dtype=torch.float32, device=self.default_input_ids.device)

    def decode(self, features: ImageFeatures, embedding: torch.Tensor) -> torch.Tensor:
        """Return the logits of the image (B, 1, H, W), float32, for each of the prompts (B, 1); either B may be 1."""
        return features.states[0].float() + embedding[:, :, None, None]

    def save_memory(self) -> NoReturn:
        """Refuse: MONAI's networks cannot compute their layers a second time.

        Raises:
            DataError: always.
        """
        raise DataError(f"gradient_checkpointing must be false for the method {self.method!r}.")

    def extra_repr(self) -> str:
        """Say that the prompt counts for nothing."""
        return f"{super().extra_repr()}, reads no text"

    @property
    def _float32_weight(self) -> torch.Tensor:
        return next(self.segmenter.parameters())

    def _segment(self, image: torch.Tensor) -> torch.Tensor:
        return self.segmenter(image)
