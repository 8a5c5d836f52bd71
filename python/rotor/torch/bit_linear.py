# SPDX-License-Identifier: Apache-2.0
"""BitLinear: trains float weights to be ternary, evaluates them as ternary on the kernels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rotor.torch import ops
from rotor.train.bitlinear import Int8Activation, TernaryWeight


class BitLinear(nn.Linear):
    """y = int8(x) ternary(W)^T + bias, with the formulas of transformers' AutoBitLinear.

    `weight` holds the float masters, (out_features, in_features). x has shape (..., in_features),
    in float32, bfloat16 or float16; the result has the same type.

    In training mode both quantisers are those of the reference, operation by operation; gradients
    pass the roundings unchanged (straight-through estimator). In evaluation mode on a CPU the
    product runs on Rotor's kernels, whose sums are exact: the two differ by the order of float
    operations alone. The packed form is made when the layer is first evaluated and again after
    the weight has changed; a change through `weight.data`, which PyTorch does not count, is not
    seen.

    rms_norm: a module that is applied to x first, or None.
    """

    rms_norm: nn.Module | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        rms_norm: nn.Module | None = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype)
        self.rms_norm = rms_norm

    @classmethod
    def from_linear(cls, linear: nn.Linear) -> BitLinear:
        """The same weight and bias, shared, not copied."""
        made = cls(
            linear.in_features,
            linear.out_features,
            linear.bias is not None,
            device="meta",
            dtype=linear.weight.dtype,
            rms_norm=getattr(linear, "rms_norm", None),
        )
        made.weight, made.bias = linear.weight, linear.bias
        return made.train(linear.training)

    def forward(self, x: Tensor) -> Tensor:
        if self.rms_norm is not None:
            x = self.rms_norm(x)
        if self.training or x.device.type != "cpu":
            weight = TernaryWeight.apply(self.weight, x.dtype)
            return F.linear(Int8Activation.apply(x, x.dtype), weight, self.bias)
        result = ops.bit_linear(x, self.weight)
        return result if self.bias is None else result + self.bias
