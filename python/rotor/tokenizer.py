# SPDX-License-Identifier: Apache-2.0
"""A tokenizer without a model around it."""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rotor.errors import FormatError, UnsupportedError

if TYPE_CHECKING:
    from typing_extensions import Self

# The split rule of Llama 3 and of the models that Rotor ships: the one that is known here.
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPACES = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


class _Encoder(Protocol):
    @property
    def size(self) -> int: ...
    @property
    def bos(self) -> int: ...
    def encode(self, text: str, *, add_bos: bool | None = None) -> list[int]: ...
    def decode(self, tokens: Sequence[int], *, skip_special: bool = True) -> bytes: ...


class BitNetTokenizer:
    """Text to tokens and back, by the tokenizer of a model's file.

    path: any model or folder that Rotor reads, a tokenizer.json, a tiktoken or SentencePiece
    tokenizer.model, a GGUF file. Without the compiled part: a .rotor file, a folder or a
    tokenizer.json with the byte-level BPE of Llama 3; the tokens are the same. FormatError and
    UnsupportedError name the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._encoder = _open(os.fspath(path))

    @classmethod
    def from_pretrained(cls, path: str | os.PathLike[str]) -> Self:
        """The same, under the name that others give it."""
        return cls(path)

    @property
    def vocab_size(self) -> int:
        """Tokens; ids are 0 .. vocab_size - 1."""
        return self._encoder.size

    @property
    def bos_token_id(self) -> int | None:
        """The token that a text begins with, if the tokenizer puts one there."""
        return None if self._encoder.bos < 0 else self._encoder.bos

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        """Text never becomes a special token; add_special_tokens=False leaves out begin-of-text."""
        if not isinstance(text, str):
            raise TypeError(f"text: expected str, got {type(text).__name__}")
        return self._encoder.encode(text, add_bos=None if add_special_tokens else False)

    def decode(self, tokens: Sequence[int], skip_special_tokens: bool = True) -> str:
        """Bytes that are no UTF-8 become U+FFFD. ValueError: no such token."""
        ids = [int(token) for token in tokens]
        return self._encoder.decode(ids, skip_special=skip_special_tokens).decode(errors="replace")


def _open(path: str) -> _Encoder:
    try:
        from rotor import _core
    except ImportError:
        return ByteLevelBPE(_read_json(Path(path)), path)
    from rotor.hub import find_model

    return _core.Tokenizer.open(find_model(path))


def _read_json(path: Path) -> str:
    if path.is_dir():
        path = path / "tokenizer.json"
    if path.suffix == ".rotor":
        from rotor.rotor_file import RotorFile

        return RotorFile(path).tokenizer()
    if path.suffix != ".json":
        raise UnsupportedError(f"{path}: expected a tokenizer.json; others need the compiled part")
    return path.read_text(encoding="utf-8")


class ByteLevelBPE:
    """The tokenizer.json of Llama 3's kind in Python; the ids of the compiled one."""

    def __init__(self, text: str, name: str) -> None:
        try:
            spec = json.loads(text)
            model = spec["model"]
            splits = spec["pre_tokenizer"]["pretokenizers"]
            known = (
                model["type"] == "BPE"
                and not spec.get("normalizer")
                and [part["type"] for part in splits] == ["Split", "ByteLevel"]
                and splits[0]["pattern"] == {"Regex": LLAMA3}
                and not splits[1]["add_prefix_space"]
                and not splits[1]["use_regex"]
            )
            if not known:
                raise UnsupportedError(f"{name}: this tokenizer needs the compiled part")
            letters = {letter: byte for byte, letter in _alphabet().items()}
            self._ids = {str(token): int(id_) for token, id_ in model["vocab"].items()}
            pairs = (m if isinstance(m, list) else m.split(" ") for m in model["merges"])
            self._ranks = {(left, right): rank for rank, (left, right) in enumerate(pairs)}
            self._ignore_merges = bool(model.get("ignore_merges"))
            self._bytes = {
                id_: bytes(letters[c] for c in token)
                if set(token) <= letters.keys()
                else token.encode()
                for token, id_ in self._ids.items()
            }
            added = {int(token["id"]): token for token in spec.get("added_tokens", [])}
            self._bytes |= {id_: str(token["content"]).encode() for id_, token in added.items()}
            self._special = {id_ for id_, token in added.items() if token.get("special")}
            self._bos = _first_special(spec.get("post_processor"))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise FormatError(f"{name}: no tokenizer that can be read: {error!r}") from error

    @property
    def size(self) -> int:
        return max(self._bytes, default=-1) + 1

    @property
    def bos(self) -> int:
        return self._bos

    def encode(self, text: str, *, add_bos: bool | None = None) -> list[int]:
        """The ids of a text, begin-of-text first unless add_bos is False."""
        ids = [self._bos] if self._bos >= 0 and add_bos is not False else []
        alphabet = _alphabet()
        for piece in _pattern().findall(text):
            letters = "".join(alphabet[byte] for byte in piece.encode())
            if self._ignore_merges and letters in self._ids:
                ids.append(self._ids[letters])
            else:
                ids.extend(self._ids[part] for part in self._merged(list(letters)))
        return ids

    def decode(self, tokens: Sequence[int], *, skip_special: bool = True) -> bytes:
        """The bytes of the tokens joined."""
        for token in tokens:
            if not 0 <= token < self.size:
                raise ValueError(f"token {token}: expected 0 to {self.size - 1}")
        kept = (t for t in tokens if not (skip_special and t in self._special))
        return b"".join(self._bytes.get(token, b"") for token in kept)

    def _merged(self, parts: list[str]) -> list[str]:
        """The adjacent pair of the lowest rank is joined, wherever it is, until no pair has one."""
        last = len(self._ranks)
        while len(parts) > 1:
            best = min(pairwise(parts), key=lambda pair: self._ranks.get(pair, last))
            if best not in self._ranks:
                break
            joined: list[str] = []
            at = 0
            while at < len(parts):
                if at + 1 < len(parts) and (parts[at], parts[at + 1]) == best:
                    joined.append(parts[at] + parts[at + 1])
                    at += 2
                else:
                    joined.append(parts[at])
                    at += 1
            parts = joined
        return parts


def _first_special(processor: Any) -> int:
    """The token that a TemplateProcessing, alone or in a sequence, puts first; -1 for none."""
    if not processor:
        return -1
    for part in processor.get("processors", [processor]):
        if part["type"] == "TemplateProcessing" and "SpecialToken" in part["single"][0]:
            name = part["single"][0]["SpecialToken"]["id"]
            return int(part["special_tokens"][name]["ids"][0])
    return -1


@cache
def _alphabet() -> dict[int, str]:
    """How a vocabulary spells each byte: printable Latin-1 as itself, the others from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {b: chr(256 + i) for i, b in enumerate(others)}


@cache
def _pattern() -> re.Pattern[str]:
    """LLAMA3 in the words of Python's expressions, which have no classes of Unicode."""
    classes = {r"\p{L}": _ranges("L"), r"\p{N}": _ranges("N"), r"\s": _SPACES}
    out, within = "", False
    at = 0
    while at < len(LLAMA3):
        token = next(
            (name for name in (*classes, r"\S") if LLAMA3.startswith(name, at)), LLAMA3[at]
        )
        if token == r"\S":
            out += f"[^{_SPACES}]"
        elif token in classes:
            out += classes[token] if within else f"[{classes[token]}]"
        else:
            within = token == "[" or (within and token != "]")
            out += token
        at += len(token)
    return re.compile(out)


def _ranges(major: str) -> str:
    """All characters of a major category, as the inside of a class."""
    found: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code))[0] == major:
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)
