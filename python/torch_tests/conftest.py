# SPDX-License-Identifier: Apache-2.0
"""Tiny models as tests/parity writes them; transformers' own path without its compiler."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "parity"))

import hf_writer  # noqa: E402
import tiny_models  # noqa: E402
from finetune_case import program, text, tiny  # noqa: E402, F401  # fixtures

torch.set_num_threads(1)  # tiny layers: a second thread costs more than it computes
ModelDir = Callable[[str], Path]


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> ModelDir:
    """Writes the Hugging Face directory of a recipe, once."""
    root = tmp_path_factory.mktemp("models")

    def make(name: str) -> Path:
        recipe = tiny_models.RECIPES[name]
        folder = root / name
        if not folder.exists():
            hf_writer.write_model(folder, recipe, tiny_models.make_weights(recipe))
        return folder

    return make


@pytest.fixture
def uncompiled() -> Iterator[None]:
    """transformers compiles its quantisers; what they say runs as it stands."""
    with torch.compiler.set_stance("force_eager"):
        yield
