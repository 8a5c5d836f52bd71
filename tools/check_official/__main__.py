#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks Rotor against the official BitNet b1.58 2B-4T: `python3 tools/check_official`.

Downloads the three published forms (packed, bf16 masters, GGUF; 7.5 GB) and the text of wikitext-2,
inspects and verifies them, compares their trits, compares logits with transformers where it is
installed, measures perplexity, holds a chat turn, and writes report.md and report.json. Needs Python
and a built rotor. A run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import report
from checks import Checks
from hub import Hub
from program import Rotor

ROOT = Path(__file__).resolve().parent.parent.parent
TABLE = Path(__file__).resolve().parent / "official.json"


def find_rotor() -> Path | None:
    """$ROTOR, else the release build of the tree, else rotor of the PATH."""
    built = ROOT / "build" / "release" / "cli" / "rotor"
    named = os.environ.get("ROTOR") or (str(built) if built.is_file() else shutil.which("rotor"))
    return Path(named) if named else None


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="check_official", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    add("--out", type=Path, default=Path("official-check"), help="folder for downloads and report")
    add("--rotor", type=Path, default=find_rotor(), help="the program (default: %(default)s)")
    add("--endpoint", default=endpoint, help="hub to download from (default: %(default)s)")
    add("--text", type=Path, help="wiki.test.raw, in place of a download")
    add("--chunks", type=int, default=0, help="perplexity of the first N chunks of 512; 0: all")
    add("--table", type=Path, default=TABLE, help="what to download and to expect")
    add("--random-weights", action="store_true", help="the hub serves random weights of this "
        "layout: do not judge perplexity, answer, and which of equal tokens is chosen")
    add("--no-transformers", action="store_true", help="leave the comparison with transformers out")
    add("--again", action="store_true", help="repeat checks that an earlier run has passed")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    options = arguments(argv)
    if options.rotor is None or not options.rotor.is_file():
        print("check_official: no rotor program: build one (./rotor --version) or name it with --rotor")
        return 2
    table = json.loads(options.table.read_text())
    options.out.mkdir(parents=True, exist_ok=True)
    rotor = Rotor(options.rotor.resolve())
    checks = Checks(options, table, rotor, Hub(options.endpoint, options.out / "hub", rotor))
    record = report.Record(options.out / "report.json", options.again)
    record.about(rotor, options)
    for name, check in checks.all():
        record.run(name, check)
        report.write_markdown(options.out / "report.md", record)
    failed = record.failed()
    print(f"check_official: {'FAILED: ' + ', '.join(failed) if failed else 'passed'}; "
          f"see {options.out / 'report.md'}")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("check_official: interrupted; run it again to go on", file=sys.stderr)
        sys.exit(130)
