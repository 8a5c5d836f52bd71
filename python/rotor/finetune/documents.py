# SPDX-License-Identifier: Apache-2.0
"""Files to documents, and which of them are held out.

A document is a text or a conversation. Of plain text files it is a chapter or story where headings
set them apart (`rotor.train.data.documents`), else the whole file; of JSON lines it is a line,
`{"text": ...}` or `{"messages": [{"role": ..., "content": ...}, ...]}`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rotor.train.data import documents, reflow

ROLES = ("system", "user", "assistant")
Message = dict[str, str]


class DataError(ValueError):
    """Data that cannot be used; the message names the file and, where there is one, the line."""


@dataclass(frozen=True)
class Document:
    """A text, or a conversation; `origin` is where it comes from, as in an error message."""

    origin: str
    text: str = ""
    messages: tuple[Message, ...] = ()
    ended: bool = True  # False: more of the text follows elsewhere

    @property
    def size(self) -> int:
        """Bytes of the text, or of the answers."""
        answers = (m["content"] for m in self.messages if m["role"] == "assistant")
        return len("".join([self.text, *answers]).encode())


def read_documents(path: Path, *, join_lines: bool = False, split: bool = True) -> list[Document]:
    """The documents of a text file, a .jsonl file, or a folder of both.

    join_lines: undo the hard wrapping of text files, as in the texts of the models that ship.
    split: False keeps each text file whole.

    Raises:
        DataError: something is no UTF-8, no JSON or no document.
        OSError: a file cannot be read.
    """
    files = [path]
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix in (".txt", ".jsonl"))
        if not files:
            raise DataError(f"{path}: no .txt or .jsonl file in this folder")
    found: list[Document] = []
    for file in files:
        if file.suffix == ".jsonl":
            found += _read_lines(file)
        else:
            found += _read_text(file, join_lines, split)
    if not found:
        raise DataError(f"{path}: holds no text")
    return found


def _decode(data: bytes, path: Path, line: int) -> str:
    """`data` begins in the given line of the file."""
    try:
        return data.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        raise DataError(
            f"{path}:{line}: expected UTF-8, got byte 0x{data[error.start]:02x}"
        ) from None


def _read_text(path: Path, join_lines: bool, split: bool) -> Iterator[Document]:
    text = _decode(path.read_bytes(), path, 1)
    if join_lines:
        text = reflow(text)
    number = 1
    # documents() ends each of them with a line end, the last one, too.
    for part in documents(text.removesuffix("\n")) if split else [text]:
        if part.strip():
            yield Document(f"{path}:{number}", part)
        number += part.count("\n")


def _read_lines(path: Path) -> Iterator[Document]:
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if line.strip():
            yield _parse(_decode(line, path, number), f"{path}:{number}")


def _parse(line: str, origin: str) -> Document:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{origin}: no JSON: {error}") from None
    if not isinstance(value, dict) or ("text" in value) == ("messages" in value):
        raise DataError(f'{origin}: expected an object with either "text" or "messages"')
    if "text" in value:
        return Document(origin, _text(value["text"], origin, '"text"'))
    messages = value["messages"]
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise DataError(f'{origin}: expected "messages" to be a list of objects')
    for message in messages:
        if message.get("role") not in ROLES:
            raise DataError(
                f"{origin}: expected a role of {', '.join(ROLES)}, got {message.get('role')!r}"
            )
        _text(message.get("content"), origin, f'"content" of {message["role"]}')
    if not any(message["role"] == "assistant" for message in messages):
        raise DataError(f"{origin}: no message of the assistant, so nothing to learn")
    kept = ({"role": m["role"], "content": m["content"]} for m in messages)
    return Document(origin, messages=tuple(kept))


def _text(value: object, origin: str, name: str) -> str:
    """The value if it is text that has UTF-8: JSON can write half of a surrogate pair."""
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{origin}: expected {name} to be text that is not empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DataError(f"{origin}: {name} holds half of a surrogate pair") from None
    return value


def hold_out(
    found: Sequence[Document], share: float, seed: int
) -> tuple[list[Document], list[Document]]:
    """Documents to learn and documents to measure on, drawn by `seed`, both in their order.

    At least one document is held out, then more until they have `share` of the bytes; one stays. Of
    a single text its end is held out, from the beginning of a line.

    Raises:
        DataError: there is nothing that can be divided.
    """
    if len(found) == 1:
        return _cut_end(found[0], share)
    order = list(range(len(found)))
    random.Random(seed).shuffle(order)
    wanted = share * sum(document.size for document in found)
    held: set[int] = set()
    size = 0
    for index in order[:-1]:
        if held and size >= wanted:
            break
        held.add(index)
        size += found[index].size
    return (
        [document for index, document in enumerate(found) if index not in held],
        [found[index] for index in sorted(held)],
    )


def _cut_end(document: Document, share: float) -> tuple[list[Document], list[Document]]:
    text = document.text
    place = text.rfind("\n", 0, int(len(text) * (1 - share))) + 1
    if document.messages or not text[:place].strip() or not text[place:].strip():
        raise DataError(
            f"{document.origin}: a single document that cannot be divided; give a text to measure "
            "on with --valid"
        )
    line = place and text.count("\n", 0, place)
    path, _, number = document.origin.rpartition(":")
    rest = replace(document, origin=f"{path}:{int(number) + line}", text=text[place:])
    return [replace(document, text=text[:place], ended=False)], [rest]
