# SPDX-License-Identifier: Apache-2.0
"""A whole model of the blocks of :mod:`rotor.transformer`, from any file that Rotor reads."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rotor import arrays, ops
from rotor.errors import UnsupportedError
from rotor.transformer import (
    GatedFFN,
    LayerCache,
    MultiHeadAttention,
    RMSNorm,
    TernaryLinear,
    TransformerBlock,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


class ModelFile(Protocol):
    """What a model is made of; ``rotor._core.ModelFile``, or :mod:`rotor.rotor_file` without it."""

    @property
    def config(self) -> str: ...
    def trits(self, layer: int, name: str) -> NDArray[np.int8]: ...
    def scale(self, layer: int, name: str) -> Floats: ...
    def group_cols(self, layer: int, name: str) -> int: ...
    def input_norm(self, layer: int, name: str) -> Floats | None: ...
    def norm(self, layer: int, name: str) -> Floats | None: ...
    def output_norm(self) -> Floats | None: ...
    def embedding(self) -> Floats: ...
    def head(self) -> Floats | None: ...
    def inverse_frequencies(self) -> Floats: ...


@dataclass(frozen=True)
class ModelConfig:
    """The sizes of a model; ``file`` has all that its file says (docs/formats/rotor-file.md)."""

    vocab_size: int
    context_length: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    activation: str
    attention_window: int = 0
    end_of_generation: tuple[int, ...] = ()
    file: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        values = json.loads(text)
        names = [
            name for name in cls.__dataclass_fields__ if name not in ("end_of_generation", "file")
        ]
        known = {name: values[name] for name in names if name in values}
        return cls(**known, end_of_generation=tuple(values["end_of_generation"]), file=values)


class BitNetModel:
    """Embedding, blocks, final norm and head.

    embedding: float32 (vocabulary, hidden), the head too unless ``head`` is given.
    """

    def __init__(
        self,
        config: ModelConfig,
        embedding: Floats,
        blocks: Sequence[TransformerBlock],
        output_norm: RMSNorm,
        head: Floats | None = None,
    ) -> None:
        shape = (config.vocab_size, config.hidden_size)
        self.config = config
        self.embedding: Floats = arrays.array(embedding, "embedding", np.float32, shape)
        self.blocks = list(blocks)
        self.output_norm = output_norm
        self.head: Floats = (
            self.embedding if head is None else arrays.array(head, "head", np.float32, shape)
        )

    @property
    def end_of_generation(self) -> tuple[int, ...]:
        """Tokens with which the model says that it is done."""
        return self.config.end_of_generation

    def new_cache(self) -> list[LayerCache]:
        """Keys and values of no token yet, for each layer."""
        return [LayerCache() for _ in self.blocks]

    def hidden_states(
        self, tokens: Sequence[int] | NDArray[Any], cache: list[LayerCache] | None = None
    ) -> Floats:
        """What the head multiplies: float32 (tokens, hidden). The tokens follow those of the
        cache."""
        ids = arrays.tokens(tokens, self.config.vocab_size)
        caches = self.new_cache() if cache is None else cache
        if len(caches) != len(self.blocks):
            raise ValueError(f"cache: expected one for each of {len(self.blocks)} layers")
        x: Floats = self.embedding[ids]
        for block, of_layer in zip(self.blocks, caches, strict=True):
            x = block(x, of_layer)
        return self.output_norm(x)

    def __call__(
        self, tokens: Sequence[int] | NDArray[Any], cache: list[LayerCache] | None = None
    ) -> Floats:
        """Logits float32 (tokens, vocabulary) after each token; with a cache it grows by them."""
        return ops.dot_rows(self.head, self.hidden_states(tokens, cache))


LoadProgress = Callable[[int, int], object]


def load_bitnet_model(
    path: str | os.PathLike[str],
    use_gpu: bool = False,
    *,
    kv_type: str = "f16",
    progress: LoadProgress | None = None,
) -> BitNetModel:
    """The model of a file as blocks.

    path: what :meth:`rotor.Model.from_pretrained` takes; without the compiled part a .rotor file.
    use_gpu: blocks compute on the processor alone, so True is an UnsupportedError. kv_type: "f16",
    as the engine keeps keys and values by default, or "f32". progress: called with (layers loaded,
    all layers), first with 0.
    """
    if use_gpu:
        raise UnsupportedError("use_gpu: the blocks compute on the processor")
    file = _open(os.fspath(path))
    config = ModelConfig.from_json(file.config)
    if config.file.get("experts"):
        raise UnsupportedError(f"{path}: models with experts have no blocks; rotor.Model runs them")
    tell = progress if progress is not None else lambda *_: None
    tell(0, config.num_hidden_layers)
    blocks = []
    for layer in range(config.num_hidden_layers):
        blocks.append(_block(file, config, layer, kv_type))
        tell(layer + 1, config.num_hidden_layers)
    norm = file.output_norm()
    assert norm is not None
    return BitNetModel(
        config, file.embedding(), blocks, RMSNorm(norm, config.rms_norm_eps), file.head()
    )


def _open(path: str) -> ModelFile:
    if ops.COMPILED:
        from rotor import _core
        from rotor.hub import find_model

        return _core.ModelFile.open(find_model(path))
    from rotor.rotor_file import RotorFile

    return RotorFile(path)


def _block(file: ModelFile, config: ModelConfig, layer: int, kv_type: str) -> TransformerBlock:
    def norm(values: Floats | None) -> RMSNorm | None:
        return None if values is None else RMSNorm(values, config.rms_norm_eps)

    def linear(name: str) -> TernaryLinear:
        group_cols = file.group_cols(layer, name)
        scale = file.scale(layer, name)
        return TernaryLinear(
            file.trits(layer, name),
            scale,
            group_cols=group_cols,
            input_norm=norm(file.input_norm(layer, name)),
        )

    attention_norm, ffn_norm = (
        norm(file.norm(layer, "attn_norm")),
        norm(file.norm(layer, "ffn_norm")),
    )
    assert attention_norm is not None and ffn_norm is not None
    scaling = config.file.get("rope_scaling", {})
    attention = MultiHeadAttention(
        linear("q"),
        linear("k"),
        linear("v"),
        linear("o"),
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        inverse_frequencies=file.inverse_frequencies(),
        attention_factor=scaling.get("attention_factor", 1.0),
        sub_norm=norm(file.norm(layer, "attn_sub_norm")),
        query_norm=norm(file.norm(layer, "attn_q_norm")),
        key_norm=norm(file.norm(layer, "attn_k_norm")),
        window=config.attention_window,
        kv_type=kv_type,
    )
    ffn = GatedFFN(
        linear("gate"),
        linear("up"),
        linear("down"),
        sub_norm=norm(file.norm(layer, "ffn_sub_norm")),
        activation=config.activation,
    )
    return TransformerBlock(attention, ffn, attention_norm=attention_norm, ffn_norm=ffn_norm)
