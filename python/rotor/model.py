# SPDX-License-Identifier: Apache-2.0
"""A model in three lines: open, generate, print.

Threads: a model may be shared; its calls run one after the other. All of them release the
interpreter lock, and Ctrl-C ends them. After a fork open the model in the new process.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from rotor import _core
from rotor.hub import ProgressBar, ProgressCall, find_adapter, find_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Unpack

Prompt = str | Sequence[int]
Lora = _core.LoraAdapter | tuple[_core.LoraAdapter, float]  # with a scale, or with 1
Message = Mapping[str, str]
# Called with the tokens so far, prompt and answer, int32 (tokens,), and the logits of the next,
# float32 (vocabulary,), which it changes in place (-inf bans a token) or returns changed.
LogitsProcessor = Callable[
    ["NDArray[np.int32]", "NDArray[np.float32]"], "NDArray[np.float32] | None"
]


@dataclass(frozen=True)
class Chunk:
    """A token of an answer while it is written.

    text: whole characters that are now certain, maybe none. token: None when the answer ends
    without another one. logprob: natural logarithm, if asked for. finish_reason: "stop",
    "end_of_generation", "length" or "cancelled" in the last chunk of an answer, else None. index:
    of the answer.
    """

    text: str
    token: int | None
    logprob: float | None
    finish_reason: str | None
    index: int


@dataclass(frozen=True)
class Answer:
    """A finished answer; ``score`` is that of beam search."""

    text: str
    tokens: list[int]
    logprobs: list[float] | None
    finish_reason: str
    score: float


@dataclass(frozen=True)
class Generation:
    """All answers to a prompt; printed, it is the first one's text."""

    answers: list[Answer]
    stats: _core.GenerationStats

    @property
    def text(self) -> str:
        return self.answers[0].text

    def __str__(self) -> str:
        return self.text


class Options(TypedDict, total=False):
    """What is wanted of a generation, and, instead of ``params``, the fields of SamplingParams."""

    max_new_tokens: int  # most tokens of an answer; default: up to the context
    stop: str | Sequence[str]  # an answer ends before any of these
    n: int  # answers
    logprobs: bool  # report log-probabilities
    ignore_end: bool  # go on where the model says that it is done
    speculate: bool  # False: no drafts; the answers are the same
    beam_width: int  # 2 or more: beam search
    length_penalty: float  # of beam search
    # Before biases, penalties and filters; one after the other. Not with beam search. What one
    # raises ends the generation.
    logits_processor: LogitsProcessor | Sequence[LogitsProcessor]
    lora: Lora | Sequence[Lora]  # adapters of :meth:`Model.load_lora`, added in their order
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    typical_p: float
    repeat_last_n: int
    repeat_penalty: float
    presence_penalty: float
    frequency_penalty: float
    seed: int
    logit_bias: Sequence[tuple[int, float]]


class Tokenizer:
    """Text to tokens and back; what the model's file defines."""

    def __init__(self, core: _core.LanguageModel) -> None:
        self._core = core

    def encode(self, text: str) -> list[int]:
        """Begin-of-text first if the model wants it. Text never becomes a special token."""
        return self._core.encode(text)

    def decode(self, tokens: Sequence[int]) -> str:
        """Special tokens left out; bytes that are no UTF-8 become U+FFFD."""
        return self._core.decode(list(tokens)).decode(errors="replace")

    def apply_chat_template(self, messages: Sequence[Message]) -> list[int]:
        """The conversation up to where the answer begins; each message has role and content."""
        return self._core.encode_chat([(m["role"], m["content"]) for m in messages])


class Model:
    """A loaded model; made by :meth:`from_pretrained`."""

    def __init__(self, core: _core.LanguageModel, path: str) -> None:
        self._core = core
        self.path = path
        self.tokenizer = Tokenizer(core)

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str],
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        progress: ProgressCall | ProgressBar | None = None,
        threads: int = 0,
        context: int = 0,
        sequences: int = 1,
        every_logit: bool = False,
        kv: str = "f16",
    ) -> Model:
        """Opens a Hugging Face folder, a .safetensors, .gguf or .rotor file, a model that ships
        with Rotor, or one of the hub (``org/name[@revision][:file]`` or an alias), which is
        downloaded if the cache has not all of it; :func:`rotor.hub.find_model` has what the
        arguments mean.

        threads: 0: what the affinity mask and the control group allow. context: most positions of
        prompt and answer, 0: the model's own, at most 4096. sequences: answers at once that there
        is room for. every_logit: keep the whole head in memory, for :meth:`logits`. kv: type of the
        key/value cache, f16, bf16, f32 or int8, as ``rotor run --kv`` has it; ValueError for
        others.

        FileNotFoundError, OSError, FormatError, UnsupportedError and MemoryError name the file, and
        where it can be said the tensor and the byte.
        """
        path = find_model(
            os.fspath(model),
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            token=token,
            progress=progress,
        )
        core = _core.LanguageModel.open(
            path,
            threads=threads,
            context=context,
            sequences=sequences,
            every_logit=every_logit,
            kv=kv,
        )
        return cls(core, path)

    @property
    def vocabulary(self) -> int:
        """Tokens; ids are 0 .. vocabulary - 1."""
        return self._core.vocabulary

    @property
    def hidden_size(self) -> int:
        """Values of a hidden state."""
        return self._core.hidden_size

    @property
    def context(self) -> int:
        """Most positions of prompt and answer."""
        return self._core.context

    @property
    def end_of_generation(self) -> list[int]:
        """Tokens with which the model says that it is done."""
        return self._core.end_of_generation

    @property
    def warnings(self) -> list[str]:
        """What was odd about the file and was repaired or guessed."""
        return self._core.warnings

    def load_lora(
        self,
        adapter: str | os.PathLike[str],
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
        progress: ProgressCall | ProgressBar | None = None,
    ) -> _core.LoraAdapter:
        """Reads an adapter in PEFT's format for the ``lora`` of any call: a folder, or one of the
        hub (``org/name[@revision][:folder]``); :func:`rotor.hub.find_model` has what the arguments
        mean.

        Each call names its own; the weights of the model stay as they are. FileNotFoundError,
        FormatError, UnsupportedError, ConnectionError; ValueError for an adapter of another model.
        """
        path = find_adapter(
            os.fspath(adapter),
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            token=token,
            progress=progress,
        )
        return self._core.load_lora(path)

    def generate(
        self, prompt: Prompt, params: _core.SamplingParams | None = None, **options: Unpack[Options]
    ) -> Generation:
        """Answers a prompt: text, or tokens. ValueError names an option that makes no sense."""
        events = self._start(prompt, params, options)
        try:
            for _ in events:
                pass
            result = events.result
        finally:
            events.close()
        assert result is not None
        wanted = options.get("logprobs", False)
        answers = [
            Answer(
                a.text, a.tokens, a.log_probabilities if wanted else None, a.finish_reason, a.score
            )
            for a in result.answers
        ]
        return Generation(answers, result.stats)

    def stream(
        self, prompt: Prompt, params: _core.SamplingParams | None = None, **options: Unpack[Options]
    ) -> Iterator[Chunk]:
        """Yields the answer as it is written. Closing the iterator ends the generation."""
        wanted = options.get("logprobs", False)
        events = self._start(prompt, params, options)
        try:
            for event in events:
                reason = event.finish_reason
                yield Chunk(
                    event.text,
                    None if event.token < 0 else event.token,
                    event.log_probability if wanted else None,
                    None if reason == "none" else reason,
                    event.answer,
                )
        finally:
            events.close()

    async def astream(
        self, prompt: Prompt, params: _core.SamplingParams | None = None, **options: Unpack[Options]
    ) -> AsyncIterator[Chunk]:
        """As :meth:`stream`, for ``async for``."""
        chunks = self.stream(prompt, params, **options)
        loop = asyncio.get_running_loop()
        try:
            while (chunk := await loop.run_in_executor(None, next, chunks, None)) is not None:
                yield chunk
        finally:
            await loop.run_in_executor(None, _close, chunks)

    def chat(
        self,
        messages: Sequence[Message],
        params: _core.SamplingParams | None = None,
        **options: Unpack[Options],
    ) -> dict[str, Any]:
        """Answers a conversation; the form of OpenAI's chat completions."""
        result = self.generate(self.tokenizer.apply_chat_template(messages), params, **options)
        stats = result.stats
        reasons = {"end_of_generation": "stop"}
        return {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": Path(self.path).stem,
            "choices": [
                {
                    "index": index,
                    "message": {"role": "assistant", "content": answer.text},
                    "finish_reason": reasons.get(answer.finish_reason, answer.finish_reason),
                }
                for index, answer in enumerate(result.answers)
            ],
            "usage": {
                "prompt_tokens": stats.prompt_tokens,
                "completion_tokens": stats.generated_tokens,
                "total_tokens": stats.prompt_tokens + stats.generated_tokens,
            },
        }

    def embed(
        self,
        texts: str | Sequence[str],
        *,
        normalize: bool = True,
        lora: Lora | Sequence[Lora] = (),
    ) -> NDArray[np.float32]:
        """A vector for each text: float32 (texts, hidden_size), as ``rotor embed`` makes them.

        It is what the last token's hidden state is, divided by its length. ValueError for a text
        without tokens or longer than the context; UnsupportedError where the model states another
        pooling.
        """
        given = [texts] if isinstance(texts, str) else list(texts)
        ids = [self._core.encode(text) for text in given]
        return self._core.embed(ids, normalize, _loras(lora))

    def hidden_states(
        self, tokens: Prompt, *, lora: Lora | Sequence[Lora] = ()
    ) -> NDArray[np.float32]:
        """What the head multiplies after each token: float32 (tokens, hidden_size), normed.

        The array owns its memory; ``torch.from_dlpack`` and the like take it without a copy.
        """
        return self._core.hidden_states(self._tokens(tokens), _loras(lora))

    def logits(
        self, tokens: Prompt, rows: int | None = None, *, lora: Lora | Sequence[Lora] = ()
    ) -> NDArray[np.float32]:
        """Logits after each of the last ``rows`` tokens (all): float32 (rows, vocabulary)."""
        ids = self._tokens(tokens)
        return self._core.logits(ids, len(ids) if rows is None else rows, _loras(lora))

    def _tokens(self, prompt: Prompt) -> list[int]:
        return self._core.encode(prompt) if isinstance(prompt, str) else [int(t) for t in prompt]

    def _start(
        self, prompt: Prompt, params: _core.SamplingParams | None, options: Options
    ) -> _core.EventStream:
        rest: dict[str, Any] = dict(options)
        stop = rest.pop("stop", ())
        processor = _joined(rest.pop("logits_processor", ()))
        request = _core.GenerationRequest()
        request.prompt = self._tokens(prompt)
        request.max_new_tokens = rest.pop("max_new_tokens", request.max_new_tokens)
        request.answers = rest.pop("n", 1)
        request.stop = [stop] if isinstance(stop, str) else list(stop)
        if not rest.pop("ignore_end", False):
            request.end_of_generation = self._core.end_of_generation
        request.log_probabilities = rest.pop("logprobs", False)
        request.speculate = rest.pop("speculate", True)
        request.beam_width = rest.pop("beam_width", 1)
        request.length_penalty = rest.pop("length_penalty", 1.0)
        request.set_lora(_loras(rest.pop("lora", ())))
        if params is not None and rest:
            raise TypeError(f"{', '.join(rest)}: not beside params")
        request.sampling = _core.SamplingParams(**rest) if params is None else params
        return self._core.generate(request, processor)


def _loras(given: Lora | Sequence[Lora]) -> list[tuple[_core.LoraAdapter, float]]:
    """Each with its scale."""
    several: Sequence[Any] = [given] if isinstance(given, _core.LoraAdapter) else given
    if len(several) == 2 and isinstance(several[1], int | float):
        several = [several]
    return [(lora, 1.0) if isinstance(lora, _core.LoraAdapter) else lora for lora in several]


def _joined(
    given: LogitsProcessor | Sequence[LogitsProcessor],
) -> Callable[[NDArray[np.int32], NDArray[np.float32]], object] | None:
    """One that calls all of them, in order; None for none."""
    processors = [given] if callable(given) else list(given)
    if not all(map(callable, processors)):
        raise TypeError("logits_processor: expected a callable or several")
    if not processors:
        return None

    def process(tokens: NDArray[np.int32], logits: NDArray[np.float32]) -> None:
        for processor in processors:
            changed = processor(tokens, logits)
            if changed is None or changed is logits:
                continue
            if getattr(changed, "shape", None) != logits.shape:
                raise ValueError(
                    f"logits_processor: expected logits of shape {logits.shape}, "
                    f"got {getattr(changed, 'shape', type(changed).__name__)}"
                )
            logits[:] = changed

    return process


def _close(chunks: Iterator[Chunk]) -> None:
    chunks.close()  # type: ignore[attr-defined]  # a generator
