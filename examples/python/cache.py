# SPDX-License-Identifier: Apache-2.0
"""Blocks with a cache of keys and values and without: the same tokens, in less time.

python examples/python/cache.py [MODEL] [PROMPT]
"""

import sys
import time

from rotor.bitnet_model import load_bitnet_model
from rotor.generation import TextGenerator
from rotor.tokenizer import BitNetTokenizer


def main(path: str = "stories", prompt: str = "The old king") -> None:
    model, tokenizer = load_bitnet_model(path), BitNetTokenizer(path)
    texts = []
    for use_cache in (True, False):
        generator = TextGenerator(model=model, tokenizer=tokenizer, use_cache=use_cache)
        start = time.perf_counter()
        texts.append(generator.generate(prompt, max_new_tokens=12))
        how = "with a cache" if use_cache else "without"
        print(f"{how:13} {time.perf_counter() - start:6.2f} s  {prompt}{texts[-1]}")
    assert texts[0] == texts[1]


if __name__ == "__main__":
    main(*sys.argv[1:])
