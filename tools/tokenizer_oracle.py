#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares `rotor tokenize` and `rotor detokenize` with the `tokenizers` package on fresh text.

Trains the tokenizers of make_tokenizer_fixtures.py, takes the Llama 3 vocabulary too where
ROTOR_TEST_DATA has it, and gives both programs the same generated and real texts. Prints a line for
each tokenizer; the exit status is 1 when any id differs.

    pip install tokenizers==0.23.3
    python3 tools/tokenizer_oracle.py build/test/cli/rotor --seed 7
"""

import argparse
import base64
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

import make_tokenizer_fixtures as fixtures


def run(program: str, command: str, model: Path, lines: list[str]) -> list:
    """The lines that `rotor COMMAND MODEL --jsonl` answers with, as JSON values."""
    flags = ["--no-bos", "--special"] if command == "tokenize" else []
    answer = subprocess.run(
        [program, command, str(model), *flags, "--jsonl"],
        input="".join(line + "\n" for line in lines),
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        sys.exit(f"{program} {command} {model}: exit {answer.returncode}: {answer.stderr}")
    return [json.loads(line) for line in answer.stdout.split("\n")[:-1]]


def llama3(ranks: Path) -> Tokenizer:
    """The tiktoken file as the merges that Hugging Face's converter derives from it."""
    lines = [line.split() for line in ranks.read_text(encoding="ascii").splitlines()]
    tokens = {base64.b64decode(text): int(rank) for text, rank in lines}
    merges = []
    for token, rank in tokens.items():
        cuts = [(token[:i], token[i:]) for i in range(1, len(token))]
        pairs = [(a, b) for a, b in cuts if a in tokens and b in tokens]
        merges += [(rank, tokens[a], tokens[b], a, b) for a, b in pairs]
    merges.sort()
    # The byte alphabet, in the order of the bytes: ByteLevel's own spelling of each.
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    letters = {bytes([b]): None for b in range(256)}
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    extra = iter(range(0x100, 0x144))
    for b in range(256):
        letters[bytes([b])] = chr(b if b in printable else next(extra))
    spell = lambda token: "".join(letters[bytes([b])] for b in token)
    vocabulary = {spell(token): rank for token, rank in tokens.items()}
    pairs = [(spell(a), spell(b)) for _, _, _, a, b in merges]
    tokenizer = Tokenizer(models.BPE(vocabulary, pairs, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([fixtures.split(fixtures.LLAMA3), level])
    tokenizer.decoder = decoders.ByteLevel()
    named = {0: "begin_of_text", 1: "end_of_text", 9: "eot_id"}
    named |= {6: "start_header_id", 7: "end_header_id"}
    reserved = (f"reserved_special_token_{i}" for i in range(251))
    names = [named.get(i) or next(reserved) for i in range(256)]
    tokenizer.add_special_tokens([f"<|{name}|>" for name in names])
    return tokenizer


def real_texts(data: Path, rng: random.Random) -> list[str]:
    """Stretches of the real texts of the test data, cut anywhere."""
    texts = []
    for name in ("text/story-mix/valid.txt", "chat/hfjs-chat-templates.json"):
        path = data / name
        if path.exists():
            text = path.read_text(encoding="utf-8")
            for _ in range(100):
                start = rng.randrange(len(text))
                texts.append(text[start : start + rng.randint(1, 3000)])
    return texts


def compare(program: str, name: str, model: Path, tokenizer: Tokenizer, texts: list[str]) -> int:
    """The number of texts on which the two disagree."""
    got = run(program, "tokenize", model, [json.dumps(text) for text in texts])
    expected = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    back = run(program, "detokenize", model, [json.dumps(ids) for ids in expected])
    wrong = 0
    for text, ids, reference, decoded in zip(texts, got, expected, back, strict=True):
        if ids != reference or decoded != tokenizer.decode(reference, skip_special_tokens=False):
            wrong += 1
            if wrong == 1:
                where = f"{name}: {json.dumps(text)}"
                print(f"{where[:700]}\n  expected {reference}"[:1400] + f"\n  got {ids}"[:700])
    print(f"{name}: {len(texts)} texts, {wrong} differ")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("program", help="the rotor program")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    rng = random.Random(arguments.seed)
    root = Path(__file__).resolve().parent.parent
    data = Path(os.environ.get("ROTOR_TEST_DATA", root / "../shared/data"))
    texts = [text for i in range(5) for text in fixtures.texts(arguments.seed + i)]
    texts += real_texts(data, rng)
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, tokenizer in fixtures.tokenizers().items():
            model = Path(folder) / f"{name}.json"
            tokenizer.save(str(model))
            wrong += compare(arguments.program, name, model, tokenizer, texts)
    ranks = data / "tokenizer/llama3-tokenizer.model"
    if ranks.exists():
        wrong += compare(arguments.program, "llama3 ranks", ranks, llama3(ranks), texts)
    else:
        print(f"llama3 ranks: skipped, no {ranks}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
