# SPDX-License-Identifier: Apache-2.0
"""The conversations a story model learns from, made of a small corpus of the same form."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rotor.train.chat import read_conversations
from rotor.train.conversations import SMALL_TALK, make, sentence, small_talk, story_pieces

PYTHON = Path(__file__).parents[1]
OPENING = "Once upon a time a fox met a wolf, and the fox said to the wolf that he was hungry. " * 4
MIDDLE = "Then the bear came home to the forest, and the bear was angry, and it rained on. " * 4
NOTE = "Source: told by an old man in the north, who had it from a fox, a fox and another fox. " * 4


@pytest.fixture(scope="module")
def instruct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("instruct")
    for name in ("trivia", "science", "history", "computers", "money", "sports", "politics"):
        write(folder / f"chatterbot-english/{name}.yml", [[f"What is {name}?", "Something."]])
    write(folder / "chatterbot-english/greetings.yml", [["Well met", "Well met!"]])
    stories = folder / "fairytaleqa/section-stories/train"
    questions = folder / "fairytaleqa/questions/train"
    for path in (stories, questions):
        path.mkdir(parents=True)
    (stories / "hare-story.csv").write_text('section,text\n1,"The hare\nate."\n2,"It slept."\n')
    (questions / "hare-questions.csv").write_text(
        "question_id,cor_section,question,answer1\n"
        "1,1,Who ate ?,the hare\n2,1,What then?,\n3,2,Who slept?,it\n4,1,What did it do?,ate .\n"
    )
    return folder


def write(path: Path, exchanges: list[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"conversations": exchanges}), encoding="utf-8")  # JSON is YAML


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stories") / "train.txt"
    path.write_text("\n".join(["THE FOX", OPENING, MIDDLE, "NOTES", NOTE]) + "\n", encoding="utf-8")
    return path


def test_every_kind_is_there(instruct: Path, stories: Path) -> None:
    made = [
        [message["content"] for message in messages[-2:]] for messages in make(instruct, stories, 1)
    ]
    assert ["Well met", "Well met!"] in made
    assert any(ask == "What is science?" and "not know" in answer for ask, answer in made)
    asked = {ask for ask, answer in made if answer == OPENING}
    assert any("fox" in ask or "Fox" in ask for ask in asked)
    assert any("the bear" in ask for ask, answer in made if answer == MIDDLE)
    assert any(answer == "The hare." for _, answer in made)
    assert not any(NOTE in answer for _, answer in made)


def test_questions_follow_their_own_passage(instruct: Path, stories: Path) -> None:
    for messages in make(instruct, stories, 2):
        said = " ".join(message["content"] for message in messages)
        if "Who slept?" in said:
            assert "It slept." in said and "hare" not in said
        assert "What then?" not in said, "a question without an answer"


def test_the_seed_decides(instruct: Path, stories: Path) -> None:
    assert make(instruct, stories, 1) == make(instruct, stories, 1)
    assert make(instruct, stories, 1) != make(instruct, stories, 2)


def test_pieces_have_the_titles_before_them(stories: Path) -> None:
    pieces = list(story_pieces(stories.read_text(encoding="utf-8")))
    assert pieces == [("THE FOX", OPENING), (None, MIDDLE)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("the sun", "The sun."),
        ("ran away .", "Ran away."),
        ('"Yes!"', '"Yes!"'),
        (" he , too", "He, too."),
    ],
)
def test_answers_are_sentences(answer: str, expected: str) -> None:
    assert sentence(answer) == expected


def test_own_small_talk_is_sound() -> None:
    talk = small_talk(SMALL_TALK)
    assert len(talk) > 200
    assert all(message["content"].strip() for messages in talk for message in messages)


def test_the_command_writes_what_the_trainer_reads(
    instruct: Path, stories: Path, tmp_path: Path
) -> None:
    out = tmp_path / "c.jsonl"
    command = [sys.executable, "-m", "rotor.train.conversations", "--instruct", instruct]
    done = subprocess.run(
        [*command, "--stories", stories, "--out", out], cwd=PYTHON, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(list(read_conversations(out)))} conversations" in done.stderr
    missing = subprocess.run(
        [*command, "--stories", tmp_path / "none.txt", "--out", out],
        cwd=PYTHON, capture_output=True, text=True,
    )  # fmt: skip
    assert missing.returncode == 1
    assert "none.txt" in missing.stderr and "Traceback" not in missing.stderr
