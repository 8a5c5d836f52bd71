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
MOST_APART = 0.5  # of two log-likelihoods of one answer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model as transformers reads it."""
    folder = tmp_path_factory.mktemp("hf") / "stories"
    convert = [os.environ["ROTOR"], "convert", str(MODEL), str(folder), "--to", "hf", "-q"]
    subprocess.run(convert, check=True, capture_output=True)
    return folder


def answers_of_hf(folder: Path, dtype: torch.dtype, requests: list[Any]) -> list[float]:
    """Log-likelihoods of HFLM with transformers' own modules, all of whose floats are of dtype."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with torch.compiler.set_stance("force_eager"):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        model = torch.nn.Module.to(model, dtype)  # embedding and norms come in the file's type
        tokenizer = AutoTokenizer.from_pretrained(folder)
        lm = huggingface.HFLM(
            model.eval(), tokenizer=tokenizer, batch_size=1, device="cpu", add_bos_token=True
        )
        return [value for value, _ in lm.loglikelihood(requests, disable_tqdm=True)]


def test_answers_are_those_of_the_hf_backend(folder: Path) -> None:
    """As near to the hf backend as that is to itself in binary64, where int8 activations round otherwise."""
    if not QUESTIONS.is_file():
        pytest.skip(f"TEST DATA IS MISSING: {QUESTIONS}")
    from rotor.lm_eval import RotorLM

    asked = [json.loads(line) for line in QUESTIONS.read_text().splitlines()[:40]]
    requests = [
        SimpleNamespace(args=(question["query"], " " + choice))
        for question in asked
        for choice in question["choices"]
    ]
    single = answers_of_hf(folder, torch.float32, requests)
    double = answers_of_hf(folder, torch.float64, requests)
    ours = RotorLM(pretrained=str(MODEL), threads=1, kv="f32").loglikelihood(requests)
    found = [value for value, _ in ours]
    apart = [abs(a - b) for a, b in zip(found, single, strict=True)]
    theirs = [abs(a - b) for a, b in zip(double, single, strict=True)]
    for share in (0.5, 0.9):
        mine, own = (sorted(values)[int(share * len(values))] for values in (apart, theirs))
        print(f"{share:.0%} of the answers: within {mine:.4f}, hf's own {own:.4f}")
    print(f"on average {statistics.mean(apart):.4f}, hf's own {statistics.mean(theirs):.4f}")
    assert statistics.mean(apart) <= 2 * statistics.mean(theirs)
    assert max(apart) < MOST_APART
    place, clear = 0, 0
    for question in asked:
        end = place + len(question["choices"])
        a, b = (scores[place:end] for scores in (found, single))
        best, second = sorted(b)[-1:-3:-1]
        if best - second >= MOST_APART:
            clear += 1
            assert a.index(max(a)) == b.index(max(b)), question["query"]
        place = end
    print(f"{clear} of {len(asked)} questions have a best answer by {MOST_APART}")
    assert 2 * clear >= len(asked)
