# SPDX-License-Identifier: Apache-2.0
"""The BitNet b1.58 2B-4T decoder (arXiv:2504.12285) in any size.

Module and parameter names are those of transformers' `BitNetForCausalLM`
(`models/bitnet/modeling_bitnet.py`), so a state dict moves between the two unchanged, and
every float operation keeps that file's order, so float32 logits agree.

Shapes: B sequences, T tokens, D hidden, H query heads, K key/value heads, d head size, V entries.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rotor.train.attention import causal_attention
from rotor.train.bitlinear import BitLinear, FloatLinear


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a model; head_dim = hidden_size / num_attention_heads, and it must be even."""

    vocab_size: int = 4096
    hidden_size: int = 384
    intermediate_size: int = 1024
    num_hidden_layers: int = 6
    num_attention_heads: int = 6
    num_key_value_heads: int = 2
    max_position_embeddings: int = 512
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    initializer_range: float = 0.02
    # Initial gain of the sub-layer norms: with ternary matrices behind them, 1 would bury the
    # embedding, whose entries start at initializer_range, under the output of every layer.
    sub_norm_init: float = 0.1
    # False: the float twin, which tells what ternary weights cost. It cannot be exported.
    ternary: bool = True

    def __post_init__(self) -> None:
        if self.hidden_size % (2 * self.num_attention_heads):
            raise ValueError(
                f"hidden_size {self.hidden_size} must be an even multiple of "
                f"num_attention_heads {self.num_attention_heads}"
            )
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads {self.num_attention_heads} must be a multiple of "
                f"num_key_value_heads {self.num_key_value_heads}"
            )

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads


class RMSNorm(nn.Module):
    """w * x / sqrt(mean(x^2) + eps) over the last axis, in float32 (arXiv:1910.07467)."""

    def __init__(self, size: int, eps: float, gain: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.full((size,), gain))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return (self.weight * wide).to(x.dtype)


def rotary_table(config: ModelConfig, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """cos and sin of position * theta^(-2i/d), each float32 (positions, d); the second half of
    the last axis repeats the first, for `rotate_half` (RoFormer, arXiv:2104.09864)."""
    exponent = torch.arange(0, config.head_dim, 2, device=device).float() / config.head_dim
    frequency = 1.0 / config.rope_theta**exponent
    position = torch.arange(config.max_position_embeddings, device=device).float()
    angle = torch.outer(position, frequency)
    angle = torch.cat((angle, angle), dim=-1)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates x (B, heads, T, d) by its positions; pairs are (i, i + d/2)."""
    low, high = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-high, low), dim=-1) * sin).to(x.dtype)


class Attention(nn.Module):
    """Causal grouped-query attention with a norm between the heads and the output projection."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.head_dim = config.head_dim
        key_size = config.num_key_value_heads * config.head_dim
        linear = BitLinear if config.ternary else FloatLinear
        self.q_proj = linear(config.hidden_size, config.hidden_size)
        self.k_proj = linear(config.hidden_size, key_size)
        self.v_proj = linear(config.hidden_size, key_size)
        self.o_proj = linear(config.hidden_size, config.hidden_size)
        self.attn_sub_norm = RMSNorm(config.hidden_size, config.rms_norm_eps, config.sub_norm_init)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        def split(projected: Tensor) -> Tensor:  # (B, T, heads * d) -> (B, heads, T, d)
            return projected.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)

        query = rotate(split(self.q_proj(x)), cos, sin)
        key = rotate(split(self.k_proj(x)), cos, sin)
        mixed = causal_attention(query, key, split(self.v_proj(x)))
        return self.o_proj(self.attn_sub_norm(mixed))


class MLP(nn.Module):
    """down(norm(relu(gate(x))^2 * up(x)))."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        linear = BitLinear if config.ternary else FloatLinear
        self.gate_proj = linear(config.hidden_size, config.intermediate_size)
        self.up_proj = linear(config.hidden_size, config.intermediate_size)
        self.down_proj = linear(config.intermediate_size, config.hidden_size)
        self.ffn_sub_norm = RMSNorm(
            config.intermediate_size, config.rms_norm_eps, config.sub_norm_init
        )

    def forward(self, x: Tensor) -> Tensor:
        gate = F.relu(self.gate_proj(x)).square()
        return self.down_proj(self.ffn_sub_norm(gate * self.up_proj(x)))


class DecoderLayer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Embedding, layers and final norm: ids (B, T) -> hidden (B, T, D) in `dtype`."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        cos, sin = rotary_table(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, ids: Tensor, dtype: torch.dtype) -> Tensor:
        length = ids.shape[1]
        cos, sin = self.cos[:length].to(dtype), self.sin[:length].to(dtype)
        x = self.embed_tokens(ids).to(dtype)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.norm(x)


class BitNet(nn.Module):
    """A causal language model whose head is its embedding.

    `forward(ids)` gives logits (B, T, V) and `forward(ids, targets)` the mean cross-entropy in
    nats; ids and targets are int64 (B, T) with T <= max_position_embeddings. `dtype` is the type
    of activations and products; norms, quantisers and the loss work in float32 always.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        for module in self.modules():
            if isinstance(module, BitLinear | FloatLinear | nn.Embedding):
                nn.init.normal_(module.weight, std=config.initializer_range)

    def forward(
        self, ids: Tensor, targets: Tensor | None = None, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        hidden = self.model(ids, dtype)
        logits = F.linear(hidden, self.model.embed_tokens.weight.to(dtype))
        if targets is None:
            return logits
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
