# SPDX-License-Identifier: Apache-2.0
"""The kernels as operators of PyTorch: torch.ops.rotor.ternary_linear and .bit_linear.

Both take activations of shape (..., cols) in float32, bfloat16 or float16 and give (..., rows) in
the same type. Each vector becomes int8 by its largest magnitude, sums are exact, one
multiplication scales them (docs/numerics.md); bfloat16 and float16 are converted on both sides.
On a CPU the work is done by as many threads as torch.get_num_threads() says, whose number changes
no bit. On CUDA it is the same formula in PyTorch's own operations.

Gradients are those of the straight-through estimator: both roundings count as the identity.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from rotor import _core
from rotor.train.bitlinear import Int8Activation, TernaryWeight, ternarize

FLOATS = (torch.float32, torch.bfloat16, torch.float16)


def _check_activations(x: Tensor, cols: int) -> None:
    if x.dtype not in FLOATS:
        raise TypeError(
            f"x: expected float32, bfloat16 or float16, got {x.dtype} of shape {tuple(x.shape)}"
        )
    if x.dim() == 0 or x.shape[-1] != cols:
        raise ValueError(f"x: expected shape (..., {cols}), got {tuple(x.shape)}")


def _matmul(x: Tensor, tiles: Tensor, scale: Tensor, rows: int, cols: int) -> Tensor:
    """On the CPU. A contiguous float32 x is read where it lies, the result is not copied."""
    _check_activations(x, cols)
    values = x.detach().to(torch.float32).contiguous().numpy()
    if tiles.data_ptr() % 64:
        tiles = tiles.clone()  # PyTorch's own memory begins at such a boundary
    threads = torch.get_num_threads()
    result = _core.matmul_i2(values, tiles.numpy(), rows, cols, scale.numpy(), threads=threads)
    return torch.from_numpy(result).to(x.dtype)


def pack(trits: Tensor) -> Tensor:
    """Trits (rows, cols) as the kernels' tiles, uint8 (ceil(rows / 16), ceil(cols / 16), 64)."""
    values = trits.detach().to(device="cpu", dtype=torch.int8).contiguous().numpy()
    return torch.from_numpy(_core.pack_i2(values)).to(trits.device)


def unpack(tiles: Tensor, rows: int, cols: int) -> Tensor:
    """The reverse of pack(), int8 on the tiles' device; docs/formats/i2.md has the layout."""
    shifts = torch.arange(0, 8, 2, device=tiles.device, dtype=torch.uint8)
    blocks, across = tiles.shape[:2]
    # code[block, tile, r, d, j]
    codes = (tiles.view(blocks, across, 16, 1, 4) >> shifts.view(4, 1)) & 3
    trits = codes.permute(0, 2, 1, 3, 4).reshape(blocks * 16, across * 16).to(torch.int8) - 1
    return trits[:rows, :cols].contiguous()


def dequantize(tiles: Tensor, scale: Tensor, rows: int, cols: int, dtype: torch.dtype) -> Tensor:
    """The matrix that the product multiplies with, (rows, cols)."""
    return (unpack(tiles, rows, cols) * scale.view(-1, 1)).to(dtype)


def matmul_in_torch(x: Tensor, tiles: Tensor, scale: Tensor, rows: int, cols: int) -> Tensor:
    """The same on any device, in PyTorch's own operations. What is not finite stays so."""
    _check_activations(x, cols)
    largest = x.float().abs().amax(dim=-1, keepdim=True).clamp(min=1e-5)
    divisor = torch.full_like(largest, 127) / largest  # 127 / t would be (1 / t) * 127
    codes = (x.float() * divisor).round().clamp(-128, 127)
    sums = F.linear(codes.double(), unpack(tiles, rows, cols).double()).float()  # exact
    factor = scale / divisor if scale.numel() == 1 else scale * (1 / divisor)
    return (sums * factor).to(x.dtype)


@torch.library.custom_op("rotor::ternary_linear", mutates_args=(), device_types="cpu")
def ternary_linear(x: Tensor, tiles: Tensor, scale: Tensor, rows: int, cols: int) -> Tensor:
    """x times a packed matrix. scale: float32, one or (rows,), what trits are multiplied by."""
    return _matmul(x, tiles, scale, rows, cols)


ternary_linear.register_kernel("cuda")(matmul_in_torch)


@ternary_linear.register_fake
def _(x: Tensor, tiles: Tensor, scale: Tensor, rows: int, cols: int) -> Tensor:
    _check_activations(x, cols)
    return x.new_empty((*x.shape[:-1], rows))


def _keep_packed(ctx, inputs, output) -> None:
    _, tiles, scale, ctx.rows, ctx.cols = inputs
    ctx.save_for_backward(tiles, scale)


def _backward_packed(ctx, grad: Tensor):
    tiles, scale = ctx.saved_tensors
    return grad @ dequantize(tiles, scale, ctx.rows, ctx.cols, grad.dtype), None, None, None, None


ternary_linear.register_autograd(_backward_packed, setup_context=_keep_packed)


# Packed forms of master weights, kept for as long as the weight lives: (state, tiles, scale).
_packed = WeakTensorKeyDictionary()


def _state(weight: Tensor) -> tuple[int, ...] | None:
    """Differs after every change that PyTorch counts; None where it counts none."""
    return None if weight.is_inference() else (weight._version, weight.data_ptr())


def packed_of(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Tiles and multiplier of a master weight's ternary form. Packs when the weight has changed."""
    state = _state(weight)
    kept = _packed.get(weight)
    if state is not None and kept is not None and kept[0] == state:
        return kept[1], kept[2]
    trits, factor = ternarize(weight.detach())
    if not math.isfinite(factor):
        raise FloatingPointError(
            f"weight: holds an infinite or NaN value, or their mean overflows, shape "
            f"{tuple(weight.shape)}"
        )
    tiles, scale = pack(trits), (1.0 / factor).reshape(1)
    _packed[weight] = (state, tiles, scale)
    return tiles, scale


@torch.library.custom_op("rotor::bit_linear", mutates_args=(), device_types="cpu")
def bit_linear(x: Tensor, weight: Tensor) -> Tensor:
    """x times the ternary form of a float weight (rows, cols)."""
    rows, cols = weight.shape
    return _matmul(x, *packed_of(weight), rows, cols)


@bit_linear.register_kernel("cuda")
def _(x: Tensor, weight: Tensor) -> Tensor:
    rows, cols = weight.shape
    return matmul_in_torch(x, *packed_of(weight), rows, cols)


@bit_linear.register_fake
def _(x: Tensor, weight: Tensor) -> Tensor:
    _check_activations(x, weight.shape[1])
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


def _keep_masters(ctx, inputs, output) -> None:
    ctx.save_for_backward(*inputs)


def _backward_masters(ctx, grad: Tensor):
    x, weight = ctx.saved_tensors
    by_x = grad @ TernaryWeight.apply(weight, grad.dtype) if ctx.needs_input_grad[0] else None
    by_weight = None
    if ctx.needs_input_grad[1]:
        quantized = Int8Activation.apply(x, grad.dtype).flatten(0, -2)
        by_weight = (grad.flatten(0, -2).T @ quantized).to(weight.dtype)
    return by_x, by_weight


bit_linear.register_autograd(_backward_masters, setup_context=_keep_masters)
