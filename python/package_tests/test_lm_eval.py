# SPDX-License-Identifier: Apache-2.0
"""The model of lm-evaluation-harness, with the harness where it is installed, else with the two
names
of it that a model needs."""

import importlib.util
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import rotor

QUESTIONS: list[dict[str, Any]] = [
    {
        "query": "Once upon a time there was a",
        "choices": ["king", "motor car", "queen who slept"],
        "gold": 0,
    },
    {"query": "The fox said ", "choices": ["nothing.", "good morning"], "gold": 1},
    {"query": "", "choices": ["The", "xyzzy"], "gold": 0},
    {"query": "word " * 900, "choices": ["word", "king"], "gold": 0},
]


class Harness:
    """What RotorLM uses of lm_eval.api.model.LM."""

    def __init__(self) -> None:
        self.cache_hook = SimpleNamespace(add_partial=lambda *_: None)


@pytest.fixture(scope="module")
def lm() -> Any:
    """RotorLM on the shipped model."""
    missing = importlib.util.find_spec("lm_eval") is None
    if missing:
        for name in ("", ".models", ".api", ".api.model", ".api.registry"):
            sys.modules[f"lm_eval{name}"] = ModuleType(f"lm_eval{name}")
        sys.modules["lm_eval.api.model"].LM = Harness  # type: ignore[attr-defined]
        sys.modules["lm_eval.api.registry"].register_model = (  # type: ignore[attr-defined]
            lambda _: lambda found: found
        )
    try:
        from rotor.lm_eval import RotorLM

        yield RotorLM(pretrained="stories", threads=2, batch_size=1, device="cpu")
    finally:
        if missing:
            for name in [*sys.modules]:
                if name.split(".")[0] == "lm_eval" or name == "rotor.lm_eval":
                    del sys.modules[name]


def requests(*arguments: tuple[Any, ...]) -> list[Any]:
    return [SimpleNamespace(args=given) for given in arguments]


def test_likelihoods_are_the_programs(lm: Any, program: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(q) + "\n" for q in QUESTIONS))
    details = tmp_path / "details.jsonl"
    program("eval", tmp_path / "q.jsonl", lm.model.path, "--details", details, "-q")
    for question, line in zip(QUESTIONS, details.read_text().splitlines(), strict=True):
        expected = json.loads(line)
        found = lm.loglikelihood(
            requests(*((question["query"], " " + choice) for choice in question["choices"]))
        )
        assert [value for value, _ in found] == expected["log_likelihoods"]
        assert [greedy for _, greedy in found] == expected["greedy"]


def test_rolling_counts_every_token_once(lm: Any) -> None:
    text = "Once upon a time there was a king who had three sons. " * 60
    tokens = lm.tokenizer.encode(text, add_special_tokens=False)
    assert len(tokens) > lm.model.context
    windows = list(lm._windows(tokens))
    assert [t for _, window in windows for t in window] == tokens
    assert all(len(before) + len(window) - 1 <= lm.model.context for before, window in windows)
    (total,) = lm.loglikelihood_rolling(requests((text,)))
    assert -20 * len(tokens) < total < 0
    short = "The fox"
    (alone,) = lm.loglikelihood_rolling(requests((short,)))
    assert alone == lm.loglikelihood(requests(("", short)))[0][0]
    assert lm.loglikelihood_rolling(requests(("",))) == [0.0]


def test_generation_stops_where_it_is_told(lm: Any) -> None:
    context = "Once upon a time"
    wanted = {"until": ["."], "max_gen_toks": 40}
    texts = lm.generate_until(requests((context, wanted), (context, {"max_gen_toks": 5})))
    assert "." not in texts[0] and texts[0]
    whole = lm.model.generate(context, max_new_tokens=40, temperature=0).text
    assert whole.startswith(texts[0]) and whole.startswith(texts[1])
    with pytest.raises(ValueError, match="continuation of 0 tokens"):
        lm.loglikelihood(requests(("a", "")))


def test_likelihoods_are_probabilities(lm: Any) -> None:
    answers = lm.loglikelihood(requests(*(("The", f" {word}") for word in ("king", "a", "fox"))))
    assert all(value < 0 and math.isfinite(value) for value, _ in answers)


def test_the_harness_is_asked_for_by_name() -> None:
    script = "import sys; sys.modules['lm_eval'] = None; import rotor.model; import rotor.lm_eval"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "pip install lm_eval" in done.stderr
    assert rotor.__version__
