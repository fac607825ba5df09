"""Several prompts in one request, and the one label map that answers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from monai.data import MetaTensor
from monai.utils import convert_to_dst_type
from monailabel.interfaces.tasks.infer_v2 import InferTask as BaseInferTask
from monailabel.interfaces.tasks.infer_v2 import InferType
from monailabel.interfaces.utils.transform import run_transforms

from monai_vlsm.data.limits import refuse_oversized
from monai_vlsm.errors import DataError
from monai_vlsm.monai_label.prompts import ANY, split_prompts
from monai_vlsm.monai_label.tasks import InferTask
from monai_vlsm.transforms import SqueezePictured
from monai_vlsm.transforms.overlap import merge_labels
from monai_vlsm.transforms.presence import EMPTIED, PRESENCE
from monai_vlsm.transforms.prompt import PROMPT


class Ask(NamedTuple):
    """A prompt, the bundle that answers it, and how its label is called."""

    task: InferTask
    prompt: str
    label: str


class Found(NamedTuple):
    """What a bundle found: tensors (1, W, H[, D]), of logits over the temperature and of a mask."""

    logits: torch.Tensor
    mask: torch.Tensor
    presence: float
    emptied: bool


def answer_all(asks: Sequence[Ask], request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the file of a label map with the value n for the n-th prompt, and what the answer says.

    Where masks overlap, the prompt with the highest calibrated probability counts. Names are given of labels that are
    in the map: 3D Slicer gives names to values by their order.
    """
    found: dict[Ask, Found] = {}
    for task in dict.fromkeys(ask.task for ask in asks):
        mine = [ask for ask in asks if ask.task is task]
        data, masks, rest = find(task, [ask.prompt for ask in mine], request)
        found |= dict(zip(mine, masks, strict=True))
    masks = [found[ask] for ask in asks]
    values = range(1, len(asks) + 1)
    merged = merge_labels([one.logits for one in masks], [one.mask.bool() for one in masks], values)
    data[task.output_label_key] = convert_to_dst_type(merged, masks[0].mask)[0]
    sizes = [int((merged == value).sum()) for value in values]
    file, said = task.write(run_transforms(data, rest))
    said["label_names"] = {ask.label: value for ask, value, size in zip(asks, values, sizes, strict=True) if size}
    said["prompts"] = [
        {
            PROMPT: ask.prompt,
            "label": ask.label,
            "value": value,
            "pixels": size,
            PRESENCE: one.presence,
            EMPTIED: one.emptied,
        }
        for ask, one, value, size in zip(asks, masks, values, sizes, strict=True)
    ]
    return file, said


def find(
    task: InferTask, prompts: Sequence[str], request: dict[str, Any]
) -> tuple[dict[str, Any], list[Found], list[Callable[..., Any]]]:
    """Segment the image of a request by the prompts of one bundle, from one encoding.

    Returns:
        The data of the request, what each prompt found, and the transforms that a label map still goes through.
    """
    data = task.loaded(request)
    image = data[task.input_key]
    refuse_oversized((len(prompts), *image.shape[1:]))
    network, inferer = task.network_of(data), task.inferer(data)
    post = list(task.post_transforms(data))
    split = next((at for at, one in enumerate(post) if isinstance(one, SqueezePictured)), len(post) - 1)
    found = []
    for prompt, logits in zip(
        prompts, inferer.segment_all(image[None].to(data["device"]), network, prompts), strict=True
    ):
        pred = MetaTensor(logits.cpu(), meta={**image.meta, PROMPT: prompt})
        made = run_transforms({**data, task.output_label_key: pred}, post[:split])
        mask = made[task.output_label_key]
        found.append(Found(logits.cpu() / task.temperature(), mask, made[PRESENCE], made[EMPTIED]))
    return data, found, post[split:]


class PromptsTask(InferTask):
    """Inference that answers several prompts with one label map."""

    def __call__(self, request: dict[str, Any], callbacks: Any = None) -> tuple[Any, dict[str, Any]]:
        """Answer a request with a mask, or with a label map if it has several prompts."""
        prompts = split_prompts(request.get(PROMPT) or "")
        if len(prompts) < 2:
            return super().__call__({**request, PROMPT: "".join(prompts)}, callbacks)
        return answer_all([Ask(self, prompt, prompt) for prompt in prompts], request)


class AnyTask(BaseInferTask):
    """Inference by the bundle that a prompt begins with, ``busi: cyst``; each prompt of a request may name another.

    Args:
        tasks: of the bundles by name.
    """

    def __init__(self, tasks: Mapping[str, PromptsTask]) -> None:
        first, task = next(iter(tasks.items()))
        self.tasks = tasks
        super().__init__(
            type=InferType.SEGMENTATION,
            labels={},
            dimension=task.dimension,
            description=f"Begin a prompt with the name of a bundle: {', '.join(tasks)}.",
            config={**task.config(), PROMPT: f"{first}: {task.config()[PROMPT]}"},
        )

    def is_valid(self) -> bool:
        """Tell that it can be used."""
        return True

    def __call__(self, request: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Answer a request with a label map, whatever the number of its prompts."""
        lines = split_prompts(request.get(PROMPT) or self.config()[PROMPT])
        return answer_all([self._ask(line) for line in lines], request)

    def _ask(self, line: str) -> Ask:
        name, _, prompt = (part.strip() for part in line.partition(":"))
        if name not in self.tasks:
            example = f"'{next(iter(self.tasks))}: tumor'"
            known = ", ".join(self.tasks)
            raise DataError(f"a prompt for {ANY!r} begins like {example}, not {line!r:.80}; there are {known}.")
        return Ask(self.tasks[name], prompt or self.tasks[name].config()[PROMPT], line)
