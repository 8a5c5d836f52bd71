#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/text/unicode_ranges.inc: the code points of general category L* and N*.

The version of Unicode is fixed, because token ids depend on it. Needs
`pip install unicodedata2==17.0.0`.

    python3 tools/make_unicode_ranges.py > src/text/unicode_ranges.inc
"""

import sys

import unicodedata2

VERSION = "17.0.0"
PER_LINE = 5


def ranges(category: str) -> list[tuple[int, int]]:
    """The maximal ranges (first, last) of code points whose category starts with `category`."""
    found: list[tuple[int, int]] = []
    for code_point in range(sys.maxunicode + 1):
        if unicodedata2.category(chr(code_point))[0] != category:
            continue
        if found and found[-1][1] == code_point - 1:
            found[-1] = (found[-1][0], code_point)
        else:
            found.append((code_point, code_point))
    return found


def print_ranges(name: str, category: str) -> None:
    print(f"constexpr Range {name}[] = {{")
    pairs = [f"{{0x{first:04X}, 0x{last:04X}}}" for first, last in ranges(category)]
    for start in range(0, len(pairs), PER_LINE):
        print("    " + ", ".join(pairs[start : start + PER_LINE]) + ",")
    print("};")


def main() -> None:
    if unicodedata2.unidata_version != VERSION:
        sys.exit(f"expected unicodedata2 of Unicode {VERSION}, got {unicodedata2.unidata_version}")
    print("// SPDX-License-Identifier: Apache-2.0")
    print(f"// Unicode {VERSION}: general categories L* and N*, by tools/make_unicode_ranges.py.")
    print("// clang-format off")
    print_ranges("kLetterRanges", "L")
    print_ranges("kNumberRanges", "N")
    print("// clang-format on")


if __name__ == "__main__":
    main()
