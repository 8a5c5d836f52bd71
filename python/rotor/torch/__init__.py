# SPDX-License-Identifier: Apache-2.0
"""Rotor's kernels in PyTorch models.

    import rotor.torch
    layer = rotor.torch.BitLinear(512, 2048)      # trains; evaluates on the kernels
    rotor.torch.replace_with_rotor_linear(model)  # all linear layers of a model

    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(
        "microsoft/bitnet-b1.58-2B-4T", quantization_config=rotor.torch.RotorConfig()
    )

Needs torch 2.6 or later and safetensors; RotorConfig needs transformers 5. docs/torch.md has the
rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotor.torch.bit_linear import BitLinear
from rotor.torch.lora import LoraTernaryLinear, add_lora, load_lora, remove_lora, save_lora
from rotor.torch.replace import replace_with_rotor_linear
from rotor.torch.ternary_linear import TernaryLinear

if TYPE_CHECKING:
    from rotor.torch.quantizer import RotorConfig

BitLinearTernary = TernaryLinear

__all__ = [
    "BitLinear",
    "BitLinearTernary",
    "LoraTernaryLinear",
    "RotorConfig",
    "TernaryLinear",
    "add_lora",
    "load_lora",
    "remove_lora",
    "replace_with_rotor_linear",
    "save_lora",
]


def __getattr__(name: str) -> object:
    """Imports transformers when its part is first asked for."""
    if name == "RotorConfig":
        from rotor.torch.quantizer import RotorConfig

        return RotorConfig
    raise AttributeError(f"module 'rotor.torch' has no attribute {name!r}")
