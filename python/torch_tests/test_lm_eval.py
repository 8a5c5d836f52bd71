# SPDX-License-Identifier: Apache-2.0
"""lm-evaluation-harness: its own `hf` backend and Rotor's on the shipped model."""

import json
import os
import statistics
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import ROOT

huggingface = pytest.importorskip(
    "lm_eval.models.huggingface", reason="LM_EVAL IS MISSING: rotor.lm_eval is not compared"
)
DATA = Path(os.environ.get("ROTOR_TEST_DATA", ROOT.parent / "shared" / "data"))
QUESTIONS = DATA / "bench" / "llm-foundry" / "commonsense_reasoning" / "openbook_qa.jsonl"
MODEL = ROOT / "models" / "stories.rotor"
# Of two log-likelihoods: int8 activations round otherwise after float sums of another order. The hf
# backend itself, in binary64 beside binary32, differs by 0.016 on average and by 0.28 at most.
MEAN_APART, MOST_APART = 0.05, 0.5


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """HFLM on the shipped model in binary32, by transformers' own modules."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("hf") / "stories"
    convert = [os.environ["ROTOR"], "convert", str(MODEL), str(folder), "--to", "hf", "-q"]
    subprocess.run(convert, check=True, capture_output=True)
    with torch.compiler.set_stance("force_eager"):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        torch.nn.Module.float(model)  # embedding and norms come in the file's type
        tokenizer = AutoTokenizer.from_pretrained(folder)
        yield huggingface.HFLM(
            model.eval(), tokenizer=tokenizer, batch_size=1, device="cpu", add_bos_token=True
        )


def test_answers_are_those_of_the_hf_backend(theirs: Any) -> None:
    if not QUESTIONS.is_file():
        pytest.skip(f"TEST DATA IS MISSING: {QUESTIONS}")
    from rotor.lm_eval import RotorLM

    ours = RotorLM(pretrained=str(MODEL), threads=1, kv="f32")
    asked = [json.loads(line) for line in QUESTIONS.read_text().splitlines()[:40]]
    requests = [
        SimpleNamespace(args=(question["query"], " " + choice))
        for question in asked
        for choice in question["choices"]
    ]
    expected = theirs.loglikelihood(requests, disable_tqdm=True)
    found = ours.loglikelihood(requests)
    apart = [abs(a - b) for (a, _), (b, _) in zip(found, expected, strict=True)]
    assert statistics.mean(apart) < MEAN_APART and max(apart) < MOST_APART
    place = 0
    for question in asked:
        end = place + len(question["choices"])
        a, b = ([value for value, _ in scores[place:end]] for scores in (found, expected))
        best, second = sorted(b)[-1:-3:-1]
        assert a.index(max(a)) == b.index(max(b)) or best - second < MOST_APART
        place = end
