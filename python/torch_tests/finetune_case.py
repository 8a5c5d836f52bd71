# SPDX-License-Identifier: Apache-2.0
"""What the tests of rotor.finetune share: a tiny model, fables to learn, runs of a few steps."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import engine
import pytest
import torch
from safetensors.torch import save

from rotor.finetune.run import Run
from rotor.finetune.settings import Settings
from rotor.train import export
from rotor.train.model import BitNet, ModelConfig
from rotor.train.tokenizer import train_tokenizer

# Key heads shared by two, matrices of unlike sizes; columns as GGUF's blocks of 64 want them.
TINY = ModelConfig(
    vocab_size=306,
    hidden_size=64,
    intermediate_size=192,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=48,
)
QUICK = {"steps": 12, "batch": 4, "eval_every": 6, "rate": 1e-2, "patience": 0}
CHAT = [
    {"role": "user", "content": "What did the fox see?"},
    {"role": "assistant", "content": " The moon. "},
    {"role": "user", "content": "When?"},
    {"role": "assistant", "content": "By night, my dear."},
]


def fable(seed: int, sentences: int) -> str:
    choose = random.Random(seed).choice
    lines = []
    for _ in range(sentences):
        beast, act = choose(["fox", "crow", "hare", "wolf"]), choose(["saw", "fled", "sought"])
        lines.append(f"Once a {beast} {act} the {choose(['sun', 'moon', 'well'])} by night.")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def program() -> Iterator[Path]:
    """The program that converts."""
    found = engine.find_program()
    if found is None or not found.is_file():
        pytest.skip(f"THE PROGRAM ROTOR IS MISSING: nothing of fine-tuning is tested ({found})")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROTOR_PROGRAM", str(found.resolve()))
        yield found


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders of a model whose weights are random: "offline" packed, "online" as masters."""
    tokenizer = train_tokenizer([fable(1, 300)], TINY.vocab_size)
    torch.manual_seed(5)
    state = BitNet(TINY).state_dict()
    root = tmp_path_factory.mktemp("tiny")

    def make(mode: str, vocabulary: object = tokenizer) -> Path:
        folder = root / f"{mode}-{id(vocabulary)}"
        if folder.exists():
            return folder
        folder.mkdir()
        packed = export.packed_tensors(state, torch.float32)
        tensors = packed if mode == "offline" else state
        (folder / "model.safetensors").write_bytes(save(tensors, metadata={"format": "pt"}))
        vocabulary.save(str(folder / "tokenizer.json"))
        for name, content in (
            ("config.json", export.config_json(TINY, tokenizer, torch.float32, mode)),
            ("tokenizer_config.json", export.tokenizer_config_json(TINY, tokenizer, True)),
            ("generation_config.json", export.generation_config_json(tokenizer)),
        ):
            (folder / name).write_text(json.dumps(content), encoding="utf-8")
        return folder

    return make


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve documents, as JSON lines."""
    path = tmp_path_factory.mktemp("text") / "fables.jsonl"
    lines = (json.dumps({"text": fable(seed, 8)}) for seed in range(12))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def begin(folder: Path, data: Path, out: Path, resume: bool = False, **given: Any) -> Run:
    names = ("teacher", "valid", "measure", "device")
    others = {name: given.pop(name) for name in names if name in given}
    settings = Settings(**(QUICK | given))
    return Run(str(folder), [data], out, settings, resume=resume, **others)


def finish(run: Run) -> dict[str, Any]:
    report = run.train()
    assert report is not None
    return report
