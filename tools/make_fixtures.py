#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/fixtures: the tiny tokenizer, a few tiny models and the golden values of all recipes.

Everything is determined by the recipes' seeds. Needs tests/parity/requirements.txt:

    python tools/make_fixtures.py            # rewrite tests/fixtures
    python tools/make_fixtures.py --out DIR  # write elsewhere, for a comparison
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "parity"))

import numpy as np  # noqa: E402
import tokenizers  # noqa: E402
import transformers  # noqa: E402
from tokenizers import decoders, models, pre_tokenizers, processors, trainers  # noqa: E402

import golden  # noqa: E402
import hf_writer  # noqa: E402
import tiny_models  # noqa: E402

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
BASE_VOCABULARY = 294  # 256 bytes and 38 merges; with the special tokens 300
TRAINING_TEXT = (
    "The mill stood where the river turned, and the miller's daughter kept the keys. ",
    "Every evening she counted the sacks, wrote the number in the book, and locked the door. ",
    "One night the count was wrong: 41 instead of 42, and there was flour on the stairs. ",
    '"Who\'s there?" she said. Nobody answered; the wheel went round, and round, and round.\n\n',
    "Assistant: the answer is three. User: then what is the question? System: be brief.\n",
)

TEXTS = (
    "",
    " ",
    "Once upon a time",
    "The miller's daughter counted 41 sacks, then 12345 more.",
    "THE MILLER'S",
    "  two spaces,\n\n  a blank line\r\n\tand a tab ",
    "na\u00efve caf\u00e9 \u2014 \u4e2d\u6587 \U0001f600",
    "e\u0301 is not \u00e9",
    "<|begin_of_text|>User: hello<|eot_id|>Assistant: ",
    "<|eot_id",
    "\u0000\u007f\u0080",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
)


def make_tokenizer() -> tokenizers.Tokenizer:
    """Trains a byte-level BPE in the form of the Llama-3 tokenizer.json."""
    tokenizer = tokenizers.Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(LLAMA3_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=BASE_VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TRAINING_TEXT, trainer)
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single=f"{SPECIAL[0]} $A",
                pair=f"{SPECIAL[0]} $A {SPECIAL[0]}:1 $B:1",
                special_tokens=[(SPECIAL[0], tokenizer.token_to_id(SPECIAL[0]))],
            ),
        ]
    )
    return tokenizer


def make_text_cases(tokenizer: tokenizers.Tokenizer, path: Path) -> None:
    """Texts with their ids: as plain text, and with special tokens recognised."""
    plain = tokenizers.Tokenizer.from_str(tokenizer.to_str())
    plain.encode_special_tokens = True
    cases = [
        {
            "text": text,
            "ids": plain.encode(text, add_special_tokens=False).ids,
            "special_ids": tokenizer.encode(text, add_special_tokens=False).ids,
        }
        for text in TEXTS
    ]
    lines = ",\n".join(json.dumps(case) for case in cases)
    path.write_text(f"[\n{lines}\n]\n")


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_all(out: Path, names: list[str]) -> None:
    """Writes models and golden values of the named recipes under ``out``."""
    (out / "golden").mkdir(parents=True, exist_ok=True)
    path = out / "golden" / "manifest.json"
    manifest: dict[str, dict[str, str]] = {}
    if path.exists():  # what is not made again stays
        known = json.loads(path.read_text())["sha256"]
        manifest = {name: files for name, files in known.items() if name in tiny_models.RECIPES}
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            recipe = tiny_models.RECIPES[name]
            folder = Path(scratch) / name
            hf_writer.write_model(folder, recipe, tiny_models.make_weights(recipe))
            manifest[name] = {file.name: digest(file) for file in sorted(folder.glob("*.safet*"))}
            values = golden.make(recipe, folder)
            np.savez_compressed(out / "golden" / f"{name}.npz", **values)
            if name in tiny_models.COMMITTED_MODELS:
                shutil.rmtree(out / "models" / name, ignore_errors=True)
                shutil.copytree(folder, out / "models" / name)
            print(f"{name}: {values['greedy.sure'].mean():.0%} sure", file=sys.stderr)
    made_with = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}
    text = json.dumps({"made_with": made_with, "sha256": manifest}, indent=2)
    path.write_text(text + "\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=hf_writer.FIXTURES)
    parser.add_argument("names", nargs="*", help="recipes; all of them by default")
    arguments = parser.parse_args()
    tokenizer = make_tokenizer()
    hf_writer.TOKENIZER.parent.mkdir(parents=True, exist_ok=True)
    hf_writer.TOKENIZER.write_text(tokenizer.to_str(pretty=True) + "\n")
    make_text_cases(tokenizer, hf_writer.TOKENIZER.with_name("cases.json"))
    make_all(arguments.out, arguments.names or list(tiny_models.RECIPES))


if __name__ == "__main__":
    main()
