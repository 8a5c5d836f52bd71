# SPDX-License-Identifier: Apache-2.0
"""Speculation changes the number of passes and nothing else."""

import json

import pytest

from engine import ROOT, Engine, isa_levels

STORIES = ROOT / "models" / "stories.rotor"
# A text that the model is likely to go on repeating.
SONG = "The fox ran over the hill, and the hen ran after the fox. " * 4
OPTIONS = [
    ("--temp", 0),
    ("--temp", 0.8, "--seed", 3),
    ("--temp", 0.5, "--top-k", 0, "--min-p", 0),
    ("--temp", 0, "--repeat-penalty", 1.1),
    ("--temp", 0, "--head", "two-stage"),
    ("--temp", 0, "--stop", "hill"),
    ("--temp", 0, "-t", 3, "-c", 150),
    ("--temp", 0.8, "--seed", 3, "--answers", 4),
    ("--temp", 0.3, "--answers", 3, "--stop", "fox.", "--repeat-penalty", 1.1),
    ("--temp", 0.8, "--answers", 33),
]


def story(engine: Engine, *options: object, isa: str | None = None) -> dict:
    command = ("run", STORIES, "-p", SONG, "-n", 120, "--json")
    return json.loads(engine.check(*command, *options, isa=isa).stdout)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(map(str, options)))
def test_the_answer_is_the_same(options: tuple[object, ...], engine: Engine) -> None:
    quick = story(engine, *options)
    plain = story(engine, *options, "--no-speculate")
    assert quick["answers"] == plain["answers"]
    assert plain["drafted_tokens"] == 0


@pytest.mark.parametrize("isa", [level for level in isa_levels() if level != "scalar"])
def test_every_level_gives_the_answer_of_the_scalar_kernels(isa: str, engine: Engine) -> None:
    expected = story(engine, "--temp", 0, "-t", 2, "--no-speculate", isa="scalar")["answers"]
    for threads, weights in ((1, "i2"), (2, "fold243"), (3, "dense243")):
        quick = story(engine, "--temp", 0, "-t", threads, "--weights", weights, isa=isa)
        assert quick["answers"] == expected


def test_drafts_of_a_repeating_text_are_accepted(engine: Engine) -> None:
    report = story(engine, "--temp", 0, "-t", 1)
    assert report["accepted_tokens"] > 0, report
    assert report["accepted_tokens"] <= report["drafted_tokens"]
    assert report["accepted_tokens"] < report["generated_tokens"]
