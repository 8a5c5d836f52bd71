#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the files and functions of the C++ code that ask for a second look, longest first.

Never fails: the one hard limit, 1000 lines a file, is in tests/layers_test.py. Functions are found
by their shape under clang-format: a body opens at the end of a line and closes at the column where
its head began.
"""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE_LINES = 400
FUNCTION_LINES = 60
HEAD = re.compile(r"^( {0,2})[A-Za-z_~].*[({,]$|^( {0,2})[A-Za-z_~].*\) .*\{$")
NOT_A_FUNCTION = re.compile(r"^ *(namespace|class|struct|enum|union|extern|public|private|constexpr)\b")


def functions(lines):
    """(first line, count) of each body that closes with a lone brace at the indent of its head."""
    start = indent = None
    for number, line in enumerate(lines, 1):
        if start is None:
            if HEAD.match(line) and "(" in line and not NOT_A_FUNCTION.match(line):
                start, indent = number, len(line) - len(line.lstrip())
        elif line.startswith(" " * indent + "}") and not line.startswith(" " * (indent + 1)):
            yield start, number - start + 1
            start = None
        elif line.endswith(";") and len(line) - len(line.lstrip()) == indent:
            start = None


def main():
    found = []
    for folder in ("include", "src", "cli"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix not in {".cc", ".h"}:
                continue
            name = path.relative_to(ROOT).as_posix()
            lines = path.read_text(encoding="utf-8").splitlines()
            if len(lines) > FILE_LINES:
                found.append((len(lines), f"{name}: file"))
            found += [(count, f"{name}:{start}: {lines[start - 1].strip()}")
                      for start, count in functions(lines) if count > FUNCTION_LINES]
    for count, what in sorted(found, reverse=True):
        print(f"{count:5}  {what}")


if __name__ == "__main__":
    main()
