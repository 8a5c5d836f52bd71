# SPDX-License-Identifier: Apache-2.0
"""Text files to token files, and token files to batches.

A token file is little-endian uint16, every document between <|begin_of_text|> and
<|end_of_text|>. A batch is a function of (seed, step) alone: a run that stops can go on with the
same data, and a run can be made longer without changing its past.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from rotor.train.chat import ChatSource
from rotor.train.tokenizer import BEGIN_OF_TEXT, END_OF_TEXT

# A line without small letters is a heading; a document is at least this many characters long
# before a heading ends it (so that a table of contents is one document).
HEADING = re.compile(r"[^a-z]{3,70}")
MIN_DOCUMENT = 2000
# The target that torch's cross_entropy leaves out.
UNLEARNED = -100
# A hard-wrapped text has no lines longer than this.
WRAP = 180


def reflow(text: str) -> str:
    """One paragraph a line, as the stories have it: joins the lines of a hard-wrapped text
    whose paragraphs are set apart by empty lines, and drops empty lines."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if "\n\n" in text:
        text = "\n".join(
            "\n".join(lines) if max(map(len, lines)) > WRAP else " ".join(lines)
            for paragraph in re.split(r"\n\s*\n", text)
            if (lines := [line.strip() for line in paragraph.split("\n") if line.strip()])
        )
    return "\n".join(line for line in text.split("\n") if line.strip())


def documents(text: str) -> Iterator[str]:
    """Splits a text at its headings into stories or chapters; nothing but line ends is lost."""
    pending: list[str] = []
    size = 0
    for line in text.split("\n"):
        if size >= MIN_DOCUMENT and HEADING.fullmatch(line):
            yield "\n".join(pending) + "\n"
            pending, size = [], 0
        pending.append(line)
        size += len(line) + 1
    yield "\n".join(pending) + "\n"


def read_texts(paths: Sequence[Path]) -> Iterator[str]:
    """The documents of the given UTF-8 files, in order; a folder stands for its *.txt files."""
    for path in paths:
        for file in sorted(path.glob("*.txt")) if path.is_dir() else [path]:
            yield from documents(reflow(file.read_text(encoding="utf-8")))


def tokenize_texts(tokenizer: Tokenizer, texts: Iterator[str], path: Path) -> int:
    """Writes the token file `path` and returns its number of tokens.

    Raises:
        ValueError: the vocabulary does not fit uint16.
    """
    if tokenizer.get_vocab_size() > 1 << 16:
        raise ValueError(f"{tokenizer.get_vocab_size()} entries do not fit the uint16 token file")
    begin = tokenizer.token_to_id(BEGIN_OF_TEXT)
    end = tokenizer.token_to_id(END_OF_TEXT)
    documents = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    ids = [np.array([begin, *document.ids, end], dtype="<u2") for document in documents]
    tokens = np.concatenate(ids)
    tokens.tofile(path)
    return len(tokens)


@dataclass(frozen=True)
class Source:
    """A token file (mapped, read-only) and where its paragraphs begin."""

    tokens: np.ndarray  # (N,) uint16
    paragraphs: np.ndarray  # (P,) int64, sorted; tokens[p] is the first of its paragraph

    @classmethod
    def open(cls, path: Path, tokenizer: Tokenizer) -> "Source":
        tokens = np.memmap(path, dtype="<u2", mode="r")
        vocabulary = range(tokenizer.get_vocab_size())
        ends_line = np.array([tokenizer.decode([i]).endswith("\n") for i in vocabulary])
        return cls(tokens, np.flatnonzero(ends_line[tokens]) + 1)

    def window(self, length: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """`length` consecutive tokens from a random place; every second time, on average, from
        the beginning of the paragraph there, since prompts begin where paragraphs do. Beside them
        which are learned: all."""
        start = int(random.integers(len(self.tokens) - length + 1))
        if random.random() < 0.5:
            index = int(np.searchsorted(self.paragraphs, start, side="right")) - 1
            start = int(self.paragraphs[index]) if index >= 0 else 0
        return self.tokens[start : start + length], np.ones(length, dtype=bool)


class Batches:
    """Random windows of several sources, mixed by weight.

    Each sequence is <|begin_of_text|> and then a window, so that the model meets the first token
    as it will at inference, wherever in a document the window begins.
    """

    def __init__(self, sources: Sequence[Source | ChatSource], begin: int, context: int, seed: int):
        self.sources = sources
        self.begin = begin
        self.context = context
        self.seed = seed
        for source in sources:
            if len(source.tokens) < context:
                raise ValueError(
                    f"a source holds {len(source.tokens)} tokens, fewer than the context {context}"
                )

    def batch(
        self, step: int, size: int, weights: Sequence[float]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of optimiser step `step`, each int64 (size, context). A target that
        is not to be learned is UNLEARNED.

        `weights` gives each source's share of the sequences; they need not add up to 1.
        """
        random = np.random.default_rng([self.seed, step])
        share = np.asarray(weights, dtype=float) / np.sum(weights)
        inputs = np.full((size, self.context), self.begin, dtype=np.int64)
        targets = np.empty((size, self.context), dtype=np.int64)
        for row, source in enumerate(random.choice(len(self.sources), size, p=share)):
            tokens, learned = self.sources[source].window(self.context, random)
            inputs[row, 1:] = tokens[:-1]
            targets[row] = tokens
            targets[row, ~learned] = UNLEARNED
        return torch.from_numpy(inputs), torch.from_numpy(targets)
