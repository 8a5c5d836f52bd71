# SPDX-License-Identifier: Apache-2.0
"""Tests of linears.py with programs that only pretend: pytest bench/baselines (one needs $ROTOR)."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

import linears
from linears import KINDS, SHAPES

ROTOR = """#!/usr/bin/env python3
import json, sys
if "--version" in sys.argv:
    sys.exit(print("rotor 0"))
names = ["embed", "qkv", "attend", "attn_out", "ffn_gate_up", "ffn_down", "logits"]
print(json.dumps([{"phases": [{"name": n, "seconds_per_pass": 0.030} for n in names]}]))
"""
TORCH = """
import types
class Tensor:
    def __init__(self, count): self.count = count
    def view(self, *_): return self
    def numel(self): return self.count
    def __getitem__(self, part): return Tensor(len(range(*part.indices(self.count))))
    def copy_(self, other): assert other.count == self.count
    def to(self, dtype): return self
    def all(self): return True
    def max(self): return 1
    def min(self): return 0
class Linear:
    def __init__(self, cols, rows, bias):
        self.in_features = cols
        self.weight = types.SimpleNamespace(data=Tensor(rows * cols))
    def to_empty(self, device): return self
    def to(self, dtype): return self
    def eval(self): return self
    def __call__(self, x): return x
class Nothing:
    def __enter__(self): pass
    def __exit__(self, *_): pass
__version__ = "0"
bfloat16 = float32 = None
device = lambda name: Nothing()
inference_mode = Nothing
randn = lambda *sizes: Tensor(sizes[-1])
isfinite = lambda tensor: tensor
set_num_threads = lambda count: None
nn = types.SimpleNamespace(Linear=Linear, Sequential=lambda linear: [linear])
quantize = types.SimpleNamespace(quantize_dynamic=lambda model, kinds: model)
ao = types.SimpleNamespace(quantization=quantize)
cpu = types.SimpleNamespace(get_cpu_capability=lambda: "NONE")
backends = types.SimpleNamespace(cpu=cpu, quantized=types.SimpleNamespace(engine="none"))
"""


@pytest.fixture
def rotor(tmp_path: Path) -> str:
    program = tmp_path / "rotor"
    program.write_text(ROTOR)
    program.chmod(0o755)
    return str(program)


@pytest.fixture
def torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of that name, also for programs that are started."""
    folder = tmp_path / "modules"
    folder.mkdir()
    file = folder / "torch.py"
    file.write_text(TORCH)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    return file


def measured(rotor: str, tmp_path: Path, *words: str) -> dict:
    out = tmp_path / "out.json"
    linears.main(["--rotor", rotor, "--rounds", "2", "--json", str(out), *words])
    return json.loads(out.read_text())


def test_layers_are_more_than_caches_hold():
    for kind, size in KINDS.items():
        for shape in SHAPES.values():
            layer = sum(rows * cols for rows, cols in shape.linears().values())
            layers = linears.layers_timed(shape, kind)
            enough = layers * layer * size >= linears.ENOUGH_BYTES
            assert 1 <= layers <= shape.layers and (enough or layers == shape.layers)


def test_a_layer_is_its_share_of_the_phases_with_matrices(rotor: str):
    output = linears.run(linears.rotor_command(rotor, SHAPES["bitnet-2b-4t"], 1, 1))
    assert linears.rotor_layer(output, SHAPES["bitnet-2b-4t"]) == pytest.approx(0.004)


def test_rounds_and_ratios(rotor, torch, tmp_path, capsys):
    kept = measured(rotor, tmp_path, "--rows", "1,128", "-t", "1", "--model", "tiny")
    assert [(row["threads"], row["rows"]) for row in kept["rows"]] == [(1, 1), (1, 128)]
    for row in kept["rows"]:
        times = row["seconds_a_layer"]
        assert times.keys() == {"Rotor", *KINDS}
        assert all(len(values) == 2 and min(values) > 0 for values in times.values()), times
    text = capsys.readouterr().out
    assert text.count(" times |") == 6 and "| 1 | 128 | Rotor | 30.0 (30.0-30.0) |" in text


def test_one_that_fails_is_said_and_left_out(rotor, torch, tmp_path, capsys):
    torch.write_text(TORCH.replace("quantize_dynamic=", "quantize_never="))
    times = measured(rotor, tmp_path, "--rows", "1", "--model", "tiny")["rows"][0]["seconds_a_layer"]
    assert "quantize_dynamic" in times["int8"] and len(times["bf16"]) == 2
    assert "quantize_dynamic" in capsys.readouterr().out


def test_without_torch_there_is_rotor(rotor, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    times = measured(rotor, tmp_path, "--rows", "1", "--model", "tiny")["rows"][0]["seconds_a_layer"]
    assert times["fp32"].startswith("not installed") and len(times["Rotor"]) == 2


@pytest.mark.parametrize("words", [["--rows", "0"], ["--rows", "129"], ["-t", "x"], ["--rounds", "0"]])
def test_arguments_are_checked(rotor, words):
    with pytest.raises(SystemExit) as end:
        linears.parse_arguments(["--rotor", rotor, *words])
    assert end.value.code == 2


def test_a_rotor_that_fails_ends_it():
    with pytest.raises(SystemExit, match="linears.py"):
        linears.main(["--rotor", sys.executable, "--rows", "1"])


@pytest.mark.skipif("ROTOR" not in os.environ, reason="needs $ROTOR")
@pytest.mark.parametrize("rows", ["1", "8"])
def test_the_program(torch, tmp_path, rows):
    kept = measured(os.environ["ROTOR"], tmp_path, "--model", "tiny", "--rows", rows)
    assert 0 < kept["rows"][0]["seconds_a_layer"]["Rotor"][0] < 1
