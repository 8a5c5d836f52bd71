# SPDX-License-Identifier: Apache-2.0
"""A random model in the three forms in which BitNet b1.58 2B-4T is published: packed, bf16 masters,
GGUF. It is drawn and written a layer at a time: the full size, 7.2 GB, needs little memory.
"""

from __future__ import annotations

import base64
import contextlib
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import gguf_writer
import hf_writer
import safetensors_io
import tiny_models
from gguf_writer import Form, Gguf, GgufTensor
from safetensors_io import Tensor
from tiny_models import Recipe

FULL_SIZE = Recipe(
    "bitnet2b",
    hidden=2560,
    ffn=6912,
    heads=20,
    kv_heads=5,
    layers=30,
    vocab=128256,
    max_positions=4096,
    storage="master",
)
FILES = {
    "packed": "model.safetensors",
    "bf16": "model.safetensors",
    "gguf": "ggml-model-i2_s.gguf",
}
FORM = Form(official_defects=True)

# What one step writes, by form: its tensors, or rows of one that earlier steps began.
Part = dict[str, dict[str, Tensor | GgufTensor]]


def _parts(recipe: Recipe, embedding_rows: int) -> list[tuple[Recipe, int]]:
    """What the model is made of: rows of the embedding, layers, the last norm. Each is a small
    model of its own, of which `_part` takes what is wanted, and the number of its layer."""
    begins = range(0, recipe.vocab, embedding_rows)
    rows = [min(embedding_rows, recipe.vocab - begin) for begin in begins]
    shapes = [(replace(recipe, layers=0, vocab=count), 0) for count in rows]
    shapes += [(replace(recipe, layers=1, vocab=0), layer) for layer in range(recipe.layers)]
    shapes += [(replace(recipe, layers=0, vocab=0), 0)]
    return [(replace(shape, seed=seed), layer) for seed, (shape, layer) in enumerate(shapes, 1)]


def _part(task: tuple[Recipe, int]) -> Part:
    recipe, layer = task
    weights = tiny_models.make_weights(recipe)
    packed = replace(recipe, storage="packed")
    whole = {
        "packed": hf_writer.tensors(packed, weights),
        "bf16": hf_writer.tensors(recipe, weights),
        "gguf": gguf_writer.tensors(packed, weights, FORM),
    }
    if recipe.vocab:
        wanted = ("model.embed_tokens.", "token_embd.")
    else:
        wanted = ("model.layers.", "blk.") if recipe.layers else ("model.norm.", "output_norm.")
    return {
        form: {
            name.replace(".0.", f".{layer}.", 1): tensor
            for name, tensor in tensors.items()
            if name.startswith(wanted)
        }
        for form, tensors in whole.items()
    }


def _outlines(recipe: Recipe, tasks: list[tuple[Recipe, int]]) -> Part:
    """The tensors of each form in the order of its file; the data are of the first ones."""
    first, layer, last = map(_part, (tasks[0], tasks[-1 - recipe.layers], tasks[-1]))
    result = {}
    for form in FILES:
        layers = {
            name.replace(".0.", f".{index}.", 1): tensor
            for index in range(recipe.layers)
            for name, tensor in layer[form].items()
        }
        result[form] = first[form] | layers | last[form]
    return result


def _safetensors_head(recipe: Recipe, outline: dict[str, Tensor]) -> bytes:
    shapes = {name: (tensor.dtype, tensor.array.shape) for name, tensor in outline.items()}
    embedding = "model.embed_tokens.weight"
    shapes[embedding] = (shapes[embedding][0], (recipe.vocab, recipe.hidden))
    return safetensors_io.head(shapes, {"format": "pt"})


def _gguf_head(recipe: Recipe, outline: dict[str, GgufTensor], tokenizer: Path) -> bytes:
    file = Gguf(metadata=gguf_writer.model_metadata(replace(recipe, storage="packed"), FORM))
    file.metadata |= gguf_writer.tokenizer_metadata(recipe.vocab, FORM.official_defects, tokenizer)
    shapes = {name: (t.ne, t.type_id, len(t.data)) for name, t in outline.items()}
    embedding = "token_embd.weight"
    ne = (recipe.hidden, recipe.vocab)
    shapes[embedding] = (ne, shapes[embedding][1], 2 * recipe.vocab * recipe.hidden)
    return file.head(shapes)


def write(
    root: Path,
    recipe: Recipe = FULL_SIZE,
    tokenizer: Path = hf_writer.TOKENIZER,
    embedding_rows: int = 8192,
) -> dict[str, Path]:
    """Writes the folders packed, bf16 and gguf; returns the file of weights of each."""
    paths = {form: root / form / name for form, name in FILES.items()}
    for form, path in paths.items():
        path.parent.mkdir(parents=True)
        if form != "gguf":
            storage = "packed" if form == "packed" else "master"
            hf_writer.write_config(path.parent, replace(recipe, storage=storage), tokenizer)
    tasks = _parts(recipe, embedding_rows)
    outlines = _outlines(recipe, tasks)
    with contextlib.ExitStack() as stack:
        opened = {form: stack.enter_context(path.open("wb")) for form, path in paths.items()}
        for form, file in opened.items():
            if form == "gguf":
                file.write(_gguf_head(recipe, outlines[form], tokenizer))
            else:
                file.write(_safetensors_head(recipe, outlines[form]))
        pool = stack.enter_context(multiprocessing.get_context("spawn").Pool())
        for part in pool.imap(_part, tasks):
            for form, file in opened.items():
                _append(file, part[form].values())
    return paths


def _append(file: BinaryIO, tensors: Iterable[Tensor | GgufTensor]) -> None:
    for tensor in tensors:
        if isinstance(tensor, Tensor):
            file.write(tensor.data())
        else:
            file.write(tensor.data + bytes(-len(tensor.data) % Gguf.alignment))


def write_tokenizer(ranks: Path, target: Path) -> None:
    """Llama 3's tokenizer.json from its tiktoken form: every split of a token is a merge."""
    lines = (line.split() for line in ranks.read_bytes().splitlines())
    rank_of = {base64.b64decode(token): int(rank) for token, rank in lines}
    text = _byte_level()
    merges = []
    for token in sorted(rank_of, key=rank_of.__getitem__):
        splits = ((token[:i], token[i:]) for i in range(1, len(token)))
        known = [pair for pair in splits if pair[0] in rank_of and pair[1] in rank_of]
        known.sort(key=lambda pair: (rank_of[pair[0]], rank_of[pair[1]]))
        merges += [[text(left), text(right)] for left, right in known]
    special = {name: len(rank_of) + index for index, name in enumerate(_special_tokens())}
    value = json.loads(hf_writer.TOKENIZER.read_text())
    value["model"]["vocab"] = {text(token): rank for token, rank in rank_of.items()}
    value["model"]["merges"] = merges
    like = value["added_tokens"][0]
    value["added_tokens"] = [like | {"id": i, "content": name} for name, i in special.items()]
    bos = value["post_processor"]["processors"][-1]["special_tokens"][hf_writer.BOS]
    bos["ids"] = [special[hf_writer.BOS]]
    target.write_text(json.dumps(value, ensure_ascii=False))


def _byte_level() -> Callable[[bytes], str]:
    """GPT-2's printable characters of bytes."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(256, 512))
    table = [chr(byte if byte in printable else next(others)) for byte in range(256)]
    return lambda token: "".join(table[byte] for byte in token)


def _special_tokens() -> Iterator[str]:
    """The 256 special tokens of Llama 3 in their order."""
    named = {
        0: hf_writer.BOS,
        1: hf_writer.EOS,
        6: "<|start_header_id|>",
        7: "<|end_header_id|>",
        9: hf_writer.EOT,
    }
    reserved = 0
    for index in range(256):
        if index in named:
            yield named[index]
            continue
        yield f"<|reserved_special_token_{reserved}|>"
        reserved += 1
