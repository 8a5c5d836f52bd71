# SPDX-License-Identifier: Apache-2.0
"""Texts whose answer is known: committed ones, the repository's own changes, data of others, models."""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What a kind of stream is good for: copies the prompt, quotes from it, or neither.
COPIES = ("edit", "code", "history of docs", "history of code", "rewritten prose")
QUOTES = ("summary", "retrieval", "questions on a text")
FREE = ("prose", "stories", "encyclopedia", "plays", "chat", "arithmetic", "model: stories",
        "model: chat")


@dataclass
class Text:
    kind: str
    prompt: str
    answer: str


def committed() -> Iterator[Text]:
    """Written for this purpose: prompt and answer with ---- between them."""
    for path in sorted((Path(__file__).parent / "streams").glob("*.txt")):
        prompt, answer = path.read_text(encoding="utf-8").split("----\n")
        yield Text(path.stem, prompt, answer)


def history(count: int = 25) -> Iterator[Text]:
    """Files of this repository before and after a commit that kept three quarters of their lines
    or more, where git and its history are there."""
    def git(*words: str) -> str:
        done = subprocess.run(("git", "-C", ROOT, *words), capture_output=True, encoding="utf-8")
        return done.stdout if done.returncode == 0 else ""

    left = {"history of docs": count, "history of code": count}
    for commit in git("log", "--format=%h", "-100").split():
        for name in git("diff-tree", "--no-commit-id", "--name-only", "--diff-filter=M", "-r",
                        commit).split():
            kind = "history of docs" if name.endswith(".md") else "history of code"
            if not name.endswith((".md", ".cc", ".h", ".py")) or left[kind] == 0:
                continue
            old, new = git("show", f"{commit}^:{name}"), git("show", f"{commit}:{name}")
            kept = (Counter(old.splitlines()) & Counter(new.splitlines())).total()
            if 500 < len(new) < 12000 and kept >= 0.75 * len(new.splitlines()):
                left[kind] -= 1
                subject = git("log", "-1", "--format=%s", commit)
                yield Text(kind, f"{old}\n\nChange this: {subject}\n\n", new)


REWRITTEN = [(" he ", " she "), (" his ", " her "), ("said", "replied"), ("little", "small"),
             ("great", "huge"), (" old", " aged")]


def data_of_others(folder: Path) -> Iterator[Text]:
    """From ROTOR_TEST_DATA, whatever of it is there."""
    choose = random.Random(1)
    prose = {"stories": "text/story-mix/valid.txt",
             "encyclopedia": "text/wikitext2/wikitext2_train_5k.txt",
             "plays": "text/shakespeare/tinyshakespeare.txt"}
    for kind, name in prose.items():
        if (folder / name).is_file():
            text = (folder / name).read_text(encoding="utf-8")
            for _ in range(15):
                at = choose.randrange(len(text) - 6000)
                yield Text(kind, text[at:at + 400], text[at + 400:at + 5400])
                if kind == "stories":
                    passage = rewritten = text[at:at + 3000]
                    for old, new in REWRITTEN:
                        rewritten = rewritten.replace(old, new)
                    yield Text("rewritten prose", f"Rewrite:\n{passage}\n\n", rewritten)
    instructions = folder / "instruct/dolly_hhrlhf_train_small.jsonl"
    if instructions.is_file():
        for line in instructions.read_text(encoding="utf-8").splitlines():
            pair = json.loads(line)
            with_text = len(pair["prompt"]) > 900
            yield Text("questions on a text" if with_text else "chat", pair["prompt"], pair["response"])
    sums = folder / "bench/gsm8k/train.jsonl"
    if sums.is_file():
        for line in sums.read_text(encoding="utf-8").splitlines()[:100]:
            pair = json.loads(line)
            yield Text("arithmetic", pair["question"] + "\n", pair["answer"])


BEGINNINGS = ("Once upon a time", "The old king", "In the forest there lived", "A poor fisherman",
              "The youngest of the three brothers", "When the snow fell", "There was a tailor")
QUESTIONS = ("Hello! Who are you?", "Tell me a story about a fox.", "What is a forest?",
             "Why is the sky blue?", "What do you like to eat?", "Tell me about the sea.")


def answers_of_models(rotor: str) -> Iterator[Text]:
    """What the shipped models write: greedily, where they repeat themselves most, and drawn."""
    def run(model: str, prompt: str, *options: str) -> str:
        out = subprocess.run((rotor, "run", ROOT / "models" / model, "-p", prompt, "-n", "300",
                              "-t", "1", "--json", "-q", *options), check=True, capture_output=True, text=True)
        return json.loads(out.stdout)["answers"][0]["text"]

    for temperature in ("0", "0.8"):
        for prompt in BEGINNINGS:
            yield Text("model: stories", prompt, run("stories.rotor", prompt, "--temp", temperature))
        for prompt in QUESTIONS:
            yield Text("model: chat", prompt,
                       run("stories-chat.rotor", prompt, "--chat", "--temp", temperature))
