# SPDX-License-Identifier: Apache-2.0
"""Publishers' files to text: each rule on a made-up book."""

import pytest

from rotor.train.cleaning import (
    clean_gutenberg,
    clean_standard_ebook,
    leave_out,
    standard_ebook_files,
)

GUTENBERG = """\ufeffThe Project Gutenberg EBook of The Fox

*** START OF THIS PROJECT GUTENBERG EBOOK THE FOX ***

Produced by Nobody


THE FOX

[Illustration: A fox,
in two lines]

\u201cIt\u2019s _very
late_,\u201d said the fox\u2014
and went.[Footnote 1: Home.]

     *     *     *     *

_A poem
of _one_ fox

Note: Project Gutenberg has pictures
of the fox.

Transcriber's Note:

End of Project Gutenberg's The Fox, by Nobody

*** END OF THIS PROJECT GUTENBERG EBOOK THE FOX ***

*** START: FULL LICENSE ***
"""

FOX = """THE FOX
"It's very late," said the fox-- and went.
A poem of one_ fox
of the fox.
"""

XHTML = """<html><head><title>No</title></head><body><section>
<h2>I <br/> The Fox</h2>
<p>\u201cIt\u2019s <em>late</em>,\u201d said the\u00a0fox\u2060\u2014and\u2026
went.<a epub:type="noteref">1</a></p>
<figure><img src="fox.png"/><figcaption><p>A fox.</p></figcaption></figure>
<blockquote epub:type="z3998:verse"><p><span>One fox,</span>
<br/>
<span>two.</span></p></blockquote>
<p><span>Yours</span>, truly,<br/><span>A fox</span></p>
</section></body></html>
"""


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_gutenberg(line_end: str) -> None:
    assert clean_gutenberg(GUTENBERG.replace("\n", line_end).encode()) == FOX


def test_an_old_gutenberg_file_has_its_licence_first() -> None:
    old = """***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***
You may.
*END THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.07.00*END*

This etext was prepared by Nobody

THE FOX

End of The Project Gutenberg Etext of The Fox
by Nobody
"""
    assert clean_gutenberg(old.encode()) == "THE FOX\n"


def test_what_is_no_gutenberg_file_is_refused() -> None:
    with pytest.raises(ValueError, match="header"):
        clean_gutenberg(b"THE FOX\n")
    with pytest.raises(ValueError, match="utf-8"):
        clean_gutenberg(b"*** START OF THIS ***\nCaf\xe9\n")


def test_standard_ebook() -> None:
    lines = [
        "I The Fox",
        '"It\'s late," said the fox--and... went.',
        "One fox,",
        "two.",
        "Yours, truly, A fox",
    ]
    assert clean_standard_ebook([XHTML.encode()]).splitlines() == lines
    assert clean_standard_ebook([XHTML.encode()] * 2).splitlines() == lines * 2


def test_standard_ebook_files_are_those_of_the_book() -> None:
    spine = '<spine><itemref idref="{}"/><itemref linear="no" idref="{}"/></spine>'
    package = spine.format("titlepage.xhtml", "chapter-1.xhtml").encode()
    assert standard_ebook_files(package) == ["chapter-1.xhtml"]
    for name in ("../secret.xhtml", "a\nb.xhtml", "chapter-1.html"):
        with pytest.raises(ValueError, match="not the name"):
            standard_ebook_files(spine.format("chapter-1.xhtml", name).encode())
    with pytest.raises(ValueError, match="no text"):
        standard_ebook_files(b"<spine/>")


BOOK = "One\nA fox.\nTwo\nA crow.\nThree\nA hen.\n"


def test_leave_out_drops_whole_tales() -> None:
    assert leave_out(BOOK, []) == BOOK
    assert leave_out(BOOK, [("Two", "Three")]) == "One\nA fox.\nThree\nA hen.\n"
    assert leave_out(BOOK, [("One", "Two"), ("Two", "Three")]) == "Three\nA hen.\n"


@pytest.mark.parametrize(
    ("tale", "message"),
    [
        (("Four", "Two"), "0 lines are 'Four'"),
        (("One", "A fox"), "0 lines are 'A fox'"),
        (("Two", "One"), "'One' is not after 'Two'"),
        (("Two", "Two"), "'Two' is not after 'Two'"),
    ],
)
def test_leave_out_wants_each_heading_once(tale: tuple[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        leave_out(BOOK, [tale])
    with pytest.raises(ValueError, match="2 lines are 'One'"):
        leave_out(BOOK + BOOK, [("One", "Two")])
