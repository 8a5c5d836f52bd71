# SPDX-License-Identifier: Apache-2.0
"""Tests of compare.py without network or a peer: pytest bench/peers (one needs $ROTOR)."""

from __future__ import annotations

import json
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import compare
import report
from gguf_header import token_cost
from gguf_model import BLOCK, SHAPES, Shape, random_tensor, write_model
from peers import LlamaBench, LlamaCpp, Load, Rotor, Speeds, Unavailable, parse_llama_bench

SMALL = Shape("small", 2, 512, 4, 2, 128, 768, 1024)
BLOCK_BYTES = {"TQ1_0": 54, "TQ2_0": 66, "Q6_K": 210, "F16": 512}


class Fake(Rotor):
    """Answers without a program. speeds: of the rounds; an exception is raised."""

    def __init__(self, name, speeds):
        super().__init__(name)
        self.speeds = iter(speeds)

    def measure(self, load, threads):
        speed = next(self.speeds)
        if isinstance(speed, Exception):
            raise speed
        return Speeds({"generate": speed}, {"available_gb_per_second": 30.0})


@pytest.fixture
def fake_series():
    peers = [(Fake("Rotor", [40.0, 20.0, 44.0]), ""), (Fake("slow", [10.0, 5.0, 22.0]), "")]
    failing = Fake("failing", [1.0, Unavailable("fell over"), 1.0])
    peers += [(failing, ""), (Fake("absent", []), "not installed")]
    return compare.measure(peers, Load(0, 8), [2], 3)


def test_2b_4t_has_its_published_size():
    assert SHAPES["bitnet-2b-4t"].weights() == 2_084_044_800 + 128256 * 2560


@pytest.mark.parametrize("kind", BLOCK_BYTES)
def test_tensor_has_its_size_and_decodes(kind):
    data = random_tensor(kind, 4, 512, seed=1)
    assert data.shape == (4, 512 // BLOCK * BLOCK_BYTES[kind])
    gguf = pytest.importorskip("gguf")
    values = gguf.quants.dequantize(data, gguf.GGMLQuantizationType[kind])
    assert values.shape == (4, 512) and np.isfinite(values).all()
    if kind.startswith("TQ"):
        assert len(np.unique(values)) == 3
        again = gguf.quants.quantize(values.astype(np.float32), gguf.GGMLQuantizationType[kind])
        assert (again == data).all()


@pytest.mark.parametrize("kind", ["TQ1_0", "TQ2_0"])
def test_file_costs_what_its_tensors_do(tmp_path, kind):
    pytest.importorskip("gguf")
    path = tmp_path / "model.gguf"
    write_model(path, SMALL, kind, "Q6_K")
    cost = token_cost(path)
    layer = sum(rows * cols for rows, cols in SMALL.linears().values())
    matrices = SMALL.layers * layer // BLOCK * BLOCK_BYTES[kind]
    norms = 4 * (SMALL.layers * (3 * SMALL.hidden + SMALL.ffn) + SMALL.hidden)
    assert cost.bytes == matrices + norms + SMALL.vocab * SMALL.hidden // BLOCK * 210
    assert (cost.linears, cost.head) == (kind, "Q6_K")


def gguf(keys: bytes = b"", tensors: bytes = b"", counts: tuple[int, int] = (0, 0)) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, *counts) + keys + tensors


def text(name: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name


DEEP = text(b"k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 2000
HUGE = text(b"k") + struct.pack("<IIQ", 9, 12, 1 << 63)
ODD = text(b"k") + struct.pack("<I", 77)
FAR = text(b"token_embd.weight") + struct.pack("<IQIQ", 1, 8, 1, 1 << 62)


DAMAGED = {
    "nothing": (b"", "empty"),
    "another format": (b"PK", "no GGUF file"),
    "no counts": (b"GGUF", "byte 8: 8 bytes more than there are"),
    "no tensors": (gguf(counts=(1, 0)), "byte 24: 8 bytes more"),
    "no head": (gguf(), "neither output.weight nor"),
    "arrays in arrays": (gguf(keys=DEEP, counts=(0, 1)), "byte 49: a value of type 9"),
    "a huge array": (gguf(keys=HUGE, counts=(0, 1)), "byte 49: 73786976294838206464 bytes more"),
    "no such type": (gguf(keys=ODD, counts=(0, 1)), "byte 37: a value of type 77"),
    "data elsewhere": (gguf(tensors=FAR, counts=(1, 0)), "token_embd.weight begins behind the end"),
}


@pytest.mark.parametrize(("content", "said"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_refused(tmp_path, content, said):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        token_cost(path)


def test_rows_that_are_no_whole_blocks_are_refused(tmp_path):
    pytest.importorskip("gguf")
    with pytest.raises(ValueError, match="ffn_down has 704"):
        write_model(tmp_path / "model.gguf", SHAPES["tiny"], "TQ2_0", "Q6_K")


def test_llama_cpp_runs_the_file(tmp_path):
    pytest.importorskip("llama_cpp")
    peer = LlamaCpp("llama.cpp", "TQ2_0", "Q6_K", shape=SMALL)
    peer.prepare(tmp_path)
    speeds = peer.measure(Load(8, 4), 1)
    assert set(speeds.rates) == {"prompt", "generate"} and min(speeds.rates.values()) > 0


def test_ratios_are_taken_within_a_round(fake_series):
    ours, slow, failing, absent = fake_series
    assert report.ratios(ours.rates["generate"], slow.rates["generate"]) == [4.0, 4.0, 2.0]
    assert report.Spread.of([4.0, 4.0, 2.0]) == report.Spread(4.0, 2.0, 4.0)
    assert (failing.problem, failing.rates, absent.problem) == ("fell over", {}, "not installed")


def test_table_and_document_say_what_is_missing(fake_series):
    lines = report.table(fake_series).splitlines()[2:]
    assert "40.0 (20.0-44.0)" in lines[0] and "4.00 (2.00-4.00) times" in lines[1]
    assert "fell over" in lines[2] and "not installed" in lines[3]
    identity = {"version": "rotor 0", "commit": "0", "sha256": "0"}
    kept = json.loads(json.dumps(report.document(fake_series, "tiny", Load(0, 8), identity)))
    assert kept["rows"][1]["generate"]["rotor_is_times"]["median"] == 4.0
    assert kept["rows"][3]["problem"] == "not installed" and kept["machine"]["cores"] > 0


def test_an_engine_faster_than_memory_is_doubted(fake_series):
    fake_series[1].peer.bytes = 1e9
    assert report.doubts(fake_series) == []
    fake_series[1].peer.bytes = 5e9  # 50 GB/s where the memory gives 30
    assert "slow, threads 2: would read 50 GB/s" in report.doubts(fake_series)[0]


def test_output_of_llama_bench_and_rotor_is_read():
    rows = [{"n_prompt": 128, "n_gen": 0, "avg_ts": 82.5, "build_commit": "abc"}]
    rows += [{"n_prompt": 0, "n_gen": 32, "avg_ts": 13.4, "build_commit": "abc"}]
    speeds = LlamaBench("x").read(rows)
    assert speeds.rates == {"prompt": 82.5, "generate": 13.4}
    assert speeds.about == {"build_commit": "abc"}


@pytest.mark.parametrize("output", [[], [{}], {}, None, 3, "x"])
def test_other_output_is_refused(output):
    command = [sys.executable, "-c", f"import json; print(json.dumps({output!r}))"]
    for peer in (Rotor("Rotor"), LlamaBench("x"), LlamaCpp("y", shape=SMALL)):
        peer.command = lambda load, threads: command
        with pytest.raises(Unavailable, match="unexpected output"):
            peer.measure(Load(1, 1), 1)


def test_a_peer_that_is_no_program_is_said(tmp_path):
    for bad in ("x", "x=a", "=a,b", "x=a,"):
        with pytest.raises(ValueError, match="NAME=PATH,MODEL"):
            parse_llama_bench(bad)
    peer = parse_llama_bench("x=/no/such/program,model.gguf")
    with pytest.raises(Unavailable, match="cannot start"):
        peer.measure(Load(1, 1), 1)
    with pytest.raises(Unavailable, match="cannot read the model"):
        peer.prepare(tmp_path)


@pytest.mark.skipif("ROTOR" not in os.environ, reason="$ROTOR, the program, is not set")
def test_rotor_alone_from_end_to_end(tmp_path, monkeypatch, capsys):
    words = ["compare.py", "--rotor", os.environ["ROTOR"], "--model", "tiny", "-p", "8", "-n", "8"]
    words += ["--rounds", "2", "--files", str(tmp_path), "--json", str(tmp_path / "out.json")]
    monkeypatch.setattr(sys, "argv", words)
    compare.main()
    assert "| 1 | Rotor | " in capsys.readouterr().out
    kept = json.loads(Path(tmp_path / "out.json").read_text())
    assert len(kept["rows"][0]["generate"]["tokens_per_second"]) == 2
