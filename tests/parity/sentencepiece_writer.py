# SPDX-License-Identifier: Apache-2.0
"""Trains and writes small SentencePiece models of Llama 2's kind, without the sentencepiece library."""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path

TEXT = (
    "Once upon a time there was a little dog who liked to play in the park. The dog was happy, and "
    "then it saw a cat. It said hello to the cat, and the cat said hello. They played there all day.\n"
) * 3
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
UNIGRAM, BPE = 1, 2
SPACE = "\u2581"


def train(text: str, merges: int) -> list[str]:
    """What byte-pair merges of a text make, the most frequent first, then its characters."""
    words = Counter(SPACE + word for word in text.split())
    parts = {word: list(word) for word in words}
    made: list[str] = []
    for _ in range(merges):
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            for pair in zip(parts[word], parts[word][1:]):
                pairs[pair] += count
        (left, right), _ = min(pairs.items(), key=lambda item: (-item[1], item[0]))
        made.append(left + right)
        for word, symbols in parts.items():
            at = 0
            while at + 1 < len(symbols):
                if symbols[at : at + 2] == [left, right]:
                    symbols[at : at + 2] = [left + right]
                at += 1
            parts[word] = symbols
    characters = sorted(set("".join(words)))
    return list(dict.fromkeys(made)) + characters


def write(path: Path, merges: int = 60) -> int:
    """Writes tokenizer.model; returns the number of its pieces."""
    pieces = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)]
    pieces += [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
    first = len(pieces)
    pieces += [(text, NORMAL) for text in train(TEXT, merges)]
    scored = [
        (text, kind, float(first - index) if kind == NORMAL else 0.0)
        for index, (text, kind) in enumerate(pieces)
    ]
    path.write_bytes(model_bytes(scored, BPE, byte_fallback=True, dummy_prefix=True))
    return len(pieces)


def model_bytes(
    pieces: list[tuple[str, int, float]], kind: int, *, byte_fallback: bool, dummy_prefix: bool
) -> bytes:
    """A model of (text, type, score) that normalises nothing."""
    data = b""
    for text, piece, score in pieces:
        stored = b"\x15" + struct.pack("<f", score)
        data += _bytes(1, _bytes(1, text.encode()) + stored + _number(3, piece))
    data += _bytes(2, _number(3, kind) + _number(35, int(byte_fallback)))
    rules = _number(3, int(dummy_prefix)) + _number(4, 0)
    return data + _bytes(3, _bytes(1, b"identity") + rules)


def _varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value
