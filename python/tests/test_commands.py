# SPDX-License-Identifier: Apache-2.0
"""The commands as people type them, and recipes."""

import subprocess
import sys
from pathlib import Path

import pytest

from rotor.train.config import ScheduleConfig, from_dict, load_recipe

PYTHON = Path(__file__).parents[1]

RECIPE = """
valid = "valid.txt"
sequences = 4
sequences_at_once = 2

[[sources]]
path = "train.txt"

[model]
vocab_size = 306
hidden_size = 32
intermediate_size = 64
num_hidden_layers = 1
num_attention_heads = 2
num_key_value_heads = 1
max_position_embeddings = 32

[schedule]
steps = 4
stage_two_step = 2
warmup_steps = 1
"""


def rotor(module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"rotor.{module}", *map(str, arguments)]
    return subprocess.run(command, cwd=PYTHON, capture_output=True, text=True, check=False)


def test_train_export_and_draw(texts: Path, tmp_path: Path) -> None:
    recipe, run = tmp_path / "tiny.toml", tmp_path / "run"
    recipe.write_text(RECIPE, encoding="utf-8")
    trained = rotor("train", recipe, "--data", texts, "--out", run, "--log-every", "2")
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout == ""
    assert "step 4/4" in trained.stderr
    assert "bits per byte on all of valid.txt" in trained.stderr
    exported = rotor("train.export", run, tmp_path / "model")
    assert exported.returncode == 0, exported.stderr
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    drawn = rotor("train.curve", run / "curve.csv", tmp_path / "curve.svg")
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "curve.svg").read_text(encoding="ascii").startswith("<svg")


def test_mistakes_are_said(tmp_path: Path) -> None:
    missing = rotor("train", tmp_path / "none.toml", "--out", tmp_path / "run")
    assert missing.returncode == 1
    assert "none.toml" in missing.stderr and "Traceback" not in missing.stderr
    for device, said in (("gpu", "expected cpu or cuda"), ("cuda:99", "--device cuda:99")):
        nowhere = rotor("train", tmp_path / "none.toml", "--out", tmp_path, "--device", device)
        assert nowhere.returncode == 1
        assert said in nowhere.stderr and "Traceback" not in nowhere.stderr
    empty = rotor("train.export", tmp_path, tmp_path / "model")
    assert empty.returncode == 1
    assert "checkpoint.pt" in empty.stderr and "Traceback" not in empty.stderr


def test_values_of_a_recipe_can_be_replaced(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    changed = load_recipe(recipe, ["model.ternary = false", "schedule.steps=9", "seed=5"])
    assert not changed.model.ternary and changed.model.hidden_size == 32
    assert changed.schedule.steps == 9 and changed.schedule.stage_two_step == 2
    assert changed.seed == 5
    with pytest.raises(ValueError, match="colour"):
        load_recipe(recipe, ["model.colour = 1"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('colour = "red"\n', "colour"),
        ("sequences = 3\n", "multiple"),
        ("[model]\nhidden_size = 100\n", "hidden_size 100"),
        ("[model]\nnum_key_value_heads = 4\n", "num_key_value_heads 4"),
        ("[schedule]\nsteps = 10\n", r"steps \(10\)"),
    ],
)
def test_bad_recipes_are_refused(change: str, message: str, tmp_path: Path) -> None:
    base = 'valid = "v"\nsources = [{ path = "t" }]\n'
    path = tmp_path / "recipe.toml"
    path.write_text(base + change, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_recipe(path)


def test_no_sources_is_refused() -> None:
    with pytest.raises(ValueError, match="sources"):
        from_dict({"valid": "v"}, "here")


def test_the_shipped_recipe_is_valid() -> None:
    assert load_recipe(PYTHON / "recipes" / "stories.toml").model.hidden_size == 384


def test_schedule() -> None:
    plan = ScheduleConfig(
        steps=100, stage_two_step=60, warmup_steps=10, stage_one_rate=2.0, stage_two_rate=1.0
    )
    assert [plan.rate(step) for step in (0, 4, 9, 10, 59)] == [0.2, 1.0, 2.0, 2.0, 2.0]
    assert [plan.rate(step) for step in (60, 80, 99)] == [1.0, 0.5, 0.025]
    assert [plan.decay(step) for step in (0, 59, 60)] == [0.1, 0.1, 0.0]
