# SPDX-License-Identifier: Apache-2.0
"""Adapters by call: Model.load_lora and lora=."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import rotor

HIDDEN, RANK = 384, 4
PROMPT = "Once upon a time"


def write_lora(folder: Path, seed: int, hidden: int = HIDDEN) -> Path:
    """Of the o projection of layer 0 of a model that is as wide as what goes into it."""
    random = np.random.default_rng(seed)
    name = "base_model.model.model.layers.0.self_attn.o_proj.lora_{}.weight"
    tensors: dict[str, NDArray[np.float32]] = {
        name.format("A"): random.standard_normal((RANK, hidden), dtype=np.float32) / hidden**0.5,
        name.format("B"): random.standard_normal((hidden, RANK), dtype=np.float32),
    }
    header, data = {}, b""
    for key, values in tensors.items():
        end = len(data) + values.nbytes
        header[key] = {"dtype": "F32", "shape": values.shape, "data_offsets": [len(data), end]}
        data += values.astype("<f4").tobytes()
    text = json.dumps(header).encode()
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": 2 * RANK}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def test_each_call_has_its_own(model: rotor.Model, tmp_path: Path) -> None:
    first, second = (model.load_lora(write_lora(tmp_path / str(i), i)) for i in (1, 2))
    assert first.path == str(tmp_path / "1") and "1" in repr(first)

    def text(**options: object) -> str:
        return model.generate(PROMPT, max_new_tokens=12, temperature=0, **options).text

    def last(lora: object) -> NDArray[np.float32]:
        return model.logits(PROMPT, rows=1, lora=lora)[0]

    plain = text()
    assert text(lora=first) != plain == text(lora=()) == text()
    assert text(lora=[first, second]) == text(lora=((first, 1), (second, 1.0)))
    np.testing.assert_array_equal(last((first, 0.0)), last(()))
    np.testing.assert_array_equal(last([(first, 1)]), last(first))
    assert np.abs(last(first) - last(())).max() > 0.1
    assert np.abs(last([first, second]) - last([first, (second, -1.0)])).max() > 0.1
    assert np.abs(model.hidden_states(PROMPT, lora=first) - model.hidden_states(PROMPT)).max() > 0.1


def test_what_is_refused(model: rotor.Model, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="adapter_config.json"):
        model.load_lora(tmp_path / "none")
    with pytest.raises(ValueError, match="of another model"):
        model.load_lora(write_lora(tmp_path / "wide", 1, HIDDEN + 1))
    adapter = model.load_lora(write_lora(tmp_path / "good", 1))
    with pytest.raises(ValueError, match="finite"):
        model.generate(PROMPT, max_new_tokens=1, lora=(adapter, float("nan")))
    with pytest.raises(TypeError):
        model.logits(PROMPT, lora="good")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        model.generate(PROMPT, max_new_tokens=1, lora=[1.0])  # type: ignore[list-item]
    config = json.loads((tmp_path / "good" / "adapter_config.json").read_text())
    (tmp_path / "good" / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    with pytest.raises(rotor.UnsupportedError, match="use_dora"):
        model.load_lora(tmp_path / "good")
