# SPDX-License-Identifier: Apache-2.0
"""Conversations for training: JSON lines to tokens, of which only the answers are learned.

A line is `{"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", ...}, ...]}`;
roles are system, user and assistant. The tokens of a conversation are those that CHAT_TEMPLATE
renders, so a model meets in training what its chat template makes at inference.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from rotor.train.tokenizer import BEGIN_OF_TEXT, END_OF_TURN

ROLES = ("system", "user", "assistant")

# The form of Llama 3's template.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] | trim }}<|eot_id|>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)

Message = dict[str, str]


def encode_conversation(
    tokenizer: Tokenizer, messages: list[Message]
) -> tuple[list[int], list[bool]]:
    """The tokens of a conversation, and which of them the model is to learn: those of each answer
    and the <|eot_id|> that ends it. Contents are text: no special token is recognised in them."""
    start, stop, end = (
        tokenizer.token_to_id(name)
        for name in ("<|start_header_id|>", "<|end_header_id|>", END_OF_TURN)
    )
    ids, learned = [tokenizer.token_to_id(BEGIN_OF_TEXT)], [False]
    before = tokenizer.encode_special_tokens
    tokenizer.encode_special_tokens = True  # as text
    for message in messages:
        role = tokenizer.encode(message["role"], add_special_tokens=False).ids
        # The line ends and the text are one string to the template, and so to the tokenizer.
        text = "\n\n" + message["content"].strip()
        content = tokenizer.encode(text, add_special_tokens=False).ids
        line_ends = len(tokenizer.encode("\n\n", add_special_tokens=False).ids)
        header = [start, *role, stop]
        ids += [*header, *content, end]
        answer = message["role"] == "assistant"
        learned += [False] * (len(header) + line_ends)
        learned += [answer] * (len(content) - line_ends + 1)
    tokenizer.encode_special_tokens = before
    return ids, learned


def read_conversations(path: Path) -> Iterator[list[Message]]:
    """The conversations of a JSON-lines file, in order.

    Raises:
        ValueError: a line is no conversation; the message names it.
    """
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            messages = json.loads(line)["messages"]
            sound = all(
                message["role"] in ROLES and isinstance(message["content"], str)
                for message in messages
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}:{number}: no conversation: {error!r}") from error
        if not sound or not any(message["role"] == "assistant" for message in messages):
            raise ValueError(f"{path}:{number}: expected roles {', '.join(ROLES)}, and an answer")
        yield messages


def tokenize_conversations(tokenizer: Tokenizer, path: Path, tokens: Path, learned: Path) -> int:
    """Writes the conversations of `path` as a token file (uint16) and a file of as many bytes that
    are 1 where the token is to be learned; returns the number of tokens."""
    encoded = [encode_conversation(tokenizer, messages) for messages in read_conversations(path)]
    ids = np.array([token for conversation, _ in encoded for token in conversation], dtype="<u2")
    marks = np.array([mark for _, marks in encoded for mark in marks], dtype=np.uint8)
    marks.tofile(learned)
    ids.tofile(tokens)
    return len(ids)


@dataclass(frozen=True)
class ChatSource:
    """Tokens of conversations, which of them are learned, and where conversations begin."""

    tokens: np.ndarray  # (N,) uint16
    learned: np.ndarray  # (N,) uint8, 0 or 1
    starts: np.ndarray  # (C,) int64, ascending; tokens[starts[c]] is <|begin_of_text|>

    @classmethod
    def open(cls, tokens: Path, learned: Path, tokenizer: Tokenizer, context: int) -> "ChatSource":
        """Maps both files. Only conversations whose first answer begins within `context` tokens
        are ever drawn.

        Raises:
            ValueError: there is none.
        """
        ids = np.memmap(tokens, dtype="<u2", mode="r")
        marks = np.memmap(learned, dtype=np.uint8, mode="r")
        starts = np.flatnonzero(ids == tokenizer.token_to_id(BEGIN_OF_TEXT))
        answers = np.flatnonzero(marks)
        first = answers[np.searchsorted(answers, starts)]
        starts = starts[first - starts <= context]
        if not len(starts):
            raise ValueError(f"{tokens}: no answer begins within {context} tokens")
        return cls(ids, marks, starts)

    def window(self, length: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """`length` tokens from after the <|begin_of_text|> of a random conversation, on into the
        conversations that follow, the last being followed by the first; and which are learned."""
        start = int(random.choice(self.starts)) + 1
        places = np.arange(start, start + length) % len(self.tokens)
        return self.tokens[places], self.learned[places] != 0
