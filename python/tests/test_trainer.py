# SPDX-License-Identifier: Apache-2.0
"""A run learns, and one that stopped ends as one that did not."""

import csv
import dataclasses
from pathlib import Path

import pytest
import torch
from conftest import make_trainer

from rotor.train.bitlinear import BitLinear
from rotor.train.config import TrainConfig
from rotor.train.export import export
from rotor.train.trainer import Trainer


def rows_of(trainer: Trainer) -> list[dict[str, str]]:
    with trainer.curve.path.open(encoding="ascii") as file:
        return list(csv.DictReader(file))


def test_the_loss_falls(finished: Trainer) -> None:
    rows = rows_of(finished)
    assert [int(row["step"]) for row in rows] == [10, 20, 30, 40, 50, 60]
    losses = [float(row["train_nats_per_token"]) for row in rows]
    assert losses[0] > 4.0
    assert losses[-1] < 0.5 * losses[0]
    # Nine bits decide a fable's sentence of about 37 bytes; twice that is well learned.
    assert finished.evaluate(finished.valid) < 0.5


def test_resume_is_exact(
    finished: Trainer, recipe: TrainConfig, texts: Path, tmp_path: Path
) -> None:
    first = make_trainer(recipe, texts, tmp_path)
    for _ in range(45):  # past the start of stage two
        first.train_step()
    first.save()
    for _ in range(5):  # lost: after the checkpoint
        first.train_step()
    second = make_trainer(recipe, texts, tmp_path)
    assert second.step == 45
    second.train(log_every=10, eval_every=20, save_minutes=60)
    for name, value in finished.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], value), name


def test_stage_one_can_be_made_longer(
    finished: Trainer, recipe: TrainConfig, texts: Path, tmp_path: Path
) -> None:
    short = make_trainer(recipe.with_steps(30, 20), texts, tmp_path)
    for _ in range(15):
        short.train_step()
    short.save()
    longer = make_trainer(recipe, texts, tmp_path)
    longer.train(log_every=10, eval_every=20, save_minutes=60)
    expected = finished.model.state_dict()["model.embed_tokens.weight"]
    assert torch.equal(longer.model.state_dict()["model.embed_tokens.weight"], expected)


def test_another_recipe_is_refused(recipe: TrainConfig, texts: Path, finished: Trainer) -> None:
    with pytest.raises(ValueError, match="belongs to another recipe"):
        make_trainer(recipe.with_steps(90, 60), texts, finished.run)


def test_the_float_twin_learns_and_is_not_exported(
    recipe: TrainConfig, texts: Path, tmp_path: Path
) -> None:
    model = dataclasses.replace(recipe.model, ternary=False)
    twin = make_trainer(dataclasses.replace(recipe, model=model), texts, tmp_path / "run")
    assert not any(isinstance(module, BitLinear) for module in twin.model.modules())
    first = twin.train_step()
    for _ in range(29):
        last = twin.train_step()
    assert last < 0.7 * first
    twin.save()
    with pytest.raises(ValueError, match="float twin"):
        export(tmp_path / "run", tmp_path / "model", torch.float32, masters=True)
