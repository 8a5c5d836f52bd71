# SPDX-License-Identifier: Apache-2.0
"""Every container written from every other: the same trits, scales, rows, tokens and logits, bit for
bit, and the bytes that the descriptions of the layouts ask for."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gguf_writer
import hf_writer
import packing
import safetensors_io
import sentencepiece_writer
import tiny_models
from engine import ROOT, Engine, Outcome
from gguf_writer import Form
from tiny_models import RECIPES

RECIPE = replace(RECIPES["wide-256"], name="matrix", ffn=512)  # whole blocks of every type
TOKENS = [5, 77, 3, 129, 250, 17, 8, 200]
TEXT = b"Hello  you,\n 12 o'clock <|eot_id|> \xc3\xa9\xff"
SHIPPED = ROOT / "models" / "stories-chat.rotor"
# Name of the output and options, by container; the kinds of packing.py by type of GGUF.
CONTAINERS = {
    "rotor": ("m.rotor", ()),
    "hf": ("m/", ()),
    "i2_s": ("m.gguf", ("--type", "i2_s")),
    "tq1_0": ("m.gguf", ("--type", "tq1_0")),
    "tq2_0": ("m.gguf", ("--type", "tq2_0")),
    "q2_0": ("m.gguf", ("--type", "q2_0")),
    "q2_0-g128": ("m.gguf", ("--type", "q2_0-g128")),
}
BLOCKS = {"tq1_0": "TQ1_0", "tq2_0": "TQ2_0", "q2_0": "Q2_0", "q2_0-g128": "Q2_0_128"}


def convert(engine: Engine, source: object, folder: Path, container: str) -> tuple[Path, dict]:
    """The model written as `container` into `folder`, and what the program reports."""
    name, options = CONTAINERS[container]
    folder.mkdir(parents=True)
    target = f"{folder}/{name}"
    report = engine.check("convert", "--json", source, target, *options).stdout
    return Path(target), json.loads(report)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder whose scales bfloat16 holds and binary16 does not: they are below its
    smallest normal number."""
    folder = tmp_path_factory.mktemp("source") / "model"
    weights = tiny_models.make_weights(RECIPE)
    for index, name in enumerate(weights.scales):
        if index % 2:
            weights.scales[name] = np.float32(weights.scales[name] * 2.0**-12)
    return hf_writer.write_model(folder, RECIPE, weights)


def tokens_of(engine: Engine, model: Path) -> list[int]:
    return json.loads(engine.check("tokenize", model, "--json", "--special", stdin=TEXT).stdout)


@pytest.mark.parametrize("first", CONTAINERS)
def test_every_pair(first: str, engine: Engine, source: Path, tmp_path: Path) -> None:
    expected = engine.logits(source, TOKENS)
    ids = tokens_of(engine, source)
    middle, report = convert(engine, source, tmp_path / "first", first)
    checksum = report["trits_sha256"]
    for second in CONTAINERS:
        file, report = convert(engine, middle, tmp_path / second, second)
        assert report["trits_sha256"] == checksum
        assert json.loads(engine.check("verify", file, "--json").stdout)["trits_sha256"] == checksum
        np.testing.assert_array_equal(engine.logits(file, TOKENS), expected, err_msg=second)
        assert tokens_of(engine, file) == ids


# Rows of every type's whole blocks: 256 and 512 columns.
WIDE = {"hidden": 256, "ffn": 512}
FAMILIES = {
    "llama3": replace(RECIPES["llama-divide"], name="matrix-llama3", **WIDE),
    "falcon3": replace(RECIPES["falcon3-heads"], name="matrix-falcon3", **WIDE),
    "llama-linear": replace(RECIPES["llama-master"], name="matrix-linear", **WIDE, heads=4, kv_heads=4),
    "mistral": replace(RECIPES["mistral"], name="matrix-mistral", **WIDE),
    "qwen3": replace(RECIPES["qwen3-yarn"], name="matrix-qwen3", **WIDE, head_size=128),
    "qwen3-embedding": replace(RECIPES["qwen3-embedding"], name="matrix-embedding", **WIDE, head_size=64),
    "1bitllm": replace(RECIPES["1bitllm-heads-96"], name="matrix-1bitllm", **WIDE, vocab=400),
}


def write_family(folder: Path, family: str, **changes: object) -> Path:
    """The folder of a family's tiny model; 1bitLLM's with the SentencePiece tokenizer they have."""
    recipe = replace(FAMILIES[family], **changes)
    model = hf_writer.write_model(folder, recipe, tiny_models.make_weights(recipe))
    if family == "1bitllm":
        (model / "tokenizer.json").unlink()
        (model / "tokenizer_config.json").write_text('{"add_bos_token": true}')
        assert sentencepiece_writer.write(model / "tokenizer.model") <= recipe.vocab
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_a_way_through_every_container(family: str, engine: Engine, tmp_path: Path) -> None:
    """Each container of the last; every pair is tested above with one family."""
    source = write_family(tmp_path / "source", family)
    expected = engine.logits(source, TOKENS)
    ids = tokens_of(engine, source)
    last, checksums = source, set()
    for step, container in enumerate(["hf", *CONTAINERS, "hf"]):
        last, report = convert(engine, last, tmp_path / str(step), container)
        checksums.add(report["trits_sha256"])
        np.testing.assert_array_equal(engine.logits(last, TOKENS), expected, err_msg=container)
    assert tokens_of(engine, last) == ids
    assert len(checksums) == 1
    config = json.loads((last / "config.json").read_text())
    given = json.loads((source / "config.json").read_text())
    for key in ("hidden_act", "rope_scaling", "rms_norm_eps", "tie_word_embeddings", "head_dim"):
        assert config.get(key) == given.get(key), key


def test_scales_of_groups_go_through_gguf(engine: Engine, tmp_path: Path) -> None:
    """Ternary-Bonsai: qwen3, a scale for each group of 128."""
    recipe = FAMILIES["qwen3"]
    weights = tiny_models.make_weights(recipe)
    gguf = gguf_writer.build(recipe, weights, Form(linears="Q2_0_128"))
    random = np.random.RandomState(5)
    for name, tensor in list(gguf.tensors.items()):
        if tensor.type_id == gguf_writer.BLOCK_IDS["Q2_0_128"]:
            scales = random.random_sample((tensor.ne[1], tensor.ne[0] // 128)) / 8 + 0.01
            data = packing.pack_blocks(weights.trits[hf_name(name)], scales.astype(np.float16), "Q2_0_128")
            gguf.tensors[name] = replace(tensor, data=data.tobytes())
    last = tmp_path / "source.gguf"
    last.write_bytes(gguf.encode())
    expected = engine.logits(last, TOKENS)
    for step, container in enumerate(["q2_0-g128", "rotor", "q2_0", "rotor", "q2_0"]):
        last, _ = convert(engine, last, tmp_path / str(step), container)
        np.testing.assert_array_equal(engine.logits(last, TOKENS), expected, err_msg=container)
    outcome = engine.run("convert", last, f"{tmp_path}/hf/")
    assert outcome.status == 3 and "GGUF's q2_0" in outcome.stderr, outcome


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_shipped_model(container: str, engine: Engine, tmp_path: Path) -> None:
    """Its rows of 384 columns are no whole blocks of 256: the ternary types of those are refused."""
    if container in ("tq1_0", "tq2_0"):
        outcome = engine.run("convert", SHIPPED, tmp_path / "m.gguf", "--type", container)
        assert outcome.status == 3
        assert "rows of 384 columns are no whole blocks of 256" in outcome.stderr
        assert "these types can: i2_s, q2_0, q2_0-g128" in outcome.stderr
        assert not list(tmp_path.iterdir())
        return
    file, _ = convert(engine, SHIPPED, tmp_path / "out", container)
    ids = tokens_of(engine, SHIPPED)
    assert tokens_of(engine, file) == ids
    expected = engine.logits(SHIPPED, ids[:40])
    np.testing.assert_array_equal(engine.logits(file, ids[:40]), expected)
    say = ("run", "-p", "Hi", "--chat", "-n", 20, "--temp", 0)
    assert engine.check(*say, "-m", file).stdout == engine.check(*say, "-m", SHIPPED).stdout


def gguf_tensors(file: Path) -> dict[str, tuple[tuple[int, ...], int, bytes]]:
    """Dimensions, type and bytes of the tensors of a file of version 3 by name, read with struct."""
    data = file.read_bytes()
    at = 0

    def take(code: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{code}", data, at)
        at += struct.calcsize(code)
        return value

    def text() -> str:
        nonlocal at
        size = take("Q")
        at += size
        return data[at - size : at].decode(errors="replace")

    def skip(kind: int) -> None:
        sizes = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q"}
        if kind == 8:
            text()
        elif kind == 9:
            element, count = take("I"), take("Q")
            for _ in range(count):
                skip(element)
        else:
            take(sizes[kind])

    assert data[:4] == b"GGUF"
    at = 4
    assert take("I") == 3
    tensors, entries = take("Q"), take("Q")
    for _ in range(entries):
        text()
        skip(take("I"))
    described = []
    for _ in range(tensors):
        name, rank = text(), take("I")
        described.append((name, tuple(take("Q") for _ in range(rank)), take("I"), take("Q")))
    begin = (at + 31) // 32 * 32
    assert len(data) % 32 == 0
    ends = [begin + offset for _, _, _, offset in described[1:]] + [len(data)]
    return {
        name: (dims, kind, data[begin + offset : end])
        for (name, dims, kind, offset), end in zip(described, ends, strict=True)
    }


@pytest.mark.parametrize("kind", ["i2_s", *BLOCKS])
@pytest.mark.parametrize("family", ["bitnet", "llama3", "qwen3"])
def test_gguf_bytes_are_as_described(
    family: str, kind: str, engine: Engine, tmp_path: Path
) -> None:
    """Against the writer of the tests, which is written from the descriptions alone."""
    recipe = replace(FAMILIES.get(family, RECIPE), dtype="F16", linear_class="autobitlinear")
    weights = tiny_models.make_weights(recipe)
    folder = hf_writer.write_model(tmp_path / "hf", recipe, weights)
    file, _ = convert(engine, folder, tmp_path / "out", kind)
    expected = gguf_writer.build(recipe, weights, Form(linears=BLOCKS.get(kind, "I2_S")))
    found = gguf_tensors(file)
    assert set(found) == set(expected.tensors), "scales that binary16 holds need no tensor"
    for name, tensor in expected.tensors.items():
        dims, type_id, data = found[name]
        assert (dims, type_id) == (tensor.ne, tensor.type_id), name
        if name == "rope_freqs.weight":  # the same quotients, rounded on another way
            got = np.frombuffer(data[: len(tensor.data)], "<f4")
            np.testing.assert_allclose(got, np.frombuffer(tensor.data, "<f4"), rtol=3e-7)
            continue
        assert data[: len(tensor.data)] == tensor.data, name
        assert not any(data[len(tensor.data) :]) and len(data) - len(tensor.data) < 32


def test_hugging_face_bytes_are_as_described(engine: Engine, tmp_path: Path) -> None:
    weights = tiny_models.make_weights(RECIPE)
    folder = hf_writer.write_model(tmp_path / "hf", RECIPE, weights)
    out, report = convert(engine, folder, tmp_path / "out", "hf")
    found, metadata = safetensors_io.read(out / "model.safetensors")
    expected = hf_writer.tensors(RECIPE, weights)
    assert metadata == {"format": "pt"} and set(found) == set(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype, name
        np.testing.assert_array_equal(found[name].array, tensor.array, err_msg=name)
    assert report["file_bytes"] == sum(path.stat().st_size for path in out.iterdir())
    config = json.loads((out / "config.json").read_text())
    assert config["quantization_config"]["linear_class"] == "autobitlinear"
    for key, value in hf_writer.config(RECIPE).items():
        if key not in ("auto_map", "quantization_config", "rope_theta", "eos_token_id"):
            assert config[key] == value, key
    special = hf_writer.token_ids()
    assert config["eos_token_id"] == [special[hf_writer.EOS], special[hf_writer.EOT]]


def test_scales_that_binary16_lacks_are_refused_or_rounded(engine: Engine, tmp_path: Path) -> None:
    """A scale for each group whose product with a tensor's own scale takes more than 11 bits."""
    weights = tiny_models.make_weights(RECIPE)
    gguf = gguf_writer.build(RECIPE, weights, Form(linears="Q2_0"))
    for name, tensor in list(gguf.tensors.items()):
        if tensor.type_id == gguf_writer.BLOCK_IDS["Q2_0"]:
            rows, groups = tensor.ne[1], tensor.ne[0] // 64
            scales = np.random.RandomState(1).random_sample((rows, groups)) + 0.5
            trits = weights.trits[hf_name(name)]
            data = packing.pack_blocks(trits, scales.astype(np.float16), "Q2_0").tobytes()
            gguf.tensors[name] = replace(tensor, data=data)
            factor = np.float32([0.0077]).tobytes()
            gguf.tensors[name.replace("weight", "scale")] = gguf_writer.GgufTensor((1,), 0, factor)
    source = tmp_path / "source.gguf"
    source.write_bytes(gguf.encode())
    target = tmp_path / "out.gguf"
    outcome = engine.run("convert", source, target, "--type", "q2_0")
    assert outcome.status == 3 and not target.exists()
    assert "binary16" in outcome.stderr and "--allow-rounding" in outcome.stderr
    report = engine.check("convert", source, target, "--type", "q2_0", "--allow-rounding", "--json")
    notes = json.loads(report.stdout)["notes"]
    assert any("rounded to binary16, by at most 0.00" in note for note in notes), notes
    for refused in ("i2_s", "tq1_0", "q2_0-g128"):
        outcome = engine.run("convert", source, target, "--type", refused)
        assert outcome.status == 3 and "these types can: q2_0" in outcome.stderr, outcome
    outcome = engine.run("convert", source, f"{tmp_path}/hf/")
    assert outcome.status == 3 and "one scale a matrix" in outcome.stderr


def hf_name(tensor: str) -> str:
    """The projection that a tensor of a GGUF file is."""
    _, layer, short, _ = tensor.split(".")
    names = {value: key for key, value in gguf_writer.LINEARS.items()}
    return f"model.layers.{layer}.{names[short]}"


@pytest.mark.parametrize("kind", ["i2_s", "q2_0"])
def test_verify_finds_a_changed_trit(kind: str, engine: Engine, source: Path, tmp_path: Path) -> None:
    """Nothing in the format would: the file holds the checksum of its trits."""
    file, report = convert(engine, source, tmp_path / "out", kind)
    data = bytearray(file.read_bytes())
    _, _, matrix = gguf_tensors(file)["blk.1.ffn_down.weight"]
    at = data.index(matrix) + 92  # codes of a block, in both types
    while (data[at] & 3) != 1:
        at += 1
    data[at] += 1  # a zero becomes +1
    file.write_bytes(data)
    outcome = engine.run("verify", file)
    assert outcome.status == 6 and report["trits_sha256"] in outcome.stderr, outcome


def usage_error(outcome: Outcome, words: str) -> None:
    assert outcome.status == 2 and words in outcome.stderr, outcome


def test_options_that_make_no_sense(engine: Engine, tmp_path: Path) -> None:
    tiny = "synthetic:tiny"
    usage_error(engine.run("convert", tiny, tmp_path / "m.safetensors"), "is a folder")
    usage_error(engine.run("convert", tiny, tmp_path / "m.rotor", "--type", "i2_s"), "--to gguf")
    usage_error(engine.run("convert", tiny, tmp_path / "m.gguf", "--type", "q4_0"), "q4_0")
    usage_error(engine.run("convert", tiny, tmp_path / "m.onnx", "--to", "onnx"), "onnx")
    assert not list(tmp_path.iterdir())


def test_what_is_written_is_what_was_asked_for(engine: Engine, tmp_path: Path) -> None:
    tiny = "synthetic:tiny"
    magic = {"m.gguf": b"GGUF", "m.bin": b"GGUF"}
    engine.check("convert", tiny, tmp_path / "m.gguf")
    engine.check("convert", tiny, tmp_path / "m.bin", "--to", "gguf")
    engine.check("convert", tiny, tmp_path / "hf", "--to", "hf")
    engine.check("convert", tiny, tmp_path / "rotor.gguf", "--to", "rotor")
    engine.check("convert", tiny, tmp_path / "model")
    for name, start in magic.items():
        assert (tmp_path / name).read_bytes().startswith(start)
    assert (tmp_path / "hf" / "config.json").is_file()
    for name in ("rotor.gguf", "model"):
        assert b"rotor.version" in (tmp_path / name).read_bytes()[:4096]
    usage_error(engine.run("convert", tiny, tmp_path / "hf"), "holds files")
