# SPDX-License-Identifier: Apache-2.0
"""One set of weights gives one set of bits: over containers, ISA levels and thread counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import checks
import gguf_writer
import golden
import hf_writer
import numpy_bitnet
import packing
import rotor_file
import tiny_models
from engine import ISA_FLAGS, Engine, isa_levels
from gguf_writer import Form
from tiny_models import RECIPES, Recipe, Weights

ModelDir = Callable[[Recipe], Path]
THREADS = (1, 2, 5)
INT8 = [name for name, recipe in RECIPES.items() if recipe.int8]
BLOCK_MULTIPLE = [  # I2_S needs rows * cols to be a multiple of 128
    name
    for name, recipe in RECIPES.items()
    if recipe.int8
    and recipe.family in gguf_writer.ARCHITECTURES
    and all(np.prod(recipe.shape(p)) % 128 == 0 for p in tiny_models.PROJECTIONS)
]


def long_tokens(name: str) -> list[int]:
    return golden.load(name).sequences[2].tokens


@pytest.mark.parametrize("isa", ISA_FLAGS)
@pytest.mark.parametrize("name", ["packed-multiply", "odd-packed", "gqa-5-1", "master-f16"])
def test_isa_levels_and_threads(name: str, isa: str, engine: Engine, model_dir: ModelDir) -> None:
    if isa not in isa_levels():
        pytest.skip(f"this machine has no {isa}")
    folder, tokens = model_dir(RECIPES[name]), long_tokens(name)
    expected = engine.logits(folder, tokens, "-t", 1, isa="scalar")
    for threads in THREADS:
        np.testing.assert_array_equal(
            engine.logits(folder, tokens, "-t", threads, isa=isa), expected
        )


@pytest.mark.parametrize("name", INT8)
def test_rotor_file(name: str, engine: Engine, model_dir: ModelDir, tmp_path: Path) -> None:
    folder, tokens = model_dir(RECIPES[name]), long_tokens(name)
    file = tmp_path / "model.rotor"
    report = engine.check("convert", folder, file).text
    engine.check("verify", file)
    expected = engine.logits(folder, tokens)
    np.testing.assert_array_equal(engine.logits(file, tokens), expected)
    oracle = numpy_bitnet.load_hf(folder)
    assert_same_model(rotor_file.load(file), oracle)
    checksum = rotor_file.trits_sha256(oracle)
    assert rotor_file.metadata(file)["rotor.trits_sha256"] == checksum
    assert checksum in report


def assert_same_model(got: numpy_bitnet.Model, expected: numpy_bitnet.Model) -> None:
    """Every trit, multiplier, gain and embedding value is the same."""
    np.testing.assert_array_equal(got.embedding, expected.embedding)
    np.testing.assert_array_equal(got.final_norm, expected.final_norm)
    assert len(got.layers) == len(expected.layers)
    for ours, theirs in zip(got.layers, expected.layers, strict=True):
        for name, linear in theirs.linears.items():
            np.testing.assert_array_equal(ours.linears[name].trits, linear.trits)
            assert ours.linears[name].multiplier == linear.multiplier
        for name, gains in theirs.norms.items():
            np.testing.assert_array_equal(ours.norms[name], gains)


def test_multipliers(engine: Engine, model_dir: ModelDir, tmp_path: Path) -> None:
    """MiniCPM's, and scales of groups with float activations, in a .rotor file and in GGUF."""
    folder, tokens = model_dir(RECIPES["minicpm-groups"]), long_tokens("minicpm-groups")
    report = json.loads(engine.check("inspect", folder, "--json").stdout)
    assert [report[key] for key in ("embed_scale", "head_divisor")] == [12, 4]
    rule = "one multiplier a row; one multiplier for each 128 columns of a row (f32)"
    assert report["scale_rule"] == rule  # rows of 128 and 256 columns
    file = tmp_path / "m.rotor"
    engine.check("convert", folder, file)
    engine.check("verify", file)
    expected = engine.logits(folder, tokens)
    np.testing.assert_array_equal(engine.logits(file, tokens), expected)
    recipe = RECIPES["minicpm-groups"]
    gguf = write_gguf(tmp_path / "m.gguf", recipe, tiny_models.make_weights(recipe), Form())
    outcome = engine.check("inspect", gguf)
    assert "rope_factors" not in outcome.stdout + outcome.stderr  # both lists are understood
    np.testing.assert_array_equal(engine.logits(gguf, tokens), expected)


def test_trits_with_float_activations(engine: Engine, model_dir: ModelDir, tmp_path: Path) -> None:
    """TriLM: the same in all containers, of which GGUF has the rows of q and k in pairs."""
    recipe = RECIPES["trilm-shards"]
    folder, tokens = model_dir(recipe), long_tokens("trilm-shards")
    expected = engine.logits(folder, tokens)
    report = json.loads(engine.check("inspect", folder, "--json").stdout)
    assert report["activations"] == "float"
    assert report["layouts"] == {"F16 holding trits, 2 shards of rows": 14}
    gguf = write_gguf(tmp_path / "m.gguf", recipe, tiny_models.make_weights(recipe), Form())
    np.testing.assert_array_equal(engine.logits(gguf, tokens), expected)
    for source in (folder, gguf):
        file = tmp_path / f"{source.name}.rotor"
        engine.check("convert", source, file)
        engine.check("verify", file)
        np.testing.assert_array_equal(engine.logits(file, tokens), expected)
    for target in ("x.gguf", "x/"):
        outcome = engine.run("convert", folder, f"{tmp_path}/{target}")
        assert outcome.status == 3 and ".rotor file can" in outcome.stderr


@pytest.mark.parametrize("name", ["llama-float", "qwen3-float"])
def test_ordinary_floats(
    name: str, engine: Engine, model_dir: ModelDir, tmp_path: Path
) -> None:
    recipe = RECIPES[name]
    folder, tokens = model_dir(recipe), long_tokens(name)
    gguf = write_gguf(tmp_path / "m.gguf", recipe, tiny_models.make_weights(recipe), Form())
    expected = engine.logits(folder, tokens)
    np.testing.assert_array_equal(engine.logits(gguf, tokens), expected)
    for model in (folder, gguf):
        assert "ordinary floats, not trits" in engine.check("run", model, "-p", "x", "-n", 1).stderr
        report = json.loads(engine.check("inspect", model, "--json").stdout)
        assert report["trits"] is None and report["layouts"] == {recipe.dtype: 7 * recipe.layers}
        assert "floats" in engine.check("inspect", model).stdout
        assert "floats without scales" in engine.check("verify", model).stdout
        for target in ("x.rotor", "x.gguf", "x/"):
            outcome = engine.run("convert", model, f"{tmp_path}/{target}")
            assert outcome.status == 3 and "there is nothing to pack" in outcome.stderr
    damaged = tmp_path / "damaged"
    weights = tiny_models.make_weights(recipe)
    weights.masters["model.layers.0.mlp.up_proj"][3, 5] = np.nan
    outcome = engine.run("verify", hf_writer.write_model(damaged, recipe, weights))
    assert outcome.status == 3 and "mlp.up_proj.weight" in outcome.stderr


def write_gguf(path: Path, recipe: Recipe, weights: Weights, form: Form) -> Path:
    path.write_bytes(gguf_writer.build(recipe, weights, form).encode())
    return path


@pytest.mark.parametrize("name", BLOCK_MULTIPLE)
def test_gguf(name: str, engine: Engine, model_dir: ModelDir, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    tokens = long_tokens(name)
    file = write_gguf(tmp_path / "m.gguf", recipe, tiny_models.make_weights(recipe), Form())
    expected = engine.logits(model_dir(recipe), tokens)
    if recipe.rope.get("rope_type") == "llama3":  # as divisors, which round the frequencies
        in_hub_form, expected = expected, engine.logits(file, tokens)
        assert checks.kl_per_token(in_hub_form, expected) < checks.MAX_KL
    np.testing.assert_array_equal(engine.logits(file, tokens), expected)
    converted = tmp_path / "m.rotor"
    engine.check("convert", file, converted)
    np.testing.assert_array_equal(engine.logits(converted, tokens), expected)
    checksum = rotor_file.trits_sha256(numpy_bitnet.load_hf(model_dir(recipe)))
    assert rotor_file.metadata(converted)["rotor.trits_sha256"] == checksum


FORMS = {
    "v2": Form(version=2),
    "bitnet": Form(arch="bitnet"),
    "bitnet-25": Form(arch="bitnet-25"),
    "f32-embedding": Form(embedding="F32"),
    "bf16-embedding": Form(embedding="BF16"),
    "f32-linears": Form(linears="F32"),
    "bf16-linears": Form(linears="BF16"),
    "official-defects": Form(official_defects=True),
    "first-upload": Form(arch="bitnet-25", official_defects=True, duplicate_head=True),
}


@pytest.mark.parametrize("form", FORMS)
def test_gguf_forms(form: str, engine: Engine, model_dir: ModelDir, tmp_path: Path) -> None:
    recipe = RECIPES["packed-multiply"]
    weights = tiny_models.make_weights(recipe)
    file = write_gguf(tmp_path / "m.gguf", recipe, weights, FORMS[form])
    tokens = golden.load(recipe.name).sequences[1].tokens
    expected = engine.logits(model_dir(recipe), tokens)
    np.testing.assert_array_equal(engine.logits(file, tokens), expected)


@pytest.mark.parametrize("layout", packing.I2S_LAYOUTS)
def test_i2s_layouts(layout: str, engine: Engine, model_dir: ModelDir, tmp_path: Path) -> None:
    recipe = RECIPES["packed-divide"]
    weights = tiny_models.make_weights(recipe)
    file = write_gguf(tmp_path / "m.gguf", recipe, weights, Form(i2s_layout=layout))
    tokens = golden.load(recipe.name).sequences[1].tokens
    expected = engine.logits(model_dir(recipe), tokens)
    got = engine.logits(file, tokens, "--i2s-layout", layout)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("kind", [*packing.BLOCK_TYPES, *packing.IQ_BN_TYPES])
def test_ternary_blocks(kind: str, engine: Engine, tmp_path: Path) -> None:
    """The same as the packed model of Hugging Face, whose scales binary16 holds exactly."""
    recipe = replace(RECIPES["wide-256"], ffn=512, dtype="F16")
    weights = tiny_models.make_weights(recipe)
    file = write_gguf(tmp_path / "m.gguf", recipe, weights, Form(linears=kind))
    folder = hf_writer.write_model(tmp_path / "dir", recipe, weights)
    tokens = golden.load("wide-256").sequences[1].tokens
    expected = engine.logits(folder, tokens)
    np.testing.assert_array_equal(engine.logits(file, tokens), expected)
    engine.check("convert", file, tmp_path / "m.rotor")
    np.testing.assert_array_equal(engine.logits(tmp_path / "m.rotor", tokens), expected)
    engine.check("verify", file)


def with_scales_of_groups(
    kind: str, recipe: Recipe, weights: Weights, folder: Path
) -> tuple[gguf_writer.Gguf, numpy_bitnet.Model]:
    """The recipe's trits as GGUF with a random scale for each block, and the formula's model."""
    oracle = numpy_bitnet.load_hf(hf_writer.write_model(folder, recipe, weights))
    gguf = gguf_writer.build(recipe, weights, Form(linears=kind))
    random = np.random.RandomState(8)
    elements = packing.BLOCK_TYPES[kind][0]
    for index, layer in enumerate(oracle.layers):
        for short, linear in layer.linears.items():
            shape = (linear.trits.shape[0], linear.trits.shape[1] // elements)
            scales = (linear.multiplier * (0.5 + random.random_sample(shape))).astype(np.float16)
            layer.linears[short] = replace(linear, groups=scales)
            name = gguf_writer.LINEARS[numpy_bitnet.HF_NAMES[short]]
            data = packing.pack_blocks(linear.trits, scales, kind).tobytes()
            name = f"blk.{index}.{name}.weight"
            gguf.tensors[name] = replace(gguf.tensors[name], data=data)
    return gguf, oracle


@pytest.mark.parametrize("kind", ["Q2_0", "Q2_0_128", "TQ2_0"])
def test_scales_of_groups(kind: str, engine: Engine, tmp_path: Path) -> None:
    """Each block has its scale: the logits of the formula, from the GGUF and from the .rotor file."""
    recipe = replace(RECIPES["wide-256"], ffn=512, dtype="F16")
    weights = tiny_models.make_weights(recipe)
    gguf, oracle = with_scales_of_groups(kind, recipe, weights, tmp_path / "dir")
    file = tmp_path / "m.gguf"
    file.write_bytes(gguf.encode())
    tokens = golden.load("wide-256").sequences[1].tokens
    got = engine.logits(file, tokens)
    assert checks.kl_per_token(numpy_bitnet.forward(oracle, tokens), got) < checks.MAX_KL
    engine.check("convert", file, tmp_path / "m.rotor")
    np.testing.assert_array_equal(engine.logits(tmp_path / "m.rotor", tokens), got)


@pytest.mark.parametrize("kind", ["Q2_0", "Q2_0_128", "PQ2_0", "PTQ1_0"])
def test_bonsai(kind: str, engine: Engine, tmp_path: Path) -> None:
    """Ternary-Bonsai as GGUF: scales of groups, and embedding and head of trits as well."""
    recipe = replace(RECIPES["qwen3-yarn"], hidden=128, ffn=256, head_size=64, dtype="F16")
    weights = tiny_models.make_weights(recipe)
    gguf, oracle = with_scales_of_groups(kind, recipe, weights, tmp_path / "dir")
    random = np.random.RandomState(9)
    elements = packing.BLOCK_TYPES[kind][0]
    parts = {}
    for name, size in (("token_embd.weight", 0.05), ("output.weight", 0.03)):
        trits = random.randint(-1, 2, size=(recipe.vocab, recipe.hidden)).astype(np.int8)
        shape = (recipe.vocab, recipe.hidden // elements)
        scales = (size * (0.5 + random.random_sample(shape))).astype(np.float16)
        parts[name] = trits * np.repeat(scales.astype(np.float32), elements, axis=1)
        data = packing.pack_blocks(trits, scales, kind).tobytes()
        dimensions = (recipe.hidden, recipe.vocab)
        gguf.tensors[name] = gguf_writer.GgufTensor(dimensions, gguf_writer.BLOCK_IDS[kind], data)
    oracle = replace(oracle, embedding=parts["token_embd.weight"], head=parts["output.weight"])
    file = tmp_path / "m.gguf"
    file.write_bytes(gguf.encode())
    tokens = golden.load("qwen3-yarn").sequences[1].tokens
    got = engine.logits(file, tokens)
    assert checks.kl_per_token(numpy_bitnet.forward(oracle, tokens), got) < checks.MAX_KL
    engine.check("convert", file, tmp_path / "m.rotor")
    np.testing.assert_array_equal(engine.logits(tmp_path / "m.rotor", tokens), got)
    engine.check("verify", file)


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_K", "Q6_K", "Q8_0"])
def test_quantised_embedding(kind: str, engine: Engine, tmp_path: Path) -> None:
    """The same as the float32 model whose embedding is what the blocks stand for."""
    recipe = replace(RECIPES["wide-256"], storage="packed", dtype="F32")
    weights = tiny_models.make_weights(RECIPES["wide-256"])
    file = write_gguf(tmp_path / "m.gguf", recipe, weights, Form(embedding=kind))
    encode = getattr(packing, f"quantize_{kind.lower()}")
    stored = getattr(packing, f"dequantize_{kind.lower()}")(encode(weights.embedding))
    weights.embedding = stored
    folder = hf_writer.write_model(tmp_path / "dir", recipe, weights)
    tokens = golden.load("wide-256").sequences[1].tokens
    got = engine.logits(file, tokens)
    np.testing.assert_array_equal(got, engine.logits(folder, tokens))
    oracle = numpy_bitnet.forward(numpy_bitnet.load_hf(folder), tokens)
    assert checks.kl_per_token(oracle, got) < checks.MAX_KL


def test_silu_of_the_older_architecture(engine: Engine, tmp_path: Path) -> None:
    """Architecture `bitnet` without an activation key means silu."""
    recipe = replace(RECIPES["packed-multiply"], hidden_act="silu")
    weights = tiny_models.make_weights(recipe)
    file = write_gguf(tmp_path / "m.gguf", recipe, weights, Form(arch="bitnet"))
    folder = hf_writer.write_model(tmp_path / "dir", recipe, weights)
    tokens = golden.load(recipe.name).sequences[1].tokens
    oracle = numpy_bitnet.load_hf(folder)
    expected: numpy_bitnet.Trace = {}
    logits = numpy_bitnet.forward(oracle, tokens, trace=expected)
    for model in (file, folder):
        trace: numpy_bitnet.Trace = {}
        got = engine.logits(model, tokens, inject=expected, trace=trace)
        checks.assert_same_sums(trace, expected)
        checks.assert_injected_logits(got, logits)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("official-defects", ["pre-tokenizer", "template", "295, 299"]),  # stops: EOS, found EOT
        ("first-upload", ["output.weight"]),
    ],
)
def test_repaired_defects_are_reported(
    form: str, words: list[str], engine: Engine, tmp_path: Path
) -> None:
    recipe = RECIPES["packed-multiply"]
    weights = tiny_models.make_weights(recipe)
    file = write_gguf(tmp_path / "m.gguf", recipe, weights, FORMS[form])
    text = engine.check("inspect", file).text
    for word in words:
        assert word in text, f"no word of {word!r} in:\n{text}"
    assert (
        "BITNETAssistant"
        not in engine.check("template", file, "--context", write_context(tmp_path)).stdout
    )


def write_context(folder: Path) -> Path:
    """A conversation for `rotor template`."""
    path = folder / "context.json"
    path.write_text(
        '{"messages": [{"role": "system", "content": "be brief"},'
        ' {"role": "user", "content": " Who\'s there? <|eot_id|> "}],'
        ' "add_generation_prompt": true}'
    )
    return path


def test_prompt_text_is_the_same_from_each_container(
    engine: Engine, model_dir: ModelDir, tmp_path: Path
) -> None:
    recipe = RECIPES["packed-multiply"]
    weights = tiny_models.make_weights(recipe)
    context = write_context(tmp_path)
    expected = "System: be brief<|eot_id|>User: Who's there? <|eot_id|><|eot_id|>Assistant: "
    converted = tmp_path / "m.rotor"
    engine.check("convert", model_dir(recipe), converted)
    files = [model_dir(recipe), converted]
    for form in ("v2", "official-defects"):
        files.append(write_gguf(tmp_path / f"{form}.gguf", recipe, weights, FORMS[form]))
    for file in files:
        got = engine.check("template", file, "--context", context).stdout
        assert got.removesuffix("\n") == expected, file
