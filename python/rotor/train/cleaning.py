# SPDX-License-Identifier: Apache-2.0
"""The publishers' files of a book to its text: one paragraph, heading or line of verse a line.

No empty lines, no markup, ASCII quotes and dashes; letters stay as they are. The rules are those
that the shipped model's text was made by: data/manifest.toml holds the checksums of what they give.
"""

import re
from collections.abc import Iterable, Sequence
from html.parser import HTMLParser

ASCII = str.maketrans(
    {
        "\u201c": '"',
        "\u201d": '"',
        "\u2018": "'",
        "\u2019": "'",
        "\u2014": "--",
        "\u2013": "-",
        "\u2026": "...",
        "\u2060": None,  # word joiner: no break before a dash
    }
)

# A Project Gutenberg file: header, book, licence. Older files have the licence before the book.
BEGIN = re.compile(r"^\*\*\* ?START OF.*\n|^\*END THE SMALL PRINT.*\n", re.MULTILINE)
END = re.compile(r"^\*\*\* ?END|^End of (?:[Tt]he )?Project Gutenberg", re.MULTILINE)
BRACKETED = re.compile(r"\[(?:Illustration|Footnote)[^\]]*\]")
ITALICS = re.compile(r"_([^_]+)_")
ORNAMENT = re.compile(r"[*. ]*")
CREDITS = re.compile(
    r"Produced by|E-text prepared|This etext was prepared|Transcriber's [Nn]ote:?$"
)

# Of a Standard Ebook: the files that are not the book, and the tags that begin or end a line.
FRONT_AND_BACK = {
    "colophon",
    "dedication",
    "endnotes",
    "epigraph",
    "frontispiece",
    "halftitlepage",
    "imprint",
    "loi",
    "titlepage",
    "uncopyright",
}
BLOCKS = {
    "article",
    "blockquote",
    "dd",
    "div",
    "dt",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "li",
    "p",
    "section",
    "table",
    "td",
    "tr",
}


def one_line(text: str) -> str:
    return " ".join(text.translate(ASCII).split())


def clean_gutenberg(data: bytes) -> str:
    """The text of a Project Gutenberg plain-text file in UTF-8.

    Raises:
        ValueError: it is not UTF-8, or its header does not end.
    """
    text = data.decode("utf-8").replace("\r\n", "\n")
    begin = BEGIN.search(text)
    if not begin:
        raise ValueError("no line ends the Project Gutenberg header")
    text = text[begin.end() :]
    if end := END.search(text):
        text = text[: end.start()]
    text = "\n".join(line for line in text.split("\n") if "Project Gutenberg" not in line)
    paragraphs = (
        ITALICS.sub(r"\1", one_line(paragraph))
        for paragraph in re.split(r"\n\s*\n", BRACKETED.sub("", text))
    )
    return "".join(
        f"{paragraph}\n"
        for paragraph in paragraphs
        if not ORNAMENT.fullmatch(paragraph) and not CREDITS.match(paragraph)
    )


def standard_ebook_files(package: bytes) -> list[str]:
    """The names of the XHTML files that are the book, in reading order, from its content.opf.

    Raises:
        ValueError: it lists none, or a name that is not a plain file name.
    """
    names = re.findall(r'<itemref[^>]*idref="([^"]*)"', package.decode("utf-8"))
    for name in names:
        if not re.fullmatch(r"[\w-]+\.xhtml", name):
            raise ValueError(f"content.opf lists {name!r}, which is not the name of an XHTML file")
    if not names:
        raise ValueError("content.opf lists no text")
    return [name for name in names if name.removesuffix(".xhtml") not in FRONT_AND_BACK]


class Lines(HTMLParser):
    """The lines of an XHTML file's body, without figures and references to notes.

    A line break after a span, as verse has it, ends a line; any other is a space.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self.pending = ""
        self.in_body = False
        self.after_span = False
        self.hidden = ""  # the tag that hides what it holds
        self.hidden_depth = 0

    def end_line(self) -> None:
        if line := one_line(self.pending):
            self.lines.append(line)
        self.pending = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if self.hidden:
            self.hidden_depth += tag == self.hidden
            return
        if tag == "figure" or "noteref" in (dict(attributes).get("epub:type") or ""):
            self.hidden, self.hidden_depth = tag, 1
        if tag in BLOCKS or tag == "figure" or (tag == "br" and self.after_span):
            self.end_line()
        elif tag == "br":
            self.pending += " "
        self.in_body |= tag == "body"
        self.after_span = False

    def handle_endtag(self, tag: str) -> None:
        if self.hidden:
            self.hidden_depth -= tag == self.hidden
            if not self.hidden_depth:
                self.hidden = ""
            return
        if tag in BLOCKS:
            self.end_line()
        self.in_body &= tag != "body"
        self.after_span = tag == "span"

    def handle_data(self, data: str) -> None:
        if self.in_body and not self.hidden:
            self.pending += data
        self.after_span &= not data.strip()


def clean_standard_ebook(files: Iterable[bytes]) -> str:
    """The text of a Standard Ebook's XHTML files, given in reading order."""
    lines: list[str] = []
    for file in files:
        parser = Lines()
        parser.feed(file.decode("utf-8"))
        parser.close()
        parser.end_line()
        lines += parser.lines
    return "".join(f"{line}\n" for line in lines)


def leave_out(text: str, tales: Sequence[tuple[str, str]]) -> str:
    """A cleaned text without some of its tales, each given by two lines: its heading, and the
    heading of the tale after it, which stays.

    Raises:
        ValueError: a heading is not the whole of exactly one line, or the second is not after.
    """
    lines = text.split("\n")
    for tale in tales:
        for heading in tale:
            if lines.count(heading) != 1:
                raise ValueError(f"{lines.count(heading)} lines are {heading!r}, expected one")
        first, after = (lines.index(heading) for heading in tale)
        if after <= first:
            raise ValueError(f"{tale[1]!r} is not after {tale[0]!r}")
        del lines[first:after]
    return "\n".join(lines)
