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
  greedy.sure bool (200,): rounding noise leaves that token more than half of its lead
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
    greedy_sure: np.ndarray


def spread(logits: np.ndarray) -> float:
    """Largest minus smallest logit: the yardstick of every tolerance."""
    return float(logits.max() - logits.min())


def sequences_of(recipe: Recipe) -> list[list[int]]:
    """The token sequences of a recipe; the traced ones are shorter for wide models."""
    rng = np.random.RandomState(recipe.seed + 77)
    short = 24 if max(recipe.hidden, recipe.q_rows) < 200 else 12
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
        greedy_sure=values["greedy.sure"],
    )


def reference_network(recipe: Recipe, folder: Path):
    """The reference's network. Its loader refuses packed odd rows and does not know the names of
    1bitLLM, BitNet-embedding and MiniCPM, so those are put in by hand."""
    import reference

    if recipe.family == "minicpm":
        return reference.granite(numpy_bitnet.load_hf(folder), recipe.max_positions)
    odd = recipe.storage == "packed" and any(recipe.shape(name)[0] % 4 for name in PROJECTIONS)
    if odd or recipe.family == "1bitllm" or recipe.input_norms:
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
    best = logits[-GREEDY - 1 : -1].argmax(axis=1)
    values["greedy.tokens"] = np.array(tokens, dtype=np.int32)
    values["greedy.best"] = best.astype(np.int32)
    values["greedy.sure"] = _sure_choices(oracle, tokens, logits)
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


def _sure_choices(oracle: numpy_bitnet.Model, tokens: list[int], logits: np.ndarray) -> np.ndarray:
    """Where the best of the last 200 logits but one keeps half of its lead in eight noisy passes.

    The noise of 1e-6 flips a few int8 codes at rounding boundaries, as other orders of sums do. In
    float64, where the order of NumPy's own sums, another for each processor, flips none. bool (200,).
    """
    best = logits[-GREEDY - 1 : -1].argmax(axis=1)
    lead = _leads(logits, best)
    sure = np.ones(GREEDY, dtype=bool)
    for seed in range(8):
        jitter = np.random.RandomState(seed)
        noisy = numpy_bitnet.forward(oracle, tokens, dtype=np.float64, jitter=jitter)
        sure &= _leads(noisy, best) > lead / 2
    return sure


def _leads(logits: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Chosen logit minus the best other one, for the last 200 rows but one of (tokens, vocab)."""
    rows = logits[-GREEDY - 1 : -1].copy()
    index = np.arange(GREEDY)
    own = rows[index, chosen]
    rows[index, chosen] = -np.inf
    return own - rows.max(axis=1)
