# SPDX-License-Identifier: Apache-2.0
"""Whole models onto the kernels."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from torch import nn

from rotor.torch.bit_linear import BitLinear
from rotor.torch.ternary_linear import TernaryLinear


def _is_named(name: str, keys: Sequence[str]) -> bool:
    """Whether a key is the module's path, the end of it, or a module that it is part of."""
    path = f".{name}."
    return any(f".{key.removesuffix('.weight')}." in path for key in keys)


def _of_transformers(module: nn.Module) -> str:
    """ "BitLinear", "AutoBitLinear" or "": whether transformers made this module for BitNet."""
    bitnet = sys.modules.get("transformers.integrations.bitnet")
    for name in ("BitLinear", "AutoBitLinear"):
        if bitnet is not None and type(module) is getattr(bitnet, name, None):
            return name
    return ""


def _from_unpacked(module: nn.Linear) -> TernaryLinear:
    """AutoBitLinear whose weight holds trits as floats; weight_scale multiplies the bias, too."""
    trits = module.weight.detach().to(torch.int8)
    if not torch.equal(trits.to(module.weight.dtype), module.weight):
        raise ValueError(f"weight: expected -1, 0 and 1, got others, shape {tuple(trits.shape)}")
    bias = None if module.bias is None else module.bias * module.weight_scale
    return TernaryLinear(trits, module.weight_scale, bias, rms_norm=module.rms_norm)


def rotor_linear_of(module: nn.Module) -> nn.Module | None:
    """The layer on the kernels that computes what `module` does; None when it is none to be
    replaced.

    nn.Linear becomes a BitLinear: it is quantised, as BitNet models are trained to be.
    """
    kind = _of_transformers(module)
    if kind == "BitLinear":
        made: nn.Module = TernaryLinear.from_packed(
            module.weight,
            module.weight_scale,
            module.bias,
            out_features=module.out_features,
            rms_norm=module.rms_norm,
        )
    elif kind == "AutoBitLinear" and not module.online_quant:
        made = _from_unpacked(module)
    elif kind == "AutoBitLinear" or type(module) is nn.Linear:
        made = BitLinear.from_linear(module)
    else:
        return None
    return made.train(module.training)


def replace_with_rotor_linear(
    model: nn.Module, modules_to_not_convert: Sequence[str] | None = None
) -> nn.Module:
    """Replaces nn.Linear and transformers' BitLinear and AutoBitLinear in place; returns the model.

    modules_to_not_convert: names of modules, or ends or parts of their paths, that stay; by
    default `lm_head` and what get_output_embeddings() gives. Weights are shared where they stay
    float. ValueError when there is nothing to replace.
    """
    keys = ["lm_head"] if modules_to_not_convert is None else list(modules_to_not_convert)
    if isinstance(modules_to_not_convert, str):
        raise TypeError("modules_to_not_convert: expected a list of names, got one string")
    output = getattr(model, "get_output_embeddings", lambda: None)()
    kept = output if modules_to_not_convert is None else None
    made: dict[nn.Module, nn.Module | None] = {}  # a module may have several names
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if module is kept or _is_named(name, keys):
            continue
        if module not in made:
            made[module] = rotor_linear_of(module)
        replacement = made[module]
        if replacement is not None and name == "":
            return replacement
        if replacement is not None:
            model.set_submodule(name, replacement)
    if not any(made.values()):
        raise ValueError(f"{type(model).__name__}: no linear layer to replace")
    return model
