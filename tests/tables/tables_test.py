#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/models.md and docs/formats.md are those that the code gives, and every test they
name is there. `tables_test.py PROGRAM --write` puts the program's tables into the pages."""

import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
PAGES = ("models", "formats")
BEGIN = "<!-- from tests/tables; to make it again: cmake --build --preset test --target docs_tables -->\n"
END = "<!-- end -->\n"
LINK = re.compile(r"\]\(\.\./([^()\s#]+)#([^()\s]+)\)")
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""


def table(page: str) -> str:
    done = subprocess.run([PROGRAM, page], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout


def parts(page: str) -> tuple[str, str, str]:
    """What stands before the tables, the tables, and what stands after them."""
    before, rest = (DOCS / f"{page}.md").read_text().split(BEGIN)
    inside, after = rest.split(END)
    return before, inside, after


def write() -> None:
    for page in PAGES:
        before, _, after = parts(page)
        (DOCS / f"{page}.md").write_text(before + BEGIN + "\n" + table(page) + "\n" + END + after)


def missing(file: str, test: str) -> str:
    """What a link to a test lacks; empty when it is there."""
    path = ROOT / file
    if not path.is_file():
        return f"{file} is no file"
    text = path.read_text()
    if path.suffix == ".cc":
        suite, _, name = test.partition(".")
        found = re.search(rf"TEST(_F|_P)?\({suite}, {name}\)", text)
        return "" if found else f"{file} has no test {test}"
    function, _, case = test.partition("[")
    if f"def {function}(" not in text:
        return f"{file} has no {function}"
    names = text + (path.parent / "tiny_models.py").read_text() + (path.parent / "packing.py").read_text()
    if case and f'"{case.rstrip("]")}"' not in names:
        return f"{file}: no case {case.rstrip(']')} of {function}"
    return ""


class Tables(unittest.TestCase):
    def test_the_pages_have_the_tables_of_the_code(self) -> None:
        for page in PAGES:
            self.assertEqual(parts(page)[1], "\n" + table(page) + "\n",
                             f"docs/{page}.md: cmake --build --preset test --target docs_tables")

    def test_every_test_is_there(self) -> None:
        for page in PAGES:
            links = LINK.findall(parts(page)[1])
            self.assertGreater(len(links), 20)
            self.assertEqual([found for link in links if (found := missing(*link))], [])

    def test_a_test_that_is_not_there_is_noticed(self) -> None:
        golden = "tests/parity/golden_test.py"
        self.assertEqual(missing(golden, "test_on_its_own[packed-multiply]"), "")
        for file, test in ((golden, "test_gone"), (golden, "test_on_its_own[gone]"),
                           ("tests/parity/gone_test.py", "test_x"),
                           ("src/model/family_test.cc", "Family.Gone")):
            self.assertNotEqual(missing(file, test), "", test)


if __name__ == "__main__":
    if "--write" in sys.argv:
        write()
    else:
        unittest.main(argv=sys.argv[:1])
