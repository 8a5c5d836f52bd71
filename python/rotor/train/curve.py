# SPDX-License-Identifier: Apache-2.0
"""The record of a run: a CSV file, and an SVG drawing of it.

`python -m rotor.train.curve CURVE.csv CURVE.svg` draws a record.
"""

import argparse
import csv
import math
import sys
from pathlib import Path

HEADER = ("step", "tokens", "learning_rate", "train_nats_per_token", "valid_bits_per_byte")

# Pixels of the drawing and of the frame inside it.
WIDTH, HEIGHT, MARGIN = 720, 400, 56


class Curve:
    """Appends rows to `path`, after dropping those that a resumed run will write again."""

    def __init__(self, path: Path, step: int):
        self.path = path
        rows = read_curve(path) if path.exists() else []
        with path.open("w", newline="", encoding="ascii") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            writer.writerows(row for row in rows if int(row[0]) <= step)

    def add(self, step: int, tokens: int, rate: float, loss: float, bits: float | None) -> None:
        """`loss` in nats per token, a mean since the last row; `bits` where it was measured."""
        shown = "" if bits is None else f"{bits:.5f}"
        with self.path.open("a", newline="", encoding="ascii") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow((step, tokens, f"{rate:.6g}", f"{loss:.5f}", shown))


def read_curve(path: Path) -> list[list[str]]:
    """The rows of a curve without their header."""
    with path.open(newline="", encoding="ascii") as file:
        return list(csv.reader(file))[1:]


def svg(rows: list[list[str]]) -> str:
    """Draws training loss (left axis) and validation bits per byte (right axis) over tokens."""
    tokens = [int(row[1]) for row in rows]
    losses = [(at, float(row[3])) for at, row in zip(tokens, rows, strict=True)]
    bits = [(at, float(row[4])) for at, row in zip(tokens, rows, strict=True) if row[4]]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{WIDTH // 2}" y="{HEIGHT - 12}" text-anchor="middle">'
        f"million tokens (0 to {max(tokens) / 1e6:.1f})</text>",
        *_line(losses, max(tokens), MARGIN - 6, "end", "#3b6ea5", "training, nats per token"),
    ]
    if bits:
        label = "validation, bits per byte"
        parts += _line(bits, max(tokens), WIDTH - MARGIN + 6, "start", "#b3492c", label)
    return "\n".join([*parts, "</svg>", ""])


def _line(
    points: list[tuple[int, float]], last: int, axis: int, anchor: str, colour: str, label: str
) -> list[str]:
    """A line over the frame with its own axis at x = `axis`, from 0.1s below to above it."""
    low = math.floor(10 * min(value for _, value in points)) / 10
    high = math.ceil(10 * max(value for _, value in points)) / 10
    span = max(high - low, 0.1)

    def y(value: float) -> float:
        return HEIGHT - MARGIN - (value - low) / span * (HEIGHT - 2 * MARGIN)

    def x(tokens: int) -> float:
        return MARGIN + tokens / last * (WIDTH - 2 * MARGIN)

    path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>']
    for tick in range(5):
        value = low + span * tick / 4
        parts.append(
            f'<text x="{axis}" y="{y(value):.1f}" text-anchor="{anchor}" fill="{colour}">'
            f"{value:.2f}</text>"
        )
    parts.append(
        f'<text x="{axis}" y="24" text-anchor="{_inward(anchor)}" fill="{colour}">{label}</text>'
    )
    return parts


def _inward(anchor: str) -> str:
    return "start" if anchor == "end" else "end"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m rotor.train.curve", description=svg.__doc__)
    parser.add_argument("csv", type=Path, help="curve.csv of a run")
    parser.add_argument("svg", type=Path, help="file to write")
    arguments = parser.parse_args()
    try:
        rows = read_curve(arguments.csv)
        if not rows:
            raise ValueError(f"{arguments.csv} has no rows yet")
        arguments.svg.write_text(svg(rows), encoding="ascii")
    except (OSError, ValueError) as error:
        print(f"rotor.train.curve: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
