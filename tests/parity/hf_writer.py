# SPDX-License-Identifier: Apache-2.0
"""Writes a tiny model as a Hugging Face directory, the way the published repositories look."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import safetensors_io
from packing import pack_hf
from safetensors_io import Tensor
from tiny_models import Recipe, Weights

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
TOKENIZER = FIXTURES / "tokenizer" / "tokenizer.json"

# The chat template of the published BitNet b1.58 2B-4T.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | capitalize + ': ' + message['content'] "
    "| trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}"
    "{% endif %}"
)
BOS, EOS, EOT = "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"


def token_ids(tokenizer: Path = TOKENIZER) -> dict[str, int]:
    """Ids of the special tokens of a tokenizer.json."""
    added = json.loads(tokenizer.read_text())["added_tokens"]
    return {token["content"]: token["id"] for token in added}


# (model_type, architecture) of config.json.
_TYPES = {
    "bitnet": ("bitnet", "BitNetForCausalLM"),
    "1bitllm": ("llama", "BitnetForCausalLM"),
    "llama": ("llama", "LlamaForCausalLM"),
    "gemma3": ("gemma3_text", "Gemma3ForCausalLM"),
    "mistral": ("mistral", "MistralForCausalLM"),
    "minicpm": ("minicpm", "MiniCPMForCausalLM"),
    "qwen3": ("qwen3", "Qwen3ForCausalLM"),
}


def config(recipe: Recipe, tokenizer: Path = TOKENIZER) -> dict[str, object]:
    """config.json, as the published repositories or as transformers 5 itself writes it."""
    special = token_ids(tokenizer)
    model_type, architecture = _TYPES[recipe.family]
    values: dict[str, object] = {
        "architectures": [architecture],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": special[BOS],
        "eos_token_id": special[EOS],
        "hidden_act": recipe.hidden_act,
        "hidden_size": recipe.hidden,
        "initializer_range": 0.02,
        "intermediate_size": recipe.ffn,
        "max_position_embeddings": recipe.max_positions,
        "model_type": model_type,
        "num_attention_heads": recipe.heads,
        "num_hidden_layers": recipe.layers,
        "num_key_value_heads": recipe.kv_heads,
        "rms_norm_eps": recipe.eps,
        "tie_word_embeddings": recipe.tied,
        "use_cache": True,
        "vocab_size": recipe.vocab,
    }
    if recipe.family == "1bitllm":
        values |= {"weight_bits": 1, "input_bits": 8}
    elif recipe.int8 and not recipe.input_norms:
        values["quantization_config"] = quantization_config(recipe)
    if recipe.head_size:
        values["head_dim"] = recipe.head_size
    values |= recipe.multipliers
    if recipe.family == "gemma3":
        values["hidden_activation"] = values.pop("hidden_act")
        values |= {"sliding_window": 100, "sliding_window_pattern": 3}
        values |= {"rope_local_base_freq": 10000.0, "query_pre_attn_scalar": 48}
    if recipe.rope:
        values["rope_scaling"] = recipe.rope
    torch_dtype = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}[recipe.dtype]
    if recipe.config_style == "transformers5":
        values["dtype"] = torch_dtype
        values["rope_parameters"] = {"rope_theta": recipe.theta, "rope_type": "default"}
    else:
        values["torch_dtype"] = torch_dtype
        values["rope_theta"] = recipe.theta
        if recipe.family == "bitnet":
            values["auto_map"] = {
                "AutoConfig": "configuration_bitnet.BitNetConfig",
                "AutoModelForCausalLM": "modeling_bitnet.BitNetForCausalLM",
            }
    return values


def quantization_config(recipe: Recipe) -> dict[str, object]:
    """The quantization_config object; class bitlinear leaves linear_class out, as Falcon3 does."""
    if recipe.storage == "master":
        return {
            "quant_method": "bitnet",
            "linear_class": "autobitlinear",
            "quantization_mode": "online",
        }
    if recipe.linear_class == "bitlinear":
        kept = None if recipe.tied else ["lm_head"]
        return {"quant_method": "bitnet", "modules_to_not_convert": kept}
    return {
        "quant_method": "bitnet",
        "linear_class": "autobitlinear",
        "quantization_mode": "offline",
    }


def tensors(recipe: Recipe, weights: Weights) -> dict[str, Tensor]:
    """All tensors of the model by Hugging Face name."""
    result = {"model.embed_tokens.weight": Tensor.of(weights.embedding, recipe.dtype)}
    if weights.head is not None:
        result["lm_head.weight"] = Tensor.of(weights.head, recipe.dtype)
    for name, trits in weights.trits.items():
        if recipe.storage != "packed":
            result[f"{name}.weight"] = Tensor.of(weights.masters[name], recipe.dtype)
            continue
        result[f"{name}.weight"] = Tensor("U8", pack_hf(trits))
        scale = weights.scales[name].reshape(1)
        result[f"{name}.weight_scale"] = Tensor.of(scale, recipe.dtype)
    for name, gains in weights.norms.items():
        result[name] = Tensor.of(gains, recipe.dtype)
    if recipe.input_norms:
        result = {name.removeprefix("model."): tensor for name, tensor in result.items()}
    return dict(sorted(result.items()))


def write_config(folder: Path, recipe: Recipe, tokenizer: Path = TOKENIZER) -> None:
    """Writes config.json, generation_config.json, tokenizer.json and tokenizer_config.json."""
    special = token_ids(tokenizer)
    generation = {
        "bos_token_id": special[BOS],
        "eos_token_id": [special[EOS], special[EOT]],
        "do_sample": True,
        "temperature": 0.6,
        "top_p": 0.9,
    }
    tokenizer_config = {
        "bos_token": BOS,
        "eos_token": EOS,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": True,
        "model_max_length": recipe.max_positions,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    for name, values in (
        ("config.json", config(recipe, tokenizer)),
        ("generation_config.json", generation),
        ("tokenizer_config.json", tokenizer_config),
    ):
        (folder / name).write_text(json.dumps(values, indent=2) + "\n")
    shutil.copyfile(tokenizer, folder / "tokenizer.json")


def write_tensors(folder: Path, stored: dict[str, Tensor], shards: int) -> None:
    """Writes model.safetensors, or ``shards`` files with model.safetensors.index.json."""
    metadata = {"format": "pt"}
    if shards == 1:
        safetensors_io.write(folder / "model.safetensors", stored, metadata)
        return
    names = list(stored)
    weight_map: dict[str, str] = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = {name: stored[name] for name in names[shard::shards]}
        safetensors_io.write(folder / file, part, metadata)
        weight_map.update(dict.fromkeys(part, file))
    total = sum(tensor.array.nbytes for tensor in stored.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def write_model(folder: Path, recipe: Recipe, weights: Weights) -> Path:
    """Writes the whole directory and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, recipe)
    write_tensors(folder, tensors(recipe, weights), recipe.shards)
    return folder
