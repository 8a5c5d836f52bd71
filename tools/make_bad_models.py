#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes models that contradict themselves, with a manifest of what must be said about them.

    python tools/make_bad_models.py DIR

DIR/manifest.json is a list of {name, file, verdict, words}: `file` (a folder or a file in DIR) must
be refused with exit code 3, or accepted with 0; `words` must occur in what is printed, in any case.
The files are valid containers, safetensors or GGUF; broken containers are other tests' business.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "parity"))

import numpy as np

import gguf_writer
import hf_writer
import tiny_models
from gguf_writer import Form, Gguf, GgufTensor
from safetensors_io import Tensor

RECIPE = tiny_models.RECIPES["packed-multiply"]
WEIGHTS = tiny_models.make_weights(RECIPE)
LAYER = "model.layers.1."
Tensors = dict[str, Tensor]
Config = dict[str, object]


@dataclass(frozen=True)
class Case:
    """write(path) makes the model; words: what the message must contain."""

    name: str
    write: Callable[[Path], None]
    words: tuple[str, ...]
    accept: bool = False


def hf(
    name: str,
    *words: str,
    tensors: Callable[[Tensors], None] | None = None,
    config: Callable[[Config], None] | None = None,
    files: Callable[[Path], None] | None = None,
    shards: int = 1,
    accept: bool = False,
) -> Case:
    """A Hugging Face directory, changed before (tensors, config) or after (files) it is written."""

    def write(path: Path) -> None:
        path.mkdir()
        hf_writer.write_config(path, RECIPE)
        stored = hf_writer.tensors(RECIPE, WEIGHTS)
        if tensors is not None:
            tensors(stored)
        hf_writer.write_tensors(path, stored, shards)
        if config is not None:
            values = json.loads((path / "config.json").read_text())
            config(values)
            (path / "config.json").write_text(json.dumps(values))
        if files is not None:
            files(path)

    return Case(f"hf-{name}", write, words, accept)


def gguf(
    name: str,
    *words: str,
    change: Callable[[Gguf], None] | None = None,
    cut: int = 0,
    recipe: tiny_models.Recipe = RECIPE,
    accept: bool = False,
) -> Case:
    """A GGUF file, changed before it is written and shortened by ``cut`` bytes."""

    def write(path: Path) -> None:
        file = gguf_writer.build(recipe, tiny_models.make_weights(recipe), Form())
        if change is not None:
            change(file)
        raw = file.encode()
        path.write_bytes(raw[: len(raw) - cut])

    return Case(f"{name}.gguf", write, words, accept)


def put(name: str, make: Callable[[Tensor], Tensor]) -> Callable[[Tensors], None]:
    """Replaces one safetensors tensor."""
    return lambda stored: stored.update({name: make(stored[name])})


def drop(name: str) -> Callable[[dict[str, object]], None]:
    """Removes one tensor or key."""
    return lambda values: values.pop(name)


def values(index: int, value: float) -> Callable[[Tensor], Tensor]:
    """Sets one element of a float tensor."""

    def make(tensor: Tensor) -> Tensor:
        floats = tensor.floats().copy()
        floats.flat[index] = value
        return Tensor.of(floats, tensor.dtype)

    return make


def byte(index: int, value: int) -> Callable[[Tensor], Tensor]:
    """Sets one byte of a packed tensor."""

    def make(tensor: Tensor) -> Tensor:
        array = tensor.array.copy()
        array.flat[index] = value
        return Tensor(tensor.dtype, array)

    return make


def setting(**changes: object) -> Callable[[Config], None]:
    """Sets keys of config.json."""
    return lambda config: config.update(changes)


def quantization(**changes: object) -> Callable[[Config], None]:
    """Sets keys of quantization_config."""
    return lambda config: config["quantization_config"].update(changes)


def as_masters(stored: Tensors) -> None:
    """Turns every packed tensor into float weights."""
    for name, trits in WEIGHTS.trits.items():
        del stored[f"{name}.weight_scale"]
        stored[f"{name}.weight"] = Tensor.of(trits * WEIGHTS.scales[name], "BF16")


def as_ordinary_floats(stored: Tensors) -> None:
    """The same, of magnitudes that are all different."""
    as_masters(stored)
    random = np.random.RandomState(3)
    for name, trits in WEIGHTS.trits.items():
        values = WEIGHTS.scales[name] * (trits + 0.3 * random.standard_normal(trits.shape))
        stored[f"{name}.weight"] = Tensor.of(values.astype(np.float32), "BF16")


def rewrite(file: str, edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Changes the bytes of one file of a directory."""

    def change(folder: Path) -> None:
        (folder / file).write_bytes(edit((folder / file).read_bytes()))

    return change


def edit_json(name: str, edit: Callable[[dict], object]) -> Callable[[Path], None]:
    """Changes one JSON file of a directory."""

    def change(folder: Path) -> None:
        values = json.loads((folder / name).read_text())
        edit(values)
        (folder / name).write_text(json.dumps(values))

    return change


def added_token(**token: object) -> Callable[[Path], None]:
    """Adds a token to tokenizer.json."""
    return edit_json("tokenizer.json", lambda t: t["added_tokens"].append(token))


def learned_token(folder: Path) -> None:
    """Adds the longest token of the vocabulary, which its merges make."""
    vocab = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    text = max((t for t in vocab if t.isascii() and t.isalpha()), key=len)
    added_token(id=vocab[text], content=text, special=False)(folder)


# What transformers writes for "no limit".
unbounded_length = edit_json(
    "tokenizer_config.json", lambda c: c.update(model_max_length=1000000000000000019884624838656)
)


def remap(shard: str) -> Callable[[Path], None]:
    """Lets the shard index send one tensor to ``shard``."""

    def change(folder: Path) -> None:
        path = folder / "model.safetensors.index.json"
        index = json.loads(path.read_text())
        index["weight_map"]["model.norm.weight"] = shard
        path.write_text(json.dumps(index))

    return change


UP, SCALE = f"{LAYER}mlp.up_proj.weight", f"{LAYER}mlp.up_proj.weight_scale"
NORM = f"{LAYER}self_attn.attn_sub_norm.weight"
WEIGHT_FILE = "model.safetensors"
ALL_ZERO = 0b01010101  # four codes of the trit 0

HF_CASES = [
    hf("good", accept=True),
    hf("missing-weight", UP, "missing", tensors=drop(UP)),
    hf("missing-scale", SCALE, "missing", tensors=drop(SCALE)),
    hf("missing-norm", NORM, "missing", tensors=drop(NORM)),
    hf("missing-embedding", "embed_tokens", tensors=drop("model.embed_tokens.weight")),
    hf("short-weight", UP, "50", "49", tensors=put(UP, lambda t: Tensor("U8", t.array[:-1]))),
    hf("narrow-weight", UP, "96", "95", tensors=put(UP, lambda t: Tensor("U8", t.array[:, 1:]))),
    hf("flat-weight", UP, tensors=put(UP, lambda t: Tensor("U8", t.array.reshape(-1)))),
    hf("signed-weight", UP, "I8", tensors=put(UP, lambda t: Tensor("I8", t.array.view(np.int8)))),
    hf("integer-norm", NORM, "I32", tensors=put(NORM, lambda t: Tensor("I32", t.array * 0))),
    hf("short-norm", NORM, "96", tensors=put(NORM, lambda t: Tensor(t.dtype, t.array[1:]))),
    hf("code-3", UP, "3", tensors=put(UP, byte(777, 0b01110101))),
    hf("nan-scale", SCALE, "finite", tensors=put(SCALE, values(0, np.nan))),
    hf("infinite-scale", SCALE, "finite", tensors=put(SCALE, values(0, np.inf))),
    hf("negative-scale", SCALE, tensors=put(SCALE, values(0, -0.5))),
    hf("zero-scale", SCALE, tensors=put(SCALE, values(0, 0))),
    hf("two-scales", SCALE, tensors=put(SCALE, lambda t: Tensor(t.dtype, t.array.repeat(2)))),
    hf("nan-norm", NORM, "finite", tensors=put(NORM, values(5, np.nan))),
    hf("all-zero", UP, "zero", accept=True,
       tensors=put(UP, lambda t: Tensor("U8", t.array * 0 + ALL_ZERO))),
    hf("unknown-architecture", "gpt2", config=setting(model_type="gpt2")),
    hf("no-model-type", "model_type", config=drop("model_type")),
    hf("other-hidden", "shape", config=setting(hidden_size=192)),
    hf("other-ffn", "204", config=setting(intermediate_size=204)),
    hf("other-vocab", "embed_tokens", "400", config=setting(vocab_size=400)),
    hf("more-layers", "layers.2", config=setting(num_hidden_layers=3)),
    hf("fewer-layers", "num_hidden_layers", "layers.1", config=setting(num_hidden_layers=1)),
    hf("experts", "num_experts", config=setting(num_experts=8)),
    hf("sliding-window", "sliding_window", config=setting(sliding_window=16)),
    hf("nothing-unusual", accept=True,
       config=setting(num_experts=0, num_local_experts=None, sliding_window=None)),
    hf("integers-beyond-64-bits", accept=True, config=setting(unread=10**30),
       files=unbounded_length),
    hf("size-beyond-64-bits", "config.json", "hidden_size", config=setting(hidden_size=10**30)),
    hf("added-token-beyond-the-rows", accept=True,
       files=added_token(id=320, content="<|beyond|>", special=True)),
    hf("added-token-that-merges-make", accept=True, files=learned_token),
    hf("other-kv-heads", "k_proj", config=setting(num_key_value_heads=3)),
    hf("kv-heads-do-not-divide", "head", config=setting(num_key_value_heads=4)),
    hf("zero-heads", "head", config=setting(num_attention_heads=0)),
    hf("odd-head-dim", "head_dim", config=setting(head_dim=15)),
    hf("zero-layers", "layers", config=setting(num_hidden_layers=0)),
    hf("negative-size", "hidden_size", config=setting(hidden_size=-96)),
    hf("huge-size", "hidden", config=setting(hidden_size=10**15)),
    hf("huge-layers", "layers", config=setting(num_hidden_layers=2**31 - 1)),
    hf("text-size", "hidden_size", config=setting(hidden_size="96")),
    hf("fractional-size", "hidden_size", config=setting(hidden_size=96.5)),
    hf("no-hidden-size", "hidden_size", config=drop("hidden_size")),
    hf("negative-epsilon", "eps", config=setting(rms_norm_eps=-1.0)),
    hf("zero-theta", "theta", config=setting(rope_theta=0.0)),
    hf("scaled-rope", "dynamic", config=setting(rope_scaling={"rope_type": "dynamic", "factor": 4.0})),
    hf("attention-bias", "attention_bias", config=setting(attention_bias=True)),
    hf("gelu", "gelu", config=setting(hidden_act="gelu")),
    hf("awq", "awq", config=quantization(quant_method="awq")),
    hf("unknown-linear-class", "linear_class", config=quantization(linear_class="other")),
    hf("unknown-mode", "quantization_mode", config=quantization(quantization_mode="later")),
    hf("masters-unannounced", "quantization_config", tensors=as_ordinary_floats,
       config=drop("quantization_config")),
    hf("ternary-floats-unannounced", accept=True, tensors=as_masters,
       config=drop("quantization_config")),
    hf("masters-said-to-be-offline", "quantization_mode", tensors=as_masters),
    hf("packed-said-to-be-online", "quantization_mode",
       config=quantization(quantization_mode="online")),
    hf("untied-without-head", "lm_head", config=setting(tie_word_embeddings=False)),
    hf("truncated-config", "config.json", files=rewrite("config.json", lambda b: b[:-20])),
    hf("array-config", "config.json", files=rewrite("config.json", lambda b: b"[" + b + b"]")),
    hf("deep-config", "config.json",
       files=rewrite("config.json", lambda b: b"[" * 100000 + b"]" * 100000)),
    hf("no-config", "config.json", files=lambda folder: (folder / "config.json").unlink()),
    hf("no-weights", "safetensors", files=lambda folder: (folder / WEIGHT_FILE).unlink()),
    hf("truncated-weights", WEIGHT_FILE, files=rewrite(WEIGHT_FILE, lambda b: b[:-1])),
    hf("trailing-weights", WEIGHT_FILE, files=rewrite(WEIGHT_FILE, lambda b: b + b"x")),
    hf("truncated-tokenizer", "tokenizer.json", files=rewrite("tokenizer.json", lambda b: b[:-30])),
    hf("good-shards", accept=True, shards=3),
    hf("missing-shard", "00002-of-00003", shards=3,
       files=lambda folder: (folder / "model-00002-of-00003.safetensors").unlink()),
    hf("wrong-shard", "model.norm.weight", shards=3,
       files=remap("model-00001-of-00003.safetensors")),
    hf("unknown-shard", "model-9.safetensors", shards=3, files=remap("model-9.safetensors")),
    hf("shard-outside", "..", shards=3, files=remap("../outside.safetensors")),
    hf("truncated-index", "index.json", shards=3,
       files=rewrite("model.safetensors.index.json", lambda b: b[:-9])),
]  # fmt: skip

WIDE = tiny_models.RECIPES["wide-256"]
ARCHITECTURE = gguf_writer.ARCHITECTURES["bitnet"]
G_UP, G_NORM = "blk.1.ffn_up.weight", "blk.1.attn_sub_norm.weight"


def tensor(name: str, **changes: object) -> Callable[[Gguf], None]:
    """Replaces fields of one GGUF tensor."""
    return lambda file: file.tensors.update({name: replace(file.tensors[name], **changes)})


def tail(name: str, value: float) -> Callable[[Gguf], None]:
    """Sets the scale in the tail of an I2_S tensor."""

    def change(file: Gguf) -> None:
        data = bytearray(file.tensors[name].data)
        data[-32:-28] = np.float32(value).tobytes()
        file.tensors[name] = replace(file.tensors[name], data=bytes(data))

    return change


def codes(name: str, fill: Callable[[int], bytes]) -> Callable[[Gguf], None]:
    """Replaces the leading bytes of an I2_S tensor by fill(bytes before the tail)."""

    def change(file: Gguf) -> None:
        data = file.tensors[name].data
        new = fill(len(data) - 32)
        file.tensors[name] = replace(file.tensors[name], data=new + data[len(new) :])

    return change


def shorten(name: str, count: int) -> Callable[[Gguf], None]:
    """Cuts ``count`` bytes off the end of a tensor, so that the next one follows too early."""

    def change(file: Gguf) -> None:
        file.tensors[name] = replace(file.tensors[name], data=file.tensors[name].data[:-count])

    return change


def floats(name: str) -> Callable[[Gguf], None]:
    """Stores Gaussian float16 weights, which nobody asked to ternarise, in place of a matrix."""

    def change(file: Gguf) -> None:
        ne = file.tensors[name].ne
        values = np.random.RandomState(9).standard_normal(ne[::-1]).astype(np.float32)
        file.tensors[name] = gguf_writer.float_tensor(values, "F16")

    return change


def meta(key: str, kind: str, value: object) -> Callable[[Gguf], None]:
    """Sets one metadata value; ``{}`` in the key is the architecture."""
    return lambda file: file.metadata.update({key.format(ARCHITECTURE): (kind, value)})


def unset(key: str) -> Callable[[Gguf], None]:
    """Removes one metadata value; ``{}`` in the key is the architecture."""
    return lambda file: file.metadata.pop(key.format(ARCHITECTURE))


def forget(name: str) -> Callable[[Gguf], None]:
    """Removes one tensor."""
    return lambda file: file.tensors.pop(name)


def longer_tokenizer(token: str, token_type: int) -> Callable[[Gguf], None]:
    """Gives the tokenizer one token more than the embedding has rows."""

    def change(file: Gguf) -> None:
        for key, value in (("tokens", token), ("scores", 0.0), ("token_type", token_type)):
            kind, values = file.metadata[f"tokenizer.ggml.{key}"]
            file.metadata[f"tokenizer.ggml.{key}"] = (kind, [*values, value])

    return change


def repeated_scale(factor: float) -> Callable[[Gguf], None]:
    """Stores an I2_S tensor's scale, times ``factor``, in a tensor of its own."""

    def change(file: Gguf) -> None:
        scale = np.frombuffer(file.tensors[G_UP].data[-32:-28], np.float32) * np.float32(factor)
        file.tensors["blk.1.ffn_up.scale"] = gguf_writer.float_tensor(scale, "F32")

    return change


def rotary_factors(last: float) -> Callable[[Gguf], None]:
    """Adds rope_freqs.weight: ones, and ``last`` for the slowest frequency."""

    def change(file: Gguf) -> None:
        factors = np.ones(RECIPE.head_dim // 2, np.float32)
        factors[-1] = last
        file.tensors["rope_freqs.weight"] = gguf_writer.float_tensor(factors, "F32")

    return change


def align(file: Gguf) -> None:
    """Aligns tensors to 64 bytes instead of 32."""
    file.alignment = 64
    file.metadata["general.alignment"] = ("u32", 64)


def tl2(file: Gguf) -> None:
    """Stores one matrix of 256 columns as TL2 of the old fork: all of it is the two-weight tail."""
    rows = WIDE.ffn
    data = bytes(256 * rows // 4 + 32)
    file.tensors[G_UP] = GgufTensor((256, rows), gguf_writer.TL2, data)


def q5_0(file: Gguf) -> None:
    """Stores one matrix of 256 columns in a type that is not ternary."""
    file.tensors[G_UP] = GgufTensor((256, WIDE.ffn), 6, bytes(256 // 32 * 22 * WIDE.ffn))


def tq1_0_code(file: Gguf) -> None:
    """Stores one matrix of 256 columns as TQ1_0, with a byte that is no number of five digits."""
    block = bytes([1]) + bytes(51) + np.float16(1).tobytes()
    file.tensors[G_UP] = GgufTensor((256, WIDE.ffn), gguf_writer.TQ1_0, block * WIDE.ffn)


GGUF_CASES = [
    gguf("good", accept=True),
    gguf("good-alignment-64", change=align, accept=True),
    gguf("unknown-architecture", "mamba", change=meta("general.architecture", "str", "mamba")),
    gguf("no-architecture", "general.architecture", change=unset("general.architecture")),
    gguf("tl1", "TL1", G_UP, change=tensor(G_UP, type_id=gguf_writer.TL1)),
    gguf("tl2", "TL2", change=tl2, recipe=WIDE),
    gguf("q5_0", "Q5_0", G_UP, change=q5_0, recipe=WIDE),
    gguf("tq1_0-code", "0x01", "TQ1_0", G_UP, change=tq1_0_code, recipe=WIDE),
    gguf("unknown-type", G_UP, "200", change=tensor(G_UP, type_id=200)),
    gguf("missing-weight", G_UP, change=forget(G_UP)),
    gguf("missing-norm", G_NORM, change=forget(G_NORM)),
    gguf("missing-embedding", "token_embd.weight", change=forget("token_embd.weight")),
    gguf("wrong-shape", G_UP, change=tensor(G_UP, ne=(200, 96))),
    gguf("flat-weight", G_UP, change=tensor(G_UP, ne=(200 * 96,))),
    gguf("flat-embedding", "token_embd.weight",
         change=tensor("token_embd.weight", ne=(320 * 96,))),
    gguf("float-linear", G_UP, change=floats(G_UP)),
    gguf("no-tail", "blk.1.ffn", change=shorten(G_UP, 32)),
    gguf("code-3", G_UP, "3", change=codes(G_UP, lambda n: b"\x5d")),
    gguf("nan-scale", G_UP, "finite", change=tail(G_UP, np.nan)),
    gguf("infinite-scale", G_UP, "finite", change=tail(G_UP, -np.inf)),
    gguf("all-zero", G_UP, "zero", accept=True, change=codes(G_UP, lambda n: b"\x55" * n)),
    gguf("nan-norm", G_NORM, "finite",
         change=tensor(G_NORM, data=np.full(96, np.nan, np.float32).tobytes())),
    gguf("no-embedding-length", "embedding_length", change=unset("{}.embedding_length")),
    gguf("text-block-count", "block_count", change=meta("{}.block_count", "str", "2")),
    gguf("more-blocks", "blk.2", change=meta("{}.block_count", "u32", 3)),
    gguf("fewer-blocks", "block_count", "blk.1", change=meta("{}.block_count", "u32", 1)),
    gguf("vocab-size", "vocab_size", "100", "320", change=meta("{}.vocab_size", "u32", 100)),
    gguf("more-tokens-than-rows", "321", "320", change=longer_tokenizer("zzz", 1)),
    gguf("padding-beyond-the-rows", accept=True, change=longer_tokenizer("[PAD]", 5)),
    gguf("no-merges", "tokenizer.ggml.merges", change=unset("tokenizer.ggml.merges")),
    gguf("experts", "expert_count", change=meta("{}.expert_count", "u32", 4)),
    gguf("no-experts", accept=True, change=meta("{}.expert_count", "u32", 0)),
    gguf("sliding-window", "sliding_window",
         change=meta("{}.attention.sliding_window", "u32", 16)),
    gguf("repeated-scale", accept=True, change=repeated_scale(1.0)),
    gguf("contradicting-scale", "blk.1.ffn_up.scale", change=repeated_scale(2.0)),
    gguf("nan-repeated-scale", "blk.1.ffn_up.scale", change=repeated_scale(np.nan)),
    gguf("rotary-factors", accept=True, change=rotary_factors(4.0)),
    gguf("rotary-factor-below-one", "rope_freqs.weight", change=rotary_factors(0.5)),
    gguf("rotary-factor-nan", "rope_freqs.weight", change=rotary_factors(float("nan"))),
    gguf("rotary-factors-of-one", accept=True, change=rotary_factors(1.0)),
    gguf("no-pre", "llama-bpe", change=unset("tokenizer.ggml.pre"), accept=True),
    gguf("huge-block-count", "block_count", change=meta("{}.block_count", "u32", 2**32 - 1)),
    gguf("zero-heads", "head", change=meta("{}.attention.head_count", "u32", 0)),
    gguf("kv-heads-do-not-divide", "head", change=meta("{}.attention.head_count_kv", "u32", 4)),
    gguf("other-ffn", "ffn", change=meta("{}.feed_forward_length", "u32", 208)),
    gguf("negative-epsilon", "eps",
         change=meta("{}.attention.layer_norm_rms_epsilon", "f32", -1.0)),
    gguf("nan-epsilon", "eps",
         change=meta("{}.attention.layer_norm_rms_epsilon", "f32", float("nan"))),
    gguf("truncated-by-one", "output_norm.weight", cut=1),
    gguf("truncated-by-half", cut=20000),
]  # fmt: skip


def make_all(out: Path) -> list[dict[str, object]]:
    """Writes every case under ``out`` and returns the manifest."""
    out.mkdir(parents=True, exist_ok=True)
    manifest = []
    for case in HF_CASES + GGUF_CASES:
        case.write(out / case.name)
        verdict = "accept" if case.accept else "refuse"
        manifest.append({"file": case.name, "verdict": verdict, "words": list(case.words)})
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to create")
    make_all(parser.parse_args().out)


if __name__ == "__main__":
    main()
