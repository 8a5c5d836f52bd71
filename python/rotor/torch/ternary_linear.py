# SPDX-License-Identifier: Apache-2.0
"""TernaryLinear: a frozen linear layer of packed trits."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from rotor.torch import ops
from rotor.torch.packing import pack_weights, unpack_weights

ScaleRule = Literal["divide", "multiply"]


def _multiplier(weight_scale: Tensor, rule: str, rows: int) -> Tensor:
    """What the trits are multiplied by, float32. ValueError unless it is finite and above zero."""
    if rule not in ("divide", "multiply"):
        raise ValueError(f"scale_rule: expected divide or multiply, got {rule!r}")
    if not weight_scale.is_floating_point():
        raise TypeError(
            f"weight_scale: expected a float type, got {weight_scale.dtype} of shape "
            f"{tuple(weight_scale.shape)}"
        )
    if weight_scale.numel() != 1 and weight_scale.shape != (rows,):
        raise ValueError(
            f"weight_scale: expected one value or ({rows},), got {tuple(weight_scale.shape)}"
        )
    scale = weight_scale.detach().float().reshape(-1)
    scale = 1.0 / scale if rule == "divide" else scale.clone()
    if scale.device.type != "meta" and not bool((scale.isfinite() & (scale > 0)).all()):
        raise ValueError(
            f"weight_scale: expected values above zero with a finite multiplier, got "
            f"{weight_scale.flatten()[:4].tolist()}, shape {tuple(weight_scale.shape)}"
        )
    return scale


class TernaryLinear(nn.Linear):
    """y = (int8(x) trits^T) scale + bias; x (..., in_features), y (..., out_features).

    The trits are held once, in the kernels' layout (2 bits each). state_dict() has them as
    transformers' BitLinear does: `weight`, uint8 (ceil(out_features / 4), in_features), and
    `weight_scale`, one value or (out_features,), as it was given. Nothing of it is a parameter:
    gradients reach x and the bias, if there is one, through the straight-through estimator;
    adapters train on it.

    scale_rule: whether trits are divided by weight_scale (transformers' BitLinear) or multiplied
    (AutoBitLinear). rms_norm: a module that is applied to x first, or None.
    """

    rms_norm: nn.Module | None
    tiles: Tensor
    scale: Tensor
    weight_scale: Tensor

    def __init__(
        self,
        trits: Tensor,
        weight_scale: Tensor,
        bias: Tensor | None = None,
        *,
        scale_rule: ScaleRule = "multiply",
        rms_norm: nn.Module | None = None,
    ) -> None:
        nn.Module.__init__(self)
        if trits.dim() != 2:
            raise ValueError(f"trits: expected shape (out, in), got {tuple(trits.shape)}")
        if trits.dtype != torch.int8:
            raise TypeError(
                f"trits: expected int8, got {trits.dtype} of shape {tuple(trits.shape)}"
            )
        self.out_features, self.in_features = trits.shape
        if bias is not None and bias.shape != (self.out_features,):
            raise ValueError(f"bias: expected ({self.out_features},), got {tuple(bias.shape)}")
        self.scale_rule = scale_rule
        scale = _multiplier(weight_scale, scale_rule, self.out_features)
        self.register_buffer("weight_scale", weight_scale.detach())
        self.register_buffer("scale", scale.to(trits.device), persistent=False)
        self.register_buffer("tiles", ops.pack(trits), persistent=False)
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
        self.rms_norm = rms_norm

    @classmethod
    def from_packed(
        cls,
        weight: Tensor,
        weight_scale: Tensor,
        bias: Tensor | None = None,
        *,
        out_features: int | None = None,
        scale_rule: ScaleRule = "divide",
        rms_norm: nn.Module | None = None,
    ) -> TernaryLinear:
        """From transformers' packing: uint8 (ceil(out_features / 4), in_features) and its scale."""
        if weight.dim() != 2:
            raise ValueError(f"weight: expected two dimensions, got {tuple(weight.shape)}")
        rows = 4 * weight.shape[0] if out_features is None else out_features
        trits = unpack_weights(weight, rows)
        return cls(trits, weight_scale, bias, scale_rule=scale_rule, rms_norm=rms_norm)

    @classmethod
    def from_bit_linear(cls, layer: nn.Linear) -> TernaryLinear:
        """What a BitLinear, or any nn.Linear quantised by its rule, evaluates as."""
        tiles, scale = ops.packed_of(layer.weight)
        trits = ops.unpack(tiles, *layer.weight.shape)
        rms_norm = getattr(layer, "rms_norm", None)
        return cls(trits, scale, layer.bias, rms_norm=rms_norm).train(layer.training)

    @property
    def trits(self) -> Tensor:
        """int8 (out_features, in_features), unpacked anew each time."""
        return ops.unpack(self.tiles, self.out_features, self.in_features)

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """As state_dict() has it, packed anew each time."""
        return pack_weights(self.trits)

    def forward(self, x: Tensor) -> Tensor:
        if self.rms_norm is not None:
            x = self.rms_norm(x)
        result = ops.ternary_linear(x, self.tiles, self.scale, self.out_features, self.in_features)
        return result if self.bias is None else result + self.bias

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, scale_rule={self.scale_rule!r}"

    def _apply(self, fn: Any, recurse: bool = True) -> TernaryLinear:
        """Types and devices change as everywhere, but the multiplier stays in float32."""
        super()._apply(fn, recurse)
        scale = _multiplier(self.weight_scale, self.scale_rule, self.out_features)
        self.scale = scale.to(self.tiles.device)
        return self

    def reset_parameters(self) -> None:
        """Nothing here is initialised by chance."""

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = self.weight

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """What it cannot hold becomes a message of load_state_dict(); it keeps what it had."""
        rest = {name: value for name, value in state_dict.items() if name != prefix + "weight"}
        weight = state_dict.get(prefix + "weight")
        weight_scale = state_dict.get(prefix + "weight_scale", self.weight_scale)
        try:
            scale = _multiplier(weight_scale, self.scale_rule, self.out_features)
            if scale.shape != self.scale.shape:
                raise ValueError(
                    f"weight_scale: expected shape {tuple(self.weight_scale.shape)}, got "
                    f"{tuple(weight_scale.shape)}"
                )
            if weight is None:
                missing_keys.append(prefix + "weight")
            else:
                trits = unpack_weights(weight, self.out_features)
                if trits.shape[1] != self.in_features:
                    raise ValueError(
                        f"weight: expected {self.in_features} columns, got {tuple(weight.shape)}"
                    )
                self.tiles.copy_(ops.pack(trits))
            self.scale.copy_(scale)
        except (TypeError, ValueError) as error:
            error_msgs.append(f"{prefix}{error}")
            return
        super()._load_from_state_dict(
            rest, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
