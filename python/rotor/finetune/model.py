# SPDX-License-Identifier: Apache-2.0
"""A model from any container into torch, made ready to learn, and back into files."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from rotor.finetune.program import convert
from rotor.hub import find_model
from rotor.torch import BitLinear, RotorConfig, TernaryLinear, add_lora

# What of a Hugging Face folder is not weights, and goes with them.
BESIDE = (
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)


class ModelError(ValueError):
    """A model that cannot be used; the message names it."""


@dataclass
class Loaded:
    """A causal language model of transformers in float32, its tokenizer, and its files."""

    name: str  # as it was asked for
    path: Path  # where it lies
    model: Any
    tokenizer: Any
    config: dict[str, Any]  # its config.json
    beside: dict[str, bytes]  # the files of BESIDE that it has


def load(name: str, *, ternary: bool = True) -> Loaded:
    """Loads a Hugging Face folder, a .rotor or .gguf file, a model that ships with Rotor or one of
    the hub. `ternary`: only a model with ternary matrices.

    Raises:
        ModelError: there is none, or none such.
        ConnectionError: the hub cannot be reached.
    """
    try:
        return _load(name, ternary)
    except (ModelError, ConnectionError):
        raise
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        said = str(error) or type(error).__name__
        raise ModelError(said if name in said else f"{name}: {said}") from error


def _load(name: str, ternary: bool) -> Loaded:
    path = Path(find_model(name)).resolve()
    with tempfile.TemporaryDirectory(prefix="rotor-finetune-") as temporary:
        folder = path
        if not path.is_dir():
            folder = Path(temporary) / "model"
            convert(path, folder, "hf")
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(f"{folder}: no config.json in this folder")
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        beside = {n: (folder / n).read_bytes() for n in BESIDE if (folder / n).is_file()}
        logging.disable_progress_bar()
        quantized = "quantization_config" in config
        if ternary and not quantized:
            raise ModelError(
                f"{name}: config.json has no quantization_config, so its weights are no ternary "
                "ones. A float model can be a --teacher"
            )
        options = {"quantization_config": RotorConfig()} if quantized else {}
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options)
        model = nn.Module.float(model)  # of a packed one norms and embedding came as they lay
        model.name_or_path = model.config._name_or_path = name  # what adapters name as their base
        tokenizer = AutoTokenizer.from_pretrained(folder)
        # Files go with the temporary folder; the weights must not be views of them.
        for tensor in [*model.parameters(), *model.buffers()]:
            if not path.is_dir():
                tensor.data = tensor.data.clone()
    return Loaded(name, path, model.eval(), tokenizer, config, beside)


def freeze_with_lora(
    loaded: Loaded, targets: Sequence[str] | None, r: int, alpha: float, dropout: float
) -> None:
    """Adapters on packed trits; masters, if the model came with them, are packed first."""
    for path, layer in list(loaded.model.named_modules()):
        if isinstance(layer, BitLinear):
            loaded.model.set_submodule(path, TernaryLinear.from_bit_linear(layer))
    add_lora(loaded.model, targets, r=r, lora_alpha=alpha, lora_dropout=dropout)


def unfreeze(loaded: Loaded) -> bool:
    """Everything learns; whether masters had to be made from trits."""
    made = False
    for path, layer in list(loaded.model.named_modules()):
        if isinstance(layer, TernaryLinear):
            try:
                loaded.model.set_submodule(path, masters_of(layer))
            except ValueError as error:
                raise ModelError(f"{loaded.name}: {path}: {error}") from None
            made = True
    loaded.model.requires_grad_(True)
    return made


def masters_of(layer: TernaryLinear) -> BitLinear:
    """A layer that trains and begins as what `layer` computes.

    The masters are trits times the scale divided by the share of trits that are not zero: BitLinear
    takes the mean magnitude for its scale, which then is the scale that the trits had.

    ValueError: a scale for each row, where BitLinear has one a matrix.
    """
    if layer.scale.numel() != 1:
        raise ValueError(
            f"{layer.scale.numel()} scales, one a row, where training has one a matrix; use --lora"
        )
    trits = layer.trits.float()
    density = trits.abs().mean().clamp(min=1 / trits.numel())
    made = BitLinear(layer.in_features, layer.out_features, device="meta", rms_norm=layer.rms_norm)
    made.weight = nn.Parameter(trits * (layer.scale / density))
    made.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().clone())
    return made.train(layer.training)


@torch.no_grad()
def finish(loaded: Loaded) -> torch.dtype:
    """Packs the masters and rounds the rest to the type that the model's files have: what is
    measured afterwards is what export() writes. Returns that type."""
    named = str(loaded.config.get("dtype") or loaded.config.get("torch_dtype") or "bfloat16")
    dtype = {"float32": torch.float32, "float16": torch.float16}.get(named, torch.bfloat16)
    for path, layer in list(loaded.model.named_modules()):
        if isinstance(layer, BitLinear):
            packed = TernaryLinear.from_bit_linear(layer)
            scale = packed.weight_scale.to(dtype).float()
            made = TernaryLinear(packed.trits, scale, packed.bias, rms_norm=packed.rms_norm)
            loaded.model.set_submodule(path, made.train(layer.training))
    for parameter in loaded.model.parameters():
        parameter.copy_(parameter.to(dtype))
    return dtype


def export(loaded: Loaded, folder: Path, dtype: torch.dtype) -> None:
    """Writes a finished model as a Hugging Face folder: transformers and Rotor read it."""
    tensors = {}
    for name, value in loaded.model.state_dict().items():
        if name == "lm_head.weight" and loaded.model.config.tie_word_embeddings:
            continue
        stored = value.to(dtype) if value.is_floating_point() else value
        tensors[name] = stored.cpu().contiguous().clone()
    own = loaded.config["quantization_config"]
    config = dict(loaded.config)
    config["quantization_config"] = {
        **own,
        "quant_method": "bitnet",
        "linear_class": "autobitlinear",  # trits are multiplied by weight_scale
        "quantization_mode": "offline",
    }
    unfinished = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    save_file(tensors, unfinished / "model.safetensors", {"format": "pt"})
    text = json.dumps(config, indent=2) + "\n"
    (unfinished / "config.json").write_text(text, encoding="utf-8")
    for name, data in loaded.beside.items():
        (unfinished / name).write_bytes(data)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)
