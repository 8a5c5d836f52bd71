# SPDX-License-Identifier: Apache-2.0
"""A real float model, stories260K of llama2.c, with its tokenizer: the text that its author published.

$ROTOR_TEST_DATA holds the files; without it these tests are left out.
"""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest

import safetensors_io
from engine import ROOT, Engine
from safetensors_io import Tensor

TEST_DATA = Path(os.environ.get("ROTOR_TEST_DATA", ROOT.parent / "shared" / "data"))
DATA = TEST_DATA / "weights" / "stories260K"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"LEFT OUT: no {DATA} (ROTOR_TEST_DATA)")
UNKNOWN, BEGIN, END = 0, 1, 2
NORMAL_PIECE, UNKNOWN_PIECE, CONTROL_PIECE, BYTE_PIECE = 1, 2, 3, 6


def halves(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of q or k with the two that turn together half a head apart; llama2.c has them in pairs."""
    pairs = rows.reshape(heads, -1, 2, rows.shape[1])
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def read_weights(path: Path) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """Sizes and tensors by their Hugging Face names: the file is the matrices of all layers by kind."""
    data = path.read_bytes()
    names = ("dim", "ffn", "layers", "heads", "kv_heads", "vocab", "context")
    size = dict(zip(names, struct.unpack("<7i", data[:28]), strict=True))
    assert size["vocab"] > 0, "the head is the embedding"
    values = np.frombuffer(data, "<f4", offset=28)
    dim, ffn, kv = size["dim"], size["ffn"], size["dim"] // size["heads"] * size["kv_heads"]
    tensors: dict[str, np.ndarray] = {}

    def take(*shape: int) -> np.ndarray:
        nonlocal values
        count = int(np.prod(shape))
        taken, values = values[:count].reshape(shape), values[count:]
        return taken

    def take_layers(name: str, *shape: int, heads: int = 0) -> None:
        for layer in range(size["layers"]):
            rows = take(*shape)
            tensors[f"model.layers.{layer}.{name}.weight"] = halves(rows, heads) if heads else rows

    tensors["model.embed_tokens.weight"] = take(size["vocab"], dim)
    take_layers("input_layernorm", dim)
    take_layers("self_attn.q_proj", dim, dim, heads=size["heads"])
    take_layers("self_attn.k_proj", kv, dim, heads=size["kv_heads"])
    take_layers("self_attn.v_proj", kv, dim)
    take_layers("self_attn.o_proj", dim, dim)
    take_layers("post_attention_layernorm", dim)
    take_layers("mlp.gate_proj", ffn, dim)
    take_layers("mlp.down_proj", dim, ffn)
    take_layers("mlp.up_proj", ffn, dim)
    tensors["model.norm.weight"] = take(dim)
    return size, tensors


def _field(number: int, value: bytes | int | float) -> bytes:
    """One field of a protocol buffer; numbers here are below 128."""
    if isinstance(value, float):
        return bytes([number << 3 | 5]) + struct.pack("<f", value)
    head, length = number << 3, value if isinstance(value, int) else len(value)
    varint = b""
    while length >= 128:
        varint, length = varint + bytes([length % 128 + 128]), length // 128
    varint += bytes([length])
    key = head if isinstance(value, int) else head | 2
    prefix = bytes([key]) if key < 128 else bytes([key % 128 + 128, key // 128])
    return prefix + varint + (b"" if isinstance(value, int) else value)


def sentencepiece_model(path: Path) -> bytes:
    """tokenizer.model with the pieces and scores of a tokenizer of llama2.c."""
    data, out, index = path.read_bytes(), b"", 0
    at = 4  # after the length of the longest
    while at < len(data):
        score, length = struct.unpack("<fi", data[at : at + 8])
        text = data[at + 8 : at + 8 + length]
        at += 8 + length
        kind = NORMAL_PIECE
        if index == UNKNOWN:
            kind, text = UNKNOWN_PIECE, b"<unk>"
        elif index in (BEGIN, END):
            kind, text = CONTROL_PIECE, b"<s>" if index == BEGIN else b"</s>"
        elif text.startswith(b"<0x") and len(text) == 6:
            kind = BYTE_PIECE
        text = text.replace(b" ", "\u2581".encode())
        out += _field(1, _field(1, text) + _field(2, float(score)) + _field(3, kind))
        index += 1
    trainer = _field(3, 2) + _field(35, 1)  # BPE; bytes for what has no piece
    normalizer = _field(1, b"identity") + _field(3, 1) + _field(4, 0) + _field(5, 1)
    return out + _field(2, trainer) + _field(3, normalizer)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as a Hugging Face folder."""
    folder = tmp_path_factory.mktemp("stories260K")
    size, tensors = read_weights(DATA / "stories260K.bin")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": size["dim"],
        "intermediate_size": size["ffn"],
        "max_position_embeddings": size["context"],
        "num_attention_heads": size["heads"],
        "num_hidden_layers": size["layers"],
        "num_key_value_heads": size["kv_heads"],
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "vocab_size": size["vocab"],
        "bos_token_id": BEGIN,
        "eos_token_id": END,
    }
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = {"add_bos_token": True, "add_eos_token": False, "tokenizer_class": "LlamaTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer.model").write_bytes(sentencepiece_model(DATA / "tok512.bin"))
    stored = {name: Tensor("F32", values) for name, values in tensors.items()}
    safetensors_io.write(folder / "model.safetensors", stored, {"format": "pt"})
    return folder


@pytest.mark.parametrize("kv", ["f32", "f16"])
def test_the_published_text(kv: str, engine: Engine, folder: Path) -> None:
    expected = (DATA / "expected-greedy-200.txt").read_text()
    outcome = engine.check("run", folder, "-p", "", "-n", 200, "--temp", 0, "--kv", kv)
    assert outcome.stdout.strip() == expected.strip()
    assert "ordinary floats, not trits" in outcome.stderr


def test_its_tokens_stand_for_its_text(engine: Engine, folder: Path) -> None:
    text = (DATA / "expected-greedy-200.txt").read_text()
    ids = json.loads(engine.check("tokenize", folder, "--json", stdin=text.encode()).stdout)
    assert ids[0] == BEGIN
    assert len(ids) == 201  # the model writes the tokens that its tokenizer makes


def test_perplexity(engine: Engine, folder: Path, tmp_path: Path) -> None:
    """The model expects its own greedy text more than that text with its words turned around."""
    text = (DATA / "expected-greedy-200.txt").read_text()
    own, turned = tmp_path / "own.txt", tmp_path / "turned.txt"
    own.write_text(text)
    turned.write_text(" ".join(reversed(text.split())))
    found = [
        json.loads(engine.check("ppl", folder, "-f", file, "--json", "-c", 128).stdout)["perplexity"]
        for file in (own, turned)
    ]
    assert found[0] < 4 < 20 < found[1]
