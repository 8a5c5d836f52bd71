# SPDX-License-Identifier: Apache-2.0
"""A tiny run that the tests share: trained once, in seconds."""

import random
from pathlib import Path

import pytest
import torch

from rotor.train.config import ScheduleConfig, SourceConfig, TrainConfig
from rotor.train.model import ModelConfig
from rotor.train.trainer import Trainer

# Rows that are no multiple of 4 x heads, key heads shared by two, a context that is no block.
TINY = ModelConfig(
    vocab_size=306,
    hidden_size=64,
    intermediate_size=168,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=48,
)


def fable(seed: int, sentences: int) -> str:
    """Text with something to learn: the same few words in the same order of parts."""
    choose = random.Random(seed).choice
    lines = ["A FABLE"]
    for _ in range(sentences):
        beast, act = choose(["fox", "crow", "hare", "wolf"]), choose(["saw", "fled", "sought"])
        lines.append(f"Once a {beast} {act} the {choose(['sun', 'moon', 'well'])} by night.")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    (folder / "train.txt").write_text(fable(1, 4000), encoding="utf-8")
    (folder / "valid.txt").write_text(fable(2, 100), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def recipe() -> TrainConfig:
    schedule = ScheduleConfig(steps=60, stage_two_step=40, warmup_steps=10, stage_one_rate=5e-3)
    return TrainConfig(
        sources=(SourceConfig("train.txt"),),
        valid="valid.txt",
        model=TINY,
        schedule=schedule,
        sequences=8,
        sequences_at_once=4,
    )


def make_trainer(recipe: TrainConfig, texts: Path, run: Path, start: Path | None = None) -> Trainer:
    device = torch.device("cpu")
    return Trainer(recipe, texts, run, device, torch.float32, compiled=False, start=start)


@pytest.fixture(scope="session")
def finished(recipe: TrainConfig, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """A run that went through without a stop."""
    torch.set_num_threads(1)
    trainer = make_trainer(recipe, texts, tmp_path_factory.mktemp("run"))
    trainer.train(log_every=10, eval_every=20, save_minutes=60)
    return trainer
