#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws what `rotor bench -o csv` measured: tokens a second beside what the memory allows.

    pip install matplotlib
    tools/plot_bench.py docs/results/decode-2b-4t.csv docs/images/decode-2b-4t

writes docs/images/decode-2b-4t-light.svg and -dark.svg. The table may hold several runs one after
another, such as one for each ROTOR_ISA; header lines between them are skipped. One group of bars for each
number of threads, one bar for each instruction set, and above it a line where the bandwidth measured in
the same run would end.
"""

import argparse
import csv
import pathlib

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402  (the backend is chosen first)

INK = {"light": "#1f2328", "dark": "#e6edf3"}
BARS = {"light": ["#b6c2cf", "#6a8caf", "#0b5fa5"], "dark": ["#4a5560", "#5d86ad", "#58a6ff"]}
LIMIT = {"light": "#bc4c00", "dark": "#f0883e"}


def read_rows(path):
    """The rows of generation alone, with one sequence and an empty cache."""
    with open(path, newline="", encoding="utf-8") as file:
        lines = [line for line in file if line.strip()]
    header = lines[0]
    body = [line for line in lines if line != header]
    rows = csv.DictReader([header, *body])

    def wanted(row):
        before = int(row["n_prompt"]) + int(row.get("n_depth") or 0)  # older tables lack a depth
        return int(row["n_gen"]) > 0 and int(row["batch"]) == 1 and before == 0

    return [row for row in rows if wanted(row)]


def draw(rows, theme, path):
    ink = INK[theme]
    levels = list(dict.fromkeys(row["isa"] for row in rows))
    threads = sorted({int(row["n_threads"]) for row in rows})
    width = 0.8 / len(levels)
    figure, axes = pyplot.subplots(figsize=(7.2, 3.4), layout="constrained")
    for row in rows:
        group, place = threads.index(int(row["n_threads"])), levels.index(row["isa"])
        x = group - 0.4 + (place + 0.5) * width
        speed = float(row["tokens_per_second"])
        color = BARS[theme][(place + len(BARS[theme]) - len(levels)) % len(BARS[theme])]
        axes.bar(x, speed, width * 0.92, color=color, yerr=float(row["stddev"]), ecolor=ink,
                 label=f"{row['isa']}, {row['format']}" if group == 0 else None)
        axes.annotate(f"{speed:.1f}", (x, speed), (0, 3), textcoords="offset points",
                      ha="center", color=ink, fontsize=9)
        limit = float(row["available_gb_per_second"]) * 1e9 / float(row["bytes_per_token"])
        axes.hlines(limit, x - 0.46 * width, x + 0.46 * width, color=LIMIT[theme], linestyle="--",
                    label="all of the memory's bandwidth" if row is rows[0] else None)
        axes.annotate(f"{limit:.1f}", (x, limit), (0, 3), textcoords="offset points", ha="center",
                      color=LIMIT[theme], fontsize=9)
    axes.set_xticks(range(len(threads)),
                    [f"{count} thread{'s' if count > 1 else ''}" for count in threads])
    axes.set_ylabel("tokens a second", color=ink)
    axes.tick_params(colors=ink)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(ink)
    axes.legend(frameon=False, labelcolor=ink, loc="upper left")
    figure.savefig(path, transparent=True, metadata={"Date": None})
    pyplot.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=pathlib.Path, help="output of rotor bench -o csv")
    parser.add_argument("picture", help="path of the pictures without -light.svg")
    arguments = parser.parse_args()
    matplotlib.rcParams.update({"svg.hashsalt": "rotor", "font.family": "sans-serif"})
    rows = read_rows(arguments.table)
    for theme in INK:
        draw(rows, theme, f"{arguments.picture}-{theme}.svg")


if __name__ == "__main__":
    main()
