# SPDX-License-Identifier: Apache-2.0
"""What a model is made of: its sizes, and for each matrix how many of its trits are zero.

python examples/python/model_analysis.py [MODEL]
"""

import sys

import numpy as np

from rotor.bitnet_model import load_bitnet_model


def main(path: str = "stories") -> None:
    model = load_bitnet_model(path)
    config = model.config
    print(
        f"{config.num_hidden_layers} layers, {config.hidden_size} wide, feed-forward "
        f"{config.intermediate_size}, {config.num_attention_heads} heads, "
        f"vocabulary {config.vocab_size}"
    )
    print(f"{'matrix':14} {'shape':>12} {'zero':>6} {'+1 of rest':>10} {'scale':>9}")
    for number, block in enumerate(model.blocks):
        linears = {
            "query": block.attention.query,
            "output": block.attention.output,
            "gate": block.ffn.gate,
            "down": block.ffn.down,
        }
        for name, linear in linears.items():
            trits = linear.packed.trits()
            zero = np.mean(trits == 0)
            plus = np.sum(trits == 1) / max(1, np.count_nonzero(trits))
            scale = float(np.mean(linear.packed.scale))
            shape = "x".join(map(str, trits.shape))
            print(f"{number}.{name:12} {shape:>12} {zero:6.3f} {plus:10.3f} {scale:9.5f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
