# SPDX-License-Identifier: Apache-2.0
"""Text from a model, token by token, with the strategy that chooses them as an object.

The rule of the draw is that of the whole project (docs/sampling.md): a seed gives the same tokens
from :class:`rotor.Model` and from blocks, with a cache and without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rotor import arrays, ops
from rotor.bitnet_model import BitNetModel
from rotor.transformer import LayerCache

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rotor.model import Model


class TextTokenizer(Protocol):
    """``rotor.Tokenizer`` and :class:`rotor.tokenizer.BitNetTokenizer` are this."""

    def encode(self, text: str) -> list[int]: ...
    def decode(self, tokens: Sequence[int]) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """What all strategies have: the seed, and the control of repetition.

    repeat_penalty divides positive and multiplies negative logits of the tokens seen among the last
    repeat_last_n (-1: all); presence_penalty is subtracted from them once, frequency_penalty once
    for each time. ValueError, on use, names a field that makes no sense.
    """

    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int = 0

    def params(self) -> ops.SamplingParams:
        """The same as parameters of the engine; filters that are not named are off."""
        given = asdict(self)
        given["top_k"] = given.pop("k", 0)
        given["top_p"] = given.pop("p", 1.0)
        given.setdefault("temperature", 0.0)
        return ops.SamplingParams(min_p=0.0, **given)


@dataclass(frozen=True, kw_only=True)
class GreedySampling(Strategy):
    """The most likely token, ties to the lowest id."""


@dataclass(frozen=True, kw_only=True)
class TemperatureSampling(Strategy):
    """A draw from the whole distribution, its logits divided by the temperature."""

    temperature: float = 1.0


@dataclass(frozen=True, kw_only=True)
class TopKSampling(Strategy):
    """A draw from the k most likely tokens."""

    k: int = 40
    temperature: float = 1.0


@dataclass(frozen=True, kw_only=True)
class NucleusSampling(Strategy):
    """A draw from the most likely tokens that together reach the probability p."""

    p: float = 0.95
    temperature: float = 1.0


class TextGenerator:
    """Writes text with a model: a :class:`rotor.Model`, or blocks (:class:`BitNetModel`).

    tokenizer: left out, the one of a ``rotor.Model``. use_cache: False computes the whole text
    again for every token; the answer is the same. sampling_strategy: left out, greedy.
    """

    def __init__(
        self,
        model: Model | BitNetModel,
        tokenizer: TextTokenizer | None = None,
        use_cache: bool = True,
        sampling_strategy: Strategy | None = None,
    ) -> None:
        if tokenizer is None and isinstance(model, BitNetModel):
            raise TypeError("tokenizer: blocks have none of their own; give one")
        self.model = model
        self.tokenizer: TextTokenizer = (
            tokenizer if tokenizer is not None else model.tokenizer  # type: ignore[union-attr]
        )
        self.use_cache = use_cache
        self.sampling_strategy = (
            GreedySampling() if sampling_strategy is None else sampling_strategy
        )

    def generate(self, prompt: str, max_new_tokens: int = 64) -> str:
        """The answer's text, up to a token with which the model ends."""
        return self.tokenizer.decode(
            list(self.tokens(self.tokenizer.encode(prompt), max_new_tokens))
        )

    def tokens(self, prompt: Sequence[int], max_new_tokens: int = 64) -> Iterator[int]:
        """The answer's tokens as they are drawn, the one that ends it included.

        ValueError: no token in the prompt, or one that the model has not.
        """
        if max_new_tokens < 0:
            raise ValueError(f"max_new_tokens: expected 0 or more, got {max_new_tokens}")
        if self.use_cache and not isinstance(self.model, BitNetModel):
            yield from self._stream(self.model, prompt, max_new_tokens)
            return
        blocks = self.model if isinstance(self.model, BitNetModel) else None
        vocabulary = blocks.config.vocab_size if blocks else self.model.vocabulary  # type: ignore[union-attr]
        sampler = ops.Sampler(self.sampling_strategy.params(), vocabulary)
        text = arrays.tokens(prompt, vocabulary)
        cache = blocks.new_cache() if blocks and self.use_cache else None
        for _ in range(max_new_tokens):
            token = sampler.draw(_last_logits(self.model, text, cache), text)
            text = np.append(text, np.int32(token))
            yield token
            if token in self.model.end_of_generation:
                return

    def _stream(self, model: Model, prompt: Sequence[int], max_new_tokens: int) -> Iterator[int]:
        params = self.sampling_strategy.params()
        for chunk in model.stream(list(prompt), params, max_new_tokens=max_new_tokens):
            if chunk.token is not None:
                yield chunk.token


def _last_logits(
    model: Model | BitNetModel, text: NDArray[np.int32], cache: list[LayerCache] | None
) -> NDArray[np.float32]:
    """Logits (vocabulary,) of the token after the text; the cache has all of it but its end."""
    if isinstance(model, BitNetModel):
        hidden = model.hidden_states(text if cache is None else text[len(cache[0]) :], cache)
        rows = ops.dot_rows(model.head, hidden[-1:])
    else:
        rows = model.logits(text.tolist(), rows=1)
    return rows.reshape(-1)
