# SPDX-License-Identifier: Apache-2.0
"""What it means that two computations of one model agree."""

from __future__ import annotations

import numpy as np

from golden import GREEDY, Golden, spread
from numpy_bitnet import SITES, Trace

INJECTED_TOLERANCE = 2e-4  # of the spread of the logits
BOUNDARY = 1e-4  # distance from a rounding boundary, in steps of the quantiser
MAX_KL = 1e-4  # nats a token


def assert_injected_logits(got: np.ndarray, expected: np.ndarray) -> None:
    """Every logit within INJECTED_TOLERANCE of the spread; both (rows, vocab)."""
    worst = float(np.abs(got - expected).max()) / spread(expected)
    assert worst < INJECTED_TOLERANCE, f"a logit is off by {worst:.2e} of the spread"


def assert_same_sums(got: Trace, expected: Trace) -> None:
    """All integer results equal."""
    names = [name for name in expected if name.endswith(".acc")]
    assert names, "the expected trace holds no integer results"
    for name in names:
        assert name in got, f"the trace lacks {name}"
        np.testing.assert_array_equal(got[name], expected[name], err_msg=name)


def first_differences(got: Trace, expected: Trace) -> list[tuple[str, int, int]]:
    """Codes that differ without an earlier difference that could explain them.

    (site, token, column). A code of token t depends on the codes of tokens up to t at earlier sites
    and on nothing else.
    """
    clean_tokens, found = None, []
    for site in execution_order(expected):
        differs = (got[f"{site}.q"] != expected[f"{site}.q"])[:clean_tokens]  # (tokens, cols)
        found += [(site, int(token), int(column)) for token, column in np.argwhere(differs)]
        if differs.any():
            clean_tokens = int(np.argwhere(differs)[0][0])
    return found


def execution_order(trace: Trace) -> list[str]:
    """The sites of a trace (``layer0.qkv`` ...) in the order a pass reaches them."""
    layers = 1 + max(int(name.split(".")[0].removeprefix("layer")) for name in trace)
    names = [f"layer{layer}.{site}" for layer in range(layers) for site in SITES]
    return [name for name in names if f"{name}.q" in trace]


def assert_explained_by_rounding(got: Trace, expected: Trace) -> int:
    """Each first differing code is off by one, its reference value near a rounding boundary.

    expected holds the reference's values before rounding (``.x``). Returns how many differ.
    """
    found = first_differences(got, expected)
    for site, token, column in found:
        ours, theirs = (int(t[f"{site}.q"][token, column]) for t in (got, expected))
        value = float(expected[f"{site}.x"][token, column])
        where = f"{site}, token {token}, column {column}: {ours}, reference {theirs} of {value}"
        assert abs(ours - theirs) == 1, where
        assert abs(value - (min(ours, theirs) + 0.5)) < BOUNDARY, where
    return len(found)


def assert_same_choices(logits: np.ndarray, expected: Golden) -> None:
    """Over the greedy text, the best token is the reference's wherever noise cannot change it.

    logits (tokens, vocab).
    """
    chosen, sure = logits[-GREEDY - 1 : -1].argmax(axis=1), expected.greedy_sure
    assert sure.mean() > 0.7, "too few of the reference's choices are clear of rounding noise"
    np.testing.assert_array_equal(chosen[sure], expected.greedy_best[sure])


def kl_per_token(expected: np.ndarray, got: np.ndarray) -> float:
    """Mean over the rows of KL(softmax(expected) || softmax(got)); both (rows, vocab)."""
    p, q = (_log_softmax(logits.astype(np.float64)) for logits in (expected, got))
    return float((np.exp(p) * (p - q)).sum(axis=1).mean())


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
