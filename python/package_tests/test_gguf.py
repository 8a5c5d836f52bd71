# SPDX-License-Identifier: Apache-2.0
"""rotor.gguf on files that are written here, whole and broken."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import rotor
from rotor.gguf import GGUFFile

sys.path.insert(0, str(ROOT / "tests" / "parity"))
import gguf_writer  # type: ignore[import-not-found]
import packing  # type: ignore[import-not-found]
import tiny_models  # type: ignore[import-not-found]

RECIPE = replace(tiny_models.RECIPES["wide-256"], ffn=512)


@pytest.mark.parametrize("version", [2, 3])
def test_metadata_and_floats(tmp_path: Path, version: int) -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((6, 32)).astype(np.float32)
    file = gguf_writer.Gguf(version=version)
    file.metadata = {
        "general.name": ("str", "na\u00efve"),
        "an.array": ("[str]", ["a", ""]),
        "numbers": ("[i32]", [1, -2]),
        "flag": ("bool", True),
        "size": ("u32", 7),
    }
    for kind in ("F32", "F16", "BF16"):
        file.tensors[kind] = gguf_writer.float_tensor(values, kind)
    (tmp_path / "m.gguf").write_bytes(file.encode())
    found = GGUFFile(tmp_path / "m.gguf")
    assert found.version == version
    assert found.metadata == {key: value for key, (_, value) in file.metadata.items()}
    assert {name: t.shape for name, t in found.tensors.items()} == dict.fromkeys(
        file.tensors, (6, 32)
    )
    np.testing.assert_array_equal(found.read("F32"), values)
    np.testing.assert_array_equal(found.read("F16"), values.astype(np.float16).astype(np.float32))
    bits = packing.bf16_values(packing.bf16_bits(values))
    np.testing.assert_array_equal(found.read("BF16"), bits)
    assert found.raw("BF16").tobytes() == file.tensors["BF16"].data
    with pytest.raises(KeyError, match="no tensor x"):
        found.read("x")
    with pytest.raises(rotor.UnsupportedError, match="as trits"):
        found.trits("F32")


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_K", "Q6_K"])
def test_blocks_of_integers(tmp_path: Path, kind: str) -> None:
    """Random values, then random bytes with the scales of these."""
    rng = np.random.default_rng(4)
    tensor = gguf_writer.float_tensor(rng.standard_normal((6, 512)).astype(np.float32), kind)
    expected = getattr(packing, f"dequantize_{kind.lower()}")
    whole = np.frombuffer(tensor.data, np.uint8).reshape(6, -1)
    scales = {"Q8_0": (34, [0, 1]), "Q4_0": (18, [0, 1]), "Q4_K": (144, [0, 1, 2, 3])}
    size, kept = scales.get(kind, (210, [208, 209]))
    noise = rng.integers(0, 256, whole.shape, np.uint8)
    noise.reshape(-1, size)[:, kept] = whole.reshape(-1, size)[:, kept]
    for data in (whole, noise):
        file = gguf_writer.Gguf()
        file.tensors["w"] = replace(tensor, data=data.tobytes())
        (tmp_path / "m.gguf").write_bytes(file.encode())
        found = GGUFFile(tmp_path / "m.gguf").read("w")
        assert (found.shape, found.dtype) == ((6, 512), np.float32)
        np.testing.assert_array_equal(found, expected(data))


def write_trits(path: Path, kind: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """A tensor w, and one after it; its trits and scales."""
    rng = np.random.default_rng(2)
    trits = rng.integers(-1, 2, shape).astype(np.int8)
    values = packing.BLOCK_TYPES[kind][0]
    scales = rng.uniform(0.1, 2, (*shape[:-1], shape[-1] // values)).astype(np.float16)
    flat = trits.reshape(-1, shape[-1])
    data = packing.pack_blocks(flat, scales.reshape(len(flat), -1), kind).tobytes()
    file = gguf_writer.Gguf()
    dims = tuple(reversed(shape))
    file.tensors["w"] = gguf_writer.GgufTensor(dims, gguf_writer.BLOCK_IDS[kind], data)
    file.tensors["after"] = gguf_writer.float_tensor(np.ones((1, 32), np.float32), "F32")
    path.write_bytes(file.encode())
    return trits, scales.astype(np.float32)


@pytest.mark.parametrize("shape", [(20, 512), (3, 4, 256)])
@pytest.mark.parametrize("kind", packing.BLOCK_TYPES)
def test_trits(tmp_path: Path, kind: str, shape: tuple[int, ...]) -> None:
    path = tmp_path / "m.gguf"
    trits, scales = write_trits(path, kind, shape)
    file = GGUFFile(path)
    found, found_scales = file.trits("w")
    np.testing.assert_array_equal(found, trits)
    np.testing.assert_array_equal(found_scales, scales)
    values = packing.BLOCK_TYPES[kind][0]
    np.testing.assert_array_equal(file.read("w"), trits * np.repeat(scales, values, axis=-1))
    broken = bytearray(path.read_bytes())
    broken[file.tensors["w"].offset + 10] = 255 if "TQ1" not in kind else 1  # of no five trits
    path.write_bytes(broken)
    with pytest.raises(rotor.FormatError, match="block 0 holds a code that is no trit"):
        GGUFFile(path).trits("w")


def test_an_id_with_two_meanings_is_told_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    for kind, name in (("Q2_0", "Q2_0 g64"), ("Q2_0_128", "Q2_0 g128")):
        write_trits(path, kind, (20, 512))
        assert GGUFFile(path).tensors["w"].type == name
    file = gguf_writer.Gguf()
    file.tensors["w"] = gguf_writer.GgufTensor((512, 20), 42, bytes(4000))
    path.write_bytes(file.encode())
    assert GGUFFile(path).tensors["w"].type == "type 42"
    with pytest.raises(rotor.UnsupportedError, match="type 42 is not read"):
        GGUFFile(path).read("w")


def test_broken_files(tmp_path: Path) -> None:
    """Bytes changed and cut off anywhere: an exception of ours, or what is there."""
    weights = tiny_models.make_weights(RECIPE)
    form = gguf_writer.Form(linears="TQ2_0")
    whole = gguf_writer.build(RECIPE, weights, form).encode()
    end = whole.index(b"blk.0.attn_norm.weight") + 3000
    rng = np.random.default_rng(3)
    path = tmp_path / "broken.gguf"
    for number in range(150):
        broken = bytearray(whole)
        for _ in range(int(rng.integers(1, 4))):
            broken[int(rng.integers(0, end))] = int(rng.integers(0, 256))
        path.write_bytes(broken if number % 3 else broken[: int(rng.integers(0, end))])
        try:
            found = GGUFFile(path)
            for name in list(found.tensors)[:3]:
                found.read(name)
        except (rotor.FormatError, rotor.UnsupportedError) as error:
            assert str(path) in str(error)


def test_real_vocabularies() -> None:
    """Files of another program, where there are any."""
    folder = Path(os.environ.get("ROTOR_TEST_DATA", "/none")) / "tokenizer" / "llama-cpp-vocabs"
    for path in sorted(folder.glob("*.gguf")):
        found = GGUFFile(path)
        assert found.metadata["general.architecture"] and found.metadata["tokenizer.ggml.tokens"]
