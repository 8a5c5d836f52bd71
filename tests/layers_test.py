#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The shape of the tree, checked: layers, source lists, file sizes, licence lines, missing tests.

Each check takes the repository's root and returns its findings, one string each. The second half
plants one violation of every rule in a scratch tree and expects it to be found.
"""

import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Folder -> layer. An include goes to the same folder or to a lower layer, never sideways.
LAYERS = {
    "src/base": 0,
    "src/ternary": 1,
    "src/kernels": 2,
    "src/io": 2,
    "src/text": 2,
    "src/hub": 2,
    "src/model": 3,
    "src/vsa": 3,
    "src/device": 4,
    "src/engine": 5,
    "cli": 6,
    "server": 6,
    "capi": 6,
    "python/bindings": 6,
}

# Public headers (include/rotor/) by the layer that may first include them.
PUBLIC_HEADERS = {"status.h": 0, "token.h": 0, "chat.h": 2, "lora.h": 3, "sampling.h": 5,
                  "generation.h": 5, "language_model.h": 5, "rotor_c.h": 6}

# The one sideways include: the command line starts the server.
SIDEWAYS = {("cli", "server")}

# Only these look at the instruction set the compiler targets.
ISA_FOLDERS = ("src/kernels/", "src/base/cpu_features")
ISA_CONDITION = re.compile(
    r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*"
    r"\b(?:__(?:AVX|SSE|AMX|F16C|FMA|BMI|ARM|aarch64|arm|x86_64|i386)\w*|_M_(?:X64|ARM)\w*)"
)

# Sources without a test of their own name, by the start of their path -> the test that runs them.
TESTED_BY = {
    "src/kernels/scalar/": "src/kernels/kernels_test.cc",
    "src/kernels/x86/": "src/kernels/kernels_test.cc",
    "src/kernels/arm/": "src/kernels/kernels_test.cc",
    "src/text/jinja/": "src/text/chat_template_test.cc",
}

MAX_LINES = 1000
CODE = {".cc", ".h", ".inc", ".py", ".sh", ".cl", ".cmake"}
SCANNED = ("include", "src", "cli", "server", "capi", "python", "bench", "tests", "examples", "tools",
           "cmake")


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def code_files(root, folders=SCANNED):
    """Every hand-written source below the folders, in a stable order."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in CODE or path.name == "CMakeLists.txt":
                yield path


def layer_folder(name):
    """The longest folder of LAYERS that holds a path (relative to the root), or None."""
    found = [folder for folder in LAYERS if name.startswith(folder + "/")]
    return max(found, key=len, default=None)


def check_includes(root):
    for path in code_files(root, ("include", "src", "cli", "server", "capi", "python")):
        name = path.relative_to(root).as_posix()
        if path.suffix not in {".cc", ".h", ".inc"}:
            continue
        home = layer_folder(name)
        layer = LAYERS[home] if home else PUBLIC_HEADERS.get(path.name)
        if layer is None:
            yield f"{name}: in no layer; add it to tests/layers_test.py"
            continue
        for number, line in enumerate(lines_of(path), 1):
            for problem in include_problems(root, name, home, layer, line):
                yield f"{name}:{number}: {problem}"


def include_problems(root, name, home, layer, line):
    public = re.match(r'\s*#\s*include\s*[<"]rotor/([^>"]+)[>"]', line)
    if public:
        if public[1] not in PUBLIC_HEADERS:
            yield f"<rotor/{public[1]}> has no layer; add it to tests/layers_test.py"
        elif PUBLIC_HEADERS[public[1]] > layer:
            yield f"<rotor/{public[1]}> belongs to a higher layer"
        return
    included = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
    if not included:
        return
    places = [f"src/{included[1]}", included[1]]
    if home and not home.startswith("src/"):
        places.append(f"{home}/{included[1]}")  # a program's own headers
    target = next((place for place in places if (root / place).is_file()), None)
    if target is None or layer_folder(target) is None:
        yield f'"{included[1]}" is not a path below src/ or the root'
        return
    there = layer_folder(target)
    if there == home or LAYERS[there] < layer or (home, there) in SIDEWAYS:
        return
    yield f"{home or 'include'} (layer {layer}) includes {there} (layer {LAYERS[there]})"


def check_isa_conditions(root):
    for path in code_files(root, ("include", "src", "cli", "server", "capi", "python", "bench")):
        name = path.relative_to(root).as_posix()
        if name.startswith(ISA_FOLDERS):
            continue
        for number, line in enumerate(lines_of(path), 1):
            if ISA_CONDITION.match(line):
                yield f"{name}:{number}: a condition on the instruction set"


def check_source_lists(root):
    for build_file in sorted(root.glob("src/**/CMakeLists.txt")) + [root / "cli/CMakeLists.txt"]:
        if not build_file.is_file():
            continue
        folder = build_file.parent
        text = re.sub(r"#.*", "", build_file.read_text(encoding="utf-8"))
        listed = set(re.findall(r"(?<![\w/.}])[\w/]+\.cc\b", text))
        present = {p.relative_to(folder).as_posix() for p in folder.rglob("*.cc")
                   if not belongs_below(p, folder)}
        name = build_file.relative_to(root).as_posix()
        for missing in sorted(present - listed):
            yield f"{name}: does not list {missing}"
        for absent in sorted(listed - present):
            yield f"{name}: lists {absent}, which is not there"
    for path in sorted(root.glob("src/**/*.cc")):
        if not any((parent / "CMakeLists.txt").is_file() for parent in path.parents
                   if root / "src" in parent.parents):
            yield f"{path.relative_to(root).as_posix()}: no CMakeLists.txt in its folder or above"


def belongs_below(path, folder):
    """Whether a folder between path and folder has a CMakeLists.txt of its own."""
    return any((parent / "CMakeLists.txt").is_file() for parent in path.parents
               if folder in parent.parents)


def check_tests_exist(root):
    used = set()
    for path in sorted(root.glob("src/**/*.cc")):
        name = path.relative_to(root).as_posix()
        if name.endswith(("_test.cc", "_fuzz.cc", "_bench.cc")):
            continue
        if path.with_name(path.stem + "_test.cc").is_file():
            continue
        start = max((key for key in TESTED_BY if name.startswith(key)), key=len, default=None)
        used.add(start)
        if start is None:
            yield f"{name}: no {path.stem}_test.cc beside it"
        elif not (root / TESTED_BY[start]).is_file():
            yield f"{name}: {TESTED_BY[start]} is not there"
    for key in sorted(set(TESTED_BY) - used):
        yield f"{key}: in TESTED_BY of tests/layers_test.py, but nothing there needs it"


def check_lengths(root):
    for path in code_files(root):
        count = len(lines_of(path))
        if count > MAX_LINES:
            yield f"{path.relative_to(root).as_posix()}: {count} lines, more than {MAX_LINES}"


def check_licence_lines(root):
    for path in code_files(root):
        lines = lines_of(path)[:2]
        first = lines[1:] if lines and lines[0].startswith("#!") else lines[:1]
        if not first or not first[0].endswith("SPDX-License-Identifier: Apache-2.0"):
            yield f"{path.relative_to(root).as_posix()}: the first line is not the SPDX line"


def check_ascii(root):
    for path in code_files(root):
        for number, line in enumerate(lines_of(path), 1):
            if not line.isascii():
                yield f"{path.relative_to(root).as_posix()}:{number}: not ASCII"


CHECKS = [check_includes, check_isa_conditions, check_source_lists, check_tests_exist, check_lengths,
          check_licence_lines, check_ascii]


class Tree(unittest.TestCase):
    """The repository keeps every rule."""

    def test_rules(self):
        for check in CHECKS:
            with self.subTest(check.__name__):
                found = list(check(ROOT))
                self.assertFalse(found, "\n" + "\n".join(found))


class Planted(unittest.TestCase):
    """Each rule finds its violation."""

    SPDX = "// SPDX-License-Identifier: Apache-2.0\n"

    def findings(self, check, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            return list(check(root))

    def expect(self, check, files, *words):
        found = self.findings(check, files)
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])

    def test_include_up(self):
        self.expect(check_includes, {"src/io/a.h": '#include "model/b.h"', "src/model/b.h": ""},
                    "src/io/a.h:1", "layer 3")

    def test_include_sideways(self):
        self.expect(check_includes, {"src/io/a.h": '#include "text/b.h"', "src/text/b.h": ""},
                    "src/io/a.h:1", "layer 2")

    def test_include_relative(self):
        self.expect(check_includes, {"src/io/a.h": '#include "b.h"', "src/io/b.h": ""}, "not a path")

    def test_include_down(self):
        self.assertEqual([], self.findings(check_includes, {
            "src/io/a.cc": '#include "io/a.h"\n#include "base/b.h"\n#include <rotor/status.h>\n',
            "src/io/a.h": "", "src/base/b.h": ""}))

    def test_isa_condition(self):
        self.expect(check_isa_conditions, {"src/text/a.cc": "int a;\n#ifdef __AVX2__\n"}, "a.cc:2")

    def test_unlisted_source(self):
        self.expect(check_source_lists, {"src/io/CMakeLists.txt": "", "src/io/a.cc": ""}, "a.cc")

    def test_listed_but_absent(self):
        self.expect(check_source_lists, {"src/io/CMakeLists.txt": "rotor_module(io SOURCES a.cc)"},
                    "not there")

    def test_missing_test(self):
        found = self.findings(check_tests_exist, {"src/io/a.cc": ""})
        self.assertIn("src/io/a.cc: no a_test.cc beside it", found)

    def test_long_file(self):
        self.expect(check_lengths, {"src/io/a.h": "\n" * (MAX_LINES + 1)}, "1001 lines")

    def test_licence_line(self):
        self.expect(check_licence_lines, {"src/io/a.h": "\n" + self.SPDX}, "SPDX")

    def test_ascii(self):
        self.expect(check_ascii, {"src/io/a.h": "// caf\u00e9\n"}, "a.h:1")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
