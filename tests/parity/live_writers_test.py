# SPDX-License-Identifier: Apache-2.0
"""What Rotor writes, read by the packages that people read it with: transformers and gguf."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import reference  # before torch computes anything

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import checks
import convert_matrix_test
import hf_writer
import tiny_models
from engine import ROOT, Engine
from gguf_writer import LINEARS
from tiny_models import RECIPES, Recipe, Weights

assert reference.torch is torch
RECIPE = replace(RECIPES["wide-256"], name="matrix", ffn=512)
TOKENS = [294, 5, 77, 3, 129, 250, 17, 8, 200]
SHIPPED = ROOT / "models" / "stories-chat.rotor"
TEXT = "Once upon  a time\n there were 123 dogs. \u00e9t\u00e9"
# binary32 agrees to the last places; the 16-bit types round activations and weights at every step.
MAX_KL = {"F32": 1e-9, "BF16": 3e-4, "F16": 3e-4}


def transformers_logits(folder: Path, tokens: list[int]) -> np.ndarray:
    """float32 (tokens, vocab), in the type that the folder asks for."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0].float().numpy()


@pytest.mark.parametrize("dtype", MAX_KL)
@pytest.mark.parametrize("through", ["rotor", "i2_s", "tq1_0"])
def test_transformers_computes_the_source(
    through: str, dtype: str, engine: Engine, tmp_path: Path
) -> None:
    """The folder that Rotor writes of a .rotor or GGUF file gives transformers the same logits as the
    folder that the file was made from, and those are Rotor's."""
    recipe = replace(RECIPE, dtype=dtype)
    source = hf_writer.write_model(tmp_path / "hf", recipe, tiny_models.make_weights(recipe))
    middle = tmp_path / ("m.rotor" if through == "rotor" else "m.gguf")
    options = () if through == "rotor" else ("--type", through)
    engine.check("convert", source, middle, *options)
    engine.check("convert", middle, f"{tmp_path}/out/")
    expected = transformers_logits(source, TOKENS)
    got = transformers_logits(tmp_path / "out", TOKENS)
    np.testing.assert_array_equal(got, expected)
    assert checks.kl_per_token(engine.logits(middle, TOKENS), got) < MAX_KL[dtype]


def family_recipe(family: str) -> Recipe:
    """A recipe of test_a_way_through_every_container."""
    return convert_matrix_test.FAMILIES[family]


@pytest.mark.parametrize("through", ["rotor", "i2_s", "q2_0"])
@pytest.mark.parametrize("family", ["llama3", "falcon3", "mistral", "qwen3"])
def test_transformers_computes_other_families(
    family: str, through: str, engine: Engine, tmp_path: Path
) -> None:
    """As above: rows of pairs, rotary scaling and the meaning of the scales have come back."""
    source = convert_matrix_test.write_family(tmp_path / "hf", family)
    middle, _ = convert_matrix_test.convert(engine, source, tmp_path / "middle", through)
    engine.check("convert", middle, f"{tmp_path}/out/")
    expected = transformers_logits(source, TOKENS)
    got = transformers_logits(tmp_path / "out", TOKENS)
    np.testing.assert_array_equal(got, expected)
    assert checks.kl_per_token(engine.logits(middle, TOKENS), got) < MAX_KL["BF16"]


@pytest.mark.parametrize("family", ["1bitllm", "llama-linear", "qwen3-embedding"])
def test_transformers_computes_what_were_masters(family: str, engine: Engine, tmp_path: Path) -> None:
    """Sources that transformers does not load itself, or computes in another class of layers."""
    recipe = replace(family_recipe(family), dtype="F32")
    source = hf_writer.write_model(tmp_path / "hf", recipe, tiny_models.make_weights(recipe))
    engine.check("convert", source, f"{tmp_path}/out/")
    got = transformers_logits(tmp_path / "out", TOKENS)
    assert checks.kl_per_token(engine.logits(source, TOKENS), got) < MAX_KL["F32"]


def test_transformers_loads_several_files(engine: Engine, tmp_path: Path) -> None:
    """The shipped model, its tokenizer and its chat template."""
    engine.check("convert", SHIPPED, f"{tmp_path}/out/")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    tokens = tokenizer(TEXT)["input_ids"]
    words = engine.check("tokenize", SHIPPED, "--json", stdin=TEXT.encode()).stdout
    assert tokens == [int(word) for word in words.strip("[]\n ").split(",")]
    got = transformers_logits(tmp_path / "out", tokens)
    assert checks.kl_per_token(engine.logits(SHIPPED, tokens), got) < 5e-3
    chat = [{"role": "user", "content": "Hi"}]
    prompt = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert "Hi" in prompt


@pytest.mark.parametrize("kind", ["tq1_0", "tq2_0"])
@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32"])
def test_gguf_reads_every_tensor(dtype: str, kind: str, engine: Engine, tmp_path: Path) -> None:
    """Dequantised by the package: trits times the scale, and the same rows and norms. With scales that
    binary16 lacks, the block has 1 and `.scale` the rest."""
    recipe = replace(RECIPE, dtype=dtype)
    weights = tiny_models.make_weights(recipe)
    if dtype == "F32":
        weights.scales = {name: np.float32(s * 1.001) for name, s in weights.scales.items()}
    folder = hf_writer.write_model(tmp_path / "hf", recipe, weights)
    engine.check("convert", folder, tmp_path / "m.gguf", "--type", kind)
    reader = gguf.GGUFReader(tmp_path / "m.gguf")
    found = {tensor.name: tensor for tensor in reader.tensors}
    expected = expected_tensors(weights)
    for name, values in expected.items():
        tensor = found.pop(name)
        got = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        scale = found.pop(name.replace(".weight", ".scale"), None)
        if scale is not None:
            got = got * scale.data[0]
        np.testing.assert_array_equal(got.reshape(values.shape), values, err_msg=name)
    assert not found
    field = reader.get_field("general.architecture")
    assert field is not None and field.contents() == "bitnet"
    tokens = reader.get_field("tokenizer.ggml.tokens")
    assert tokens is not None and len(tokens.contents()) == recipe.vocab


def expected_tensors(weights: Weights) -> dict[str, np.ndarray]:
    """float32 tensors by their names in GGUF."""
    names = {"input_layernorm": "attn_norm", "self_attn.attn_sub_norm": "attn_sub_norm",
             "post_attention_layernorm": "ffn_norm", "mlp.ffn_sub_norm": "ffn_sub_norm"} | LINEARS
    result = {
        "token_embd.weight": weights.embedding,
        "output_norm.weight": weights.norms["model.norm.weight"],
    }

    def add(name: str, values: np.ndarray) -> None:
        layer, part = name.removeprefix("model.layers.").removesuffix(".weight").split(".", 1)
        result[f"blk.{layer}.{names[part]}.weight"] = values

    for name, trits in weights.trits.items():
        add(name, trits * np.float32(weights.scales[name]))
    for name, gains in weights.norms.items():
        if name.startswith("model.layers."):
            add(name, gains)
    return result
