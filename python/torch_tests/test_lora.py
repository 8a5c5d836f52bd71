# SPDX-License-Identifier: Apache-2.0
"""LoRA on ternary layers, and its files, with PEFT itself where it is installed."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM

import rotor
import rotor.torch as rt

X = torch.randn(3, 24, generator=torch.Generator().manual_seed(9))


def make_model() -> nn.Module:
    torch.manual_seed(4)
    packed = rt.TernaryLinear(torch.randint(-1, 2, (32, 24), dtype=torch.int8), torch.tensor([0.2]))
    layers = {"up_proj": packed, "act": nn.ReLU(), "down_proj": rt.BitLinear(32, 24)}
    block = nn.Sequential()
    for name, layer in layers.items():
        block.add_module(name, layer)
    return nn.Sequential(block, copy.deepcopy(block), nn.Linear(24, 5)).eval()


def set_random(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.3)
    return model


def test_it_begins_as_the_base_and_trains_alone() -> None:
    model, base = make_model(), make_model()
    frozen = {name: value.clone() for name, value in base.state_dict().items()}
    rt.add_lora(model, ["up_proj", "0.down_proj"], r=4, lora_alpha=8, lora_dropout=0.1)
    assert torch.equal(model(X), base(X))
    adapted = [n for n, m in model.named_modules() if isinstance(m, rt.LoraTernaryLinear)]
    assert adapted == ["0.up_proj", "0.down_proj", "1.up_proj"]
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {f"{path}.{side}.weight" for path in adapted for side in ("lora_A", "lora_B")}
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.05)
    wanted, losses = torch.randn(3, 5), []
    for _ in range(60):
        loss = (model.train()(X) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    for name, value in rt.remove_lora(model).state_dict().items():
        assert torch.equal(value, frozen[name]), name


def test_gradients_are_those_of_the_formula() -> None:
    layer = set_random(rt.LoraTernaryLinear(make_model()[0].up_proj, 4, 8))
    x = X.clone().requires_grad_()
    layer(x).sum().backward()
    a, b = layer.lora_A.weight, layer.lora_B.weight
    weight = layer.base_layer.trits * layer.base_layer.scale + b @ a * 2.0
    torch.testing.assert_close(x.grad, torch.ones(3, 32) @ weight)
    torch.testing.assert_close(b.grad, torch.ones(32, 3) @ (X @ a.T) * 2.0)


@pytest.mark.parametrize("rslora", [False, True])
def test_files_come_and_go(tmp_path: Path, rslora: bool) -> None:
    model = set_random(rt.add_lora(make_model(), r=4, lora_alpha=6, use_rslora=rslora))
    rt.save_lora(model, tmp_path, base_model_name_or_path="base")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    stored = load_file(tmp_path / "adapter_model.safetensors")
    assert stored["base_model.model.0.up_proj.lora_A.weight"].shape == (4, 24)
    assert stored["base_model.model.0.up_proj.lora_B.weight"].shape == (32, 4)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 4, 6)
    assert config["target_modules"] == ["down_proj", "up_proj"]
    assert torch.equal(rt.load_lora(make_model(), tmp_path)(X), model(X))
    again = rt.load_lora(rt.add_lora(make_model(), r=2), tmp_path)  # in place of another
    assert torch.equal(again(X), model(X))


def test_layers_that_differ(tmp_path: Path) -> None:
    model = rt.add_lora(make_model(), ["0.up_proj"], r=2, lora_alpha=3)
    set_random(rt.add_lora(model, ["1.down_proj"], r=5, lora_alpha=9))
    rt.save_lora(model, tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["target_modules"] == ["0.up_proj", "1.down_proj"]
    assert config["rank_pattern"] == {"1.down_proj": 5}
    assert config["alpha_pattern"] == {"1.down_proj": 9}
    assert torch.equal(rt.load_lora(make_model(), tmp_path)(X), model(X))


def test_peft_reads_ours_and_we_read_peft(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    model = rt.add_lora(make_model(), r=4, lora_alpha=6)
    set_random(rt.add_lora(rt.remove_lora(model), ["0.up_proj"], r=2, lora_alpha=5))
    set_random(rt.add_lora(model, ["down_proj", "1.up_proj"], r=4, lora_alpha=6))
    rt.save_lora(model, tmp_path / "ours", task_type=None)
    theirs = peft.PeftModel.from_pretrained(make_model(), tmp_path / "ours").eval()
    assert torch.equal(theirs(X), model(X))
    config_path = tmp_path / "ours" / "adapter_config.json"
    config = json.loads(config_path.read_text())
    config["alpha_pattern"] = {"down_proj": 3, "1.down_proj": 9, "up_proj": 4}  # the first that fits
    config_path.write_text(json.dumps(config))
    theirs = peft.PeftModel.from_pretrained(make_model(), tmp_path / "ours").eval()
    assert torch.equal(theirs(X), rt.load_lora(make_model(), tmp_path / "ours")(X))

    options = peft.LoraConfig(r=3, lora_alpha=7, target_modules=["up_proj"], use_rslora=True)
    trained = set_random(peft.get_peft_model(make_model(), options)).eval()
    trained.save_pretrained(tmp_path / "theirs")
    assert torch.equal(rt.load_lora(make_model(), tmp_path / "theirs")(X), trained(X))
    with pytest.raises(RuntimeError):
        trained.merge_adapter()  # trits cannot take it in


def test_a_language_model_learns(model_dir: Callable[[str], Path], tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")

    def load() -> nn.Module:
        folder, config = model_dir("packed-multiply"), rt.RotorConfig()
        model = AutoModelForCausalLM.from_pretrained(folder, quantization_config=config)
        return nn.Module.float(model).eval()

    tokens = torch.tensor([[1, 5, 9, 200, 17, 42, 3, 3, 250, 64]])
    model = rt.add_lora(load(), ["q_proj", "v_proj", "down_proj"], r=4)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.02)
    losses = []
    for _ in range(15):
        loss = model(tokens, labels=tokens).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1
    rt.save_lora(model, tmp_path)
    expected = model(tokens).logits
    assert torch.equal(rt.load_lora(load(), tmp_path)(tokens).logits, expected)
    assert torch.equal(peft.PeftModel.from_pretrained(load(), tmp_path)(tokens).logits, expected)


def test_calls_that_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of 4 ternary layers"):
        rt.add_lora(make_model(), ["q_proj"])
    with pytest.raises(TypeError, match="one string"):
        rt.add_lora(make_model(), "up_proj")
    with pytest.raises(ValueError, match="r: expected 1 or more, got 0"):
        rt.add_lora(make_model(), r=0)
    with pytest.raises(ValueError, match=r"0\.down_proj has an adapter already"):
        rt.add_lora(rt.add_lora(make_model()))
    with pytest.raises(ValueError, match="no layer has an adapter"):
        rt.save_lora(make_model(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    rt.save_lora(rt.add_lora(make_model(), r=4), tmp_path)
    config_path = tmp_path / "adapter_config.json"
    tensors_path = tmp_path / "adapter_model.safetensors"
    config, tensors = json.loads(config_path.read_text()), load_file(tensors_path)
    a, b = (f"base_model.model.0.up_proj.lora_{side}.weight" for side in "AB")

    def refused(error: type[Exception], message: str) -> None:
        model = make_model()
        with pytest.raises(error, match=message):
            rt.load_lora(model, tmp_path)
        assert not [m for m in model.modules() if isinstance(m, rt.LoraTernaryLinear)]

    for changed, error, message in (
        ({"use_dora": True}, rotor.UnsupportedError, "use_dora"),
        ({"bias": "all"}, rotor.UnsupportedError, "bias"),
        ({"modules_to_save": ["lm_head"]}, rotor.UnsupportedError, "modules_to_save"),
        ({"use_qalora": True}, rotor.UnsupportedError, "use_qalora"),
        ({"init_lora_weights": "pissa"}, rotor.UnsupportedError, "changed weights of its model"),
        ({"peft_type": "IA3"}, rotor.UnsupportedError, "peft_type"),
        ({"alpha_pattern": {"(.*)+x": 3}}, rotor.UnsupportedError, "alpha_pattern"),
        ({"alpha_pattern": [3]}, rotor.FormatError, "alpha_pattern"),
        ({"lora_alpha": "much"}, rotor.FormatError, "lora_alpha"),
        ({"lora_dropout": 2.0}, rotor.FormatError, "lora_dropout"),
    ):
        config_path.write_text(json.dumps(config | changed))
        refused(error, message)
    for text in ("", "[]", "{", "[" * 100_000, '"x"'):
        config_path.write_text(text)
        refused((rotor.FormatError, rotor.UnsupportedError), "adapter_config.json")
    config_path.write_text(json.dumps(config))
    for changed, error, message in (
        ({a: torch.zeros(4, 23)}, ValueError, r"expected A \(r, 24\).*got \(4, 23\)"),
        ({a: torch.zeros(5, 24)}, ValueError, r"got \(5, 24\) and \(32, 4\)"),
        ({a: torch.zeros(0, 24), b: torch.zeros(32, 0)}, ValueError, "got"),
        ({a: torch.zeros(4, 24, dtype=torch.int8)}, rotor.FormatError, "torch.int8"),
        ({a: torch.zeros(4)}, rotor.FormatError, r"\(4,\)"),
        ({"base_model.model.9.lora_A.weight": torch.zeros(4, 24)}, ValueError, "no ternary .* '9'"),
        ({"something.else": torch.zeros(1)}, rotor.UnsupportedError, "something.else"),
    ):
        save_file(tensors | changed, tensors_path)
        refused(error, message)
    save_file({name: t for name, t in tensors.items() if name != b}, tensors_path)
    refused(rotor.FormatError, "0.up_proj has lora_A alone")
    tensors_path.write_bytes(tensors_path.read_bytes()[:100])
    refused(rotor.FormatError, "adapter_model.safetensors")
    tensors_path.unlink()
    refused(FileNotFoundError, "adapter_model.safetensors")
