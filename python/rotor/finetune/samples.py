# SPDX-License-Identifier: Apache-2.0
"""Documents to tokens, and tokens to batches.

Every row of a batch is what the model meets at inference: a window of a text after the token that
begins texts, or a conversation as the model's chat template writes it. Rows are padded at their
end, which in a causal model nothing before it sees. A batch is a function of (seed, step) alone, so
a run that was stopped goes on with the same data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rotor.finetune.documents import DataError, Document, Message
from rotor.train.data import UNLEARNED


@dataclass(frozen=True)
class Sample:
    """Tokens, and which of them are learned."""

    ids: np.ndarray  # (N,) int64
    learned: np.ndarray  # (N,) bool
    bytes: int  # UTF-8 length of what is learned
    chat: bool  # whole, from its own first token; else a text, to be cut into windows


def beginning(tokenizer: Any) -> list[int]:
    """The token that the tokenizer puts before texts, if it does."""
    bos = tokenizer.bos_token_id
    return [bos] if bos is not None and tokenizer("a").input_ids[:1] == [bos] else []


def encode(document: Document, tokenizer: Any, *, end: bool) -> list[Sample]:
    """One sample, or of some conversations one an answer. `end`: after a text comes the token that
    ends it, if the tokenizer has one.

    Raises:
        DataError: the conversation holds special tokens, or the chat template cannot write it.
    """
    if document.messages:
        return list(_encode_conversation(document, tokenizer))
    # As text: no special token is recognised in it.
    ids = tokenizer(
        document.text, add_special_tokens=False, split_special_tokens=True, verbose=False
    ).input_ids
    if end and document.ended and tokenizer.eos_token_id is not None:
        ids = [*ids, tokenizer.eos_token_id]
    learned = np.ones(len(ids), dtype=bool)
    return [Sample(np.array(ids, dtype=np.int64), learned, document.size, chat=False)]


def _encode_conversation(document: Document, tokenizer: Any) -> Iterator[Sample]:
    special = {str(token) for token in tokenizer.all_special_tokens}
    special |= {t.content for t in tokenizer.added_tokens_decoder.values() if t.special}
    for message in document.messages:
        for token in sorted(special):
            if token in message["content"]:
                raise DataError(
                    f"{document.origin}: a message holds the special token {token}, which would "
                    "end or begin a turn"
                )
    messages = list(document.messages)
    whole = _render(messages, tokenizer, document.origin)
    spans = []
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = _render(messages[:index], tokenizer, document.origin, prompt=True)
        until = _render(messages[: index + 1], tokenizer, document.origin)
        if not until.startswith(before):
            raise DataError(
                f"{document.origin}: the chat template does not begin message {index + 1} as it "
                "begins an answer, so the answer cannot be told from the rest"
            )
        spans.append((until, len(before), len(until)))
    markup = re.compile("|".join(map(re.escape, sorted(special, key=len, reverse=True))) or r"\Z.")
    # Some templates write earlier answers otherwise than the last: then each answer is a sample.
    kept = all(whole.startswith(until) for until, _, _ in spans)
    for text, marked in [(whole, spans)] if kept else [(s[0], [s]) for s in spans]:
        encoded = tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        starts = np.array([start for start, _ in encoded.offset_mapping])
        learned = np.zeros(len(starts), dtype=bool)
        for _, begin, end in marked:
            learned |= (starts >= begin) & (starts < end)
        answers = "".join(markup.sub("", text[begin:end]) for _, begin, end in marked)
        ids = np.array(encoded.input_ids, dtype=np.int64)
        yield Sample(ids, learned, len(answers.encode()), chat=True)


def _render(messages: list[Message], tokenizer: Any, origin: str, *, prompt: bool = False) -> str:
    if tokenizer.chat_template is None:
        raise DataError(f"{origin}: a conversation, but the model has no chat template")
    import jinja2

    try:
        return tokenizer.apply_chat_template(  # type: ignore[no-any-return]
            messages, tokenize=False, add_generation_prompt=prompt
        )
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise DataError(f"{origin}: the chat template refuses it: {error}") from None


Row = tuple[np.ndarray, np.ndarray]  # ids and learned, of at most context + 1 tokens


def windows(
    sample: Sample, begin: Sequence[int], context: int, shift: int | None = None
) -> list[Row]:
    """A conversation's first tokens; a text in windows after `begin`, which do not overlap.

    With a shift they begin that much further, except where the text ends: then all are full, if
    the text fills one at all, and some overlap; their number is the same for every shift. Left out
    are windows in which nothing is learned.
    """
    if sample.chat:
        rows = [(sample.ids[: context + 1], sample.learned[: context + 1])]
    else:
        length = context + 1 - len(begin)
        starts = list(range(0, len(sample.ids), length))
        if shift is not None:
            last = max(0, len(sample.ids) - length)
            starts = [min(max(0, start + shift), last) for start in starts]
        before = np.array(begin, dtype=np.int64)
        rows = [
            (
                np.concatenate((before, sample.ids[start : start + length])),
                np.concatenate((before < 0, sample.learned[start : start + length])),
            )
            for start in starts
        ]
    return [row for row in rows if row[1][1:].any()]


def collate(rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
    """Inputs and targets, int64 (rows, longest - 1). A target that is not learned is UNLEARNED."""
    width = max(len(ids) for ids, _ in rows) - 1
    inputs = np.zeros((len(rows), width), dtype=np.int64)
    targets = np.full((len(rows), width), UNLEARNED, dtype=np.int64)
    for row, (ids, learned) in enumerate(rows):
        inputs[row, : len(ids) - 1] = ids[:-1]
        targets[row, : len(ids) - 1] = np.where(learned[1:], ids[1:], UNLEARNED)
    return torch.from_numpy(inputs), torch.from_numpy(targets)


class Batches:
    """Every row once an epoch, in an order and, of long texts, cut at places of that epoch."""

    def __init__(
        self, samples: Sequence[Sample], begin: Sequence[int], context: int, size: int, seed: int
    ):
        """Samples of which nothing is learned within `context` tokens are left out and counted.

        Raises:
            DataError: nothing is left.
        """
        self.samples = [s for s in samples if windows(s, begin, context)]
        self.left_out = len(samples) - len(self.samples)
        if not self.samples:
            raise DataError(f"nothing to learn within {context} tokens of any document")
        self.begin, self.context, self.size, self.seed = begin, context, size, seed
        self.rows = len(self._rows(0))
        self.an_epoch = -(-self.rows // size)
        self._epoch, self._shuffled = -1, list[Row]()

    def _rows(self, epoch: int) -> list[Row]:
        """Those of an epoch, shuffled; in every epoch as many."""
        chance = np.random.default_rng([self.seed, epoch])
        half = self.context // 2
        rows: list[Row] = []
        for sample in self.samples:
            shift = int(chance.integers(-half, half + 1))
            rows += windows(sample, self.begin, self.context, shift)
        return [rows[index] for index in chance.permutation(len(rows))]

    def batch(self, step: int) -> list[Row]:
        """The rows of a step, which counts from 0."""
        epoch, place = divmod(step, self.an_epoch)
        if epoch != self._epoch:
            self._epoch, self._shuffled = epoch, self._rows(epoch)
        return self._shuffled[place * self.size : (place + 1) * self.size]
