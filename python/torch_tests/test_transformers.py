# SPDX-License-Identifier: Apache-2.0
"""from_pretrained(..., quantization_config=RotorConfig()) against transformers' own modules."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.integrations import bitnet

import rotor.torch as rt

ModelDir = Callable[[str], Path]
NAMES = ("packed-multiply", "packed-divide", "llama-divide", "master-bf16", "master-f32")
TOKENS = torch.tensor([[1, 5, 9, 200, 17, 42, 3, 3, 250, 64, 128, 7]])


def load(folder: Path, **options: object) -> PreTrainedModel:
    """In float32: of a packed checkpoint the loader leaves norms and embedding as they are."""
    options = {"dtype": torch.float32, "attn_implementation": "eager"} | options
    return nn.Module.float(AutoModelForCausalLM.from_pretrained(folder, **options)).eval()


def is_ours(module: nn.Module) -> bool:
    return isinstance(module, (rt.BitLinear, rt.TernaryLinear))


def test_the_config_is_refused_where_it_makes_no_sense(model_dir: ModelDir, tmp_path: Path) -> None:
    folder = model_dir("master-f32")
    config = json.loads((folder / "config.json").read_text())
    for method in (None, "awq"):
        config["quantization_config"] = {"quant_method": method} if method else None
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(ValueError, match="RotorConfig"):
            load(tmp_path, quantization_config=rt.RotorConfig())
    with pytest.raises(TypeError, match="no such option: bits"):
        rt.RotorConfig(bits=2)


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_is_the_references(name: str, model_dir: ModelDir, uncompiled: None) -> None:
    """Each of our layers gets what the reference's layer got.

    Sums of int8 times trits are exact here and, below 2^24, in the reference's float32. What
    differs is how scales are multiplied, and in AutoBitLinear the order in which scaled
    activations are added: some units in the last place of the largest output.
    """
    theirs = load(model_dir(name))
    ours = dict(load(model_dir(name), quantization_config=rt.RotorConfig()).named_modules())
    seen = {}
    for path, module in theirs.named_modules():
        if isinstance(module, (bitnet.BitLinear, bitnet.AutoBitLinear)):
            module.register_forward_hook(
                lambda _, given, y, path=path: seen.__setitem__(path, (given[0], y))
            )
    theirs(TOKENS)
    assert len(seen) == 7 * theirs.config.num_hidden_layers
    assert set(seen) == {path for path, module in ours.items() if is_ours(module)}
    for path, (x, y) in seen.items():
        size = y.abs().max().item()
        torch.testing.assert_close(ours[path](x), y, rtol=0, atol=2e-6 * size, msg=path)


@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_the_references(name: str, model_dir: ModelDir, uncompiled: None) -> None:
    theirs = load(model_dir(name))
    ours = load(model_dir(name), quantization_config=rt.RotorConfig())
    expected, got = theirs(TOKENS).logits, ours(TOKENS).logits
    spread = (expected.max() - expected.min()).item()
    torch.testing.assert_close(got, expected, rtol=0, atol=2e-4 * spread)
    options = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None}
    assert torch.equal(ours.generate(TOKENS, **options), theirs.generate(TOKENS, **options))


def test_a_whole_model_compiles(model_dir: ModelDir) -> None:
    ours = load(model_dir("packed-multiply"), quantization_config=rt.RotorConfig())
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        torch.testing.assert_close(
            compiled(TOKENS, use_cache=False).logits, ours(TOKENS, use_cache=False).logits
        )


@pytest.mark.parametrize("name", ["packed-multiply", "packed-divide", "master-bf16"])
def test_what_is_saved_is_what_was_loaded(
    name: str, model_dir: ModelDir, tmp_path: Path, uncompiled: None
) -> None:
    ours = load(model_dir(name), quantization_config=rt.RotorConfig())
    ours.save_pretrained(tmp_path)
    before, after = (load_file(f / "model.safetensors") for f in (model_dir(name), tmp_path))
    assert set(after) == set(before)
    for path, tensor in before.items():
        assert torch.equal(after[path].to(tensor.dtype), tensor), path
    assert (
        json.loads((tmp_path / "config.json").read_text())["quantization_config"]["quant_method"]
        == "bitnet"
    )
    torch.testing.assert_close(load(tmp_path)(TOKENS).logits, load(model_dir(name))(TOKENS).logits)


def test_float_weights_on_request(model_dir: ModelDir, tmp_path: Path) -> None:
    folder = model_dir("master-f32")
    config = json.loads((folder / "config.json").read_text())
    del config["quantization_config"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    plain = load(tmp_path, quantization_config=rt.RotorConfig(quantization_mode="online"))
    told = load(folder, quantization_config=rt.RotorConfig())
    assert torch.equal(plain(TOKENS).logits, told(TOKENS).logits)


def test_gradients_reach_the_masters(model_dir: ModelDir, uncompiled: None) -> None:
    theirs, ours = (
        load(model_dir("master-f32")),
        load(model_dir("master-f32"), quantization_config=rt.RotorConfig()),
    )
    for model in (theirs, ours):
        model.train()(TOKENS, labels=TOKENS).loss.backward()
    expected = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name].grad, rtol=1e-4, atol=1e-6)


def test_a_broken_file_is_named(model_dir: ModelDir, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder = model_dir("packed-divide")
    (tmp_path / "config.json").symlink_to(folder / "config.json")
    tensors = load_file(folder / "model.safetensors")
    path = "model.layers.1.mlp.up_proj.weight"
    tensors[path][2, 5] = 255
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"1\.mlp\.up_proj\.weight: code 3 at row 2, column 5"):
        load(tmp_path, quantization_config=rt.RotorConfig())
