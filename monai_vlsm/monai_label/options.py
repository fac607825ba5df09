"""What a request to the label server may say: names, types and ranges of options; everything else is refused."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from monailabel.utils.others.generic import device_list
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from monai_vlsm.bundle.values import LONGEST_PROMPT
from monai_vlsm.monai_label.prompts import MOST_PROMPTS, split_prompts


def _prompt(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"a prompt must be a string, not {value!r:.80}")
    prompts = split_prompts(value) or [""]
    if len(prompts) > MOST_PROMPTS:
        raise ValueError(f"a request may have {MOST_PROMPTS} prompts, this one has {len(prompts)}")
    longest = max(len(value) if len(prompts) == 1 else 0, *map(len, prompts))
    if longest > LONGEST_PROMPT:
        raise ValueError(f"a prompt may have {LONGEST_PROMPT} characters, this one has {longest}")
    return value


def _device(value: str) -> str:
    known = device_list()
    if value not in known and not re.fullmatch(r"cpu|cuda(:\d{1,3})?", value):
        raise ValueError(f"a device is 'cpu', 'cuda' or one of {known}, not {value!r:.80}")
    return value


Device = Annotated[str, AfterValidator(_device)]
Gpus = Annotated[str, Field(pattern=r"^(all|\d{1,3}(,\d{1,3})*)$")]
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Prompt = Annotated[str, BeforeValidator(_prompt)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]


class Options(BaseModel):
    """Options that 3D Slicer adds to every request."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    client_id: Annotated[str, Field(max_length=200)] | None = None

    def given(self) -> dict[str, Any]:
        """Return the options that the request has, with values of the right types."""
        return self.model_dump(exclude_unset=True, exclude={"client_id"})


class InferOptions(Options):
    """Options of an inference."""

    prompt: Prompt = ""
    min_presence: Share | None = None
    device: Device = "cuda"
    logging: Level = "INFO"
    model_filename: Literal["model.pt"] = "model.pt"
    result_extension: Literal["", ".nrrd", ".nii.gz", ".nii", ".mha", ".png", ".tif"] = ""
    result_dtype: Literal["uint8", "uint16", "int16", "int32", "float32"] | None = None
    result_compress: bool = False


class TrainOptions(Options):
    """Options of a training: none of them is a path, a class or an expression."""

    device: Device = "cuda"
    pretrained: Literal[True] = True
    max_epochs: Annotated[int, Field(ge=1, le=100_000)] = 50
    val_split: Annotated[float, Field(ge=0, lt=1)] = 0.2
    multi_gpu: bool = True
    gpus: Gpus = "all"
    run_id: Literal["", "run", "training"] = ""
    model_filename: Literal["model.pt"] = "model.pt"


class BatchOptions(Options):
    """Options of an inference on many images of the studies."""

    prompt: Prompt = ""
    min_presence: Share | None = None
    device: Device = "cuda"
    logging: Level = "WARNING"
    multi_gpu: bool = False
    gpus: Gpus = "all"
    save_label: Literal[True] = True
    label_tag: Literal["original"] = "original"
    max_workers: Annotated[int, Field(ge=0, le=64)] = 1
    max_batch_size: Annotated[int, Field(ge=0)] = 0


class LabelInfo(BaseModel):
    """Name and value of a segment."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, Field(max_length=200)] = ""
    idx: int = 0


class LabelOptions(Options):
    """What 3D Slicer says about a label that it submits."""

    label_info: list[LabelInfo] = []


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters and line breaks are not allowed")
    return text.strip()


class ReviewOptions(Options):
    """What somebody says of a label; ``version`` is that of the row which they saw."""

    verdict: Literal["accept", "fix", "reject"]
    reviewer: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
    comment: Annotated[str, Field(max_length=1000), AfterValidator(_printable)] = ""
    version: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
