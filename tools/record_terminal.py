#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command and draws what a terminal shows as an SVG picture.

    pip install rich
    tools/record_terminal.py docs/images/first-run.svg rotor run -p "Once upon a time" -n 120 --seed 1

Nothing is edited: the command runs in a pseudo-terminal, its colours are kept, and the picture shows
the prompt line and all that came out, wrapped at the terminal's width.
"""

import argparse
import os
import pathlib
import pty
import re
import shlex

from rich.console import Console
from rich.text import Text

WIDTH = 96


def output_of(command):
    """What the command writes to a terminal of WIDTH columns."""
    chunks = []

    def keep(descriptor):
        chunk = os.read(descriptor, 65536)
        chunks.append(chunk)
        return chunk

    os.environ.update(COLUMNS=str(WIDTH), TERM="xterm-256color")
    status = pty.spawn(command, keep)
    if status != 0:
        raise SystemExit(f"{shlex.join(command)}: exit status {os.waitstatus_to_exitcode(status)}")
    text = b"".join(chunks).decode("utf-8").replace("\r\n", "\n")
    # A progress line that was written over or erased is not on the screen in the end.
    return "\n".join(line.split("\r")[-1].replace("\x1b[K", "") for line in text.split("\n"))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", help="the .svg to write")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    shown = output_of(arguments.command)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        console.print(Text("$ " + shlex.join(arguments.command), style="bold"))
        console.print(Text.from_ansi(shown.rstrip()))
    svg = console.export_svg(title="rotor", unique_id="rotor")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # no fonts from the network
    pathlib.Path(arguments.picture).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
