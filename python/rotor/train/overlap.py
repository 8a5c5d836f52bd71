# SPDX-License-Identifier: Apache-2.0
"""`python -m rotor.train.overlap`: how much of a validation text the training texts hold.

Measured in n-grams of words, 13 by default; words are runs of letters and digits, lower-cased,
without apostrophes. An n-gram stands for itself as 64 bits: a polynomial in its words' BLAKE2
hashes. That two of the some 10^5 validation and 10^7 training n-grams agree by chance has a
probability below 10^-6.
"""

import argparse
import hashlib
import re
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rotor.train.manifest import join_books, split_books

WORD = re.compile(r"[^\W_]+")
APOSTROPHES = str.maketrans("", "", "'\u2019")
# Any odd number does; this one has no pattern in its bits (2^64 divided by the golden ratio).
FACTOR = np.uint64(0x9E3779B97F4A7C15)


def words_of(line: str) -> list[str]:
    return WORD.findall(line.lower().translate(APOSTROPHES))


class WordHashes(dict[str, int]):
    """The 64-bit hash of a word, remembered."""

    def __missing__(self, word: str) -> int:
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        self[word] = value = int.from_bytes(digest, "little")
        return value


def hash_words(lines: Iterable[Sequence[str]], hashes: WordHashes) -> np.ndarray:
    """The hashes of the words of all lines, uint64 (words,)."""
    values = array("Q")
    for line in lines:
        values.extend(map(hashes.__getitem__, line))
    return np.frombuffer(values, dtype=np.uint64)


def hash_ngrams(words: np.ndarray, length: int) -> np.ndarray:
    """The hash of the `length` words from each place on, uint64 (words - length + 1,)."""
    count = max(len(words) - length + 1, 0)
    ngrams = np.zeros(count, dtype=np.uint64)
    for place in range(length):
        ngrams = ngrams * FACTOR + words[place : place + count]
    return ngrams


@dataclass(frozen=True)
class BookOverlap:
    """A book of the validation text, and which of it is in the training texts."""

    lines: list[str]
    words: list[list[str]]  # of each line
    shared: np.ndarray  # bool (n-grams,)
    covered: np.ndarray  # bool (words,): in a shared n-gram

    @property
    def title(self) -> str:
        """Its first line of two words or more: some books begin with a number."""
        lines = (line for line, words in zip(self.lines, self.words, strict=True) if words[1:])
        return next(lines, "")

    def lines_shared(self) -> np.ndarray:
        """Which lines hold a word of a shared n-gram, bool (lines,)."""
        index = np.repeat(np.arange(len(self.lines)), [len(words) for words in self.words])
        shared = np.zeros(len(self.lines), dtype=bool)
        shared[index[self.covered]] = True
        return shared

    def passages(self) -> Iterator[str]:
        """The longest runs of words that are in shared n-grams."""
        words = [word for line in self.words for word in line]
        edges = np.flatnonzero(np.diff(self.covered, prepend=False, append=False))
        for begin, end in edges.reshape(-1, 2):
            yield " ".join(words[begin:end])

    def without_shared(self) -> str:
        """The lines that hold no word of a shared n-gram."""
        kept = ~self.lines_shared()
        return "".join(f"{line}\n" for line, keep in zip(self.lines, kept, strict=True) if keep)


def read_files(paths: Sequence[Path]) -> Iterator[str]:
    """The UTF-8 files, one at a time; a folder stands for its *.txt files."""
    for path in paths:
        for file in sorted(path.glob("*.txt")) if path.is_dir() else [path]:
            yield file.read_text(encoding="utf-8")


def cover(shared: np.ndarray, words: int, length: int) -> np.ndarray:
    """The words that shared n-grams hold, bool (words,)."""
    covered = np.zeros(words, dtype=bool)
    for place in range(length):
        covered[place : place + len(shared)] |= shared
    return covered


def measure(validation: Sequence[str], training: Iterable[str], length: int) -> list[BookOverlap]:
    """The overlap of each validation book with the training texts, which are held one at a time.

    Raises:
        ValueError: the validation books have no n-gram of that length.
    """
    hashes = WordHashes()
    lines = [book.removesuffix("\n").split("\n") for book in validation]
    words = [[words_of(line) for line in book] for book in lines]
    word_hashes = [hash_words(book, hashes) for book in words]
    ngrams = [hash_ngrams(book, length) for book in word_hashes]
    wanted = np.unique(np.concatenate(ngrams))
    if not len(wanted):
        raise ValueError(f"no book of the validation text has {length} words")
    found = np.zeros(len(wanted), dtype=bool)
    for text in training:
        seen = hash_ngrams(hash_words(map(words_of, text.split("\n")), hashes), length)
        place = np.minimum(np.searchsorted(wanted, seen), len(wanted) - 1)
        found[place[wanted[place] == seen]] = True
    books = []
    for index, book in enumerate(lines):
        shared = found[np.searchsorted(wanted, ngrams[index])]
        covered = cover(shared, len(word_hashes[index]), length)
        books.append(BookOverlap(book, words[index], shared, covered))
    return books


def report(books: Sequence[BookOverlap], show: int) -> None:
    """Prints the share of each book and of all, and the longest shared passages."""
    rows = [
        (len(book.shared), int(book.shared.sum()), len(book.lines), int(book.lines_shared().sum()))
        for book in books
    ]
    rows.append(tuple(map(sum, zip(*rows, strict=True))))
    print(" n-grams  shared    share   lines  shared  book")
    for row, title in zip(rows, [*(book.title[:50] for book in books), "all"], strict=True):
        ngrams, shared, lines, lines_shared = row
        share = shared / max(ngrams, 1)
        print(f"{ngrams:8} {shared:7} {share:8.3%} {lines:7} {lines_shared:7}  {title}")
    passages = sorted((p for book in books for p in book.passages()), key=len, reverse=True)
    for passage in passages[:show]:
        print(f"shared: {passage}")


EXAMPLE = """example:
  python -m rotor.train.overlap texts/story-mix/valid.txt texts/story-mix/train.txt texts/novels100
"""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m rotor.train.overlap",
        description="Measures how many n-grams of words of a validation text the training texts "
        "hold, and can leave them out.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("validation", type=Path, help="UTF-8 text, a paragraph a line")
    parser.add_argument("training", type=Path, nargs="+", help="UTF-8 texts, or folders of *.txt")
    parser.add_argument("--length", type=int, default=13, metavar="WORDS", help="default: 13")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print the N longest")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="the validation text without the shared lines"
    )
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    try:
        if arguments.length < 1:
            raise ValueError(f"--length {arguments.length} is less than 1")
        validation = [text.decode() for text in split_books(arguments.validation.read_bytes())]
        books = measure(validation, read_files(arguments.training), arguments.length)
        report(books, arguments.show)
        if arguments.write:
            kept = join_books([book.without_shared().encode() for book in books])
            arguments.write.write_bytes(kept)
            print(f"{arguments.write}: {len(kept)} bytes")
    except (OSError, ValueError) as error:
        print(f"rotor.train.overlap: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
