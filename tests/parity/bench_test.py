# SPDX-License-Identifier: Apache-2.0
"""rotor bench: what it takes, what it refuses, and that every form of its report can be read."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from pathlib import Path

import pytest

from engine import MIB, ROOT, Engine

STORIES = ROOT / "models" / "stories.rotor"
MODEL = ("bench", "--synthetic", "tiny", "-t", 1, "-q")
TINY = (*MODEL, "-r", 1)
CONTRACT = {
    *("model", "isa", "format", "n_threads", "batch", "n_prompt", "n_gen", "tokens_per_second"),
    *("stddev", "bytes_per_token", "gb_per_second", "available_gb_per_second", "load_seconds"),
    *("peak_rss_bytes", "head"),
}
LLAMA_BENCH = {
    *("build_commit", "cpu_info", "model_filename", "model_type", "model_size", "model_n_params"),
    *("n_threads", "type_k", "type_v", "n_prompt", "n_gen", "n_depth", "test_time"),
    *("avg_ns", "stddev_ns", "avg_ts", "stddev_ts"),
}
SAMPLES = {"samples_ns", "samples_ts"}


def rows_of(engine: Engine, *options: object) -> list[dict]:
    return json.loads(engine.check(*TINY, *options, "-o", "json").stdout)


def measured(engine: Engine, *options: object) -> list[tuple[int, int, int, int]]:
    rows = rows_of(engine, *options)
    return [(row["batch"], row["n_prompt"], row["n_gen"], row["n_depth"]) for row in rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", [3]),
        ("1,2,5", [1, 2, 5]),
        ("1-4", [1, 2, 3, 4]),
        ("1-8+3", [1, 4, 7]),
        ("1-9*2", [1, 2, 4, 8]),
        ("3-3", [3]),
        ("1-2,7,8-10+2", [1, 2, 7, 8, 10]),
    ],
)
def test_lists_and_ranges(engine: Engine, text: str, expected: list[int]) -> None:
    got = measured(engine, "-p", text, "-n", 0)
    assert got == [(1, prompt, 0, 0) for prompt in expected]


def test_an_option_given_twice_adds_up(engine: Engine) -> None:
    got = measured(engine, "-p", 1, "-p", "2-3", "-n", 0)
    assert [prompt for _, prompt, _, _ in got] == [1, 2, 3]


@pytest.mark.parametrize("option", ["-n", "-d", "-b", "-t"])
@pytest.mark.parametrize("text", ["", "8-1", "1-1048577", "1-1000,1-1000"])
def test_every_list_is_bounded(engine: Engine, option: str, text: str) -> None:
    outcome = engine.run(*TINY, f"{option}={text}", memory=1024 * MIB, seconds=20)
    assert outcome.status == 2 and "expected" in outcome.stderr, outcome


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "1,", "1,,2", "-", "1-", "-1", "1--2", "8-1", "1-8+0", "1-8*1", "1-8*0", "0-8*2"),
        *("1-8+", "1-8*", "1-8+1+1", "1-8/2", "1 2", "x", "1e3", "+1", "0x10", "1.5", "1-8 "),
        *("99999999999999999999", "1-18446744073709551615", "1-18446744073709551616"),
        *("1-1048576", "1-1000,1-1000", "0-1048577*2"),
    ],
)
def test_hostile_lists_are_refused(engine: Engine, text: str) -> None:
    for form in (("-p=" + text,), ("-p", text)):
        outcome = engine.run(*TINY, *form, memory=1024 * MIB, seconds=20)
        assert outcome.status == 2, (form, outcome)
        assert "expected" in outcome.stderr and not outcome.stdout, (form, outcome)


def test_more_tests_than_anyone_waits_for_are_refused(engine: Engine) -> None:
    lists = ("-p", "1-1000", "-n", "1-1000", "-b", "1-1000", "-d", "1-1000")
    outcome = engine.run(*TINY, *lists, memory=1024 * MIB, seconds=20)
    assert outcome.status == 2
    assert "1001000000 tests, at most 10000" in outcome.stderr


@pytest.mark.parametrize("pair", ["", "4", "4,", "4,2,1", "4-5,2", "x,1", "-1,2", "4,1048577"])
def test_a_pair_is_two_numbers(engine: Engine, pair: str) -> None:
    outcome = engine.run(*TINY, f"--pg={pair}")
    assert outcome.status == 2 and not outcome.stdout
    assert ("expected" if pair else "missing") in outcome.stderr


def test_nothing_to_measure(engine: Engine) -> None:
    outcome = engine.run(*TINY, "-p", 0, "-n", 0)
    assert outcome.status == 2 and "nothing to measure" in outcome.stderr


def test_names(engine: Engine) -> None:
    for options in (("--head", "half"), ("--kv", "f16,"), ("--synthetic", "huge"), ("-o", "xml")):
        outcome = engine.run(*TINY, *options)
        assert outcome.status == 2 and not outcome.stdout, outcome


def test_depth_pairs_and_batches(engine: Engine) -> None:
    """A context longer than the 1,024 positions the shape was made for is measured."""
    options = ("-p", 3, "-n", 2, "-pg", "4,2", "-pg", "1,1", "-b", "1,3", "-d", "0,2000")
    got = measured(engine, *options)
    at = [(1, 3, 0), (1, 0, 2), (3, 0, 2), (1, 4, 2), (3, 4, 2), (1, 1, 1), (3, 1, 1)]
    assert got == [(*test, depth) for depth in (0, 2000) for test in at]
    text = engine.check(*TINY, *options, "-o", "md").stdout
    for name in ("pp3", "tg2", "pp4+tg2", "pp3 @ d2000", "pp4+tg2 @ d2000"):
        assert f"| {name} |" in text


def test_bytes_count_passes_and_cache(engine: Engine) -> None:
    """tiny: 4 layers with 2 heads of 64, so 2,048 bytes a position with f16; 100 deep, 2 tokens."""
    half, *others = (
        rows_of(engine, "-p", 0, "-n", 2, "-d", "0,100", "--kv", kv, "--head", "full")
        for kv in ("f16", "bf16", "f32", "int8")
    )
    weights = half[0]["model_size"]
    for rows, position in zip((half, *others), (2048, 2048, 4096, 1088), strict=True):
        assert rows[0]["bytes_per_token"] == weights + position * 1.5
        assert rows[1]["bytes_per_token"] == weights + position * 101.5
    (long,) = rows_of(engine, "-p", 300, "-n", 0, "-d", 10, "--head", "full")
    (row,) = rows_of(engine, "-p", 128, "-n", 0, "--head", "full")
    head = weights - 128 * row["bytes_per_token"]
    assert abs(head) < 64, "a prompt of one pass reads everything once"
    (pair,) = rows_of(engine, "-p", 0, "-n", 0, "-pg", "128,2", "--head", "full")
    expected = (3 * weights + 2048 * (2 * 128 + 3)) / 130
    assert abs(pair["bytes_per_token"] - expected) < 1
    vocabulary = 1024 * 256 * 2
    cached = 2048 * (3 * 10 + 128 * 3)
    expected = (3 * (weights - vocabulary) + vocabulary + cached) / 300
    assert abs(long["bytes_per_token"] - expected) < 1


def test_rates_are_those_of_the_samples(engine: Engine) -> None:
    command = (*MODEL, "-p", 0, "-n", 0, "-pg", "4,2", "-b", 2, "-r", 3, "-o", "json")
    (row,) = json.loads(engine.check(*command).stdout)
    assert len(row["samples_ns"]) == len(row["samples_ts"]) == 3
    rates = [12e9 / time for time in row["samples_ns"]]
    assert row["samples_ts"] == pytest.approx(rates, rel=1e-3)
    assert row["tokens_per_second"] == row["avg_ts"] == pytest.approx(sum(rates) / 3, rel=1e-3)
    assert row["avg_ns"] == pytest.approx(sum(row["samples_ns"]) / 3, rel=1e-6)
    weights = 4 * (256 * (2 * 256 + 2 * 128) + 3 * 256 * 704)
    assert row["tops"] == pytest.approx(2 * weights * row["avg_ts"] / 1e12)
    assert 0 < row["tops"] and 0 < row["available_tops"]
    assert row["peak_rss_bytes"] > 1e6


def test_every_form_says_the_same(engine: Engine) -> None:
    command = (*TINY, "-m", STORIES, "-p", 4, "-n", 2, "-d", "0,5", "-b", "1,2")
    forms = {
        form: engine.check(*command, "-o", form).stdout
        for form in ("json", "jsonl", "csv", "sql", "md")
    }
    lines = forms["jsonl"].splitlines()
    read = {
        "json": json.loads(forms["json"]),
        "jsonl": [json.loads(line) for line in lines],
        "csv": list(csv.DictReader(io.StringIO(forms["csv"]))),
    }
    with sqlite3.connect(":memory:") as database:
        database.row_factory = sqlite3.Row
        database.executescript(forms["sql"])
        database.executescript(forms["sql"])  # a second run adds to the same table
        found = [dict(row) for row in database.execute("SELECT * FROM rotor_bench")]
        types = {row["name"]: row["type"] for row in database.execute("PRAGMA table_info(rotor_bench)")}
    assert len(found) == 24 and types["avg_ts"] == "REAL" and types["n_gen"] == "INTEGER"
    read["sql"] = found[:12]
    expected = [
        (str(STORIES) if model else "tiny", batch, prompt, generate, depth)
        for model in (1, 0)
        for depth in (0, 5)
        for batch, prompt, generate in ((1, 4, 0), (1, 0, 2), (2, 0, 2))
    ]
    for form, rows in read.items():
        keys = CONTRACT | LLAMA_BENCH | (SAMPLES if form.startswith("json") else set())
        assert keys <= rows[0].keys(), form
        got = [
            (row["model"], *(int(row[key]) for key in ("batch", "n_prompt", "n_gen", "n_depth")))
            for row in rows
        ]
        assert got == expected, form
        assert all(float(row["avg_ts"]) > 0 for row in rows)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", rows[0]["test_time"])
        assert re.fullmatch(r"unknown|[0-9a-f]{7,40}(-dirty)?", rows[0]["build_commit"])
    table = [line for line in forms["md"].splitlines() if line.startswith("|")]
    assert len(table) == 2 + 12
    assert len({line.count("|") for line in table}) == 1


def test_a_path_with_marks_in_it_is_quoted(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "o'ne, \"two\".rotor"
    file.symlink_to(STORIES)
    command = ("bench", file, "-p", 1, "-n", 0, "-r", 1, "-t", 1, "-q", "-o")
    (row,) = csv.DictReader(io.StringIO(engine.check(*command, "csv").stdout))
    assert row["model"] == str(file)
    with sqlite3.connect(":memory:") as database:
        database.executescript(engine.check(*command, "sql").stdout)
        assert database.execute("SELECT model FROM rotor_bench").fetchone() == (str(file),)


def test_heads_side_by_side(engine: Engine) -> None:
    command = ("bench", STORIES, "-p", 0, "-n", 8, "-r", 1, "-o", "json", "--head")
    few, full = json.loads(engine.check(*command, "two-stage,full").stdout)
    assert (few["head"], full["head"]) == ("two-stage", "full")
    assert few["head_rows_per_token"] >= 1 and full["head_rows_per_token"] == 0


def test_what_was_measured_before_a_failure_is_reported(engine: Engine, tmp_path: Path) -> None:
    outcome = engine.run(*TINY, "-m", STORIES, "-m", tmp_path / "no", "-p", 1, "-n", 0, "-o", "json")
    assert outcome.status != 0 and str(tmp_path / "no") in outcome.stderr
    assert [row["model"] for row in json.loads(outcome.stdout)] == [str(STORIES)]


def test_what_does_not_fit_is_refused_with_numbers(engine: Engine) -> None:
    options = ("--synthetic", "tiny", "-p", 0, "-n", 1, "-d", 1 << 20, "-b", 1024)
    outcome = engine.run("bench", *options, seconds=30)
    assert outcome.status == 4, outcome
    assert re.search(r"synthetic:tiny: needs 2\.\d+ TB of memory", outcome.stderr)
    assert "are free" in outcome.stderr and not outcome.stdout


PARAMETERS = {  # of the ternary matrices
    "bitnet-2b-4t": 2_084_044_800,
    "llama3-8b": 6_979_321_856,
    "falcon3-10b": 9_500_098_560,
    "bitnet-70b": 80 * 8192 * (2 * 8192 + 2 * 1024 + 3 * 28672),
    "bitnet-100b": 72 * 8192 * (4 * 8192 + 3 * 45568),
}


def test_plan(engine: Engine) -> None:
    names = ",".join(PARAMETERS)
    command = ("bench", "--synthetic", names, "--plan", "-t", 1, "--head", "auto,full", "-d", 4096)
    rows = json.loads(engine.check(*command, "-o", "json", memory=1024 * MIB).stdout)
    assert len(rows) == 5 * 2 * 4
    for row in rows:
        name = row["model"].removeprefix("synthetic:")
        assert row["ternary_weights"] == PARAMETERS[name]
        parts = ("matrix_bytes", "head_bytes", "norm_bytes", "cache_bytes")
        assert row["memory_bytes"] == sum(row[part] for part in parts)
        assert row["fits"] == (row["memory_bytes"] <= row["available_memory_bytes"])
        bits = {"dense243": 1.6, "fold243": 1.6, "i2": 2, "planes2": 2}[row["format"]]
        assert row["matrix_bytes"] == pytest.approx(bits / 8 * PARAMETERS[name], rel=0.03)
        speed = row["most_generated_per_second"] * row["bytes_per_token"]
        assert speed == pytest.approx(1e9 * row["available_gb_per_second"])
    table = engine.check(*command, memory=1024 * MIB).stdout
    assert table.count("| synthetic:bitnet-100b | 99.96B |") == 8
    assert engine.run(*command, "-o", "sql").status == 2
    grouped = engine.run("bench", "--synthetic", "tiny-g128", "--plan", "--weights", "dense243")
    assert grouped.status == 2 and "in the layout i2 alone" in grouped.stderr


def test_energy_that_cannot_be_read_is_not_measured(engine: Engine) -> None:
    (row,) = rows_of(engine, "-p", 1, "-n", 0)
    text = engine.check(*TINY, "-p", 1, "-n", 0).stdout
    if row["joules_per_token"] is None:
        assert "energy: not measured" in text and "J/token" not in text
    else:
        assert row["joules_per_token"] > 0 and "J/token" in text
