# SPDX-License-Identifier: Apache-2.0
"""A .rotor file opens in the safetensors package, with every tensor in place and intact."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from engine import Engine
from tiny_models import RECIPES, Recipe


@pytest.mark.parametrize("name", ["packed-multiply", "master-bf16"])
def test_opens_in_safetensors(
    engine: Engine, model_dir: Callable[[Recipe], Path], tmp_path: Path, name: str
) -> None:
    """Metadata, checksums and the alignment that docs/formats/rotor-file.md promises."""
    file = tmp_path / "m.rotor"
    engine.check("convert", model_dir(RECIPES[name]), file)
    with safe_open(file, framework="pt") as tensors:
        metadata = tensors.metadata()
        assert metadata["rotor.version"] == "1"
        names = set(tensors.keys())
        for key in names:
            content = tensors.get_tensor(key).contiguous().view(-1).view(torch.uint8)
            if key.startswith("rotor.pad."):
                assert not content.any()
            else:
                digest = hashlib.sha256(content.numpy().tobytes()).hexdigest()
                assert metadata[f"sha256.{key}"] == digest, key
    with file.open("rb") as stored:
        (length,) = struct.unpack("<Q", stored.read(8))
        header = json.loads(stored.read(length))
    assert set(header) - {"__metadata__"} == names
    starts = {key: 8 + length + header[key]["data_offsets"][0] for key in names}
    unaligned = [k for k, at in starts.items() if at % 64 and not k.startswith("rotor.pad.")]
    assert not unaligned
