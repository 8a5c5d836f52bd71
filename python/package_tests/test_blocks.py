# SPDX-License-Identifier: Apache-2.0
"""The building blocks: the engine's numbers layer by layer, from the kernels and from NumPy's
twin."""

import json
import math
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from numpy.typing import NDArray

import rotor
from rotor import (
    bitnet,
    bitnet_model,
    dense243,
    numpy_layouts,
    numpy_ops,
    numpy_sampler,
    ops,
    transformer,
)

sys.path.insert(0, str(ROOT / "tests" / "parity"))
import gguf_writer  # type: ignore[import-not-found]
import hf_writer  # type: ignore[import-not-found]
import packing  # type: ignore[import-not-found]
import tiny_models  # type: ignore[import-not-found]

F = np.float32
STORIES = ROOT / "models" / "stories.rotor"
FORMATS = ("i2", "dense243", "planes2")


def same(a: Any, b: Any) -> None:
    """Equal in type, shape and every bit, whatever a NaN's."""
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(np.signbit(a)[~np.isnan(a)], np.signbit(b)[~np.isnan(b)])


@pytest.fixture(params=range(6))
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(request.param)


def floats(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """Of many magnitudes, with zeros of both signs."""
    values = rng.standard_normal(shape) * 10.0 ** rng.uniform(-6, 3, (*shape[:-1], 1))
    values[rng.random(shape) < 0.05] = -0.0
    return values.astype(F)


def test_operations_are_the_kernels(rng: np.random.Generator) -> None:
    assert ops.COMPILED
    n = int(rng.integers(1, 900))
    x, weight = floats(rng, 5, n), floats(rng, n)
    same(ops.rms_norm(x, weight, 1e-5), numpy_ops.rms_norm(x, weight, 1e-5))
    for a, b in zip(ops.quantize(x), numpy_ops.quantize(x), strict=True):
        same(a, b)
    for activation in ("relu2", "silu"):
        gate, up = floats(rng, 3, n), floats(rng, 3, n)
        same(ops.gated(gate, up, activation), numpy_ops.gated(gate, up, activation))
    table = floats(rng, 37, n)
    same(ops.dot_rows(table, x), numpy_ops.dot_rows(table, x))
    dim = 2 * int(rng.integers(1, 40))
    theta = float(10 ** rng.uniform(0.5, 6))
    inverse = ops.inverse_frequencies(theta, dim)
    same(inverse, numpy_ops.inverse_frequencies(theta, dim))
    positions = rng.integers(0, 1 << 24, 7).astype(np.uint32)
    angles = ops.rotary(positions, inverse)
    for a, b in zip(angles, numpy_ops.rotary(positions, inverse), strict=True):
        same(a, b)
    turned = floats(rng, 7, 3, dim)
    same(ops.rope(turned, *angles), numpy_ops.rope(turned, *angles))


@pytest.mark.parametrize("kv_type", ["f16", "f32"])
def test_attention_is_the_kernels(rng: np.random.Generator, kv_type: str) -> None:
    tokens, position = int(rng.integers(1, 5)), int(rng.integers(0, 700))
    heads, kv_heads, dim = 4, 2, 2 * int(rng.integers(1, 20))
    window = int(rng.choice([0, 1, 100, 300]))
    q = rng.standard_normal((tokens, heads, dim)).astype(F)
    k, v = rng.standard_normal((2, position + tokens, kv_heads, dim)).astype(F)
    args = (q, k, v, position, kv_type, window)
    same(ops.attend(*args), numpy_ops.attend(*args))


def test_ends_of_the_range() -> None:
    """Overflow and values that are not numbers come out as NaN, or are refused, alike."""
    odd = np.array([[1e30, 1, 2, 3], [np.nan, 1, 2, 3], [np.inf, 0, 0, 0], [0, 0, 0, 0]], F)
    weight = np.ones(4, F)
    same(np.isnan(ops.rms_norm(odd, weight, 0.0)), np.isnan(numpy_ops.rms_norm(odd, weight, 0.0)))
    for one in (ops, numpy_ops):
        for row in range(1, 3):
            with pytest.raises(FloatingPointError, match=r"vector 1 of shape \(2, 4\)"):
                one.quantize(np.stack([odd[3], odd[row]]))
    for activation in ("relu2", "silu"):
        a = ops.gated(odd, odd, activation)
        same(np.isnan(a), np.isnan(numpy_ops.gated(odd, odd, activation)))
    q = np.full((1, 1, 2), 1e20, F)
    for kv_type in ("f16", "f32"):
        assert np.isnan(ops.attend(q, q, q, 0, kv_type)).all()
        assert np.isnan(numpy_ops.attend(q, q, q, 0, kv_type)).all()


@pytest.mark.parametrize("format", FORMATS)
def test_layouts_are_the_kernels(rng: np.random.Generator, format: str) -> None:
    rows, cols = (int(size) for size in rng.integers(1, 70, 2))
    trits = rng.integers(-1, 2, (rows, cols)).astype(np.int8)
    packed = ops.pack_trits(trits, format)
    same(packed, numpy_layouts.pack_trits(trits, format))
    for one in (ops, numpy_layouts):
        same(one.unpack_trits(packed, rows, cols, format), trits)
        with pytest.raises(ValueError):
            one.unpack_trits(packed[:, :-1].copy(), rows, cols, format)
        with pytest.raises(rotor.FormatError, match="byte 40 "):
            broken = packed.copy()
            broken[0, 40] = 255
            broken[0, 8] = 0 if format == "planes2" else broken[0, 8]
            one.unpack_trits(broken, rows, cols, format)


def test_checkpoint_bytes(rng: np.random.Generator) -> None:
    rows, cols = 4 * int(rng.integers(1, 20)), int(rng.integers(1, 50))
    trits = rng.integers(-1, 2, (rows, cols)).astype(np.int8)
    packed = bitnet.pack_bitnet_weights(trits)
    same(packed, packing.pack_hf(trits))
    same(bitnet.unpack_bitnet_weights(packed), trits)
    planes = bitnet.bitnet_to_rotor(packed)
    same(bitnet.rotor_unpack_weights(planes, trits.shape), trits)
    fewer = trits[: rows - 3]
    same(bitnet.unpack_bitnet_weights(bitnet.pack_bitnet_weights(fewer), rows - 3), fewer)
    same(dense243.unpack(dense243.pack(trits), trits.shape), trits)


def test_products(rng: np.random.Generator) -> None:
    rows, cols = int(rng.integers(1, 60)), int(rng.integers(1, 600))
    trits = rng.integers(-1, 2, (rows, cols)).astype(np.int8)
    exact = trits.astype(np.int64)
    for lead in ((), (1,), (3,), (2, 0), (2, 3, 2)):
        codes = rng.integers(-128, 128, (*lead, cols)).astype(np.int8)
        found = rotor.ternary_gemm(codes, trits)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, codes.astype(np.int64) @ exact.T)
        x = rng.standard_normal((*lead, cols)).astype(F)
        result = rotor.ternary_gemm(x, trits)
        same(result, numpy_ops.PackedMatrix(trits, 1.0).matmul(x))
        assert result.shape == (*lead, rows)
    every_other = np.asfortranarray(rng.standard_normal((4, cols)).astype(F))
    same(
        rotor.ternary_gemm(every_other, trits),
        rotor.ternary_gemm(np.ascontiguousarray(every_other), trits),
    )
    x = rng.standard_normal((3, cols)).astype(F)
    scales = rng.uniform(0.1, 2, rows).astype(F)
    groups = rng.uniform(0.1, 2, (rows, -(-cols // 64))).astype(np.float16)
    for scale, group_cols in ((0.5, 0), (scales, 0), (groups, 64), (groups.astype(F), 64)):
        linear = transformer.TernaryLinear(trits, scale, group_cols=group_cols)
        same(linear(x), numpy_ops.PackedMatrix(trits, scale, group_cols=group_cols).matmul(x))


def test_the_draw_is_the_engines(rng: np.random.Generator) -> None:
    logits = (rng.standard_normal(500) * 3).astype(F)
    logits[rng.integers(0, 500, 40)] = -np.inf
    logits[rng.integers(0, 500, 40)] = F(1.5)
    tokens = rng.integers(0, 500, 90).astype(np.int32)
    for _ in range(60):
        fields: dict[str, Any] = {
            "temperature": float(rng.choice([0, 0.5, 1, 3])),
            "top_k": int(rng.choice([0, 1, 20, 1000])),
            "top_p": float(rng.choice([0, 0.5, 0.95, 1])),
            "min_p": float(rng.choice([0, 0.05, 1])),
            "typical_p": float(rng.choice([0, 0.5, 1])),
            "repeat_last_n": int(rng.choice([-1, 0, 7, 64])),
            "repeat_penalty": float(rng.choice([1, 1.3])),
            "presence_penalty": float(rng.choice([0, 0.7])),
            "frequency_penalty": float(rng.choice([0, 0.1])),
            "seed": int(rng.integers(0, 1 << 63)),
            "logit_bias": [(3, 1.25), (4, -math.inf)],
        }
        answer, length = int(rng.integers(0, 5)), int(rng.integers(0, 90))
        drawn = [
            sampler.draw(logits, tokens[:length], answer)
            for sampler in (
                ops.Sampler(ops.SamplingParams(**fields), 500),
                numpy_sampler.Sampler(numpy_sampler.SamplingParams(**fields), 500),
            )
        ]
        assert drawn[0] == drawn[1], fields


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models with each norm, activation and kind of scale that there is."""
    folder = tmp_path_factory.mktemp("models")
    found = {"stories": STORIES}
    for name in ("packed-multiply", "qwen3-embedding", "qwen3-yarn", "1bitllm-heads-96"):
        recipe = tiny_models.RECIPES[name]
        found[name] = hf_writer.write_model(folder / name, recipe, tiny_models.make_weights(recipe))
    found["groups"] = folder / "groups.gguf"
    found["groups"].write_bytes(grouped(np.random.default_rng(4)).encode())
    return found


def grouped(rng: np.random.Generator) -> Any:
    """A GGUF of Q2_0 whose every 64 columns of a row have a scale of their own."""
    recipe = tiny_models.RECIPES["wide-256"]
    weights = tiny_models.make_weights(recipe)
    file = gguf_writer.build(recipe, weights, gguf_writer.Form(linears="Q2_0"))
    for name, trits in weights.trits.items():
        layer, projection = name.removeprefix("model.layers.").split(".", 1)
        target = f"blk.{layer}.{gguf_writer.LINEARS[projection]}.weight"
        scales = rng.uniform(0.01, 0.04, (trits.shape[0], trits.shape[1] // 64)).astype(np.float16)
        data = packing.pack_blocks(trits, scales, "Q2_0").tobytes()
        file.tensors[target] = replace(file.tensors[target], data=data)
    return file


def compare(model: bitnet_model.BitNetModel, traced: dict[str, Any], tokens: list[int]) -> None:
    """Every quantised activation and exact sum of every layer against the engine's."""
    x = model.embedding[tokens]

    def check(site: str, value: NDArray[np.float32], **linears: transformer.TernaryLinear) -> None:
        inputs = value
        for name, linear in linears.items():
            own = linear.input_norm is not None
            inputs = linear.input_norm(value) if linear.input_norm is not None else value
            codes, scales = ops.quantize(inputs)
            label = f"layer{layer}.{name if own else site}"
            same(codes, traced[f"{label}.q"])
            same(scales, traced[f"{label}.scale"])
            same(linear.packed.matmul_int8(codes), traced[f"layer{layer}.{name}.acc"])

    for layer, block in enumerate(model.blocks):  # noqa: B007  # of check()
        before = x
        attention, ffn = block.attention, block.ffn
        normed = block.attention_norm(x)
        check("qkv", normed, q=attention.query, k=attention.key, v=attention.value)
        check("o", attention.mixed(normed), o=attention.output)
        between = x + attention(normed)
        normed = block.ffn_norm(between)
        check("gate_up", normed, gate=ffn.gate, up=ffn.up)
        check("down", ffn.inner(normed), down=ffn.down)
        x = between + ffn(normed)
        same(x, block(before))


@pytest.mark.parametrize("kv_type", ["f16", "f32"])
@pytest.mark.parametrize(
    "name",
    ["stories", "packed-multiply", "qwen3-embedding", "qwen3-yarn", "1bitllm-heads-96", "groups"],
)
def test_layer_by_layer(
    files: dict[str, Path], program: Callable[..., str], tmp_path: Path, name: str, kv_type: str
) -> None:
    model = bitnet_model.load_bitnet_model(files[name], kv_type=kv_type)
    tokens = [int(t) for t in np.random.default_rng(3).integers(0, model.config.vocab_size, 20)]
    options = [
        "--tokens",
        ",".join(map(str, tokens)),
        "--kv",
        kv_type,
        "--trace",
        tmp_path / "trace",
    ]
    program("logits", files[name], *options, "--out", tmp_path / "logits.npy")
    traced = {path.stem: np.load(path) for path in (tmp_path / "trace").glob("*.npy")}
    compare(model, traced, tokens)
    logits = np.load(tmp_path / "logits.npy")
    same(model(tokens), logits)
    cache = model.new_cache()
    parts = [model(tokens[begin:end], cache) for begin, end in ((0, 1), (1, 8), (8, 20))]
    same(np.concatenate(parts), logits)


def test_more_than_a_page(model: rotor.Model) -> None:
    blocks = bitnet_model.load_bitnet_model("stories")
    tokens = np.random.default_rng(0).integers(0, 4096, 300).tolist()
    same(blocks.hidden_states(tokens)[-1:], model.hidden_states(tokens)[-1:])


def test_without_the_compiled_part(model: rotor.Model, tmp_path: Path) -> None:
    script = f"""
        import sys
        sys.modules["rotor._core"] = None
        import numpy as np
        import rotor
        from rotor import ops, tokenizer, generation, bitnet_model
        assert not ops.COMPILED
        model = bitnet_model.load_bitnet_model({str(STORIES)!r})
        words = tokenizer.BitNetTokenizer({str(STORIES)!r})
        tokens = words.encode("The miller's daughter, na\u00efve \u2014  42100 \U0001f600")
        np.savez({str(tmp_path / "twin.npz")!r}, tokens=tokens, logits=model(tokens))
        strategy = generation.NucleusSampling(p=0.9, temperature=0.8, seed=5, repeat_penalty=1.1)
        writer = generation.TextGenerator(model, words, sampling_strategy=strategy)
        print(writer.generate("Once upon a time", 6), end="")
        x = np.ones((2, 3), np.int8)
        assert rotor.ternary_gemm(x, x).tolist() == [[3, 3], [3, 3]]
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    twin = np.load(tmp_path / "twin.npz")
    assert twin["tokens"].tolist() == model.tokenizer.encode(
        "The miller's daughter, na\u00efve \u2014  42100 \U0001f600"
    )
    blocks = bitnet_model.load_bitnet_model("stories")
    same(twin["logits"], blocks(twin["tokens"]))
    options: rotor.Options = {"top_k": 0, "top_p": 0.9, "min_p": 0.0, "temperature": 0.8, "seed": 5}
    text = model.generate("Once upon a time", max_new_tokens=6, repeat_penalty=1.1, **options).text
    assert done.stdout == text


def wrong_calls() -> Iterator[tuple[type[Exception], str, Callable[[], object]]]:
    trits, x = np.zeros((4, 8), np.int8), np.zeros((2, 8), F)
    linear = transformer.TernaryLinear(trits)
    yield TypeError, "x: expected .*float32", lambda: rotor.ternary_gemm(x.astype(float), trits)
    yield TypeError, "x: expected .*float32", lambda: rotor.ternary_gemm([1.0], trits)  # type: ignore[call-overload]
    yield ValueError, r"\(\.\.\., 8\), got \(2, 7\)", lambda: rotor.ternary_gemm(x[:, :7], trits)
    yield ValueError, r"got \(\)", lambda: rotor.ternary_gemm(np.zeros((), F), trits)
    yield FloatingPointError, "vector 0 .*NaN", lambda: rotor.ternary_gemm(x * np.nan, trits)
    yield ValueError, "-1, 0 and 1", lambda: rotor.ternary_gemm(x, trits + np.int8(2))
    yield TypeError, "int8", lambda: rotor.ternary_gemm(x, trits.astype(int))  # type: ignore[arg-type]
    yield ValueError, r"\(0, 8\)", lambda: rotor.ternary_gemm(x, trits[:0])
    yield ValueError, "scale", lambda: transformer.TernaryLinear(trits, np.ones(3, F))
    yield ValueError, "scale", lambda: transformer.TernaryLinear(trits, np.nan)
    yield ValueError, "scale", lambda: transformer.TernaryLinear(trits, 0.0)
    yield ValueError, r"\(\.\.\., 8\)", lambda: linear(np.zeros((2, 9), F))
    yield ValueError, "weight", lambda: transformer.RMSNorm(x)
    yield (
        ValueError,
        "heads",
        lambda: transformer.MultiHeadAttention(
            linear, linear, linear, linear, heads=3, kv_heads=1, inverse_frequencies=np.ones(1, F)
        ),
    )
    yield (
        ValueError,
        "activation",
        lambda: transformer.GatedFFN(linear, linear, linear, activation="x"),
    )
    yield ValueError, "packed", lambda: dense243.unpack(np.zeros((1, 64), np.uint8), (1, 21))
    yield (
        rotor.FormatError,
        "byte 0",
        lambda: dense243.unpack(np.full((1, 64), 243, np.uint8), (1, 20)),
    )
    yield ValueError, "shape", lambda: dense243.unpack(np.zeros((0, 0), np.uint8), (0, 0))
    yield (
        rotor.FormatError,
        "code 3 at row 0",
        lambda: bitnet.bitnet_to_rotor(np.full((1, 2), 255, np.uint8)),
    )
    yield ValueError, "rows", lambda: bitnet.bitnet_to_rotor(np.zeros((1, 2), np.uint8), 5)
    yield rotor.UnsupportedError, "use_gpu", lambda: bitnet_model.load_bitnet_model("stories", True)


def test_what_makes_no_sense() -> None:
    for error, words, call in wrong_calls():
        with pytest.raises(error, match=words):
            call()
    model = bitnet_model.load_bitnet_model("stories")
    for tokens in ([], [4096], [-1], [[1]]):
        with pytest.raises(ValueError, match="tokens"):
            model(tokens)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="tokens"):
        model([1.5])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="cache"):
        model([1], [])


def test_models_with_experts_have_no_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    config = json.loads(bitnet_model._open(str(STORIES)).config) | {"experts": 4}
    file = SimpleNamespace(config=json.dumps(config))
    monkeypatch.setattr(bitnet_model, "_open", lambda path: file)
    with pytest.raises(rotor.UnsupportedError, match="experts"):
        bitnet_model.load_bitnet_model("stories")


def test_broken_files_in_numpy(tmp_path: Path) -> None:
    """RotorFile on files that are cut off or changed at any place: an exception of ours, or a
    model."""
    from rotor.rotor_file import RotorFile

    whole = STORIES.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(2)
    path = tmp_path / "broken.rotor"
    for number in range(120):
        broken = bytearray(whole[: header + 3000])
        for _ in range(int(rng.integers(1, 4))):
            broken[int(rng.integers(0, header))] = int(rng.integers(0, 256))
        path.write_bytes(broken if number % 3 else broken[: int(rng.integers(0, header))])
        try:
            file = RotorFile(path)
            file.trits(0, "q"), file.scale(0, "q"), file.norm(0, "attn_norm"), file.embedding()
        except (rotor.FormatError, rotor.UnsupportedError):
            pass
