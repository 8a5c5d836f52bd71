# SPDX-License-Identifier: Apache-2.0
"""Measures transformers' BitNet with dense bf16 matrices; compare.py starts it once a round.

    python3 torch_run.py SHAPE PROMPT GENERATE THREADS

prints the same as llama_run.py. The weights are random; activations stay bf16.
"""

from __future__ import annotations

import json
import sys
import time

import torch
import transformers

from gguf_model import SHAPES, Shape


def make_model(shape: Shape) -> torch.nn.Module:
    """Filled from one random block: drawing 2.4 billion numbers would take longer than the rest."""
    config = transformers.BitNetConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        intermediate_size=shape.ffn,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        tie_word_embeddings=True,
    )
    with torch.device("meta"):
        model = transformers.BitNetForCausalLM(config)
    model = model.to(torch.bfloat16).to_empty(device="cpu")
    model.tie_weights()
    model.model.rotary_emb = type(model.model.rotary_emb)(config)  # its table was empty as well
    block = torch.randn(1 << 20, dtype=torch.bfloat16) * shape.hidden**-0.5
    for parameter in model.parameters():
        flat = parameter.data.view(-1)
        if parameter.dim() == 1:
            flat.fill_(1)  # norms
            continue
        for begin in range(0, flat.numel(), block.numel()):
            part = flat[begin : begin + block.numel()]
            part.copy_(block[: part.numel()])
    return model.eval()


@torch.inference_mode()
def rate(model: torch.nn.Module, count: int, step: int) -> float:
    """Tokens a second over ``count`` tokens in batches of ``step``, with an empty cache."""
    vocab = model.config.vocab_size
    tokens = torch.tensor([[(i * 7919 + 1) % vocab for i in range(count)]])
    cache = transformers.DynamicCache()
    start = time.perf_counter()
    for begin in range(0, count, step):
        ids = tokens[:, begin : begin + step]
        logits = model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
    seconds = time.perf_counter() - start
    if not torch.isfinite(logits).all() or logits.max() == logits.min():
        raise SystemExit("the logits are not finite, or all equal")
    return count / seconds


def main(shape: str, prompt: int, generate: int, threads: int) -> None:
    torch.set_num_threads(threads)
    model = make_model(SHAPES[shape])
    result: dict[str, object] = {
        "version": f"torch {torch.__version__}, transformers {transformers.__version__}",
        "system": torch.backends.cpu.get_cpu_capability(),
    }
    for name, count, step in (("prompt", prompt, prompt), ("generate", generate, 1)):
        if count:
            rate(model, count, step)
            result[name] = rate(model, count, step)
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
