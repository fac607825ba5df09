"""Which of pydicom's plugins decodes compressed pixels, in version 2 and in version 3 of it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from pydicom import Dataset, config
from pydicom.uid import UID, JPEGExtended12Bit

APART = "gdcm"
"""The plugin that ends the whole process on some damaged pixels: see :mod:`monai_vlsm.dicom.apart`."""

IS_NEW_PYDICOM = find_spec("pydicom.pixels") is not None
"""From version 3 on: it turns YBR into RGB itself, and knows its plugins by transfer syntax."""

_OLD_NAMES = {"pylibjpeg": "pylibjpeg", "pyjpegls": "jpeg_ls", "pillow": "pillow", "pydicom": "rle", APART: "gdcm"}
"""Plugins by preference, and what version 2 calls them."""


def plugin_for(syntax: UID, bits: int) -> str | None:
    """Return the plugin for compressed pixels of so many bits; None if none is installed."""
    available = [name for name in _OLD_NAMES if _is_available(name, syntax)]
    if syntax == JPEGExtended12Bit and bits > 8:
        available = [name for name in available if name != "pillow"]  # which knows 8 bits only
    return next(iter(available), None)


def _is_available(name: str, syntax: UID) -> bool:
    if IS_NEW_PYDICOM:
        from pydicom.pixels import get_decoder

        try:
            return name in get_decoder(syntax).available_plugins
        except NotImplementedError:
            return False
    handlers: list[Any] = config.pixel_data_handlers
    return any(
        handler.__name__.endswith(f".{_OLD_NAMES[name]}_handler")
        and handler.supports_transfer_syntax(syntax)
        and handler.is_available()
        for handler in handlers
    )


def decode(pixels: Dataset, plugin: str | None = None) -> np.ndarray:
    """Decode pixels; ``plugin`` is for compressed ones. YBR becomes RGB."""
    if IS_NEW_PYDICOM:
        pixels.pixel_array_options(decoding_plugin=plugin or "")
        return pixels.pixel_array
    from pydicom.pixel_data_handlers.util import convert_color_space

    pixels.convert_pixel_data(_OLD_NAMES[plugin] if plugin else "")
    is_converted = pixels.PhotometricInterpretation in ("YBR_FULL", "YBR_FULL_422")
    return convert_color_space(pixels.pixel_array, "YBR_FULL", "RGB") if is_converted else pixels.pixel_array
