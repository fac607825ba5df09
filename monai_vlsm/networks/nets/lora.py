"""LoRA: low-rank changes of the attention of a frozen CLIPSeg, by peft."""

from __future__ import annotations

from types import ModuleType
from typing import Self

from monai_vlsm.errors import UserError
from monai_vlsm.networks.backbone import Backbone
from monai_vlsm.networks.nets.base import CLIPSegNetwork
from monai_vlsm.networks.precision import AUTO
from monai_vlsm.rules import LORA_ALPHA, LORA_DROPOUT, SWITCH, WIDTH, require_value

_TARGETS = r"clip\.({encoders})_model\.encoder\.layers\.\d+\.self_attn\.(q|v)_proj"
"""Query and value of the encoders; names alone would also hit the decoder, which has projections of the same names."""


class CLIPSegLoRA(CLIPSegNetwork):
    """LoRA on query and value of every vision block that the decoder depends on, and of the text blocks if asked for.

    Source: arXiv 2106.09685, in the layers of ``peft``, whose names the tensors keep. At the start the network is the
    frozen CLIPSeg exactly, because one of the two factors is 0. ``merged()`` adds the product to the frozen weights, so
    that what is exported has the layers and the speed of CLIPSeg.

    Args:
        lora_rank: width of the two factors.
        lora_alpha: their product counts ``lora_alpha / lora_rank`` times.
        lora_dropout: fraction of what goes into them that is dropped in training.
        adapt_text: whether the text encoder changes, too.
        backbone, prompt, precision: see CLIPSegNetwork.

    Raises:
        DataError: if a number or switch is none.
        UserError: if ``peft`` is not installed.
    """

    def __init__(
        self,
        backbone: str | Backbone | None = None,
        lora_rank: int = 8,
        lora_alpha: float = 16,
        lora_dropout: float = 0.0,
        adapt_text: bool = False,
        prompt: str = "",
        precision: str = AUTO,
    ) -> None:
        require_value(WIDTH, lora_rank, "lora_rank")
        require_value(LORA_ALPHA, lora_alpha, "lora_alpha")
        require_value(LORA_DROPOUT, lora_dropout, "lora_dropout")
        require_value(SWITCH, adapt_text, "adapt_text")
        numbers = {"lora_rank": lora_rank, "lora_alpha": lora_alpha, "lora_dropout": lora_dropout}
        super().__init__(backbone, prompt, "lora", {**numbers, "adapt_text": adapt_text}, precision=precision)
        targets = _TARGETS.format(encoders="vision|text" if adapt_text else "vision")
        peft = _peft()
        config = peft.LoraConfig(
            r=lora_rank, lora_alpha=lora_alpha, lora_dropout=lora_dropout, target_modules=targets, bias="none"
        )
        peft.inject_adapter_in_model(config, self.backbone)
        self._hold_frozen()  # under the names of today
        self.eval()  # a network is made for inference, in which nothing is dropped at random

    def merged(self) -> Self:
        """Return a copy whose weights have the products in them, without layers of LoRA; it is not for training."""
        copied = self.own_copy()
        for name, module in list(copied.backbone.named_modules()):
            if hasattr(module, "get_base_layer"):
                module.merge()
                copied.backbone.set_submodule(name, module.get_base_layer())
        copied.set_precision(self.precision)
        return copied.eval()

    def extra_repr(self) -> str:
        """Say where the changes are."""
        encoders = "both encoders" if self.settings["adapt_text"] else "the vision encoder"
        return f"{super().extra_repr()}\nLoRA of rank {self.settings['lora_rank']} on query and value of {encoders}"


def _peft() -> ModuleType:
    try:
        import peft
    except ImportError as error:
        raise UserError("the method 'lora' needs the package peft: pip install \"monai_vlsm[lora]\"") from error
    return peft
