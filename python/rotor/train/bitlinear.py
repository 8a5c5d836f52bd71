# SPDX-License-Identifier: Apache-2.0
"""BitLinear: a linear layer with ternary weights and int8 activations.

The two quantisers are those of transformers' `src/transformers/integrations/bitnet.py`
(`WeightQuant`, `ActQuant`), operation by operation, so that a model trained here computes the
same numbers there. Master weights stay float; gradients pass the rounding unchanged
(straight-through estimator).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Smallest divisor: an all-zero tensor or token quantises to zeros instead of NaN.
EPSILON = 1e-5


def ternarize(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Absmean quantisation of a whole tensor (BitNet b1.58, arXiv:2402.17764, eq. 1-3).

    Args:
        weight: float tensor of any shape.

    Returns:
        trits: float32 in {-1, 0, 1}, shape of `weight`; halves round to even.
        scale: float32 scalar, the factor that was applied: 1 / max(mean|W|, 1e-5).
            The weights that the layer multiplies with are `trits / scale`.
    """
    weight = weight.float()
    scale = 1.0 / weight.abs().mean().clamp(min=EPSILON)
    return (weight * scale).round().clamp(-1, 1), scale


class TernaryWeight(torch.autograd.Function):
    """`trits / scale` of a weight in `dtype`; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx, weight: Tensor, dtype: torch.dtype) -> Tensor:
        trits, scale = ternarize(weight)
        return (trits / scale).to(dtype)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return grad.float(), None


class Int8Activation(torch.autograd.Function):
    """What int8 keeps of each vector of the last axis in `dtype`; gradients pass unchanged."""

    @staticmethod
    def forward(ctx, x: Tensor, dtype: torch.dtype) -> Tensor:
        x = x.float()
        scale = 127 / x.abs().amax(dim=-1, keepdim=True).clamp(min=EPSILON)
        return ((x * scale).round().clamp(-128, 127) / scale).to(dtype)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


class BitLinear(nn.Module):
    """y = quantise(x) @ ternary(W)^T, without bias.

    `weight` holds the float32 masters, shape (out_features, in_features). x has shape
    (..., in_features); its last axis is one token, quantised to int8 by its own maximum. The
    product is taken in the dtype of x: bfloat16 in training where the machine is fast at it,
    float32 for evaluation and parity.
    """

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))

    def forward(self, x: Tensor) -> Tensor:
        dtype = x.dtype
        return F.linear(Int8Activation.apply(x, dtype), TernaryWeight.apply(self.weight, dtype))


class FloatLinear(nn.Module):
    """y = x @ W^T, without bias: what BitLinear would be without its quantisers."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype))
