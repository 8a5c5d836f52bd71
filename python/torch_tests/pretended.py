# SPDX-License-Identifier: Apache-2.0
"""A device that is not there: its tensors lie on the CPU and are computed there, but say that they
are elsewhere, and refuse what those of CUDA refuse: an operand on the CPU, numpy(), the CPU's
generator of chance.

What runs on it asks for every tensor at the right place. Of a GPU's numbers, memory and compiler it
shows nothing. Importing it registers the device for the whole process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

# These go from one device to another. Elsewhere only numbers, without dimensions, may be the CPU's.
BETWEEN = ("aten::copy_", "aten::_to_copy")


class There(Tensor):
    """A tensor on the device."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> There:
        made = Tensor._make_wrapper_subclass  # type: ignore[attr-defined]
        return made(  # type: ignore[no-any-return]
            cls, here.size(), here.stride(), here.storage_offset(), dtype=here.dtype, device=DEVICE
        )

    def __init__(self, here: Tensor) -> None:
        self.here = here

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Files hold the values, and are read to the CPU."""
        return self.here.detach().__reduce_ex__(protocol)

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(op, args, kwargs or {})


class Making(TorchDispatchMode):
    """While it is entered, tensors can be made on the device."""

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(op, args, kwargs or {})


def compute(op: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = op._schema.name
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, There)]
    if there and name not in BETWEEN:
        for tensor in tensors:
            if not isinstance(tensor, There) and tensor.dim() > 0:
                shape = tuple(tensor.shape)
                raise RuntimeError(f"{name}: {shape} is on the CPU, others are on {DEVICE}")
    if name == "aten::_fused_sdp_choice":
        return 0  # attention in its parts, which every device has
    if there and op.namespace == "rotor":
        with Making():  # what is registered for CUDA
            return op.redispatch(torch._C.DispatchKeySet(torch._C.DispatchKey.CUDA), *args)

    result_there = bool(there)
    if name == "aten::copy_":
        result_there = isinstance(args[0], There)
    if (device := kwargs.get("device")) is not None:
        result_there = torch.device(device).type == DEVICE.type
        kwargs = {**kwargs, "device": torch.device("cpu")}
    args, kwargs = tree_map(lambda x: x.here if isinstance(x, There) else x, (args, kwargs))
    if result_there and torch.Tag.nondeterministic_seeded in op.tags:
        with module.chance():
            result = op(*args, **kwargs)
    else:
        result = op(*args, **kwargs)
    if not result_there:
        return result
    known = {id(tensor.here): tensor for tensor in there}  # of operations in place

    def placed(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        return known[id(x)] if id(x) in known else There(x)

    return tree_map(placed, result)


class Module:
    """What torch.cuda is for CUDA, as far as PyTorch and Rotor ask for it."""

    state: Tensor

    def is_available(self) -> bool:
        return True

    is_initialized = is_available

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def _is_in_bad_fork(self) -> bool:
        return False

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]

    def manual_seed_all(self, seed: int) -> None:
        self.state = torch.Generator().manual_seed(seed + 1).get_state()  # not those of the CPU

    def get_rng_state(self, device: torch.device) -> Tensor:
        assert device.type == DEVICE.type
        return self.state.clone()

    def set_rng_state(self, state: Tensor, device: torch.device) -> None:
        assert device.type == DEVICE.type
        assert (type(state), state.dtype, state.device.type) == (Tensor, torch.uint8, "cpu")
        self.state = state.clone()

    @contextmanager
    def chance(self) -> Iterator[None]:
        """The CPU draws as the device does."""
        kept = torch.get_rng_state()
        torch.set_rng_state(self.state)
        yield
        self.state = torch.get_rng_state()
        torch.set_rng_state(kept)


module = Module()
module.manual_seed_all(0)
_setup_privateuseone_for_python_backend("pretended", module)
DEVICE = torch.device("pretended", 0)
