# SPDX-License-Identifier: Apache-2.0
"""The models that ship: their cards say what the program prints, and one of them can talk."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from engine import ROOT, Engine

MODELS = [ROOT / "models" / "stories.rotor", ROOT / "models" / "stories-chat.rotor"]
TEST_DATA = Path(os.environ.get("ROTOR_TEST_DATA", ROOT.parent / "shared" / "data"))
VALID = TEST_DATA / "text" / "story-mix" / "valid.txt"
FIRST_RUN = ROOT / "docs" / "images" / "first-run.svg"
MAX_BYTES = 10_000_000
MAX_BITS_PER_BYTE = 1.45
# Three turns about a story, as a person types them.
TURNS = (
    "Hello!",
    "Tell me a story about a fox and a crow.",
    "A fox saw a crow in a tree with a piece of cheese. The fox said that she sang well. The crow "
    "opened her mouth, and the cheese fell down. Who saw the crow?",
)


def words(text: str) -> list[str]:
    """Without line ends and marks of a quotation, which a card breaks where it likes."""
    return re.sub(r"(?m)^> ?", "", text).split()


def card_of(model: Path) -> str:
    return model.with_suffix(".md").read_text()


def samples(card: str) -> list[tuple[str, list[str]]]:
    """Each command between backquotes in a card's Samples, and the words quoted below it."""
    section = card.split("## Samples\n", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"^`((?:rotor|printf) .*?)`:\n\n((?:>.*\n)+)", section, re.MULTILINE)
    assert len(found) == section.count("\n`"), "a sample of another form"
    return [(command, words(quoted)) for command, quoted in found]


def printed_by(command: str, engine: Engine) -> str:
    """Standard output of a shell command in which `rotor` is the program under test."""
    script = f'rotor() {{ {shlex.quote(str(engine.program))} "$@"; }}; {command}'
    return subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True).stdout


@pytest.fixture(params=MODELS, ids=lambda path: path.stem)
def model(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_is_small(model: Path) -> None:
    assert model.stat().st_size <= MAX_BYTES


def test_bits_per_byte_are_those_of_the_card(model: Path, engine: Engine) -> None:
    if not VALID.is_file():
        pytest.skip(f"no validation text: {VALID} is missing")
    stated = re.search(r"\*\*([0-9.]+) bits per byte\*\*", card_of(model))
    assert stated, "the card does not say **N bits per byte**"
    report = engine.check("ppl", model, "-f", VALID, "--json", seconds=600)
    measured = json.loads(report.stdout)["bits_per_byte"]
    assert f"{measured:.3f}" == stated[1]
    assert measured <= MAX_BITS_PER_BYTE


def test_samples_are_what_the_commands_print(model: Path, engine: Engine) -> None:
    cases = samples(card_of(model))
    assert cases, "the card has no sample"
    for command, quoted in cases:
        completed = re.match(r'rotor run -p "(.*?)"', command)  # quoted with its beginning
        beginning = completed[1] if completed else ""
        assert words(beginning + printed_by(command, engine)) == quoted, command


def test_the_picture_in_the_readme_is_what_its_command_prints(engine: Engine) -> None:
    texts = re.findall(r'<text[^>]*class="rotor-r\d"[^>]*>([^<]*)', FIRST_RUN.read_text())
    shown = [html.unescape(text).replace("\xa0", " ") for text in texts]
    command, statistics = shown[0], next(line for line in shown if line.startswith("prompt "))
    assert command.startswith("$ rotor run -p ")
    arguments = shlex.split(command)[2:]
    prompt = arguments[arguments.index("-p") + 1]
    printed = engine.check(*arguments).stdout
    text = " ".join(shown[1 : shown.index(statistics)])
    assert text.split() == (prompt + printed).split()


def test_holds_a_conversation_of_three_turns(engine: Engine, tmp_path: Path) -> None:
    for seed in range(5):
        saved = tmp_path / f"{seed}.json"
        lines = "\n".join([*TURNS, f"/save {saved}"]) + "\n"
        engine.check("chat", "--seed", seed, stdin=lines.encode())
        messages = json.loads(saved.read_text())
        assert [message["role"] for message in messages] == ["user", "assistant"] * len(TURNS)
        answers = [message["content"] for message in messages[1::2]]
        for answer in answers:
            assert answer.strip(), "an answer is empty"
            assert "<|" not in answer, "a part of the template in an answer"


def test_a_conversation_may_outgrow_the_context(engine: Engine, tmp_path: Path) -> None:
    saved = tmp_path / "long.json"
    turns = 12
    lines = "Tell me a story about a king.\n" * turns + f"/save {saved}\n"
    outcome = engine.check("chat", "-c", 256, "-n", 60, stdin=lines.encode())
    assert (
        "the context of 256 tokens is full: the model no longer sees the first " in outcome.stderr
    )
    messages = json.loads(saved.read_text())
    assert [message["role"] for message in messages] == ["user", "assistant"] * turns
