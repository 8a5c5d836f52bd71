# SPDX-License-Identifier: Apache-2.0
"""Adapters in PEFT's files: the program against transformers' layers with B(A x) beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import checks
import golden
import reference
from engine import Engine
from tiny_models import RECIPES, Recipe

ModelDir = Callable[[Recipe], Path]
Adapter = dict[str, tuple[Tensor, Tensor]]  # path -> A (r, in), B (out, r)
# Norms before o and down; scales that divide and a rotary embedding; norms of heads; a norm of each
# matrix's own, which an adapter stands beside; activations that stay floats.
NAMES = ["packed-multiply", "llama-divide", "qwen3-yarn", "gemma3-embedding", "llama-float"]
ALPHA = 6.0


class Adapted(nn.Module):
    """A projection and its adapters, called as the reference's traces call it."""

    def __init__(self, base: nn.Module, name: str) -> None:
        super().__init__()
        self.add_module(name, base)
        self.base = [base]
        self.added: list[tuple[Tensor, Tensor, float]] = []

    def forward(self, x: Tensor) -> Tensor:
        y = self.base[0](x)
        for a, b, scaling in self.added:
            y = y + ((x @ a.T) @ b.T) * scaling
        return y


def projections(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for path, module in list(network.named_modules()):
        if path.endswith("_proj"):
            yield path, module


def make_adapter(network: nn.Module, rank: int, seed: int, share: float = 1.0) -> Adapter:
    """Random A and B that add about as much as `share` of what is there, for some projections."""
    random = torch.Generator().manual_seed(seed)
    adapter = {}
    for index, (path, module) in enumerate(projections(network)):
        if (index + seed) % 5 == 0:
            continue
        columns = module.in_features
        rows = module(torch.zeros(1, columns)).shape[-1]
        a = torch.randn(rank, columns, generator=random) / columns**0.5
        b = torch.randn(rows, rank, generator=random) * (share / rank**0.5)
        adapter[path] = (a, b)
    return adapter


def write(folder: Path, adapter: Adapter, rank: int, dtype: torch.dtype, **config: object) -> Path:
    tensors = {}
    for path, (a, b) in adapter.items():
        tensors[f"base_model.model.{path}.lora_A.weight"] = a.to(dtype)
        tensors[f"base_model.model.{path}.lora_B.weight"] = b.to(dtype)
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": ALPHA} | config
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def with_adapters(network: nn.Module, added: list[tuple[Adapter, float]]) -> nn.Module:
    """The network with the adapters, in their order."""
    for path, module in projections(network):
        adapted = Adapted(module, path.rpartition(".")[2])
        adapted.added = [(*adapter[path], s) for adapter, s in added if path in adapter]
        network.set_submodule(path, adapted)
    return network


def assert_parity(
    engine: Engine, model: Path, expected: reference.Pass, tokens: list[int], options: list[object]
) -> None:
    """As assert_parity of live_reference_test.py, with the same tolerances."""
    plain = engine.logits(model, tokens)
    assert checks.kl_per_token(expected.logits, plain) > 100 * checks.MAX_KL, "as without adapters"
    if not expected.trace:
        checks.assert_injected_logits(engine.logits(model, tokens, *options), expected.logits)
        return
    trace: dict[str, np.ndarray] = {}
    logits = engine.logits(model, tokens, *options, inject=expected.trace, trace=trace)
    checks.assert_same_sums(trace, expected.trace)
    checks.assert_injected_logits(logits, expected.logits)
    own: dict[str, np.ndarray] = {}
    free = engine.logits(model, tokens, *options, trace=own)
    checks.assert_explained_by_rounding(own, expected.trace)
    assert checks.kl_per_token(expected.logits, free) < checks.MAX_KL


@pytest.mark.parametrize("name", NAMES)
def test_logits(name: str, engine: Engine, model_dir: ModelDir, tmp_path: Path) -> None:
    folder = model_dir(RECIPES[name])
    network = golden.reference_network(RECIPES[name], folder)
    tokens = golden.sequences_of(RECIPES[name])[0][:24]
    first, second = make_adapter(network, 4, 1), make_adapter(network, 3, 2)
    one = write(tmp_path / "one", first, 4, torch.float32)
    two = write(tmp_path / "two", second, 3, torch.float32, use_rslora=True)
    scaled = [(first, ALPHA / 4), (second, ALPHA / 3**0.5 * -0.25)]
    expected = reference.run(with_adapters(network, scaled), tokens, traced=True)
    options = ["--lora", one, "--lora", f"{two}:-0.25"]
    assert_parity(engine, folder, expected, tokens, options)


def test_bfloat16_is_the_numbers_that_it_holds(
    engine: Engine, model_dir: ModelDir, tmp_path: Path
) -> None:
    recipe = RECIPES["packed-divide"]
    network = golden.reference_network(recipe, model_dir(recipe))
    tokens = golden.sequences_of(recipe)[0][:24]
    adapter = {
        path: (a.bfloat16().float(), b.bfloat16().float())
        for path, (a, b) in make_adapter(network, 5, 3).items()
    }
    folder = write(tmp_path / "half", adapter, 5, torch.bfloat16)
    expected = reference.run(with_adapters(network, [(adapter, ALPHA / 5)]), tokens, traced=True)
    assert_parity(engine, model_dir(recipe), expected, tokens, ["--lora", folder])
