# SPDX-License-Identifier: Apache-2.0
"""The reference: transformers' own classes in float32, one thread, eager attention.

Importing this module imports torch and transformers; only live tests and the fixture generator do.
"""

from __future__ import annotations

import json
import os

# The integration compiles its quantisers; uncompiled code keeps the order of operations as written.
os.environ["TORCHDYNAMO_DISABLE"] = "1"
# One order of float32 sums whatever the processor: without these, MKL and ATen choose kernels by its
# maker and vector width, and the same model gives other last bits on another machine.
os.environ["MKL_CBWR"] = "COMPATIBLE"
os.environ["ATEN_CPU_CAPABILITY"] = "default"

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import (
    BitNetForCausalLM,
    Gemma3ForCausalLM,
    GraniteForCausalLM,
    LlamaForCausalLM,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen3ForCausalLM,
)
from transformers.integrations.bitnet import (
    ActQuant,
    AutoBitLinear,
    BitLinear,
    WeightQuant,
    replace_with_bitnet_linear,
    unpack_weights,
)
from transformers.utils.quantization_config import BitNetQuantConfig

from numpy_bitnet import Model
from tiny_models import NORMS, NORMS_GEMMA3

torch.set_num_threads(1)
if torch.backends.cpu.get_cpu_capability() != "DEFAULT":
    raise ImportError("import reference before anything computes with torch")

_SHORT = {
    "q_proj": ("qkv", "q"),
    "k_proj": ("qkv", "k"),
    "v_proj": ("qkv", "v"),
    "o_proj": ("o", "o"),
    "gate_proj": ("gate_up", "gate"),
    "up_proj": ("gate_up", "up"),
    "down_proj": ("down", "down"),
}


@dataclass
class Pass:
    """One forward pass: logits float32 (tokens, vocab) and what every projection saw.

    trace: ``layerL.SITE.q`` int8 (tokens, cols), ``.scale`` float32 (tokens,), ``.x`` float32
    (tokens, cols), the value that was rounded to q; ``layerL.NAME.acc`` int32 (tokens, rows).
    """

    logits: np.ndarray
    trace: dict[str, np.ndarray] = field(default_factory=dict)


_NETWORKS = {
    "bitnet": BitNetForCausalLM,
    "llama": LlamaForCausalLM,
    "mistral": MistralForCausalLM,
    "qwen3": Qwen3ForCausalLM,
    "gemma3": Gemma3ForCausalLM,
}


def load(folder: Path) -> PreTrainedModel:
    """Loads a Hugging Face directory with the reference's own loader, then widens it to float32.

    The loader keeps unquantised tensors in the file's dtype; widening is exact.
    """
    model_type = json.loads((folder / "config.json").read_text())["model_type"]
    model = _NETWORKS[model_type].from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    nn.Module.float(model)  # the class refuses; its reason (packed weights) does not hold for uint8
    return model.eval()


def from_numpy(model: Model) -> PreTrainedModel:
    """The reference network around weights that its loader cannot read.

    For packed tensors whose row count is no multiple of four, and for other containers.
    """
    vocab, hidden = model.embedding.shape
    norms = model.layers[0].norms
    family = "bitnet" if "attn_sub" in norms else "qwen3" if "q" in norms else "llama"
    options = {"hidden_act": model.hidden_act}
    rope = {"rope_theta": model.theta, "rope_type": "default"} | model.rope
    names, one = NORMS, np.float32(0)
    if "post_attn" in norms:
        family, names, one = "gemma3", NORMS_GEMMA3, np.float32(1)  # gains are kept less one
        local = {"rope_theta": model.local_theta, "rope_type": "default"}
        rope = {"full_attention": rope, "sliding_attention": local}
        options = {
            "hidden_activation": model.hidden_act,
            "sliding_window": model.window,
            "sliding_window_pattern": model.global_every,
            "query_pre_attn_scalar": round(model.attention_scale**-2),
        }
    network_class = _NETWORKS[family]
    config = network_class.config_class(
        vocab_size=vocab,
        hidden_size=hidden,
        intermediate_size=len(model.layers[0].linears["gate"].trits),
        num_hidden_layers=len(model.layers),
        num_attention_heads=model.heads,
        num_key_value_heads=model.kv_heads,
        head_dim=model.head_dim,
        rms_norm_eps=model.eps,
        rope_parameters=rope,
        tie_word_embeddings=model.head is None,
        **options,
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
        attn_implementation="eager",
    )
    network = network_class(config)
    own_norms = model.layers[0].linears["q"].norm is not None
    quantization = BitNetQuantConfig(
        linear_class="autobitlinear",
        quantization_mode="offline",
        use_rms_norm=own_norms,
        rms_norm_eps=model.eps,
    )
    replace_with_bitnet_linear(network, ["lm_head"], quantization)
    network.to_empty(device="cpu")
    network.model.rotary_emb = type(network.model.rotary_emb)(config=config)
    head = model.embedding if model.head is None else model.head
    state = {"model.embed_tokens.weight": model.embedding, "lm_head.weight": head}
    state["model.norm.weight"] = model.final_norm - one
    for index, layer in enumerate(model.layers):
        prefix = f"model.layers.{index}."
        for name, (_, short) in _SHORT.items():
            half = "self_attn" if short in "qkvo" else "mlp"
            linear = layer.linears[short]
            state[f"{prefix}{half}.{name}.weight"] = linear.trits.astype(np.float32)
            state[f"{prefix}{half}.{name}.weight_scale"] = np.array([linear.multiplier])
            if own_norms:
                state[f"{prefix}{half}.{name}.rms_norm.weight"] = linear.norm
        for role, gains in layer.norms.items():
            state[f"{prefix}{names[role]}.weight"] = gains - one
    network.load_state_dict({name: torch.from_numpy(v.copy()) for name, v in state.items()})
    if family == "gemma3":  # a buffer that is in no file and that to_empty() has emptied
        network.model.embed_tokens.embed_scale.fill_(float(np.sqrt(hidden)))
    return network.eval()


def granite(model: Model, max_positions: int) -> PreTrainedModel:
    """transformers' Granite, which is MiniCPM under other names: Llama's layers, three multipliers."""
    vocab, hidden = model.embedding.shape
    config = GraniteForCausalLM.config_class(
        vocab_size=vocab,
        hidden_size=hidden,
        intermediate_size=len(model.layers[0].linears["gate"].floats),
        num_hidden_layers=len(model.layers),
        num_attention_heads=model.heads,
        num_key_value_heads=model.kv_heads,
        max_position_embeddings=max_positions,
        hidden_act=model.hidden_act,
        rms_norm_eps=model.eps,
        rope_parameters={"rope_theta": model.theta, "factor": 1.0} | model.rope,
        tie_word_embeddings=True,
        embedding_multiplier=model.embed_scale,
        residual_multiplier=float(model.residual_scale),
        logits_scaling=model.head_divisor,
        attention_multiplier=model.head_dim**-0.5,
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
        attn_implementation="eager",
    )
    network = GraniteForCausalLM(config)
    state = {"model.embed_tokens.weight": model.embedding, "lm_head.weight": model.embedding}
    state["model.norm.weight"] = model.final_norm
    for index, layer in enumerate(model.layers):
        prefix = f"model.layers.{index}."
        for name, (_, short) in _SHORT.items():
            half = "self_attn" if short in "qkvo" else "mlp"
            state[f"{prefix}{half}.{name}.weight"] = layer.linears[short].floats
        for role, gains in layer.norms.items():
            state[f"{prefix}{NORMS[role]}.weight"] = gains
    network.load_state_dict({name: torch.from_numpy(v.copy()) for name, v in state.items()})
    return network.eval()


def _trits(module: nn.Module) -> torch.Tensor:
    """int64 trits (rows, cols) of a projection, as the reference computes them."""
    if isinstance(module, BitLinear):
        return unpack_weights(module.weight, torch.float32).long()
    if module.online_quant:
        return torch.sign(WeightQuant.apply(module.weight)).long()
    return module.weight.long()


def _record(trace: dict[str, np.ndarray], layer: int, name: str):
    """A forward hook that records what one projection quantised and summed."""
    site, short = _SHORT[name]

    def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        value = inputs[0][0].float()  # (tokens, cols)
        if module.rms_norm is not None:
            value = module.rms_norm(value)
        where = site if module.rms_norm is None else short
        scale = 127 / value.abs().max(dim=-1, keepdim=True).values.clamp(min=1e-5)
        rounded = value * scale
        codes = rounded.round().clamp(-128, 127)
        assert torch.equal(codes / scale, ActQuant.apply(value)), "ActQuant has changed"
        sums = codes.long() @ _trits(module).T
        _check_output(module, sums, scale, output[0])
        trace[f"layer{layer}.{where}.q"] = codes.to(torch.int8).numpy()
        trace[f"layer{layer}.{where}.scale"] = scale[:, 0].numpy()
        trace[f"layer{layer}.{where}.x"] = rounded.numpy()
        trace[f"layer{layer}.{short}.acc"] = sums.to(torch.int32).numpy()

    return hook


def _check_output(
    module: nn.Module, sums: torch.Tensor, scale: torch.Tensor, output: torch.Tensor
) -> None:
    """The recorded integers must explain the float output the reference computed."""
    if isinstance(module, BitLinear):
        expected = sums / (scale * module.weight_scale)
    elif module.online_quant:
        expected = sums / scale * WeightQuant.apply(module.weight).abs().max()
    else:
        expected = sums / scale * module.weight_scale
    worst = (expected - output).abs().max() / output.abs().max()
    assert worst < 2e-6, f"integer sums do not explain the output: {worst}"


@torch.no_grad()
def run(model: PreTrainedModel, tokens: list[int], traced: bool = False) -> Pass:
    """One forward pass over a token sequence."""
    trace: dict[str, np.ndarray] = {}
    handles = []
    if traced:
        for name, module in model.named_modules():
            if isinstance(module, (BitLinear, AutoBitLinear)):
                layer = int(name.split(".")[2])
                hook = _record(trace, layer, name.split(".")[-1])
                handles.append(module.register_forward_hook(hook))
    logits = model(torch.tensor([tokens]), use_cache=False).logits[0].numpy()
    for handle in handles:
        handle.remove()
    return Pass(logits.copy(), trace)
