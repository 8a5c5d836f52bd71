# SPDX-License-Identifier: Apache-2.0
"""A LoRA trained in PyTorch gives the engine the same logits and the same text."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM

import rotor.torch as rt

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "parity"))

import checks  # noqa: E402
from engine import Engine, find_program  # noqa: E402

ModelDir = Callable[[str], Path]
NAMES = ("packed-multiply", "llama-divide", "master-f32")
TEXT = torch.tensor([[1, 5, 9, 200, 17, 42, 3, 3, 250, 64, 128, 7]])
NEW = 6
# What has one input, as the program calls it.
SITES = {
    "q_proj": "qkv",
    "k_proj": "qkv",
    "v_proj": "qkv",
    "o_proj": "o",
    "gate_proj": "gate_up",
    "up_proj": "gate_up",
    "down_proj": "down",
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    program = find_program()
    if program is None or not program.is_file():
        pytest.skip(f"no program at {program}")
    return Engine(program)


def load(folder: Path) -> nn.Module:
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        quantization_config=rt.RotorConfig(),
        dtype=torch.float32,
        attn_implementation="eager",
    )
    return nn.Module.float(model).eval()


def train(model: nn.Module) -> nn.Module:
    """Learns TEXT by heart; what it then says to its beginning is sure."""
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.02)
    for _ in range(15):
        loss = model(TEXT, labels=TEXT).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def recorded(model: nn.Module) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Logits (tokens, vocabulary), and the codes and scales of every layer as the program names them."""
    codes: dict[str, np.ndarray] = {}

    def record(path: str, x: torch.Tensor) -> None:
        parts = path.split(".")
        name = next(part for part in parts if part in SITES)
        site = f"layer{parts[parts.index('layers') + 1]}.{SITES[name]}"
        scale = 127 / x[0].abs().amax(dim=-1, keepdim=True).clamp(min=1e-5)
        codes[f"{site}.q"] = (x[0] * scale).round().clamp(-128, 127).to(torch.int8).numpy()
        codes[f"{site}.scale"] = scale[:, 0].numpy()

    hooks = [
        module.register_forward_pre_hook(lambda _, given, path=path: record(path, given[0]))
        for path, module in model.named_modules()
        if isinstance(module, (rt.BitLinear, rt.TernaryLinear))
    ]
    with torch.no_grad():
        logits = model(TEXT).logits[0].numpy()
    for hook in hooks:
        hook.remove()
    return logits, codes


def assert_the_engine_agrees(engine: Engine, base: Path, adapter: Path, model: nn.Module) -> None:
    """As the program agrees with transformers: with equal codes every logit is, free the text is."""
    tokens = TEXT[0].tolist()
    expected, codes = recorded(model)
    assert len(codes) == 8 * model.config.num_hidden_layers
    checks.assert_injected_logits(
        engine.logits(base, tokens, "--lora", adapter, inject=codes), expected
    )
    free = engine.logits(base, tokens, "--lora", adapter)
    assert checks.kl_per_token(expected, free) < checks.MAX_KL
    plain = engine.logits(base, tokens)
    assert checks.kl_per_token(expected, plain) > 100 * checks.MAX_KL, "as without the adapter"
    options = {"max_new_tokens": NEW, "do_sample": False, "eos_token_id": None}
    written = model.generate(TEXT, **options)[0].tolist()
    rows = engine.logits(base, written, "--lora", adapter)
    assert rows[len(tokens) - 1 : -1].argmax(axis=1).tolist() == written[len(tokens) :]


@pytest.mark.parametrize("name", NAMES)
def test_ours(name: str, engine: Engine, model_dir: ModelDir, tmp_path: Path) -> None:
    model = rt.add_lora(load(model_dir(name)), r=4, lora_alpha=8, use_rslora=name == NAMES[1])
    rt.save_lora(train(model), tmp_path / "adapter")
    assert_the_engine_agrees(engine, model_dir(name), tmp_path / "adapter", model)


def test_those_of_peft(engine: Engine, model_dir: ModelDir, tmp_path: Path) -> None:
    """Ranks and alphas by name, rank-stabilised; as save_pretrained() writes them."""
    peft = pytest.importorskip("peft")
    options = peft.LoraConfig(
        r=4,
        lora_alpha=6,
        target_modules=["q_proj", "v_proj", "o_proj", "up_proj", "down_proj"],
        rank_pattern={"down_proj": 2, "model.layers.0.self_attn.q_proj": 7},
        alpha_pattern={"v_proj": 12},
        use_rslora=True,
    )
    model = train(peft.get_peft_model(load(model_dir(NAMES[0])), options)).eval()
    model.save_pretrained(tmp_path / "adapter")
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA"
    assert_the_engine_agrees(engine, model_dir(NAMES[0]), tmp_path / "adapter", model)
