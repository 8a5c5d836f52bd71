# SPDX-License-Identifier: Apache-2.0
"""`rotor finetune MODEL --data FILE --out DIR`, or `python -m rotor.finetune`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rotor.finetune.settings import Settings

EXAMPLES = """Examples:
  rotor finetune stories --data POEMS.txt --out tuned
  rotor finetune stories-chat --data CHATS.jsonl --out tuned --r 16 --epochs 5
  rotor finetune stories --full --data NOVELS/ --valid NOVEL.txt --measure TALES.txt --out tuned
  rotor finetune stories --data POEMS.txt --out tuned --resume

Of the data a tenth is held out, in whole documents: bits per byte are measured on it, before, while
training (it stops when they no longer fall) and after. DIR gets adapter/ in PEFT's format, or with
--full model/ for transformers and model.rotor, and report.json. Ctrl-C leaves a checkpoint.
"""
# As the program's own (docs of `rotor`): run-time, usage, model, out of memory, network.
FAILED, USAGE, MODEL, OUT_OF_MEMORY, NETWORK, INTERRUPTED = 1, 2, 3, 4, 5, 130


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="rotor finetune",
        description="Adapts a ternary language model to texts or conversations.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Settings()
    made.add_argument("model", help="path, org/name or alias; stories and stories-chat come along")
    made.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help='text, .jsonl of {"text": ...} or {"messages": [...]}, or a folder; may be repeated',
    )
    made.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the run")
    mode = made.add_mutually_exclusive_group()
    mode.add_argument("--lora", action="store_true", help="adapters on frozen trits (default)")
    mode.add_argument("--full", action="store_true", help="all weights, which stay ternary")
    made.add_argument("--resume", action="store_true", help="go on where the run in DIR stopped")
    made.add_argument("--json", action="store_true", help="print the report as JSON")

    group = made.add_argument_group("data")
    group.add_argument("--valid", type=Path, metavar="FILE", help="hold out this text instead")
    group.add_argument(
        "--measure",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="measure this text, too, before and after; may be repeated",
    )
    group.add_argument("--hold-out", type=float, metavar="SHARE", help="of the bytes")
    group.add_argument(
        "--join-lines", action="store_true", help="undo the hard wrapping of text files"
    )

    group = made.add_argument_group("adapters")
    group.add_argument("--r", type=int, help="rank")
    group.add_argument("--alpha", type=float, help="the adapter counts alpha / r times")
    group.add_argument("--dropout", type=float, help="share of an adapter's inputs left out")
    group.add_argument(
        "--target-modules",
        metavar="NAMES",
        help="q_proj,v_proj,...: names or ends of paths (default: all ternary matrices)",
    )

    group = made.add_argument_group("training")
    group.add_argument("--epochs", type=float, help="how often everything is read")
    group.add_argument("--steps", type=int, help="optimiser steps, instead of epochs")
    group.add_argument("--batch", type=int, help="rows of a step")
    group.add_argument("--at-once", type=int, help="rows of a pass; less saves memory")
    group.add_argument("--context", type=int, help="tokens of a row, at most the model's")
    group.add_argument("--rate", type=float, help="learning rate (0: 2e-3, with --full 5e-4)")
    group.add_argument("--warmup", type=float, help="share of the steps in which it rises")
    group.add_argument("--decay", type=float, help="weight decay")
    group.add_argument("--clip", type=float, help="largest norm of the gradients")
    group.add_argument("--eval-every", type=int, metavar="STEPS", help="0: ten times")
    group.add_argument("--patience", type=int, help="evaluations without gain; 0: never stop")
    group.add_argument("--seed", type=int)

    group = made.add_argument_group("distillation")
    group.add_argument(
        "--teacher", metavar="MODEL", help="learn its probabilities, too; the same vocabulary"
    )
    group.add_argument("--temperature", type=float, help="of both models' probabilities")
    group.add_argument("--teacher-weight", type=float, help="share of the teacher in the loss")

    group = made.add_argument_group("machine")
    group.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    group.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    group.add_argument("--log-every", type=int, default=10, metavar="STEPS")
    group.add_argument("--save-minutes", type=float, default=4.0, help="between checkpoints")

    fields = {field.name for field in dataclasses.fields(Settings)}
    for action in made._actions:  # one place for the defaults: Settings
        if action.dest in fields and action.default is None:
            action.default = getattr(default, action.dest)
            if action.dest not in ("target_modules", "steps", "rate", "eval_every"):
                action.help = f"{action.help or 'of all that is drawn by chance'} (%(default)s)"
    return made


def settings_of(arguments: argparse.Namespace) -> Settings:
    given = vars(arguments)
    chosen = {f.name: given[f.name] for f in dataclasses.fields(Settings)}
    if isinstance(names := chosen["target_modules"], str):
        chosen["target_modules"] = tuple(name for name in names.split(",") if name)
    return Settings(**chosen)


def _fail(why: object, code: int) -> int:
    print(f"rotor finetune: {why}", file=sys.stderr)
    return code


def main(command: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(command)
    try:
        settings = settings_of(arguments)
    except ValueError as error:
        return _fail(error, USAGE)
    try:
        import torch

        from rotor.finetune.model import ModelError
        from rotor.finetune.run import Run
        from rotor.train.memory import keep_freed_memory
    except ImportError as error:
        return _fail(
            f"{error}. Needed: pip install 'rotor-llm[finetune]', or in a clone of Rotor "
            "pip install '.[finetune]'",
            FAILED,
        )
    keep_freed_memory()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    there = torch.cuda.is_available()
    if arguments.device == "cuda" and not there:
        return _fail("--device cuda: PyTorch finds none", USAGE)
    cuda = there and arguments.device != "cpu"
    try:
        run = Run(
            arguments.model,
            arguments.data,
            arguments.out,
            settings,
            valid=arguments.valid,
            measure=arguments.measure,
            teacher=arguments.teacher,
            device=torch.device("cuda" if cuda else "cpu"),
            resume=arguments.resume,
        )

        def stop(number: int, _: object) -> None:
            signal.signal(number, signal.default_int_handler)  # the second one ends it at once
            run.stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        report = run.train(arguments.log_every, arguments.save_minutes)
    except KeyboardInterrupt:
        return INTERRUPTED
    except ModelError as error:
        return _fail(error, MODEL)
    except ConnectionError as error:
        return _fail(error, NETWORK)
    except (MemoryError, torch.OutOfMemoryError) as error:
        return _fail(f"out of memory; --at-once takes less: {error}", OUT_OF_MEMORY)
    except ArithmeticError as error:
        return _fail(f"{error}; a lower --rate may do", FAILED)
    except (OSError, ValueError) as error:
        return _fail(error, FAILED)
    if report is None:
        return INTERRUPTED
    if arguments.json:
        print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
