#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/text/testdata: small tokenizers with texts and the ids `tokenizers` gives them.

Everything is generated from a fixed seed, so the files can be made again and compared:

    pip install tokenizers==0.23.3
    python3 tools/make_tokenizer_fixtures.py src/text/testdata
"""

import json
import random
import sys
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
# A pattern that no scanner of ours knows: words with their marks, and everything else by script.
FOREIGN = (
    r" ?[\p{L}\p{M}]+|[\p{Han}\p{Hiragana}]+|\p{N}{1,2}(?=\p{N}{2}|\b)"
    r"|\s?[^\s\p{L}\p{M}\p{N}]+|\s+"
)

# First and last code points of scripts and blocks that have long been the same in Unicode.
BLOCKS = [
    (0x21, 0x7E), (0xA1, 0x17F), (0x391, 0x3A1), (0x410, 0x44F), (0x5D0, 0x5EA), (0x627, 0x63A),
    (0x660, 0x669), (0x905, 0x939), (0x93E, 0x94D), (0xE01, 0xE30), (0x300, 0x36F),
    (0x1100, 0x1112),
    (0x2000, 0x200A), (0x2028, 0x2029), (0x2150, 0x215F), (0x2190, 0x21FF), (0x3041, 0x3096),
    (0x4E00, 0x4FFF), (0xAC00, 0xAD00), (0xFB00, 0xFB06), (0x10400, 0x1044F), (0x1D7CE, 0x1D7FF),
    (0x1F300, 0x1F5FF), (0x20000, 0x20100), (0xE000, 0xE010),
]
SPACES = [" ", "  ", "   ", "\n", "\r\n", "\n\n", "\t", " \n", "\n ", "\v", "\u00a0", "\u3000"]
SPACES += ["\u0085"]
ENDINGS = ["'s", "'S", "'t", "'re", "'RE", "'ve", "'m", "'ll", "'Ll", "'d", "'x", "'", "''s"]
ENDINGS += ["'\u017f"]
SYLLABLES = [a + b for a in "bdfglmnrst" for b in ("a", "e", "i", "o", "u", "an", "er", "in", "or")]


def words(rng: random.Random, count: int) -> list[str]:
    """Words whose frequencies fall off, so that merges are learnt."""
    lexicon = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 3))) for _ in range(300)]
    return [lexicon[int(len(lexicon) * rng.random() ** 3)] for _ in range(count)]


def sentence(rng: random.Random) -> str:
    parts = []
    for word in words(rng, rng.randint(3, 12)):
        word = rng.choice([word, word, word.capitalize(), word.upper()])
        parts.append(word + rng.choice(["", "", "", ",", ".", "!", "?", rng.choice(ENDINGS)]))
        if rng.random() < 0.15:
            parts.append(str(rng.randrange(10 ** rng.randint(1, 8))))
    return rng.choice([" ", " ", "  ", "\n"]).join(parts)


def mixture(rng: random.Random) -> str:
    text = ""
    for _ in range(rng.randint(1, 25)):
        first, last = rng.choice(BLOCKS)
        choice = rng.random()
        if choice < 0.45:
            text += "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 4)))
        elif choice < 0.7:
            text += rng.choice(SPACES)
        elif choice < 0.8:
            text += rng.choice(ENDINGS)
        elif choice < 0.9:
            text += str(rng.randrange(10 ** rng.randint(1, 6)))
        else:
            text += rng.choice(SYLLABLES)
    return text


def texts(seed: int) -> list[str]:
    rng = random.Random(seed)
    units = ("a", " ", "\n", "1", "!", "\u0301", "\u4e00", "\U0001f600")
    runs = [unit * n for unit in units for n in (1, 2, 5, 70, 200)]
    return ["", *runs, *(sentence(rng) for _ in range(60)), *(mixture(rng) for _ in range(160))]


def train(splits: list, *, ignore_merges: bool, normalizer=None) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=560,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    rng = random.Random(1)
    tokenizer.train_from_iterator([sentence(rng) for _ in range(600)] + texts(2), trainer)
    tokenizer.add_special_tokens(["<|begin|>", "<|end_of_text|>", "<|eot_id|>", "<|eot_id|>x"])
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A", special_tokens=[("<|begin|>", tokenizer.token_to_id("<|begin|>"))]
    )
    return tokenizer


def byte_level(use_regex: bool):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def split(pattern: str):
    return pre_tokenizers.Split(Regex(pattern), behavior="isolated")


def tokenizers() -> dict[str, Tokenizer]:
    digits = pre_tokenizers.Digits(individual_digits=True)
    return {
        "llama3": train([split(LLAMA3), byte_level(False)], ignore_merges=True),
        "gpt2": train([byte_level(True)], ignore_merges=False),
        "qwen2": train(
            [split(QWEN2), byte_level(False)], ignore_merges=False, normalizer=normalizers.NFC()
        ),
        "digits": train([digits, byte_level(True)], ignore_merges=False),
        "foreign": train([split(FOREIGN), byte_level(False)], ignore_merges=False),
    }


def main() -> None:
    folder = Path(sys.argv[1])
    specials = [
        "<|begin|>one<|eot_id|>two <|eot_id|>x<|end_of_text|>\n",
        "a<tool> b<|eot_id|", "<|<|eot_id|>|> <tool><tool>", " <|begin|> <|begin|>",
    ]
    made = tokenizers()
    for name, tokenizer in made.items():
        tokenizer.save(str(folder / f"{name}.tokenizer.json"), pretty=False)
    with open(folder / "golden.jsonl", "w", encoding="ascii") as out:
        for special, text in [(False, t) for t in texts(3)] + [(True, t) for t in specials]:
            ids = {name: tokenizer.encode(text).ids for name, tokenizer in made.items()}
            case = {"special": special, "text": text, "ids": ids}
            out.write(json.dumps(case, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
