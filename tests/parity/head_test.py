# SPDX-License-Identifier: Apache-2.0
"""The head in two stages: the same text as with the whole head, and what happens to its file."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from engine import ROOT, Engine

STORIES = ROOT / "models" / "stories.rotor"
CHAT = ROOT / "models" / "stories-chat.rotor"
OPTIONS = [
    ("--temp", 0),
    ("--temp", 0, "--repeat-penalty", 1.3),
    ("--top-k", 1),
    ("--top-k", 5, "--temp", 1.5),
    ("--presence-penalty", 1, "--repeat-last-n", -1),
    ("--logit-bias", "11=3", "--logit-bias", "12=-inf"),
    ("--top-k", 4000),  # too many for two stages
    ("--top-k", 0),
    ("--top-k", 0, "--top-p", 1, "--min-p", 0.1),
    ("--beams", 3),
    *(
        ("--top-k", 0, "--top-p", 1, "--min-p", 0, "--temp", *options)
        for options in (
            (0.01,),
            (0.3, "-s", 1),
            (0.7, "-s", 2, "-t", 3),
            (1, "-s", 3, "--no-speculate"),
            (1.5, "-s", 4, "--repeat-penalty", 1.3, "--logit-bias", "11=3", "--logit-bias", "12=-inf"),
            (1000, "-s", 5),
            (0.9, "-s", 6, "--answers", 3),
        )
    ),
]


def story(engine: Engine, head: str, *options: object) -> str:
    command = ("run", STORIES, "-p", "Once upon a time", "-n", 60, "-q", "--head", head)
    return engine.check(*command, *options).stdout


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(map(str, options)))
def test_the_text_is_the_same(options: tuple[object, ...], engine: Engine) -> None:
    assert story(engine, "two-stage", *options) == story(engine, "full", *options)


def test_bench_counts_the_rows_of_the_head(engine: Engine) -> None:
    command = ("bench", STORIES, "-p", 0, "-n", 20, "-r", 1, "-o", "json", "--head")
    (few,) = json.loads(engine.check(*command, "two-stage").stdout)
    (full,) = json.loads(engine.check(*command, "full").stdout)
    assert (few["head"], full["head"]) == ("two-stage", "full")
    assert 1 <= few["head_rows_per_token"] < 200
    assert few["head_rests_per_token"] > few["head_rows_per_token"]
    assert full["head_rows_per_token"] == full["head_rests_per_token"] == 0
    assert few["bytes_per_token"] < 0.8 * full["bytes_per_token"]


@pytest.mark.parametrize("damage", ["overwritten", "cut"])
def test_a_file_that_changes_under_a_chat_is_an_error(
    damage: str, engine: Engine, tmp_path: Path
) -> None:
    """Rows of the head are read from the file: one that was changed is noticed by its bound."""
    model = tmp_path / "model.rotor"
    shutil.copy(CHAT, model)
    command = [engine.program, "chat", model, "--head", "two-stage", "-n", "5", "--temp", "0"]
    pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    with subprocess.Popen(command, **pipes) as chat:
        chat.stdin.write(b"Hello!\n")
        chat.stdin.flush()
        assert chat.stdout.read(1), "no answer"
        size = model.stat().st_size
        with model.open("r+b") as file:
            if damage == "cut":
                file.truncate(4096)
            else:
                file.write(b"\x3f" * size)
        _, errors = chat.communicate(b"Tell me a story.\nHello!\n", timeout=60)
    expected = b"was the model file changed?" if damage == "overwritten" else b"model.rotor"
    assert errors.count(expected) >= 2, errors
