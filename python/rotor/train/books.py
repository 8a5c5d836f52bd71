# SPDX-License-Identifier: Apache-2.0
"""`python -m rotor.train.books download|assemble|verify`: the texts that the manifest lists.

The publishers keep their files in public git repositories, and the manifest names a commit of
each: git checks what it fetches, and the checksums of the manifest check what is made of it.
"""

import argparse
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rotor.train.cleaning import (
    clean_gutenberg,
    clean_standard_ebook,
    leave_out,
    standard_ebook_files,
)
from rotor.train.manifest import (
    MANIFEST,
    Book,
    Manifest,
    join_books,
    load_manifest,
    split_books,
)
from rotor.train.sources import SourceError, fetch, read_files

HOST = "https://github.com"


def clean_book(book: Book, sources: Path, commit: str) -> bytes:
    """The text of a book, made from its publisher's files below `sources`.

    Raises:
        SourceError: a file is missing or not of the form that its publisher uses.
    """
    folder = sources / book.repository
    (file,) = read_files(folder, commit, [book.file])
    try:
        if book.publisher == "Project Gutenberg":
            return leave_out(clean_gutenberg(file), book.without).encode()
        if book.publisher == "Standard Ebooks":
            pages = PurePosixPath(book.file).parent / "text"
            names = [str(pages / name) for name in standard_ebook_files(file)]
            text = clean_standard_ebook(read_files(folder, commit, names))
            return leave_out(text, book.without).encode()
    except ValueError as error:
        raise SourceError(f"{book.file}: {error}") from error
    return file


def download(manifest: Manifest, sources: Path, host: str) -> bool:
    """Fetches what is not there yet; True if nothing is missing then."""
    complete = True
    for number, (repository, commit) in enumerate(manifest.commits.items(), 1):
        folder = sources / repository
        folder.mkdir(parents=True, exist_ok=True)
        try:
            fetched = fetch(folder, f"{host}/{repository}", commit)
            result = "fetched" if fetched else "there"
        except SourceError as error:
            result, complete = str(error), False
        print(f"{number}/{len(manifest.commits)} {repository}: {result}", flush=True)
    return complete


@dataclass(frozen=True)
class Outcome:
    """Of one book: equal to the manifest's checksum, different, or missing."""

    book: Book
    status: str  # "equal", "differs" or "missing"
    detail: str = ""


def compare(book: Book, text: bytes) -> Outcome:
    if book.is_text(text):
        return Outcome(book, "equal")
    return Outcome(book, "differs", f"{len(text)} bytes, expected {book.bytes}")


def assemble(manifest: Manifest, sources: Path) -> tuple[dict[str, bytes], list[Outcome]]:
    """The files of the texts, without the books that are missing, and how each book came out."""
    files, outcomes = {}, []
    for path, books in manifest.by_path().items():
        texts = []
        for book in books:
            try:
                text = clean_book(book, sources, manifest.commits[book.repository])
            except SourceError as error:
                outcomes.append(Outcome(book, "missing", str(error)))
                continue
            outcomes.append(compare(book, text))
            texts.append(text)
        if texts:
            files[path] = join_books(texts)
    return files, outcomes


def verify(manifest: Manifest, read: Callable[[str], bytes | None]) -> list[Outcome]:
    """How the books of existing texts compare; `read` gives a file's bytes, or None."""
    outcomes = []
    for path, books in manifest.by_path().items():
        data = read(path)
        if data is None:
            outcomes += [Outcome(book, "missing", f"no {path}") for book in books]
            continue
        texts = split_books(data) if len(books) > 1 else [data]
        for index, book in enumerate(books):
            if index >= len(texts):
                outcomes.append(Outcome(book, "missing", f"{path} holds {len(texts)} books"))
            elif index == len(books) - 1 and len(texts) > len(books):
                surplus = f"{path} holds {len(texts)} books, expected {len(books)}"
                outcomes.append(Outcome(book, "differs", surplus))
            else:
                outcomes.append(compare(book, texts[index]))
    return outcomes


def read_archive(path: Path) -> dict[str, bytes]:
    """The *.txt files of a tar archive, by name; nothing is unpacked to disk."""
    with tarfile.open(path) as archive:
        members = [member for member in archive if member.isfile()]
        return {
            member.name: archive.extractfile(member).read()
            for member in members
            if member.name.endswith(".txt")
        }


def text_reader(texts: Path, archives: Sequence[Path]) -> Callable[[str], bytes | None]:
    """Reads a file of the texts from the folder, else from one of the archives."""
    packed: Mapping[str, bytes] = {}
    for archive in archives:
        packed = {**packed, **read_archive(archive)}

    def read(path: str) -> bytes | None:
        file = texts / path
        return file.read_bytes() if file.is_file() else packed.get(path)

    return read


def report(outcomes: Sequence[Outcome]) -> bool:
    """Prints each outcome and the sum; True if all books are equal."""
    for outcome in outcomes:
        detail = f" ({outcome.detail})" if outcome.detail else ""
        print(f"{outcome.status:8} {outcome.book.path}: {outcome.book.title}{detail}")
    equal = sum(outcome.status == "equal" for outcome in outcomes)
    print(f"{equal} of {len(outcomes)} books equal the manifest")
    return equal == len(outcomes)


EXAMPLE = """example:
  python -m rotor.train.books download build/sources
  python -m rotor.train.books assemble build/sources texts
  python -m rotor.train.books verify texts
"""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m rotor.train.books",
        description="Makes or checks the texts that the shipped model was trained on.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--manifest", type=Path, default=MANIFEST, help="default: %(default)s")
    commands = parser.add_subparsers(dest="command", required=True)
    step = commands.add_parser("download", help="fetch the publishers' repositories with git")
    step.add_argument("sources", type=Path, help="folder for OWNER/NAME; what is there is kept")
    step.add_argument("--host", default=HOST, help="default: %(default)s")
    step = commands.add_parser("assemble", help="make the texts from the repositories")
    step.add_argument("sources", type=Path, help="folder of git repositories OWNER/NAME")
    step.add_argument("texts", type=Path, help="folder to write the texts to")
    step.add_argument(
        "--accept-differences", action="store_true", help="write although not all books are equal"
    )
    step = commands.add_parser("verify", help="compare existing texts with the manifest")
    step.add_argument("texts", type=Path, help="folder of the texts")
    step.add_argument(
        "--archive", type=Path, action="append", default=[], help="tar file of texts not in there"
    )
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> bool:
    """Whether the command found or made every book as the manifest has it."""
    manifest = load_manifest(arguments.manifest)
    if arguments.command == "download":
        return download(manifest, arguments.sources, arguments.host)
    if arguments.command == "verify":
        return report(verify(manifest, text_reader(arguments.texts, arguments.archive)))
    files, outcomes = assemble(manifest, arguments.sources)
    if not report(outcomes) and not arguments.accept_differences:
        print("nothing is written", file=sys.stderr)
        return False
    for path, data in files.items():
        file = arguments.texts / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return True


def main() -> int:
    try:
        return 0 if run(parse_arguments()) else 1
    except (OSError, ValueError, tarfile.TarError) as error:
        print(f"rotor.train.books: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
