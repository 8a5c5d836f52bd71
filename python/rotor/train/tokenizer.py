# SPDX-License-Identifier: Apache-2.0
"""A byte-level BPE tokenizer in the manner of Llama 3, as a genuine `tokenizer.json`."""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)

BEGIN_OF_TEXT = "<|begin_of_text|>"
END_OF_TEXT = "<|end_of_text|>"
END_OF_TURN = "<|eot_id|>"

# The split rule of Llama 3 (its tokenizer.json, "pre_tokenizer").
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# As in Llama 3, special tokens follow the ordinary ones, in this order.
SPECIAL_TOKENS = (
    BEGIN_OF_TEXT,
    END_OF_TEXT,
    "<|start_header_id|>",
    "<|end_header_id|>",
    END_OF_TURN,
    *(f"<|reserved_special_token_{i}|>" for i in range(11)),
)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Learns merges from `texts` until the vocabulary, special tokens included, has
    `vocab_size` entries.

    Raises:
        ValueError: the vocabulary cannot hold the 256 bytes and the special tokens, or the
            texts are too small to fill it.
    """
    if vocab_size < 256 + len(SPECIAL_TOKENS):
        raise ValueError(
            f"vocab_size is {vocab_size}, but the 256 bytes and {len(SPECIAL_TOKENS)} special "
            f"tokens alone need {256 + len(SPECIAL_TOKENS)}"
        )
    # ignore_merges: a piece that is an entry is emitted whole, whatever its merges say.
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS]
    )
    if tokenizer.get_vocab_size() != vocab_size:
        raise ValueError(
            f"the texts yield only {tokenizer.get_vocab_size()} of {vocab_size} entries: "
            "give more text or ask for a smaller vocabulary"
        )
    begin = tokenizer.token_to_id(BEGIN_OF_TEXT)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN_OF_TEXT} $A",
        pair=f"{BEGIN_OF_TEXT} $A {BEGIN_OF_TEXT}:1 $B:1",
        special_tokens=[(BEGIN_OF_TEXT, begin)],
    )
    return tokenizer


def load_tokenizer(path: Path) -> Tokenizer:
    """Reads `path`, a tokenizer.json written by `Tokenizer.save`."""
    return Tokenizer.from_file(str(path))
