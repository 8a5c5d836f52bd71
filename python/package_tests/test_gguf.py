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
    for kind in ("F32", "F16", "BF16", "Q8_0"):
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
    assert found.read("Q8_0").tobytes() == file.tensors["Q8_0"].data
    with pytest.raises(KeyError, match="no tensor x"):
        found.read("x")
    with pytest.raises(rotor.UnsupportedError, match="as trits"):
        found.trits("F32")


@pytest.mark.parametrize("kind", ["TQ1_0", "TQ2_0"])
def test_trits(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(2)
    trits = rng.integers(-1, 2, (20, 512)).astype(np.int8)
    scales = rng.uniform(0.1, 2, (20, 2)).astype(np.float16)
    data = packing.pack_blocks(trits, scales, kind).tobytes()
    file = gguf_writer.Gguf()
    file.tensors["w"] = gguf_writer.GgufTensor((512, 20), gguf_writer.BLOCK_IDS[kind], data)
    (tmp_path / "m.gguf").write_bytes(file.encode())
    found, found_scales = GGUFFile(tmp_path / "m.gguf").trits("w")
    np.testing.assert_array_equal(found, trits)
    np.testing.assert_array_equal(found_scales, scales.astype(np.float32))
    broken = bytearray(file.encode())
    if kind == "TQ2_0":
        broken[-100] = 255
        (tmp_path / "m.gguf").write_bytes(broken)
        with pytest.raises(rotor.FormatError, match="no trit"):
            GGUFFile(tmp_path / "m.gguf").trits("w")


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
