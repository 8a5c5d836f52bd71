# SPDX-License-Identifier: Apache-2.0
"""One prompt, each way to choose the next token; with a cache and without the text is the same.

python examples/python/generation_strategies.py [MODEL] [PROMPT]
"""

import sys

import rotor
from rotor.generation import (
    GreedySampling,
    NucleusSampling,
    TemperatureSampling,
    TextGenerator,
    TopKSampling,
)

STRATEGIES = [
    GreedySampling(),
    GreedySampling(repeat_penalty=1.3),
    TemperatureSampling(temperature=0.7, seed=1),
    TopKSampling(k=20, temperature=0.9, seed=2),
    NucleusSampling(p=0.9, temperature=0.9, seed=3),
]


def main(path: str = "stories", prompt: str = "Once upon a time") -> None:
    model = rotor.Model.from_pretrained(path)
    for strategy in STRATEGIES:
        texts = [
            TextGenerator(model, use_cache=cached, sampling_strategy=strategy).generate(prompt, 16)
            for cached in (True, False)
        ]
        assert texts[0] == texts[1], "a cache changes nothing but the time"
        print(f"{strategy}\n    {prompt}{texts[0]}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
