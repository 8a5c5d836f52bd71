# SPDX-License-Identifier: Apache-2.0
"""LoRA on a frozen ternary base: y = base(x) + B(A(dropout(x))) alpha / r, with A and B in floats.

Adapters are read and written as PEFT has them: a folder with adapter_config.json and
adapter_model.safetensors, whose tensors are called base_model.model.PATH.lora_A.weight, (r, in),
and .lora_B.weight, (out, r). PEFT itself wraps Rotor's layers, too, since they are nn.Linear;
this module needs nothing of it.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rotor.errors import FormatError, UnsupportedError
from rotor.torch.bit_linear import BitLinear
from rotor.torch.ternary_linear import TernaryLinear

PREFIX = "base_model.model."
CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"

# What of PEFT's LoRA changes the formula above where it is more than null, false, "none" or empty; the
# engine's list (src/model/lora_config.cc).
_NOT_COMPUTED = (
    "use_dora",
    "bias",
    "lora_bias",
    "fan_in_fan_out",
    "modules_to_save",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
    "use_qalora",
    "alora_invocation_tokens",
    "use_bdlora",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
)
# Of init_lora_weights' names; the others change the model's own weights.
_OWN_WEIGHTS_STAY = ("gaussian", "eva", "orthogonal")


class LoraTernaryLinear(nn.Module):
    """A linear layer that is frozen, and a low-rank float adapter on the same input.

    base_layer: TernaryLinear, or BitLinear, whose masters then stay as they are. A begins random,
    B as zeros: the layer computes what its base does.
    """

    def __init__(
        self,
        base_layer: nn.Linear,
        r: int = 8,
        lora_alpha: float = 16,
        lora_dropout: float = 0.0,
        use_rslora: bool = False,
    ) -> None:
        super().__init__()
        if r < 1:
            raise ValueError(f"r: expected 1 or more, got {r}")
        self.base_layer = base_layer.requires_grad_(False)
        self.r, self.lora_alpha, self.use_rslora = r, lora_alpha, use_rslora
        self.scaling = lora_alpha / (math.sqrt(r) if use_rslora else r)
        self.lora_dropout = nn.Dropout(lora_dropout) if lora_dropout > 0 else nn.Identity()
        device = next(iter((*base_layer.buffers(), *base_layer.parameters()))).device
        self.lora_A = nn.Linear(base_layer.in_features, r, bias=False, device=device)
        self.lora_B = nn.Linear(r, base_layer.out_features, bias=False, device=device)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: Tensor) -> Tensor:
        result = self.base_layer(x)
        low = self.lora_B(self.lora_A(self.lora_dropout(x.to(self.lora_A.weight.dtype))))
        return (result + low * self.scaling).to(result.dtype)


def lora_layers(model: nn.Module) -> Iterator[tuple[str, LoraTernaryLinear]]:
    """The adapted layers by path."""
    for path, module in model.named_modules():
        if isinstance(module, LoraTernaryLinear):
            yield path, module


def _ternary_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """Rotor's layers by path, whether adapted or not."""
    return {
        path.removesuffix(".base_layer"): module
        for path, module in model.named_modules()
        if isinstance(module, (BitLinear, TernaryLinear))
    }


def _ends_with(path: str, names: Sequence[str]) -> bool:
    return any(path == name or path.endswith(f".{name}") for name in names)


def add_lora(
    model: nn.Module,
    target_modules: Sequence[str] | None = None,
    *,
    r: int = 8,
    lora_alpha: float = 16,
    lora_dropout: float = 0.0,
    use_rslora: bool = False,
) -> nn.Module:
    """Wraps Rotor's layers in place and freezes everything but the adapters; returns the model.

    target_modules: paths or ends of paths, such as q_proj; by default all of Rotor's layers.
    ValueError when there are none, or when one has an adapter already.
    """
    if isinstance(target_modules, str):
        raise TypeError("target_modules: expected a list of names, got one string")
    layers = _ternary_layers(model)
    chosen = [p for p in layers if target_modules is None or _ends_with(p, target_modules)]
    if not chosen:
        raise ValueError(
            f"target_modules: none of {len(layers)} ternary layers is in {target_modules}"
        )
    adapted = {path for path, _ in lora_layers(model)}
    if adapted & set(chosen):
        raise ValueError(f"{min(adapted & set(chosen))} has an adapter already")
    model.requires_grad_(False)
    for _, layer in lora_layers(model):
        layer.lora_A.requires_grad_(True)
        layer.lora_B.requires_grad_(True)
    for path in chosen:
        wrapped = LoraTernaryLinear(layers[path], r, lora_alpha, lora_dropout, use_rslora)
        model.set_submodule(path, wrapped.train(layers[path].training))
    return model


def remove_lora(model: nn.Module) -> nn.Module:
    """Puts the base layers back in place."""
    for path, layer in list(lora_layers(model)):
        model.set_submodule(path, layer.base_layer)
    return model


def _target_modules(model: nn.Module, paths: list[str]) -> list[str]:
    """Last names where they denote the adapted layers and no others, else whole paths."""
    names = sorted({path.rpartition(".")[2] for path in paths})
    linears = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)]
    meant = {p.removesuffix(".base_layer") for p in linears if ".lora_" not in p}
    denoted = {path for path in meant if _ends_with(path, names)}
    return names if denoted == set(paths) else sorted(paths)


def save_lora(
    model: nn.Module,
    folder: str | os.PathLike[str],
    *,
    base_model_name_or_path: str | None = None,
    task_type: str | None = "CAUSAL_LM",
) -> None:
    """Writes the adapters as PEFT's files. ValueError when the model has none."""
    layers = dict(lora_layers(model))
    if not layers:
        raise ValueError(f"{type(model).__name__}: no layer has an adapter")
    first = next(iter(layers.values()))
    config: dict[str, Any] = {
        "peft_type": "LORA",
        "task_type": task_type,
        "base_model_name_or_path": base_model_name_or_path,
        "inference_mode": True,
        "r": first.r,
        "lora_alpha": first.lora_alpha,
        "lora_dropout": getattr(first.lora_dropout, "p", 0.0),
        "use_rslora": first.use_rslora,
        "target_modules": _target_modules(model, list(layers)),
        "rank_pattern": {p: m.r for p, m in layers.items() if m.r != first.r},
        "alpha_pattern": {
            p: m.lora_alpha for p, m in layers.items() if m.lora_alpha != first.lora_alpha
        },
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "use_dora": False,
        "modules_to_save": None,
    }
    if any(layer.use_rslora != first.use_rslora for layer in layers.values()):
        raise ValueError("use_rslora: expected the same of all layers; the format holds one value")
    tensors = {}
    for path, layer in layers.items():
        for name in ("lora_A", "lora_B"):
            weight = getattr(layer, name).weight.detach()
            tensors[f"{PREFIX}{path}.{name}.weight"] = weight.to("cpu").contiguous().clone()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{TENSORS}.{os.getpid()}"
    save_file(tensors, unfinished, {"format": "pt"})
    unfinished.replace(folder / TENSORS)
    unfinished = folder / f".{CONFIG}.{os.getpid()}"
    unfinished.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    unfinished.replace(folder / CONFIG)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise FormatError(f"{path}: {error}") from None
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise UnsupportedError(f"{path}: expected an adapter with peft_type LORA")
    for name in _NOT_COMPUTED:
        value = config.get(name)
        if not (value is None or value is False or value in ("none", [], {})):
            raise UnsupportedError(f"{path}: {name} is {value!r}, which Rotor does not compute")
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start not in _OWN_WEIGHTS_STAY:
        raise UnsupportedError(
            f"{path}: init_lora_weights is {start!r}: the adapter fits changed weights of its "
            "model, and trits are not changed; PEFT can save it as an ordinary LoRA"
        )
    if not isinstance(config.get("alpha_pattern") or {}, dict):
        raise FormatError(f"{path}: alpha_pattern: expected an object")
    dropout = config.get("lora_dropout") or 0.0
    if not isinstance(dropout, float) or not 0 <= dropout < 1:
        raise FormatError(f"{path}: lora_dropout: expected a number below 1, got {dropout!r}")
    return config


def _read_tensors(folder: Path) -> dict[str, dict[str, Tensor]]:
    """{path: {"lora_A": (r, in), "lora_B": (out, r)}}."""
    path = folder / TENSORS
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        stored = load_file(path)
    except SafetensorError as error:
        raise FormatError(f"{path}: {error}") from None
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in stored.items():
        match = re.fullmatch(re.escape(PREFIX) + r"(.+)\.(lora_[AB])\.weight", name)
        if match is None:
            raise UnsupportedError(f"{path}: tensor {name!r} is no part of a plain LoRA")
        if tensor.dim() != 2 or not tensor.is_floating_point():
            raise FormatError(
                f"{path}: tensor {name!r}: expected a matrix of floats, got {tensor.dtype} of "
                f"shape {tuple(tensor.shape)}"
            )
        found.setdefault(match[1], {})[match[2]] = tensor
    if not found:
        raise FormatError(f"{path}: no tensors")
    return found


def _check_pair(file: Path, path: str, pair: dict[str, Tensor], base: nn.Linear | None) -> int:
    """The rank of A and B, when they fit each other and the layer."""
    if base is None:
        raise ValueError(f"{file}: the model has no ternary layer {path!r}")
    if set(pair) != {"lora_A", "lora_B"}:
        raise FormatError(f"{file}: {path} has {min(pair)} alone")
    a, b = pair["lora_A"].shape, pair["lora_B"].shape
    r = a[0]
    if r < 1 or a != (r, base.in_features) or b != (base.out_features, r):
        raise ValueError(
            f"{file}: {path}: expected A (r, {base.in_features}) and B ({base.out_features}, r), "
            f"got {tuple(a)} and {tuple(b)}"
        )
    return r


def _alpha_of(file: Path, config: dict[str, Any], path: str) -> float:
    """PEFT's patterns are regular expressions of the end of a path; taken are names and paths.

    The first that fits counts, as in PEFT.
    """
    patterns = config.get("alpha_pattern") or {}
    for pattern in patterns:
        if re.fullmatch(r"[\w.]+", pattern) is None:
            raise UnsupportedError(f"{file}: alpha_pattern {pattern!r} is no name or path")
    fitting = (value for pattern, value in patterns.items() if _ends_with(path, [pattern]))
    alpha = next(fitting, config.get("lora_alpha", 8))
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not math.isfinite(alpha):
        raise FormatError(f"{file}: lora_alpha of {path}: expected a number, got {alpha!r}")
    return alpha


def load_lora(model: nn.Module, folder: str | os.PathLike[str]) -> nn.Module:
    """Wraps the layers that an adapter of PEFT's format names, in place; returns the model.

    Nothing is changed unless all of it fits. FileNotFoundError, rotor.FormatError,
    rotor.UnsupportedError, and ValueError for an adapter of another model, name file and layer.
    """
    folder = Path(folder)
    config = _read_config(folder)
    layers = _ternary_layers(model)
    made: dict[str, LoraTernaryLinear] = {}
    for path, pair in _read_tensors(folder).items():
        base = layers.get(path)
        r = _check_pair(folder / TENSORS, path, pair, base)
        assert base is not None
        layer = LoraTernaryLinear(
            base,
            r,
            _alpha_of(folder / CONFIG, config, path),
            config.get("lora_dropout") or 0.0,
            bool(config.get("use_rslora")),
        )
        with torch.no_grad():
            layer.lora_A.weight.copy_(pair["lora_A"])
            layer.lora_B.weight.copy_(pair["lora_B"])
        made[path] = layer.train(base.training)
    for path, layer in made.items():
        model.set_submodule(path, layer)
    return model
