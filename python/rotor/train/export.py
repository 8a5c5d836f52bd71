# SPDX-License-Identifier: Apache-2.0
"""`python -m rotor.train.export RUN MODEL_DIR`: a run as a Hugging Face directory.

The layout is that of microsoft/bitnet-b1.58-2B-4T: ternary matrices packed four to a byte with
`weight_scale` = max(mean|W|, 1e-5), a multiplier (`linear_class` "autobitlinear", mode "offline"
in transformers' `integrations/bitnet.py`), the rest in bfloat16. `--masters` writes the unpacked
masters instead (mode "online"), as microsoft/bitnet-b1.58-2B-4T-bf16 does.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import save
from tokenizers import Tokenizer
from torch import Tensor

from rotor.train.bitlinear import ternarize
from rotor.train.chat import CHAT_TEMPLATE
from rotor.train.config import TrainConfig, from_dict
from rotor.train.model import ModelConfig
from rotor.train.tokenizer import BEGIN_OF_TEXT, END_OF_TEXT, END_OF_TURN, load_tokenizer

EXAMPLE = """example:
  python -m rotor.train.export build/stories build/stories-hf
"""


def pack(trits: Tensor) -> Tensor:
    """Packs trits (rows, columns) in {-1, 0, 1} into uint8 (ceil(rows / 4), columns).

    Bits 2i and 2i+1 of packed row j hold row i * packed_rows + j, plus one (`pack_weights` in
    transformers' `integrations/bitnet.py`). Rows that pad the last part are 0.
    """
    rows, columns = trits.shape
    packed_rows = -(-rows // 4)
    codes = torch.zeros(4 * packed_rows, columns, dtype=torch.uint8)
    codes[:rows] = (trits + 1).to(torch.uint8)
    part = codes.view(4, packed_rows, columns)
    return part[0] | part[1] << 2 | part[2] << 4 | part[3] << 6


def packed_tensors(state: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """State dict of `BitNet` -> tensors of a packed checkpoint; floats become `dtype`."""
    tensors = {}
    for name, value in state.items():
        if name.endswith("_proj.weight"):
            trits, scale = ternarize(value)
            tensors[name] = pack(trits)
            tensors[f"{name}_scale"] = (1 / scale).reshape(1).to(dtype)
        else:
            tensors[name] = value.to(dtype).contiguous()
    return tensors


def config_json(model: ModelConfig, tokenizer: Tokenizer, dtype: torch.dtype, mode: str) -> dict:
    """config.json of transformers' `BitNetConfig`."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    return {
        "architectures": ["BitNetForCausalLM"],
        "model_type": "bitnet",
        "vocab_size": model.vocab_size,
        "hidden_size": model.hidden_size,
        "intermediate_size": model.intermediate_size,
        "num_hidden_layers": model.num_hidden_layers,
        "num_attention_heads": model.num_attention_heads,
        "num_key_value_heads": model.num_key_value_heads,
        "hidden_act": "relu2",
        "max_position_embeddings": model.max_position_embeddings,
        "rms_norm_eps": model.rms_norm_eps,
        "rope_theta": model.rope_theta,
        "initializer_range": model.initializer_range,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": True,
        "use_cache": True,
        "bos_token_id": tokenizer.token_to_id(BEGIN_OF_TEXT),
        "eos_token_id": end,
        "torch_dtype": str(dtype).removeprefix("torch."),
        "quantization_config": {
            "quant_method": "bitnet",
            "linear_class": "autobitlinear",
            "quantization_mode": mode,
            "modules_to_not_convert": ["lm_head"],
        },
    }


def tokenizer_config_json(model: ModelConfig, tokenizer: Tokenizer, chat: bool) -> dict:
    """tokenizer_config.json for `PreTrainedTokenizerFast`; a chat template if `chat`."""
    special = {
        str(index): {
            "content": token.content,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for index, token in sorted(tokenizer.get_added_tokens_decoder().items())
    }
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": special,
        "bos_token": BEGIN_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": model.max_position_embeddings,
        **({"chat_template": CHAT_TEMPLATE} if chat else {}),
    }


def generation_config_json(tokenizer: Tokenizer) -> dict:
    """generation_config.json: where generation begins and stops."""
    stops = [tokenizer.token_to_id(token) for token in (END_OF_TEXT, END_OF_TURN)]
    return {"bos_token_id": tokenizer.token_to_id(BEGIN_OF_TEXT), "eos_token_id": stops}


def export(run: Path, folder: Path, dtype: torch.dtype, masters: bool) -> TrainConfig:
    """Writes the checkpoint of `run` to `folder`, which is made if need be.

    Raises:
        OSError: the run has no checkpoint, or `folder` cannot be written.
        ValueError: the run is a float twin.
    """
    state = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    config = from_dict(state["config"], str(run / "checkpoint.pt"))
    if not config.model.ternary:
        raise ValueError(f"{run} is a float twin: its weights are no ternary model")
    tokenizer = load_tokenizer(run / "tokenizer.json")
    folder.mkdir(parents=True, exist_ok=True)
    if masters:
        tensors = {name: value.to(dtype) for name, value in state["model"].items()}
    else:
        tensors = packed_tensors(state["model"], dtype)
    (folder / "model.safetensors").write_bytes(save(tensors, metadata={"format": "pt"}))
    shutil.copyfile(run / "tokenizer.json", folder / "tokenizer.json")
    mode = "online" if masters else "offline"
    chat = any(source.chat for source in config.sources)
    files = {
        "config.json": config_json(config.model, tokenizer, dtype, mode),
        "tokenizer_config.json": tokenizer_config_json(config.model, tokenizer, chat),
        "generation_config.json": generation_config_json(tokenizer),
    }
    for name, content in files.items():
        text = json.dumps(content, indent=2) + "\n"
        (folder / name).write_text(text, encoding="utf-8")
    return config


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m rotor.train.export",
        description="Writes a training run as a Hugging Face model directory.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="folder that `python -m rotor.train --out` made")
    parser.add_argument("folder", type=Path, help="folder to write")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--masters", action="store_true", help="unpacked, to train on")
    arguments = parser.parse_args()
    try:
        export(arguments.run, arguments.folder, getattr(torch, arguments.dtype), arguments.masters)
    except (OSError, ValueError) as error:
        print(f"rotor.train.export: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
