# SPDX-License-Identifier: Apache-2.0
"""rotor.finetune: what a run promises, on a tiny model with a vocabulary and a chat template."""

import importlib.util
import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import checks
import engine
import numpy as np
import pytest
import torch
from conftest import ROOT
from finetune_case import TINY, begin, fable, finish
from safetensors.torch import load_file

import rotor.torch as rt
from rotor.finetune import documents, model, samples
from rotor.finetune.__main__ import main
from rotor.finetune.evaluate import bits_per_byte
from rotor.finetune.run import Run
from rotor.train.tokenizer import train_tokenizer

pytestmark = pytest.mark.usefixtures("program")


@pytest.fixture(scope="module")
def adapted(
    tiny: Callable[[str], Path], text: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, dict[str, Any]]:
    """A run with adapters that went through."""
    out = tmp_path_factory.mktemp("lora")
    run = begin(tiny("offline"), text, out, dropout=0.1, measure=[text])
    return run, finish(run)


@pytest.fixture(scope="module")
def trained(
    tiny: Callable[[str], Path], text: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, dict[str, Any]]:
    """A run of all weights that went through."""
    run = begin(tiny("offline"), text, tmp_path_factory.mktemp("full"), full=True)
    return run, finish(run)


@pytest.mark.parametrize("mode", ["adapted", "trained"])
def test_it_learns(mode: str, request: pytest.FixtureRequest) -> None:
    run, report = request.getfixturevalue(mode)
    bits = report["bits_per_byte"]
    assert bits["held_out"]["after"] < bits["held_out"]["before"] - 0.3
    curve = (run.out / "curve.csv").read_text().splitlines()
    assert float(curve[-1].split(",")[3]) < float(curve[1].split(",")[3]) - 0.3
    assert json.loads((run.out / "report.json").read_text()) == json.loads(json.dumps(report))
    assert (report["steps"], report["best_step"], report["stopped_early"]) == (12, 12, False)


def test_an_adapter_is_peft_s(
    adapted: tuple[Run, dict[str, Any]], tiny: Callable[[str], Path]
) -> None:
    run, report = adapted
    adapter = run.out / "adapter"
    tokens = torch.tensor([[1, 5, 9, 200, 17, 42]])
    wanted = run.model.eval()(tokens).logits
    base = model.load(str(tiny("offline"))).model
    assert not torch.equal(base(tokens).logits, wanted)
    assert torch.equal(rt.load_lora(base, adapter)(tokens).logits, wanted)
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(tiny("offline"))
    assert report["learning_parameters"] == sum(
        tensor.numel() for tensor in load_file(adapter / "adapter_model.safetensors").values()
    )
    peft = pytest.importorskip("peft")
    other = model.load(str(tiny("offline"))).model
    theirs = peft.PeftModel.from_pretrained(other, adapter)
    assert torch.equal(theirs(tokens).logits, wanted)


def test_what_is_exported_is_what_was_measured(
    trained: tuple[Run, dict[str, Any]], program: Path, text: Path, tmp_path: Path
) -> None:
    run, _ = trained
    tokens = np.random.default_rng(3).integers(0, TINY.vocab_size, 20)
    wanted = run.model.eval()(torch.from_numpy(tokens)[None]).logits[0].detach().numpy()
    subprocess.run(
        [program, "convert", run.out / "model", tmp_path / "model.gguf", "-q"], check=True
    )
    for path in (run.out / "model", run.out / "model.rotor", tmp_path / "model.gguf"):
        got = engine.Engine(program).logits(path, tokens.tolist())
        assert checks.kl_per_token(got, wanted) < checks.MAX_KL, path
    again = model.load(str(run.out / "model.rotor")).model(torch.from_numpy(tokens)[None])
    assert torch.equal(again.logits[0].detach(), torch.from_numpy(wanted))
    # The program's own measure, of a text that is all held out.
    whole = tmp_path / "whole.txt"
    whole.write_text(fable(77, 30), encoding="utf-8")
    done = subprocess.run(
        [program, "ppl", run.out / "model.rotor", "-f", whole, "-c", "48", "--json"],
        capture_output=True,
        check=True,
    )
    (document,) = documents.read_documents(whole, split=False)
    sample = samples.encode(document, run.loaded.tokenizer, end=False)
    ours = bits_per_byte(run.model, sample, run.begin, run.context)
    assert json.loads(done.stdout)["bits_per_byte"] == pytest.approx(ours, rel=1e-4)


@pytest.mark.parametrize("name", ["llama-divide", "master-bf16", "qwen3-yarn"])
def test_other_kinds_are_exported_as_measured(
    name: str, model_dir: Callable[[str], Path], program: Path, text: Path, tmp_path: Path
) -> None:
    """Scales that divide, masters, another family: what is written has one form."""
    run = begin(model_dir(name), text, tmp_path, full=True, steps=2, batch=2)
    finish(run)
    tokens = np.random.default_rng(4).integers(0, 256, 20)
    wanted = run.model.eval()(torch.from_numpy(tokens)[None]).logits[0].detach().numpy()
    got = engine.Engine(program).logits(tmp_path / "model.rotor", tokens.tolist())
    assert checks.kl_per_token(got, wanted) < checks.MAX_KL


@pytest.mark.parametrize("mode", ["adapted", "trained"])
def test_a_stopped_run_ends_as_one_that_was_not(
    mode: str,
    request: pytest.FixtureRequest,
    tiny: Callable[[str], Path],
    text: Path,
    tmp_path: Path,
) -> None:
    whole, report = request.getfixturevalue(mode)
    given: dict[str, Any] = {"full": True} if mode == "trained" else {"dropout": 0.1}
    measured = [text] if mode == "adapted" else []

    def again(resume: bool) -> Run:
        torch.rand(7)  # the state of chance is the run's, not the process's
        return begin(tiny("offline"), text, tmp_path, resume, measure=measured, **given)

    for stops in (5, 8):
        run = again(resume=stops > 5)
        step = run.train_step

        def stopping(run: Run = run, step: Callable[[], float] = step, at: int = stops) -> float:
            loss = step()
            if run.step == at:
                run.stop()
            return loss

        run.train_step = stopping  # type: ignore[method-assign]
        assert run.train() is None
        assert run.step == stops
    assert not (tmp_path / "report.json").exists()
    other = finish(again(resume=True))
    assert other["bits_per_byte"] == report["bits_per_byte"]
    written = "adapter/adapter_model" if mode == "adapted" else "model/model"
    first, second = (load_file(o / f"{written}.safetensors") for o in (whole.out, tmp_path))
    assert set(first) == set(second)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    assert (tmp_path / "curve.csv").read_text().count("\n") >= 3


def test_only_the_same_run_goes_on(
    adapted: tuple[Run, dict[str, Any]], tiny: Callable[[str], Path], text: Path, tmp_path: Path
) -> None:
    run, report = adapted
    with pytest.raises(ValueError, match="--resume goes on"):
        begin(tiny("offline"), text, run.out, dropout=0.1)
    with pytest.raises(ValueError, match=r"another seed: 1, now 2"):
        begin(tiny("offline"), text, run.out, resume=True, dropout=0.1, seed=2)
    other = tmp_path / "other.jsonl"
    other.write_text(text.read_text().replace("fox", "cat"))
    with pytest.raises(ValueError, match="another data"):
        begin(tiny("offline"), other, run.out, resume=True, dropout=0.1)
    with pytest.raises(ValueError, match="another measure"):
        begin(tiny("offline"), text, run.out, resume=True, dropout=0.1)
    (tmp_path / "checkpoint.pt").write_bytes((run.out / "checkpoint.pt").read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"checkpoint\.pt: cannot be read"):
        begin(tiny("offline"), text, tmp_path, resume=True, dropout=0.1)
    done = begin(tiny("offline"), text, run.out, resume=True, dropout=0.1, measure=[text])
    assert finish(done)["bits_per_byte"] == report["bits_per_byte"]


def test_it_stops_when_nothing_is_gained(
    tiny: Callable[[str], Path], text: Path, tmp_path: Path
) -> None:
    digits = tmp_path / "digits.txt"  # which grow less likely with every fable
    digits.write_text("".join(random.Random(4).choices("0123456789", k=400)))
    given: dict[str, Any] = {"steps": 40, "eval_every": 2, "patience": 2, "valid": digits}
    run = begin(tiny("offline"), text, tmp_path / "out", **given)
    report = finish(run)
    assert report["stopped_early"]
    assert report["steps"] == report["best_step"] + 4 < 40
    bits = report["bits_per_byte"]["held_out"]
    assert bits["after"] <= bits["before"]  # the best is what was written
    assert len((run.out / "curve.csv").read_text().splitlines()) == 1 + report["steps"] // 2


def test_masters_of_trits_begin_as_the_trits() -> None:
    torch.manual_seed(2)
    trits = torch.randint(-1, 2, (20, 24), dtype=torch.int8)
    for scale, rule in ((0.37, "multiply"), (0.37, "divide")):
        packed = rt.TernaryLinear(trits, torch.tensor([scale]), scale_rule=rule)
        masters = model.masters_of(packed)
        again = rt.TernaryLinear.from_bit_linear(masters)
        assert torch.equal(again.trits, trits)
        torch.testing.assert_close(again.scale, packed.scale, rtol=1e-6, atol=0)
    rows = rt.TernaryLinear(trits, torch.rand(20) + 0.5)
    with pytest.raises(ValueError, match="20 scales, one a row"):
        model.masters_of(rows)
    empty = rt.TernaryLinear(trits * 0, torch.tensor([0.5]))
    assert torch.equal(model.masters_of(empty).weight, torch.zeros(20, 24))


def test_masters_that_came_are_used(
    tiny: Callable[[str], Path], text: Path, tmp_path: Path
) -> None:
    bits = []
    for number, full in enumerate((True, False)):
        run = begin(tiny("online"), text, tmp_path / str(number), full=full)
        kind = rt.BitLinear if full else rt.TernaryLinear
        assert sum(isinstance(module, kind) for module in run.model.modules()) == 14
        bits.append(finish(run)["bits_per_byte"]["held_out"])
    assert bits[0]["before"] == pytest.approx(bits[1]["before"], rel=1e-3)
    assert all(b["after"] < b["before"] - 0.3 for b in bits)


def test_conversations_are_learned(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    data = tmp_path / "chats.jsonl"
    lines = []
    for seed in range(12):
        messages = [
            {"role": "user", "content": "Who?"},
            {"role": "assistant", "content": fable(seed, 1)},
        ]
        lines.append(json.dumps({"messages": messages}))
    data.write_text("\n".join(lines))
    bits = finish(begin(tiny("offline"), data, tmp_path / "out"))["bits_per_byte"]["held_out"]
    assert bits["after"] < bits["before"] - 0.3


def test_a_teacher(tiny: Callable[[str], Path], text: Path, tmp_path: Path, trained: Any) -> None:
    master = trained[0].out / "model"
    given: dict[str, Any] = {"full": True, "teacher": str(master), "teacher_weight": 1.0}
    run = begin(tiny("offline"), text, tmp_path / "a", **given)
    rows = run.batches.batch(0)
    inputs, targets = samples.collate(rows)
    teacher = run.teacher
    assert teacher is not None
    logits = run.model(input_ids=inputs).logits
    theirs = teacher.model(input_ids=inputs).logits
    p, q = (torch.softmax(x.double() / 2, -1) for x in (theirs, logits))
    wanted = (4 * (p * (p.log() - q.log())).sum(-1))[targets >= 0].sum()
    got = teacher.divergence(inputs, logits, targets)
    torch.testing.assert_close(got.double(), wanted, rtol=1e-4, atol=1e-4)
    report = finish(run)
    after = teacher.divergence(inputs, run.model(input_ids=inputs).logits, targets)
    assert after < 0.5 * got
    assert report["teacher"] == str(master)


def test_another_vocabulary_is_refused(
    tiny: Callable[..., Path], text: Path, tmp_path: Path
) -> None:
    other = train_tokenizer([fable(1, 300).upper()], TINY.vocab_size - 4)
    for vocabulary, message in (
        (other, "another vocabulary: 302 tokens, the model has 306"),
        (train_tokenizer([fable(1, 300).upper()], TINY.vocab_size), "the model's token [0-9]+, '"),
    ):
        with pytest.raises(ValueError, match=message):
            begin(tiny("offline"), text, tmp_path, teacher=str(tiny("offline", vocabulary)))


def test_models_that_cannot_learn(tiny: Callable[[str], Path], text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "float"
    folder.mkdir()
    config = json.loads((tiny("offline") / "config.json").read_text())
    del config["quantization_config"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(model.ModelError, match="no ternary ones"):
        begin(folder, text, tmp_path / "out")
    with pytest.raises(model.ModelError, match="no such file or folder"):
        begin(tmp_path / "nothing", text, tmp_path / "out")
    (tmp_path / "bad.rotor").write_bytes(b"nothing")
    with pytest.raises(model.ModelError, match=r"bad\.rotor"):
        begin(tmp_path / "bad.rotor", text, tmp_path / "out")
    with pytest.raises(ValueError, match="target_modules: none of 14"):
        begin(tiny("offline"), text, tmp_path / "out", target_modules=("nothing",))
    assert not (tmp_path / "out").exists()


def test_the_command(
    tiny: Callable[[str], Path], text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(tiny("offline")), "--data", str(text), "--out", str(tmp_path / "out")]
    assert main([*command, "--steps", "2", "--batch", "2", "--json"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["settings"]["steps"] == 2
    for part in ("step 2/2  loss ", " bits/byte  ", " tokens/s  0:00 left", "before: held out "):
        assert part in captured.err
    assert main(["nowhere", *command[1:-1], str(tmp_path / "x")]) == 3
    assert "nowhere: no such file" in capsys.readouterr().err
    assert main([*command, "--steps", "2"]) == 1
    assert "--resume goes on" in capsys.readouterr().err
    for option, message in (
        (["--r", "0"], "--r: expected 1 or more"),
        (["--hold-out", "1"], "--hold-out: expected a number from 0 to 1"),
        (["--rate", "nan"], "--rate: expected"),
        (["--epochs", "0"], "--epochs: expected a number above 0"),
    ):
        assert main([*command, *option]) == 2
        assert message in capsys.readouterr().err
    assert main([str(tiny("offline")), "--data", "nowhere.txt", "--out", str(tmp_path / "x")]) == 1
    assert "nowhere.txt" in capsys.readouterr().err


def test_ctrl_c_leaves_a_checkpoint(
    tiny: Callable[[str], Path],
    text: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = Run.train_step

    def interrupted(run: Run) -> float:
        if run.step == 1:
            signal.raise_signal(signal.SIGINT)
        return step(run)

    command = [str(tiny("offline")), "--data", str(text), "--out", str(tmp_path / "out")]
    command += ["--steps", "4", "--batch", "2"]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with monkeypatch.context() as patch:
            patch.setattr(Run, "train_step", interrupted)
            assert main(command) == 130
        assert "stopped after step 2; the same command with --resume" in capsys.readouterr().err
        assert main([*command, "--resume"]) == 0
        assert "resuming at step 2 of 4" in capsys.readouterr().err
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def test_a_loss_that_is_no_number_ends_it(
    tiny: Callable[[str], Path], text: Path, tmp_path: Path
) -> None:
    run = begin(tiny("offline"), text, tmp_path)
    with torch.no_grad():
        next(iter(run.learning.values())).fill_(torch.nan)
    with pytest.raises(FloatingPointError):
        run.train_step()


def run_example(name: str, *arguments: str) -> None:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples/python" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(*arguments)


@pytest.mark.parametrize(
    ("example", "shipped"), [("finetune_trainer", "stories"), ("finetune_sft", "stories-chat")]
)
def test_an_example_runs(
    example: str, shipped: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("peft", reason=f"PEFT IS MISSING: {example}.py is not tested")
    if example == "finetune_sft":
        pytest.importorskip("trl", reason=f"TRL IS MISSING: {example}.py is not tested")
    path = ROOT / "models" / f"{shipped}.rotor"
    run_example(example, str(path), "3", str(tmp_path))
    first, last = (float(line.split()[-1]) for line in capsys.readouterr().out.splitlines()[-2:])
    assert last < first - 0.2
    adapted = rt.load_lora(model.load(str(path)).model, tmp_path)
    assert any(isinstance(module, rt.LoraTernaryLinear) for module in adapted.modules())
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(path)


def test_help_needs_no_torch() -> None:
    source = (
        "import sys; sys.modules['torch'] = None\n"
        "from rotor.finetune.__main__ import main\n"
        "sys.exit(main(['--help']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Examples:" in done.stdout
