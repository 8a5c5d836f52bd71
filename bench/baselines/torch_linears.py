# SPDX-License-Identifier: Apache-2.0
"""Times the linear layers of a shape in a dense precision of torch; linears.py starts it once a round.

    python3 torch_linears.py KIND ROWS THREADS LAYERS ROUNDS ROWSxCOLS...

multiplies ROWS vectors with the matrices of LAYERS layers, one after the other, and prints JSON: seconds
of one such pass (the median of ROUNDS, after one to warm up) and what torch says about itself. KIND: fp32,
bf16, or int8 (weights in int8 with a scale a row, activations quantised as they come: torch's dynamic
quantisation, by oneDNN or FBGEMM). The weights are random; biases there are none.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import warnings

KINDS = ("fp32", "bf16", "int8")


def make_layers(torch, kind: str, layers: int, shapes: list[tuple[int, int]]) -> list:
    """Modules by layer and matrix, each with weights of its own: as many bytes as the model reads."""
    block = torch.randn(1 << 20)
    made = []
    for _ in range(layers):
        for rows, cols in shapes:
            with torch.device("meta"):
                linear = torch.nn.Linear(cols, rows, bias=False)
            linear = linear.to_empty(device="cpu")
            flat = linear.weight.data.view(-1)
            for begin in range(0, flat.numel(), block.numel()):
                part = flat[begin : begin + block.numel()]
                part.copy_(block[: part.numel()])
            if kind == "bf16":
                linear = linear.to(torch.bfloat16)
            elif kind == "int8":
                model = torch.nn.Sequential(linear)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # that it is deprecated
                    model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear})
                linear = model[0]
            made.append(linear.eval())
    return made


def seconds_of_a_pass(torch, kind: str, rows: int, layers: list, rounds: int) -> float:
    """The median over the rounds; a result that is not finite is an error."""
    dtype = torch.bfloat16 if kind == "bf16" else torch.float32
    widths = {linear.in_features for linear in layers}
    inputs = {width: torch.randn(rows, width).to(dtype) for width in widths}
    seconds = []
    with torch.inference_mode():
        for _ in range(rounds + 1):
            start = time.perf_counter()
            for linear in layers:
                out = linear(inputs[linear.in_features])
            seconds.append(time.perf_counter() - start)
        if not torch.isfinite(out).all() or out.max() == out.min():
            raise SystemExit("the products are not finite, or all equal")
    return statistics.median(seconds[1:])


def main(words: list[str]) -> None:
    kind, rows, threads, layers, rounds = words[0], *map(int, words[1:5])
    shapes = [tuple(map(int, word.split("x"))) for word in words[5:]]
    import torch  # here, so that a test can supply its own

    torch.set_num_threads(threads)
    made = make_layers(torch, kind, layers, shapes)
    seconds = seconds_of_a_pass(torch, kind, rows, made, rounds)
    system = torch.backends.cpu.get_cpu_capability()
    if kind == "int8":
        system += f", {torch.backends.quantized.engine}"
    print(json.dumps({"seconds": seconds, "version": f"torch {torch.__version__}", "system": system}))


if __name__ == "__main__":
    main(sys.argv[1:])
