# SPDX-License-Identifier: Apache-2.0
"""`python -m rotor.train RECIPE --data DIR --out DIR`."""

import argparse
import signal
import sys
from pathlib import Path

import torch

from rotor.train.config import load_recipe
from rotor.train.memory import keep_freed_memory
from rotor.train.trainer import Trainer

EXAMPLE = """example:
  python -m rotor.train python/recipes/stories.toml --data texts --out build/stories

The same command again goes on where the run stopped. Progress goes to stderr, the curve to
DIR/curve.csv; `python -m rotor.train.export DIR MODEL_DIR` writes the model.
"""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m rotor.train",
        description="Trains a ternary (BitNet b1.58) language model from text files.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", type=Path, help="TOML file: texts, sizes, schedule, seed")
    parser.add_argument("--data", type=Path, default=Path(), help="folder of the recipe's texts")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--start", type=Path, metavar="RUN", help="begin with the tokenizer and weights of RUN"
    )
    parser.add_argument("--steps", type=int, help="optimiser steps, instead of the recipe's")
    parser.add_argument("--stage-two-step", type=int, help="first step of stage two, likewise")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace a value of the recipe, as in --set model.hidden_size=256; may be repeated",
    )
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument(
        "--dtype",
        choices=("bfloat16", "float32"),
        help="of the matrix products (default: bfloat16 where the machine is fast at it)",
    )
    parser.add_argument("--compile", action="store_true", help="torch.compile: faster, needs g++")
    parser.add_argument("--log-every", type=int, default=20, metavar="STEPS")
    parser.add_argument("--eval-every", type=int, default=200, metavar="STEPS")
    parser.add_argument("--save-minutes", type=float, default=4.0)
    return parser.parse_args()


def find_device(name: str) -> torch.device:
    """ValueError unless it is the CPU or a GPU that is there."""
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"--device: expected cpu or cuda, got {name}") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"--device {name}: PyTorch finds no such GPU")
    return device


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where there are matrix units for it, else float32."""
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def main() -> int:
    arguments = parse_arguments()
    keep_freed_memory()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        device = find_device(arguments.device)
        dtype = getattr(torch, arguments.dtype) if arguments.dtype else fast_dtype(device)
        config = load_recipe(arguments.recipe, arguments.set)
        plan = config.schedule
        config = config.with_steps(
            arguments.steps or plan.steps, arguments.stage_two_step or plan.stage_two_step
        )
        trainer = Trainer(
            config, arguments.data, arguments.out, device, dtype, arguments.compile, arguments.start
        )
    except (OSError, ValueError) as error:
        print(f"rotor.train: {error}", file=sys.stderr)
        return 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: trainer.stop())
    trainer.train(arguments.log_every, arguments.eval_every, arguments.save_minutes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
