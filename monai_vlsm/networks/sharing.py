"""Frozen tensors of a backbone: one memory for every network of the process, guarded against being trained.

Each network has parameters of its own on the shared memory, so unfreezing one concerns no other network. What is
written into the memory is noticed by the version counter that PyTorch raises at every write in place (optimizers,
``copy_``, ``load_state_dict``). Writes through ``.data``, ``.numpy()`` or pointers raise none and are not noticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from threading import RLock
from weakref import WeakValueDictionary

import torch
from torch import nn

from monai_vlsm.errors import DataError

_LOCK = RLock()

_WAY_OUT = (
    "Choose the method 'decoder' or 'full' (CLIPSegFineTune), or train a copy that shares nothing: "
    "network = network.own_copy()"
)


class SharedTensor:
    """One frozen tensor on one device and in one dtype, and what tells that somebody wrote into it.

    Args:
        data: the tensor; it is neither copied nor moved.
        origin: the tensor of the backbone that ``data`` was converted from, None for that one itself.
    """

    def __init__(self, data: torch.Tensor, origin: SharedTensor | None = None) -> None:
        self.data = data.detach().clone() if data.is_inference() else data.detach()
        self.origin = origin or self
        self.pointer = self.data.data_ptr()
        self.version = self.data._version
        if origin is None:
            self.digest = hash_tensor(self.data)
            self._places: WeakValueDictionary[tuple, SharedTensor] = WeakValueDictionary()
        self.origin._places[self.data.device, self.data.dtype] = self

    def view(self) -> nn.Parameter:
        """Return a frozen parameter on the shared memory; its ``requires_grad`` is its own."""
        parameter = nn.Parameter(self.data, requires_grad=False)
        parameter.shared_tensor = self  # type: ignore[attr-defined]
        return parameter

    def convert(self, function: Callable[[torch.Tensor], torch.Tensor]) -> SharedTensor:
        """Convert to another device or dtype once for all networks, leaving this tensor as it is."""
        with torch.inference_mode(False), torch.no_grad(), _LOCK:
            wanted = function(self.data)
            if wanted is self.data:
                return self
            place = wanted.device, wanted.dtype
            # From the origin, as the function may leave the memory as it was (to_empty) or come from a rounded tensor.
            found = self.origin._places.get(place)
            if found is not None and not found.was_written():
                return found
            return SharedTensor(self.origin.data.to(*place), self.origin)

    def was_written(self) -> bool:
        """Tell whether the values are others than at the start.

        The counter alone does not tell: DistributedDataParallel writes the same values again.
        """
        if self.data._version != self.version and self._holds_its_values():
            self.version = self.data._version
        return self.data._version != self.version

    def was_moved(self, pointer: int) -> bool:
        """Tell whether ``pointer`` lies elsewhere; ``share_memory_`` moves all parameters on this memory together."""
        self.pointer = self.data.data_ptr()
        return pointer != self.pointer

    def _holds_its_values(self) -> bool:
        if self.origin is self:
            return hash_tensor(self.data) == self.digest
        return torch.equal(self.data, self.origin.data.to(self.data))

    def __reduce__(self) -> tuple:
        """Leave a pickled network with tensors of its own."""
        return type(None), ()


def hash_tensor(tensor: torch.Tensor) -> bytes:
    """Hash dtype, shape and every value."""
    digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
    values = tensor.detach().cpu().contiguous().flatten()
    digest.update(values.view(torch.uint8).numpy().data)
    return digest.digest()


def shared_parameters(model: nn.Module) -> list[tuple[nn.Module, str, nn.Parameter]]:
    """List (owner, name, parameter) of the parameters in ``model`` that lie on shared memory."""
    return [
        (module, name, parameter)
        for module in model.modules()
        for name, parameter in module._parameters.items()
        if parameter is not None and getattr(parameter, "shared_tensor", None) is not None
    ]


class SharingGuard:
    """Refuses to go on where a shared parameter of a model is trained, replaced or overwritten.

    Args:
        model: whose shared parameters are guarded. An object of its own, so that TorchScript does not take them in.
    """

    def __init__(self, model: nn.Module) -> None:
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        self._guarded = [(names[id(parameter)], parameter) for _, _, parameter in shared_parameters(model)]

    def require_untouched(self) -> None:
        """Raise a DataError that names the first parameter that is not as it was."""
        for name, parameter in self._guarded:
            shared = parameter.shared_tensor  # type: ignore[attr-defined]
            if shared is None:  # unpickled: the tensor is the network's own
                return
            if parameter.requires_grad:
                raise DataError(
                    f"{name!r} was unfrozen, but every network of this process reads the same memory. {_WAY_OUT}"
                )
            if shared.data._version != shared.version and shared.was_written():
                raise DataError(
                    f"somebody wrote into {name!r}, which every network of this process reads: their results are wrong "
                    "from now on. Build the networks anew from load_backbone(...), which reads the file again. "
                    f"{_WAY_OUT}"
                )
            if parameter.data_ptr() != shared.pointer and shared.was_moved(parameter.data_ptr()):
                raise DataError(
                    f"{name!r} was given other values, which no checkpoint would hold, because it is frozen. {_WAY_OUT}"
                )


def convert_in_place(
    model: nn.Module, function: Callable[[torch.Tensor], torch.Tensor], rest: Callable[[], None]
) -> None:
    """Convert a model of which some tensors are shared, those into new memory, because other networks read them too.

    Args:
        model: to convert.
        function: converts a tensor.
        rest: converts the model, in which the shared parameters are missing meanwhile.
    """
    held = shared_parameters(model)
    converted = [_converted(parameter, function) for _, _, parameter in held]
    for module, name, _ in held:
        module._parameters[name] = None
    try:
        rest()
    finally:
        for (module, name, _), parameter in zip(held, converted, strict=True):
            module._parameters[name] = parameter


def hold_in(model: nn.Module, wanted: Callable[[nn.Module], torch.dtype]) -> None:
    """Hold each shared parameter in ``model`` in the type that ``wanted`` says of the module that owns it."""
    for module, name, parameter in shared_parameters(model):
        module._parameters[name] = _converted(parameter, partial(torch.Tensor.to, dtype=wanted(module)))


def _converted(parameter: nn.Parameter, function: Callable[[torch.Tensor], torch.Tensor]) -> nn.Parameter:
    shared: SharedTensor = parameter.shared_tensor  # type: ignore[attr-defined]
    converted = shared.convert(function)
    if converted is shared:
        return parameter
    view = converted.view()
    view.requires_grad = parameter.requires_grad
    return view
