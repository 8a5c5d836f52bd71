# SPDX-License-Identifier: Apache-2.0
"""Golden values of one model: what the reference computes for a few token sequences.

An .npz file under tests/fixtures/golden holds, for the sequences s0, s1 (short, traced) and s2
(long enough to cross pages of 256 positions):
  sN.tokens int32 (tokens,)    sN.rows int32: the positions whose logits are kept
  sN.logits float32 (rows, vocab)    sN.layerL.*: see reference.Pass.trace (s0 and s1)
and
  greedy.tokens int32: a prompt of 8 tokens and 200 successors, each the reference's best token but
    every eighth, which is drawn at random so that the text does not run in circles
  greedy.best int32 (200,): the reference's best token at each of the 200 places
  greedy.gap float32 (200,): best minus second-best logit there
  noise float32: what rounding noise can do to a logit of the greedy sequence, by the spread
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import numpy_bitnet
from tiny_models import PROJECTIONS, Recipe

GOLDEN = Path(__file__).resolve().parent.parent / "fixtures" / "golden"
PROMPT = 8
GREEDY = 200
LONG = 310
# First positions, both sides of the page boundary at 256, a few between, the last.
LONG_ROWS = (0, 1, 63, 64, 128, 200, 254, 255, 256, 257, 300, 309)


@dataclass(frozen=True)
class Sequence:
    """One golden sequence: tokens, kept positions, their logits, the trace (empty if untraced)."""

    tokens: list[int]
    rows: np.ndarray
    logits: np.ndarray
    trace: dict[str, np.ndarray]


@dataclass(frozen=True)
class Golden:
    """All golden values of one model."""

    sequences: list[Sequence]
    greedy_tokens: list[int]
    greedy_best: np.ndarray
    greedy_gap: np.ndarray
    noise: float


def spread(logits: np.ndarray) -> float:
    """Largest minus smallest logit: the yardstick of every tolerance."""
    return float(logits.max() - logits.min())


def sequences_of(recipe: Recipe) -> list[list[int]]:
    """The token sequences of a recipe; the traced ones are shorter for wide models."""
    rng = np.random.RandomState(recipe.seed + 77)
    short = 24 if recipe.hidden < 200 else 12
    return [[int(t) for t in rng.randint(0, recipe.vocab, size=n)] for n in (8, short, LONG)]


def load(name: str) -> Golden:
    """Reads the committed golden values of a recipe."""
    with np.load(GOLDEN / f"{name}.npz") as archive:
        values = dict(archive)
    sequences = []
    for index in range(3):
        prefix = f"s{index}."
        sequences.append(
            Sequence(
                tokens=values[prefix + "tokens"].tolist(),
                rows=values[prefix + "rows"],
                logits=values[prefix + "logits"],
                trace={
                    key[len(prefix) :]: value
                    for key, value in values.items()
                    if key.startswith(prefix + "layer")
                },
            )
        )
    return Golden(
        sequences=sequences,
        greedy_tokens=values["greedy.tokens"].tolist(),
        greedy_best=values["greedy.best"],
        greedy_gap=values["greedy.gap"],
        noise=float(values["noise"]),
    )


def reference_network(recipe: Recipe, folder: Path):
    """The reference's network; its loader refuses packed odd rows, so those are put in by hand."""
    import reference

    if recipe.storage == "packed" and any(recipe.shape(name)[0] % 4 for name in PROJECTIONS):
        return reference.from_numpy(numpy_bitnet.load_hf(folder))
    return reference.load(folder)


def make(recipe: Recipe, folder: Path) -> dict[str, np.ndarray]:
    """Computes the golden values of a model directory with the reference (imports torch)."""
    import reference

    oracle = numpy_bitnet.load_hf(folder)
    network = reference_network(recipe, folder)
    values: dict[str, np.ndarray] = {}
    for index, tokens in enumerate(sequences_of(recipe)):
        result = reference.run(network, tokens, traced=len(tokens) < LONG)
        rows = np.array(LONG_ROWS if len(tokens) == LONG else range(len(tokens)), dtype=np.int32)
        values[f"s{index}.tokens"] = np.array(tokens, dtype=np.int32)
        values[f"s{index}.rows"] = rows
        values[f"s{index}.logits"] = result.logits[rows]
        for key, value in result.trace.items():
            values[f"s{index}.{key}"] = value
    tokens = _greedy_text(network, recipe)
    logits = reference.run(network, tokens).logits
    places = logits[-GREEDY - 1 : -1]
    best_two = np.sort(places, axis=1)[:, -2:]
    values["greedy.tokens"] = np.array(tokens, dtype=np.int32)
    values["greedy.best"] = places.argmax(axis=1).astype(np.int32)
    values["greedy.gap"] = best_two[:, 1] - best_two[:, 0]
    values["noise"] = np.float32(noise(oracle, tokens, logits))
    return values


def _greedy_text(network: object, recipe: Recipe) -> list[int]:
    """Prompt and successors as ``greedy.tokens`` describes them."""
    import reference

    rng = np.random.RandomState(recipe.seed + 78)
    tokens = sequences_of(recipe)[0]
    for index in range(GREEDY):
        if index % 8 == 7:
            tokens.append(int(rng.randint(0, recipe.vocab)))
        else:
            tokens.append(int(reference.run(network, tokens).logits[-1].argmax()))
    return tokens


def noise(oracle: numpy_bitnet.Model, tokens: list[int], logits: np.ndarray) -> float:
    """What rounding noise can do to a logit, as a part of the spread.

    The largest difference from a double-precision pass and from four passes with disturbances of
    1e-6; the latter flip a few int8 codes at rounding boundaries, as any other order of sums does.
    """
    passes = [numpy_bitnet.forward(oracle, tokens, dtype=np.float64)]
    for seed in range(4):
        rng = np.random.RandomState(seed)
        passes.append(numpy_bitnet.forward(oracle, tokens, jitter=rng))
    return float(max(np.abs(other - logits).max() for other in passes)) / spread(logits)
