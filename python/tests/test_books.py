# SPDX-License-Identifier: Apache-2.0
"""The manifest, and the command that makes and checks the texts by it: on made-up repositories."""

import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from test_commands import PYTHON, rotor

from rotor.train.cleaning import leave_out
from rotor.train.manifest import join_books, load_manifest, split_books

DATA = Path(os.environ.get("ROTOR_TEST_DATA", PYTHON.parents[1] / "shared" / "data"))
TEXTS = DATA / "text"

# Made-up publishers' files, and the text of each book.
FILES = {
    "pg/fox": {"1-0.txt": "*** START OF THIS EBOOK ***\nTHE FOX\n\nA fox\nwent.\n*** END ***\n"},
    "se/crow": {
        "src/epub/content.opf": '<itemref idref="imprint.xhtml"/><itemref idref="one.xhtml"/>',
        "src/epub/text/one.xhtml": "<body><h2>The Crow</h2><p>A crow came.</p></body>",
    },
    "corpus/novels": {"corpus/Hare_1900.txt": "\ufeffThe Hare\r\n\r\nran.\r\n"},
}
BOOKS = [
    ("stories/train.txt", "Project Gutenberg", "pg/fox", "1-0.txt", "THE FOX\nA fox went.\n"),
    (
        "stories/train.txt",
        "Standard Ebooks",
        "se/crow",
        "src/epub/content.opf",
        "The Crow\nA crow came.\n",
    ),
    (
        "novels",
        "A Corpus",
        "corpus/novels",
        "corpus/Hare_1900.txt",
        "\ufeffThe Hare\r\n\r\nran.\r\n",
    ),
]
TRAIN = b"THE FOX\nA fox went.\n\n\nThe Crow\nA crow came.\n"
HARE = BOOKS[2][4].encode()


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "core.autocrlf=false")
    command = ["git", "-C", folder, *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Repositories to fetch from, each with a later commit that must not matter."""
    host = tmp_path_factory.mktemp("host")
    for repository, files in FILES.items():
        folder = host / repository
        folder.mkdir(parents=True)
        git(folder, "init", "-q")
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text.encode())
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "first")
        git(folder, "tag", "listed")
        git(folder, "rm", "-q", "-r", ".")
        git(folder, "commit", "-q", "-m", "later")
    return host


@pytest.fixture
def manifest(host: Path, tmp_path: Path) -> Path:
    lines = ["[commits]"]
    lines += [f'"{name}" = "{git(host / name, "rev-parse", "listed")}"' for name in FILES]
    for part, publisher, repository, file, text in BOOKS:
        data = text.encode()
        lines += [
            "[[book]]",
            f'part = "{part}"',
            f'title = "{repository}"',
            'people = [{ name = "Nobody", role = "author", died = 1900 }]',
            f'publisher = "{publisher}"',
            f'repository = "{repository}"',
            f'file = "{file}"',
            f"bytes = {len(data)}",
            f'sha256 = "{hashlib.sha256(data).hexdigest()}"',
        ]
    path = tmp_path / "manifest.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def books(manifest: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return rotor("train.books", "--manifest", manifest, *arguments)


def write_texts(texts: Path, train: bytes = TRAIN) -> None:
    for name, data in {"stories/train.txt": train, "novels/Hare_1900.txt": HARE}.items():
        (texts / name).parent.mkdir(parents=True, exist_ok=True)
        (texts / name).write_bytes(data)


def test_download_and_assemble(host: Path, manifest: Path, tmp_path: Path) -> None:
    sources, texts = tmp_path / "sources", tmp_path / "texts"
    first = books(manifest, "download", sources, "--host", f"file://{host}")
    assert first.returncode == 0 and first.stdout.count(": fetched") == 3, first.stdout
    again = books(manifest, "download", sources, "--host", "file:///nowhere")
    assert again.returncode == 0 and again.stdout.count(": there") == 3, again.stdout
    made = books(manifest, "assemble", sources, texts)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "3 of 3 books equal" in made.stdout
    assert (texts / "stories" / "train.txt").read_bytes() == TRAIN
    assert (texts / "novels" / "Hare_1900.txt").read_bytes() == HARE
    assert books(manifest, "verify", texts).returncode == 0


def test_tales_are_left_out(host: Path, manifest: Path, tmp_path: Path) -> None:
    entry = 'file = "1-0.txt"\nwithout = [["THE FOX", "A fox went."]]'
    text = manifest.read_text(encoding="utf-8").replace('file = "1-0.txt"', entry)
    manifest.write_text(text, encoding="utf-8")
    made = books(manifest, "assemble", host, tmp_path / "texts", "--accept-differences")
    assert "differs  stories/train.txt: pg/fox (12 bytes, expected 20)" in made.stdout
    train = (tmp_path / "texts" / "stories" / "train.txt").read_bytes()
    assert train == TRAIN.removeprefix(b"THE FOX\n")
    manifest.write_text(text.replace('"A fox went."]]', '"A hen went."]]'), encoding="utf-8")
    refused = books(manifest, "assemble", host, tmp_path / "texts")
    assert "missing  stories/train.txt: pg/fox" in refused.stdout
    assert "1-0.txt: 0 lines are 'A hen went.', expected one" in refused.stdout


def test_a_clone_is_a_source_too(host: Path, manifest: Path, tmp_path: Path) -> None:
    fetched = books(manifest, "download", host, "--host", "file:///nowhere")
    assert fetched.returncode == 0 and fetched.stdout.count(": there") == 3, fetched.stdout
    made = books(manifest, "assemble", host, tmp_path / "texts")
    assert made.returncode == 0, made.stdout + made.stderr


def test_what_cannot_be_fetched_is_said(manifest: Path, tmp_path: Path) -> None:
    failed = books(manifest, "download", tmp_path / "sources", "--host", f"file://{tmp_path}")
    assert failed.returncode == 1
    assert failed.stdout.count("does not appear to be a git repository") == 3, failed.stdout


def test_differences_are_not_written_unless_asked(
    host: Path, manifest: Path, tmp_path: Path
) -> None:
    texts = tmp_path / "texts"
    changed = manifest.read_text(encoding="utf-8").replace('sha256 = "', 'sha256 = "0', 1)
    manifest.write_text(changed, encoding="utf-8")
    refused = books(manifest, "assemble", host, texts)
    assert refused.returncode == 1 and "2 of 3 books equal" in refused.stdout
    assert "differs  stories/train.txt: pg/fox" in refused.stdout
    assert not texts.exists()
    accepted = books(manifest, "assemble", host, texts, "--accept-differences")
    assert accepted.returncode == 0
    assert (texts / "stories" / "train.txt").read_bytes() == TRAIN


def test_a_missing_source_is_said(host: Path, manifest: Path, tmp_path: Path) -> None:
    changed = manifest.read_text(encoding="utf-8").replace('file = "1-0.txt"', 'file = "2-0.txt"')
    manifest.write_text(changed, encoding="utf-8")
    refused = books(manifest, "assemble", host, tmp_path / "texts")
    assert refused.returncode == 1
    assert "missing  stories/train.txt: pg/fox" in refused.stdout
    assert "has no 2-0.txt at commit" in refused.stdout
    assert "2 of 3 books equal" in refused.stdout


@pytest.mark.parametrize(
    ("train", "message", "equal"),
    [
        (TRAIN.replace(b"came", b"left"), "differs  stories/train.txt: se/crow", 2),
        (TRAIN.replace(b"\n\n\n", b"\n\n"), "missing  stories/train.txt: se/crow", 1),
        (TRAIN + b"\n\nThe Hen\n", "holds 3 books, expected 2", 2),
        (TRAIN[:20], "missing  stories/train.txt: se/crow", 2),
    ],
)
def test_verify_finds_what_is_wrong(
    train: bytes, message: str, equal: int, manifest: Path, tmp_path: Path
) -> None:
    write_texts(tmp_path / "texts", train)
    checked = books(manifest, "verify", tmp_path / "texts")
    assert checked.returncode == 1
    assert message in checked.stdout
    assert f"{equal} of 3 books equal" in checked.stdout


def test_verify_reads_an_archive(manifest: Path, tmp_path: Path) -> None:
    texts, archive = tmp_path / "texts", tmp_path / "novels.tar.xz"
    write_texts(texts)
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(texts / "novels", "novels")
    (texts / "novels" / "Hare_1900.txt").unlink()
    assert books(manifest, "verify", texts).returncode == 1
    assert books(manifest, "verify", texts, "--archive", archive).returncode == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bytes = 20\n", "", "bytes"),
        ("bytes = 20\n", "bytes = 20\ncolour = 1\n", "colour"),
        ("bytes = 20\n", "bytes = 20\nwithout = [['THE FOX']]\n", "book 1 (pg/fox)"),
        ("novels", "../novels", "leaves the folder"),
        ("[commits]", "[none]", "no commit of pg/fox"),
        ("[commits]", "[commits", "manifest.toml: "),
    ],
)
def test_bad_manifests_are_refused(old: str, new: str, message: str, manifest: Path) -> None:
    changed = manifest.read_text(encoding="utf-8").replace(old, new)
    manifest.write_text(changed, encoding="utf-8")
    refused = books(manifest, "verify", manifest.parent)
    assert refused.returncode == 1
    assert message in refused.stderr and "Traceback" not in refused.stderr


def test_splitting_is_the_inverse_of_joining() -> None:
    texts = [b"One.\nTwo.\n", b"Three.\n", b"Four.\n"]
    assert split_books(join_books(texts)) == texts
    assert split_books(join_books(texts[:1])) == texts[:1]


def test_the_shipped_manifest() -> None:
    books = load_manifest().books
    parts = [book.part for book in books]
    assert [parts.count(part) for part in dict.fromkeys(parts)] == [43, 3, 87]
    assert len({book.sha256 for book in books}) == len(books)
    assert all(len(book.sha256) == 64 and book.bytes > 0 and book.people for book in books)
    assert all(len(commit) == 40 for commit in load_manifest().commits.values())
    # In the public domain in the United States: published before 1931.
    assert max(book.published or 0 for book in books) == 1928
    # 70 years after death: the works of who died later are left out of what is trained on.
    late = {
        book.title: book
        for book in books
        if book.part != "story-mix/valid.txt"
        for person in book.people
        if (person.died or 0) > 1955
    }
    assert set(late) == {"The Pink Fairy Book", "The Yellow Fairy Book"}
    assert [len(book.without) for book in late.values()] == [12, 3]


@pytest.mark.skipif(not TEXTS.is_dir(), reason=f"no texts in {TEXTS} (ROTOR_TEST_DATA)")
def test_the_real_texts_equal_the_shipped_manifest(tmp_path: Path) -> None:
    """The stored texts are whole; what the manifest leaves out of them is left out here."""
    part = "story-mix/train.txt"
    entries = load_manifest().by_path()[part]
    whole = split_books((TEXTS / part).read_bytes())
    texts = [
        leave_out(text.decode(), book.without).encode()
        for book, text in zip(entries, whole, strict=True)
    ]
    (tmp_path / part).parent.mkdir()
    (tmp_path / part).write_bytes(join_books(texts))
    shutil.copy(TEXTS / "story-mix" / "valid.txt", tmp_path / "story-mix")
    checked = rotor("train.books", "verify", tmp_path, "--archive", TEXTS / "novels.tar.xz")
    assert checked.returncode == 0, checked.stdout[-1000:] + checked.stderr
    assert "133 of 133 books equal" in checked.stdout
