# SPDX-License-Identifier: Apache-2.0
"""Speculation changes the number of passes and nothing else."""

import json

import pytest

from engine import ROOT, Engine

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
]


def story(engine: Engine, *options: object) -> dict:
    command = ("run", STORIES, "-p", SONG, "-n", 120, "--json")
    return json.loads(engine.check(*command, *options).stdout)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(map(str, options)))
def test_the_answer_is_the_same(options: tuple[object, ...], engine: Engine) -> None:
    quick = story(engine, *options)
    plain = story(engine, *options, "--no-speculate")
    assert quick["answers"] == plain["answers"]
    assert plain["drafted_tokens"] == 0


def test_drafts_of_a_repeating_text_are_accepted(engine: Engine) -> None:
    report = story(engine, "--temp", 0, "-t", 1)
    assert report["accepted_tokens"] > 0, report
    assert report["accepted_tokens"] <= report["drafted_tokens"]
    assert report["accepted_tokens"] < report["generated_tokens"]
