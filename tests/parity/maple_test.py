# SPDX-License-Identifier: Apache-2.0
"""Maple: mixtures of experts against the formula in NumPy, in every container, and files that lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import checks
import golden
import maple_models
from engine import Engine
from gguf_writer import Gguf
from maple_models import WIDE, Shape

# Many times the window, over the border of a page of the cache.
TOKENS = [int(t) for t in np.random.RandomState(4).randint(0, 290, size=40)]
LONG = [int(t) for t in np.random.RandomState(5).randint(0, 290, size=270)]
MODEL = maple_models.make(Shape())
# Two layers: where the choice of an expert turns on a rounding, little follows.
PACKED = maple_models.make(replace(WIDE, layers=2, every=2))


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
def test_formula(kind: str, engine: Engine, tmp_path: Path) -> None:
    """Nothing is rounded, so that every number is that of the formula in binary64."""
    file = maple_models.write_gguf(tmp_path / "m.gguf", MODEL, kind)
    expected = maple_models.forward(MODEL, LONG, int8=False)
    got = engine.logits(file, LONG)
    assert np.abs(got - expected).max() < 2e-5 * golden.spread(expected)


@pytest.mark.parametrize("kind", ["TQ1_0", "TQ2_0", "Q2_0"])
def test_formula_of_packed_weights(kind: str, engine: Engine, tmp_path: Path) -> None:
    """Activations are rounded to int8; one beside a boundary may fall to its other side."""
    file = maple_models.write_gguf(tmp_path / "m.gguf", PACKED, kind)
    expected = maple_models.forward(PACKED, TOKENS, int8=True)
    assert checks.kl_per_token(expected, engine.logits(file, TOKENS)) < checks.MAX_KL


def test_every_part_counts(engine: Engine, tmp_path: Path) -> None:
    """Another window, rotary part, bound or number of experts: other logits."""
    file = maple_models.write_gguf(tmp_path / "m.gguf", MODEL)
    expected = engine.logits(file, TOKENS)
    spread = golden.spread(expected)
    for key in (
        "maple.attention.sliding_window=u32:7",
        "maple.rope.dimension_count=u32:16",
        "maple.rope.freq_base=f32:5000",
        "maple.expert_used_count=u32:2",
    ):
        name, value = key.replace("u32:", "int:").replace("f32:", "float:").split("=")
        got = engine.logits(file, TOKENS, "--override-kv", f"{name}={value}")
        assert np.abs(got - expected).max() > 1e-2 * spread, key
    bounded = maple_models.make(replace(MODEL.shape, limit=0.5))
    bounded.layers, bounded.embedding, bounded.head = MODEL.layers, MODEL.embedding, MODEL.head
    bounded.norm = MODEL.norm
    got = engine.logits(maple_models.write_gguf(tmp_path / "b.gguf", bounded), TOKENS)
    assert np.abs(got - expected).max() > 1e-2 * spread
    oracle = maple_models.forward(bounded, TOKENS, int8=False)
    assert np.abs(got - oracle).max() < 2e-5 * spread


def test_containers(engine: Engine, tmp_path: Path) -> None:
    """A Hugging Face folder, GGUF and the .rotor files of both give the same bits."""
    folder = maple_models.write_hf(tmp_path / "hf", MODEL)
    gguf = maple_models.write_gguf(tmp_path / "m.gguf", MODEL, "BF16")
    expected = engine.logits(folder, TOKENS)
    np.testing.assert_array_equal(engine.logits(gguf, TOKENS), expected)
    for source in (folder, gguf):
        file = tmp_path / f"{source.name}.rotor"
        engine.check("convert", source, file)
        engine.check("verify", file)
        np.testing.assert_array_equal(engine.logits(file, TOKENS), expected)
        report = json.loads(engine.check("inspect", file, "--json").stdout)
        assert [report[key] for key in ("experts", "experts_used", "gate_limit")] == [7, 3, 7]
        assert report["attention_window"] == 6 and report["activations"] == "float"
    text = engine.check("inspect", folder).stdout
    assert "7 experts, 3 for a token" in text
    for target in ("x.gguf", "x/"):
        outcome = engine.run("convert", folder, f"{tmp_path}/{target}")
        assert outcome.status == 3 and ".rotor file can" in outcome.stderr


def test_packed_containers(engine: Engine, tmp_path: Path) -> None:
    """TQ2_0 to .rotor to TQ1_0 and Q2_0: the same trits, the same bits."""
    gguf = maple_models.write_gguf(tmp_path / "m.gguf", PACKED, "TQ2_0")
    expected = engine.logits(gguf, TOKENS)
    rotor = tmp_path / "m.rotor"
    engine.check("convert", gguf, rotor)
    np.testing.assert_array_equal(engine.logits(rotor, TOKENS), expected)
    for kind in ("tq1_0", "q2_0"):
        again = tmp_path / f"{kind}.gguf"
        engine.check("convert", rotor, again, "--type", kind)
        engine.check("verify", again)
        np.testing.assert_array_equal(engine.logits(again, TOKENS), expected)
    assert engine.run("convert", gguf, tmp_path / "i.gguf", "--type", "i2_s").status == 3
    outcome = engine.run("convert", gguf, f"{tmp_path}/hf/")
    assert outcome.status == 3 and "experts" in outcome.stderr
    text = engine.check("run", gguf, "-p", "x", "-n", 8, "--temp", 0).stdout
    assert text == engine.check("run", rotor, "-p", "x", "-n", 8, "--temp", 0).stdout


def test_ordinary_floats(engine: Engine, tmp_path: Path) -> None:
    """Experts that are no trits at all are computed as they are."""
    model = maple_models.make(replace(MODEL.shape, seed=2))
    random = np.random.RandomState(3)
    for layer in model.layers:
        for name, trits in layer.trits.items():  # floats in their place, with scales of 1
            size = layer.scales[name]
            layer.trits[name] = (random.standard_normal(trits.shape) * size).astype(np.float32)
            layer.scales[name] = np.ones_like(size)
    expected = maple_models.forward(model, TOKENS, int8=False)
    folder = maple_models.write_hf(tmp_path / "hf", model, "F32")
    gguf = maple_models.write_gguf(tmp_path / "m.gguf", model)
    got = engine.logits(gguf, TOKENS)
    assert np.abs(got - expected).max() < 2e-5 * golden.spread(expected)
    np.testing.assert_array_equal(engine.logits(folder, TOKENS), got)


def refusal(engine: Engine, path: Path, file: Gguf) -> str:
    path.write_bytes(file.encode())
    outcome = engine.run("inspect", path)
    assert outcome.status == 3, outcome
    return outcome.stderr


KEYS = [  # key, value or none, a word of the message
    ("expert_count", None, "expert_count' is missing"),
    ("expert_count", ("u32", 0), "expected 1.."),
    ("expert_count", ("u32", 6), "blk.0.ffn_gate_exps"),
    ("expert_count", ("u32", 8), "blk.0.ffn_gate_exps"),
    ("expert_count", ("u32", 5000), "number of experts: expected 1..4096"),
    ("expert_used_count", None, "expert_used_count' is missing"),
    ("expert_used_count", ("u32", 0), "expected 1.."),
    ("expert_used_count", ("u32", 8), "expected 1..7, got 8"),
    ("expert_used_count", ("u32", 2**32 - 1), "expert_used_count"),
    ("expert_feed_forward_length", None, "expert_feed_forward_length' is missing"),
    ("expert_feed_forward_length", ("u32", 16), "blk.0.ffn_gate_exps"),
    ("expert_feed_forward_length", ("u32", 33), "only multiples of 16"),
    ("expert_feed_forward_length", ("u32", 2**24 - 16), "number of experts * width"),
    ("attention.sliding_window", None, "sliding_window' is missing"),
    ("attention.sliding_window", ("u32", 0), "sliding_window"),
    ("attention.sliding_window_pattern", None, "got nothing"),
    ("attention.sliding_window_pattern", ("[bool]", [True] * 3), "each of 4 layers, got 3"),
    ("attention.sliding_window_pattern", ("[bool]", [False, True, True, True]), "every n-th"),
    ("attention.sliding_window_pattern", ("u32", 4), "an array"),
    ("rope.dimension_count", ("u32", 7), "even number"),
    ("rope.dimension_count", ("u32", 18), "at most 16"),
    ("swiglu_clamp_exp", ("[f32]", [7.0, 7.0, 7.0, 8.0]), "another number in each layer"),
    ("swiglu_clamp_exp", ("[f32]", [7.0]), "each of 4 layers, got 1"),
    ("swiglu_clamp_exp", ("f32", float("nan")), "gate and up"),
    ("swiglu_clamp_exp", ("f32", -1.0), "gate and up"),
    ("swiglu_clamp_exp", ("str", "7"), "number"),
    ("expert_shared_count", ("u32", 1), "expert_shared_count' is 1"),
    ("expert_group_count", ("u32", 4), "expert_group_count' is 4"),
    ("expert_gating_func", ("u32", 2), "expert_gating_func' is 2"),
    ("expert_weights_scale", ("f32", 2.5), "expert_weights_scale' is 2.5"),
    ("expert_weights_norm", ("bool", False), "add up to 1"),
    ("leading_dense_block_count", ("u32", 1), "leading_dense_block_count' is 1"),
    ("rope.scaling.factor", ("f32", 2.0), "rotary scaling"),
]


def test_metadata_that_lies(engine: Engine, tmp_path: Path) -> None:
    for key, value, word in KEYS:
        file = maple_models.build_gguf(MODEL)
        if value is None:
            del file.metadata[f"maple.{key}"]
        else:
            file.metadata[f"maple.{key}"] = value
        message = refusal(engine, tmp_path / "m.gguf", file)
        assert word in message, f"{key} {value}: {message}"


def test_metadata_that_says_the_same_otherwise(engine: Engine, tmp_path: Path) -> None:
    expected = engine.logits(maple_models.write_gguf(tmp_path / "m.gguf", MODEL), TOKENS)

    def change(edit: Callable[[dict], None]) -> np.ndarray:
        file = maple_models.build_gguf(MODEL)
        edit(file.metadata)
        (tmp_path / "o.gguf").write_bytes(file.encode())
        return engine.logits(tmp_path / "o.gguf", TOKENS)

    def older(keys: dict) -> None:  # as files of before there was a key for the bound
        del keys["maple.swiglu_clamp_exp"]
        keys["maple.rope.dimension_count"] = ("u32", 2)
        keys["maple.rope.dimension_count_swa"] = ("u32", MODEL.shape.rotary)
        keys["maple.rope.freq_base"] = ("f32", 1e6)
        keys["maple.rope.freq_base_swa"] = ("f32", MODEL.shape.theta)

    def other_types(keys: dict) -> None:
        keys["maple.swiglu_clamp_exp"] = ("f32", 7.0)
        keys["maple.attention.sliding_window_pattern"] = ("[u32]", [1, 1, 1, 0])
        keys["maple.expert_gating_func"] = ("u32", 1)
        keys["maple.expert_weights_norm"] = ("bool", True)
        keys["maple.expert_group_count"] = ("u32", 1)

    np.testing.assert_array_equal(change(older), expected)
    assert "bound them by 7" in engine.check("inspect", tmp_path / "o.gguf").text
    np.testing.assert_array_equal(change(other_types), expected)


def test_tensors_that_are_missing_or_of_another_shape(engine: Engine, tmp_path: Path) -> None:
    names = ["ffn_gate_inp", *maple_models.EXPERT, "attn_q_norm"]
    for name in (f"blk.3.{name}.weight" for name in names):
        file = maple_models.build_gguf(MODEL)
        tensor = file.tensors.pop(name)
        assert f"'{name}' is missing" in refusal(engine, tmp_path / "m.gguf", file)
        if len(tensor.ne) == 3:  # the same bytes with a shape that lies
            flat = (tensor.ne[0], tensor.ne[1] * tensor.ne[2])
            for ne in (tensor.ne[:1] + tensor.ne[:0:-1], flat):
                file.tensors[name] = replace(tensor, ne=ne)
                message = refusal(engine, tmp_path / "m.gguf", file)
                assert name in message and "expected dimensions" in message
    file = maple_models.build_gguf(MODEL)
    file.tensors["blk.0.ffn_gate.weight"] = file.tensors["blk.0.attn_q.weight"]
    assert "blk.0.ffn_gate.weight" in refusal(engine, tmp_path / "m.gguf", file)
    file = maple_models.build_gguf(MODEL)
    router = file.tensors["blk.1.ffn_gate_inp.weight"]
    file.tensors["blk.1.ffn_gate_inp.weight"] = replace(router, type_id=8)
    assert "blk.1.ffn_gate_inp" in refusal(engine, tmp_path / "m.gguf", file)


def test_files_that_end_early(engine: Engine, tmp_path: Path) -> None:
    whole = maple_models.build_gguf(MODEL).encode()
    folder = maple_models.write_hf(tmp_path / "hf", MODEL)
    engine.check("convert", folder, tmp_path / "m.rotor")
    rotor = (tmp_path / "m.rotor").read_bytes()
    random = np.random.RandomState(1)
    for name, data in (("c.gguf", whole), ("c.rotor", rotor)):
        for size in random.randint(1, len(data) - 1, size=12):
            (tmp_path / name).write_bytes(data[:size])
            assert engine.run("inspect", tmp_path / name).status == 3, size


def test_a_router_that_is_not_finite(engine: Engine, tmp_path: Path) -> None:
    model = maple_models.make(replace(MODEL.shape, seed=3))
    model.layers[2].router[4, 5] = np.nan
    file = maple_models.write_gguf(tmp_path / "m.gguf", model)
    outcome = engine.run("verify", file)
    assert outcome.status == 3 and "blk.2.ffn_gate_inp.weight" in outcome.stderr
    outcome = engine.run("run", file, "-p", "x", "-n", 1)
    assert outcome.status != 0 and "layer 2" in outcome.stderr


CONFIG = [  # field, value or none, a word of the message
    ("num_experts", None, "'num_experts' is missing"),
    ("num_experts", 0, "at least 1"),
    ("num_experts", 6, "mlp.gate.weight"),
    ("num_experts", 8, "experts.7.gate_proj.weight' is missing"),
    ("num_experts_per_tok", 8, "expected 1..7, got 8"),
    ("moe_intermediate_size", 16, "mlp.experts.0.gate_proj"),
    ("num_shared_experts", 1, "num_shared_experts"),
    ("first_k_dense_replace", 1, "first_k_dense_replace"),
    ("norm_topk_prob", False, "norm_topk_prob"),
    ("nope_on_global_attention", False, "nope_on_global_attention"),
    ("use_qk_norm", False, "use_qk_norm"),
    ("moe_router_enable_expert_bias", True, "moe_router_enable_expert_bias"),
    ("score_function", "sigmoid", "score_function"),
    ("n_group", 8, "groups of experts"),
    ("hidden_act", "relu2", "silu"),
    ("layer_types", None, "'layer_types' is missing"),
    ("layer_types", ["full_attention"] + ["sliding_attention"] * 3, "every n-th"),
    ("sliding_window", None, "'sliding_window' is missing"),
    ("partial_rotary_factor", 0.3, "partial_rotary_factor"),
    ("partial_rotary_factor", 0.0, "partial_rotary_factor"),
    ("rope_scaling", {"rope_type": "linear", "factor": 2.0}, "rotary scaling"),
]


def test_configs_that_lie(engine: Engine, tmp_path: Path) -> None:
    folder = maple_models.write_hf(tmp_path / "hf", MODEL)
    for key, value, word in CONFIG:
        config = maple_models.config(MODEL.shape)
        if value is None:
            del config[key]
        else:
            config[key] = value
        (folder / "config.json").write_text(json.dumps(config))
        outcome = engine.run("inspect", folder)
        assert outcome.status == 3 and word in outcome.stderr, f"{key} {value}: {outcome.stderr}"
