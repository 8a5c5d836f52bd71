# SPDX-License-Identifier: Apache-2.0
"""The same trits in the less usual containers: split GGUF files, ternary floats, MLX's 2 bits; and
what the weights show of the layout of I2_S."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import golden
import gguf_writer
import hf_writer
import packing
import rotor_file
import tiny_models
from engine import ROOT, Engine
from gguf_writer import Form, Gguf
from numpy_bitnet import HF_NAMES
from safetensors_io import Tensor
from tiny_models import RECIPES, Recipe, Weights

WIDE = replace(RECIPES["wide-256"], ffn=512, dtype="F16")
TOKENS = golden.load("wide-256").sequences[1].tokens


@pytest.fixture(scope="module")
def expected(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Logits of the packed Hugging Face model."""
    folder = tmp_path_factory.mktemp("packed")
    model = hf_writer.write_model(folder, WIDE, tiny_models.make_weights(WIDE))
    return engine.logits(model, TOKENS)


# Split GGUF files.


def split(file: Gguf, counts: list[int]) -> list[Gguf]:
    """The parts of a model with ``counts`` tensors each; the first has the metadata."""
    names, parts = list(file.tensors), []
    for number, count in enumerate(counts):
        part = Gguf(metadata=dict(file.metadata) if number == 0 else {})
        part.metadata["split.no"] = ("u16", number)
        part.metadata["split.count"] = ("u16", len(counts))
        part.metadata["split.tensors.count"] = ("i32", len(file.tensors))
        part.tensors = {name: file.tensors[name] for name in names[:count]}
        names = names[count:]
        parts.append(part)
    assert not names
    return parts


def write_parts(folder: Path, parts: list[Gguf]) -> list[Path]:
    paths = [folder / f"m-{i + 1:05}-of-{len(parts):05}.gguf" for i in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        path.write_bytes(part.encode())
    return paths


def tiny_parts() -> list[Gguf]:
    file = gguf_writer.build(WIDE, tiny_models.make_weights(WIDE), Form(linears="Q2_0"))
    total = len(file.tensors)
    return split(file, [0, total // 2, total - total // 2])


def test_split_files(engine: Engine, expected: np.ndarray, tmp_path: Path) -> None:
    paths = write_parts(tmp_path, tiny_parts())
    for path in paths:
        np.testing.assert_array_equal(engine.logits(path, TOKENS), expected)
    engine.check("verify", paths[0])
    engine.check("convert", paths[1], tmp_path / "m.rotor")
    np.testing.assert_array_equal(engine.logits(tmp_path / "m.rotor", TOKENS), expected)


def test_split_files_that_do_not_fit(engine: Engine, tmp_path: Path) -> None:
    parts = tiny_parts()
    paths = write_parts(tmp_path, parts)
    other = gguf_writer.build(replace(WIDE, seed=2), tiny_models.make_weights(WIDE), Form())

    def refused(by: Path, named: Path, word: str) -> None:
        outcome = engine.run("inspect", by)
        assert outcome.status == 3
        assert named.name in outcome.stderr
        assert word in outcome.stderr

    paths[2].unlink()
    refused(paths[0], paths[2], "missing")
    shutil.copyfile(paths[1], paths[2])
    refused(paths[0], paths[2], "expected part 3 of 3, found part 2 of 3")
    paths[2].write_bytes(split(other, [0, 0, len(other.tensors)])[2].encode())
    refused(paths[0], paths[2], "the name occurs twice")
    foreign = replace(parts[2], metadata=parts[2].metadata | {"general.name": ("str", "other")})
    paths[2].write_bytes(foreign.encode())
    refused(paths[0], paths[2], "general.name is another")
    data = parts[2].encode()
    paths[2].write_bytes(data[: len(data) // 2])
    refused(paths[1], paths[2], "")


# Floats that are trits times scales, without a word of it in config.json.


def group_scales(weights: Weights, recipe: Recipe, group: int) -> dict[str, np.ndarray]:
    """binary16 scales (rows, groups) of every matrix."""
    random = np.random.RandomState(9)
    scales = {}
    for name, trits in weights.trits.items():
        shape = (trits.shape[0], trits.shape[1] // group)
        size = float(weights.multiplier(name, recipe))
        scales[name] = (size * (0.5 + random.random_sample(shape))).astype(np.float16)
    return scales


def write_grouped_gguf(
    path: Path, weights: Weights, scales: dict[str, np.ndarray], kind: str
) -> None:
    """The model as GGUF in a type of blocks, with the scales of ``scales``."""
    file = gguf_writer.build(WIDE, weights, Form(linears=kind))
    for name, trits in weights.trits.items():
        layer, projection = name.removeprefix("model.layers.").split(".", 1)
        target = f"blk.{layer}.{gguf_writer.LINEARS[projection]}.weight"
        data = packing.pack_blocks(trits, scales[name], kind).tobytes()
        file.tensors[target] = replace(file.tensors[target], data=data)
    path.write_bytes(file.encode())


def write_hf(folder: Path, tensors: dict[str, Tensor], changes: dict[str, object]) -> Path:
    """A Hugging Face directory of WIDE with these tensors; None removes a key of config.json."""
    folder.mkdir()
    hf_writer.write_config(folder, WIDE)
    config = json.loads((folder / "config.json").read_text()) | changes
    config = {key: value for key, value in config.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config))
    hf_writer.write_tensors(folder, tensors, 1)
    return folder


def unpacked(weights: Weights, scales: dict[str, np.ndarray], dtype: str) -> dict[str, Tensor]:
    """All tensors, the matrices as floats: trit times the scale of its group."""
    tensors = hf_writer.tensors(WIDE, weights)
    for name, trits in weights.trits.items():
        del tensors[f"{name}.weight_scale"]
        cols = trits.shape[1] // scales[name].shape[1]
        wide = np.repeat(scales[name].astype(np.float32), cols, axis=1)
        tensors[f"{name}.weight"] = Tensor.of(trits * wide, dtype)
    return tensors


@pytest.mark.parametrize("dtype", ["F16", "F32"])
def test_exactly_ternary_floats(
    dtype: str, engine: Engine, expected: np.ndarray, tmp_path: Path
) -> None:
    weights = tiny_models.make_weights(WIDE)
    scales = {n: np.full((t.shape[0], 1), weights.scales[n]) for n, t in weights.trits.items()}
    changes = {"quantization_config": None}
    folder = write_hf(tmp_path / "floats", unpacked(weights, scales, dtype), changes)
    np.testing.assert_array_equal(engine.logits(folder, TOKENS), expected)
    report = json.loads(engine.check("inspect", folder, "--json").stdout)
    assert report["layouts"] == {f"{dtype} holding trits": 14}
    assert report["scale_rule"] == "one multiplier a matrix"


@pytest.mark.parametrize(("group", "kind"), [(64, "Q2_0"), (128, "PQ2_0"), (256, "TQ2_0")])
def test_ternary_floats_with_scales_of_groups(
    group: int, kind: str, engine: Engine, tmp_path: Path
) -> None:
    weights = tiny_models.make_weights(WIDE)
    scales = group_scales(weights, WIDE, group)
    write_grouped_gguf(tmp_path / "m.gguf", weights, scales, kind)
    changes = {"quantization_config": None}
    folder = write_hf(tmp_path / "floats", unpacked(weights, scales, "F16"), changes)
    np.testing.assert_array_equal(
        engine.logits(folder, TOKENS), engine.logits(tmp_path / "m.gguf", TOKENS)
    )
    engine.check("convert", folder, tmp_path / "m.rotor")
    np.testing.assert_array_equal(
        engine.logits(tmp_path / "m.rotor", TOKENS), engine.logits(tmp_path / "m.gguf", TOKENS)
    )


def test_ordinary_floats_are_refused(engine: Engine, tmp_path: Path) -> None:
    recipe = replace(WIDE, storage="master")
    weights = tiny_models.make_weights(recipe)
    changes = {"quantization_config": None}
    folder = write_hf(tmp_path / "floats", hf_writer.tensors(recipe, weights), changes)
    outcome = engine.run("inspect", folder)
    assert outcome.status == 3
    for word in ("q_proj.weight", "not ternarised silently", "row 0", "quantization_mode"):
        assert word in outcome.stderr


# MLX.


def mlx_tensors(weights: Weights, scales: dict[str, np.ndarray], dtype: str) -> dict[str, Tensor]:
    tensors = hf_writer.tensors(WIDE, weights)
    for name, trits in weights.trits.items():
        del tensors[f"{name}.weight_scale"]
        tensors[f"{name}.weight"] = Tensor("U32", packing.pack_mlx(trits))
        tensors[f"{name}.scales"] = Tensor.of(scales[name].astype(np.float32), dtype)
        tensors[f"{name}.biases"] = Tensor.of(-scales[name].astype(np.float32), dtype)
    return tensors


def mlx_config(group: int) -> dict[str, object]:
    setting = {"group_size": group, "bits": 2}
    return {"quantization": setting, "quantization_config": setting}


@pytest.mark.parametrize(("group", "kind"), [(64, "Q2_0"), (128, "PQ2_0")])
def test_mlx(group: int, kind: str, engine: Engine, tmp_path: Path) -> None:
    weights = tiny_models.make_weights(WIDE)
    scales = group_scales(weights, WIDE, group)
    write_grouped_gguf(tmp_path / "m.gguf", weights, scales, kind)
    folder = write_hf(tmp_path / "mlx", mlx_tensors(weights, scales, "F16"), mlx_config(group))
    expected = engine.logits(tmp_path / "m.gguf", TOKENS)
    np.testing.assert_array_equal(engine.logits(folder, TOKENS), expected)
    engine.check("convert", folder, tmp_path / "m.rotor")
    np.testing.assert_array_equal(engine.logits(tmp_path / "m.rotor", TOKENS), expected)
    engine.check("verify", folder)


def test_mlx_that_is_not_ternary(engine: Engine, tmp_path: Path) -> None:
    weights = tiny_models.make_weights(WIDE)
    scales = group_scales(weights, WIDE, 64)
    tensors = mlx_tensors(weights, scales, "F16")
    name = "model.layers.1.mlp.up_proj.weight"
    codes = tensors[name].array.copy()
    codes[3, 2] |= 3
    folder = write_hf(tmp_path / "codes", tensors | {name: Tensor("U32", codes)}, mlx_config(64))
    outcome = engine.run("verify", folder)
    assert outcome.status == 3
    assert name in outcome.stderr
    assert "code 3: the matrix is not ternary" in outcome.stderr
    name = "model.layers.1.mlp.up_proj.biases"
    biases = tensors[name].array.copy()
    biases[5, 1] *= 1.01
    folder = write_hf(tmp_path / "bias", tensors | {name: Tensor("F16", biases)}, mlx_config(64))
    outcome = engine.run("verify", folder)
    assert outcome.status == 3
    assert name in outcome.stderr
    folder = write_hf(tmp_path / "bits", tensors, {"quantization": {"group_size": 64, "bits": 4}})
    outcome = engine.run("verify", folder)
    assert outcome.status == 3
    assert "4 bits in groups of 64" in outcome.stderr


# The layout of I2_S that trained weights show.


@dataclass(frozen=True)
class Shipped:
    """A model that ships with the project, for gguf_writer."""

    recipe: Recipe
    weights: Weights


def shipped(name: str) -> Shipped:
    model = rotor_file.load(ROOT / "models" / f"{name}.rotor")
    hidden, ffn = model.embedding.shape[1], model.layers[0].linears["gate"].trits.shape[0]
    vocab = model.embedding.shape[0]
    recipe = Recipe(
        name, hidden, ffn, model.heads, model.kv_heads, len(model.layers), vocab, model.theta
    )
    weights = Weights(embedding=model.embedding)
    norms = {"attn": "input_layernorm", "attn_sub": "self_attn.attn_sub_norm"}
    norms |= {"ffn": "post_attention_layernorm", "ffn_sub": "mlp.ffn_sub_norm"}
    for index, layer in enumerate(model.layers):
        prefix = f"model.layers.{index}."
        for short, linear in layer.linears.items():
            weights.trits[prefix + HF_NAMES[short]] = linear.trits
            weights.scales[prefix + HF_NAMES[short]] = linear.multiplier
        for short, norm in norms.items():
            weights.norms[f"{prefix}{norm}.weight"] = layer.norms[short]
    weights.norms["model.norm.weight"] = model.final_norm
    return Shipped(recipe, weights)


@pytest.mark.parametrize("name", ["stories", "stories-chat"])
def test_trained_weights_show_their_i2s_layout(name: str, engine: Engine, tmp_path: Path) -> None:
    model = shipped(name)
    checksums = set()
    for layout in packing.I2S_LAYOUTS:
        file = tmp_path / f"{layout}.gguf"
        form = Form(i2s_layout=layout, embedding="BF16")
        file.write_bytes(gguf_writer.build(model.recipe, model.weights, form).encode())
        report = json.loads(engine.check("inspect", file, "--json").stdout)
        assert report["i2s_layout"]["layout"] == layout
        assert report["i2s_layout"]["decided_by"] == "weights"
        gains = {key: e["gains"] for key, e in report["i2s_layout"]["evidence"].items()}
        print(name, layout, gains)
        assert gains[layout] > 4 * max(v for key, v in gains.items() if key != layout)
        checksums.add(report["trits_sha256"])
    assert len(checksums) == 1


def test_random_weights_do_not(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    weights = tiny_models.make_weights(RECIPES["packed-divide"])
    form = Form(i2s_layout="64")
    file.write_bytes(gguf_writer.build(RECIPES["packed-divide"], weights, form).encode())
    report = json.loads(engine.check("inspect", file, "--json").stdout)
    assert report["i2s_layout"]["layout"] == "128"
    assert report["i2s_layout"]["decided_by"] == "default"
    assert any("choose with --i2s-layout" in note for note in report["notes"])


# What inspect says of the trits.


def test_inspect_counts_trits_and_dead_channels(engine: Engine, tmp_path: Path) -> None:
    recipe = RECIPES["packed-multiply"]
    weights = tiny_models.make_weights(recipe)
    weights.trits["model.layers.1.mlp.gate_proj"][7] = 0
    weights.trits["model.layers.1.mlp.down_proj"][:, [7, 9]] = 0
    folder = hf_writer.write_model(tmp_path / "m", recipe, weights)
    report = json.loads(engine.check("inspect", folder, "--json").stdout)
    assert report["dead_channels"] == [0, 2]
    assert not report["duplicate_head"]
    assert report["i2s_layout"] is None
    short = {projection.split(".")[-1]: name for name, projection in HF_NAMES.items()}
    counts = {name: np.zeros(3, dtype=int) for name in HF_NAMES}
    for name, trits in weights.trits.items():
        counts[short[name.split(".")[-1]]] += [(trits == t).sum() for t in (-1, 0, 1)]
    for name, found in report["trits"]["by_matrix"].items():
        assert [found[key] for key in ("minus", "zero", "plus")] == list(counts[name])
        shares = counts[name] / counts[name].sum()
        np.testing.assert_allclose(found["entropy_bits"], -(shares * np.log2(shares)).sum())
    limit = report["decode_limit"]
    rate = limit["read_bytes_per_second"] / limit["bytes_per_token"]
    np.testing.assert_allclose(limit["tokens_per_second"], rate)
    text = engine.check("inspect", folder).stdout
    for word in ("dead channels 2 in layer 1", "bits each", "decode limit", "with 32768"):
        assert word in text
