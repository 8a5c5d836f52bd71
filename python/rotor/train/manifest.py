# SPDX-License-Identifier: Apache-2.0
"""data/manifest.toml: which books make up the training and validation text, in which order.

A part is what a recipe names: a text file (its books, set apart by two empty lines) or a folder of
one file a book.
"""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MANIFEST = Path(__file__).parents[3] / "data" / "manifest.toml"

# Every book ends with a line feed and holds no empty line.
SEPARATOR = b"\n\n"


@dataclass(frozen=True)
class Person:
    name: str
    role: str
    died: int | None = None  # year; None: unknown


@dataclass(frozen=True)
class Book:
    part: str  # path below the folder of the texts
    title: str
    people: tuple[Person, ...]
    publisher: str
    repository: str  # owner/name
    file: str  # path in the repository
    bytes: int  # of the cleaned text
    sha256: str  # likewise, in hexadecimal
    published: int | None = None  # year; None: unknown
    gutenberg: tuple[int, ...] = ()
    standard_ebooks: str = ""
    # Tales left out, each from its heading up to the heading of the next one.
    without: tuple[tuple[str, str], ...] = ()
    note: str = ""

    @property
    def path(self) -> str:
        """Where the text lies below the folder of the texts; several books may share it."""
        if self.part.endswith(".txt"):
            return self.part
        return f"{self.part}/{PurePosixPath(self.file).name}"

    def is_text(self, data: bytes) -> bool:
        return hashlib.sha256(data).hexdigest() == self.sha256


@dataclass(frozen=True)
class Manifest:
    commits: Mapping[str, str]  # of each repository, 40 hexadecimal digits
    books: tuple[Book, ...]

    def by_path(self) -> dict[str, list[Book]]:
        """The books of each file, in the order of the manifest."""
        files: dict[str, list[Book]] = {}
        for book in self.books:
            files.setdefault(book.path, []).append(book)
        return files


def load_manifest(path: Path = MANIFEST) -> Manifest:
    """Raises:
    ValueError: not TOML, or an entry lacks something or has something unknown.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    books = []
    for number, entry in enumerate(values.get("book", []), 1):
        try:
            people = tuple(Person(**person) for person in entry.pop("people"))
            without = tuple((first, after) for first, after in entry.pop("without", []))
            book = Book(people=people, without=without, **entry)
        except (KeyError, TypeError, ValueError) as error:
            title = entry.get("title", "without a title")
            raise ValueError(f"{path}: book {number} ({title}): {error}") from error
        if book.repository not in values.get("commits", {}):
            raise ValueError(f"{path}: {book.title}: no commit of {book.repository}")
        if PurePosixPath(book.path).is_absolute() or ".." in PurePosixPath(book.path).parts:
            raise ValueError(f"{path}: {book.title}: {book.path} leaves the folder of the texts")
        books.append(book)
    return Manifest(values.get("commits", {}), tuple(books))


def join_books(texts: Sequence[bytes]) -> bytes:
    return SEPARATOR.join(texts)


def split_books(data: bytes) -> list[bytes]:
    """The inverse of join_books."""
    *first, last = data.split(b"\n" + SEPARATOR)
    return [*(text + b"\n" for text in first), last]
