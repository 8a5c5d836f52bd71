# SPDX-License-Identifier: Apache-2.0
"""`python -m rotor.train.conversations --instruct DIR --stories FILE --out FILE.jsonl`.

Makes the conversations that teach a small story model to chat:
- small talk: the project's own exchanges (python/recipes/small-talk.jsonl), and the greetings of
  the ChatterBot corpus; to questions of knowledge (its trivia) the answer is always that a model
  this small does not know;
- stories on request: pieces of stories, asked for by the creatures and things that are in them, or
  by their titles;
- questions about a story: FairytaleQA, up to three questions about the passage that is given first.
"""

import argparse
import csv
import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from rotor.train.chat import Message
from rotor.train.data import HEADING, documents, reflow

EXAMPLE = """example:
  python -m rotor.train.conversations --instruct instruct --stories story-mix/train.txt \\
      --out build/conversations.jsonl
"""

SMALL_TALK = Path(__file__).parents[2] / "recipes" / "small-talk.jsonl"

# What a person may ask a story about; in the stories as often as children would ask for them.
TOPICS = re.compile(
    r"\b(king|queen|prince|princess|fox|wolf|bear|cat|dog|mouse|bird|horse|lion|frog|fish|snake|"
    r"dragon|giant|witch|fairy|dwarf|troll|ogre|goose|hen|donkey|pig|goat|cow|sheep|monkey|"
    r"rabbit|hare|eagle|raven|swan|crow|spider|bee|tailor|miller|soldier|shepherd|fisherman|"
    r"hunter|woodcutter|merchant|beggar|old woman|old man|stepmother|sister|brother|castle|"
    r"forest|sea|river|mountain|island|ship|ring|sword|mirror|apple|rose|tree|gold|moon|sun|"
    r"star|wind|snow|well|tower|garden)s?\b"
)
# How a story begins, rather than goes on.
OPENING = re.compile(
    r"(Once|Long,? (long )?ago|Many (years|long)|Far|There (was|were|lived|dwelt|once|reigned)|"
    r"An? (long time|king|poor|rich|certain|man|woman|widow|fox|wolf|old)|"
    r"In (old|olden|former|ancient|days))\b"
)
TITLE = re.compile(r"[A-Z][A-Z' ,-]{4,48}\.?")
# Notes of an editor.
EDITORIAL = re.compile(r"Source|Parallels|Remarks|\W*\d|By |CONTENTS|Illustrat")
OPENING_TIMES = 5
ASK_STORY = (
    "Tell me a story about {}.",
    "Please tell me a story about {}.",
    "Can you tell me a story about {}?",
    "I would like to hear a story about {}.",
    "Tell me a fairy tale about {}.",
    "Do you know a tale about {}?",
    "Write a story about {}.",
    "A story about {}, please.",
)
ASK_PART = (
    "Tell me of {}.",
    "What happened with {}?",
    "Go on about {}.",
    "Tell me more about {}.",
)
ASK_ANY_STORY = (
    "Tell me a story.",
    "Please tell me a story.",
    "Can you tell me a fairy tale?",
    "I would like to hear a story.",
    "Tell me another story.",
    "Once upon a time",
)
GIVE_STORY = ("{}", "Here is a story. {}", "Listen: {}", "Read this story.\n{}")
HEARD = (
    "What a fine story. What do you want to know about it?",
    "I have read it. Ask me about it.",
    "Thank you for the story. What shall I answer?",
)
IGNORANCE = (
    "I do not know. I know only fairy tales. Shall I tell you one?",
    "I am sorry, I do not know that. I am a very small model and know only stories.",
    "That is more than I know. I can tell you a story instead.",
)
STORY_CHARACTERS = (300, 1300)  # of a story on request: 80 to 350 tokens
PASSAGE_CHARACTERS = 1250


def turn(question: str, answer: str) -> list[Message]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def small_talk(path: Path) -> list[list[Message]]:
    """The project's own exchanges: JSON lines {"ask": [...], "answer": [...]}, all pairs."""
    pairs = []
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        pairs += [turn(ask, answer) for ask in entry["ask"] for answer in entry["answer"]]
    return pairs


def chatterbot(folder: Path, category: str) -> list[list[str]]:
    """The exchanges of one file of the ChatterBot corpus: what is said, in turns."""
    table = yaml.safe_load((folder / f"{category}.yml").read_text(encoding="utf-8"))
    return [[str(said) for said in exchange] for exchange in table["conversations"]]


def greetings(folder: Path) -> list[list[Message]]:
    return [turn(exchange[0], exchange[1]) for exchange in chatterbot(folder, "greetings")]


def trivia(folder: Path, choice: random.Random) -> list[list[Message]]:
    """Questions of knowledge, none of which the model can know the answer to."""
    asked = {
        exchange[0]
        for category in ("trivia", "science", "history", "computers", "money", "sports", "politics")
        for exchange in chatterbot(folder, category)
    }
    return [turn(question, choice.choice(IGNORANCE)) for question in sorted(asked)]


def story_pieces(text: str) -> Iterator[tuple[str | None, str]]:
    """(title or None, piece) of all stories, STORY_CHARACTERS long, one after the other; a title
    belongs to the piece that follows it. Pieces end with a paragraph."""
    for document in documents(reflow(text)):
        piece: list[str] = []
        title = None
        for line in document.split("\n"):
            if HEADING.fullmatch(line):
                piece, title = [], line
                continue
            piece.append(line)
            size = sum(map(len, piece))
            if size > STORY_CHARACTERS[0]:
                if size <= STORY_CHARACTERS[1] and not EDITORIAL.match(piece[0]):
                    yield title, "\n".join(piece)
                piece, title = [], None


def with_article(noun: str) -> str:
    if noun in ("gold", "snow"):
        return noun
    if noun in ("moon", "sun", "sea", "wind"):
        return f"the {noun}"
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def story_requests(text: str, choice: random.Random) -> Iterator[list[Message]]:
    """A request and a piece of a story that fulfils it: an opening for who asks for a story, a
    later piece for who asks to hear of something. Openings, being few, come OPENING_TIMES, each
    time asked for in other words."""
    for title, piece in story_pieces(text):
        named: dict[str, int] = {}
        for word in TOPICS.findall(piece.lower()):
            named[word] = named.get(word, 0) + 1
        topics = [word for word in sorted(named, key=lambda w: (-named[w], w)) if named[word] > 1]
        topics = topics[: choice.choice((1, 2))]
        if not (title or OPENING.match(piece)):
            if topics:
                subject = " and ".join(f"the {word}" for word in topics)
                yield turn(choice.choice(ASK_PART).format(subject), piece)
            continue
        subject = " and ".join(with_article(word) for word in topics)
        for _ in range(OPENING_TIMES):
            if title and TITLE.fullmatch(title) and choice.random() < 0.3:
                yield turn(choice.choice(ASK_STORY).format(title.strip(" .").title()), piece)
            elif topics:
                yield turn(choice.choice(ASK_STORY).format(subject), piece)
            else:
                yield turn(choice.choice(ASK_ANY_STORY), piece)


def sentence(answer: str) -> str:
    """An answer of FairytaleQA, which are parts of sentences, as one."""
    answer = re.sub(r"\s+([.,;!?'])", r"\1", answer.strip())
    answer = answer[:1].upper() + answer[1:]
    return answer if answer.endswith((".", "!", "?", '"')) else answer + "."


def story_questions(folder: Path, part: str, choice: random.Random) -> Iterator[list[Message]]:
    """FairytaleQA: each passage with its questions, at most three in one conversation."""
    for file in sorted((folder / "section-stories" / part).glob("*-story.csv")):
        with file.open(encoding="utf-8", newline="") as stream:
            passages = {row["section"]: row["text"] for row in csv.DictReader(stream)}
        asked: dict[str, list[tuple[str, str]]] = {}
        questions = folder / "questions" / part / file.name.replace("-story", "-questions")
        if not questions.exists():
            continue
        with questions.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                if row["question"] and row["answer1"]:
                    pair = (row["question"].strip(), sentence(row["answer1"]))
                    asked.setdefault(row["cor_section"], []).append(pair)
        for section, pairs in asked.items():
            passage = " ".join(passages.get(section, "").split())
            if not passage or len(passage) > PASSAGE_CHARACTERS:
                continue
            choice.shuffle(pairs)
            for first in range(0, len(pairs), 3):
                yield about_passage(passage, pairs[first : first + 3], choice)


def about_passage(
    passage: str, pairs: list[tuple[str, str]], choice: random.Random
) -> list[Message]:
    """A passage and questions: with the first question in one message, or before it."""
    messages: list[Message] = []
    if choice.random() < 0.5:
        messages += turn(choice.choice(GIVE_STORY).format(passage), choice.choice(HEARD))
    else:
        question, answer = pairs[0]
        messages += turn(f"{choice.choice(GIVE_STORY).format(passage)}\n\n{question}", answer)
        pairs = pairs[1:]
    for question, answer in pairs:
        messages += turn(question, answer)
    return messages


def make(instruct: Path, stories: Path, seed: int) -> list[list[Message]]:
    """All conversations, shuffled. Small talk comes often enough to be learned, and before a third
    of the others, so that conversations have a history."""
    choice = random.Random(seed)
    corpus = instruct / "chatterbot-english"
    talk = small_talk(SMALL_TALK) + greetings(corpus)
    tales = list(story_requests(stories.read_text(encoding="utf-8"), choice))
    questions = list(story_questions(instruct / "fairytaleqa", "train", choice))
    conversations = 10 * talk + 5 * trivia(corpus, choice) + tales + 2 * questions
    choice.shuffle(conversations)
    return [
        choice.choice(talk) + messages if choice.random() < 0.3 else messages
        for messages in conversations
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m rotor.train.conversations",
        description="Makes the conversations that a story model learns to chat from.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--instruct", type=Path, required=True, help="folder of the instruct data")
    parser.add_argument("--stories", type=Path, required=True, help="text file of stories")
    parser.add_argument("--out", type=Path, required=True, help="JSON-lines file to write")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    try:
        conversations = make(arguments.instruct, arguments.stories, arguments.seed)
        with arguments.out.open("w", encoding="utf-8") as out:
            for messages in conversations:
                out.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
    except (OSError, ValueError) as error:
        print(f"rotor.train.conversations: {error}", file=sys.stderr)
        return 1
    print(f"{len(conversations)} conversations", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
