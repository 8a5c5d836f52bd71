# SPDX-License-Identifier: Apache-2.0
"""`rotor ppl` and `rotor eval` against plain statements of their methods over `rotor logits`."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine import Engine
from tiny_models import RECIPES, Recipe

MODEL, OTHER = RECIPES["packed-multiply"], RECIPES["packed-multiply"].with_seed(7)
TEXT = "Once upon a time there was a king who had three sons, and one of them was a fool. " * 4
CONTEXT = 32
F32 = ("--kv", "f32")


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


@pytest.fixture(scope="module")
def model(model_dir: Callable[[Recipe], Path]) -> Path:
    return model_dir(MODEL)


@pytest.fixture(scope="module")
def other(model_dir: Callable[[Recipe], Path]) -> Path:
    return model_dir(OTHER)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("text") / "text.txt"
    file.write_text(TEXT)
    return file


def tokens_of(engine: Engine, model: Path, text: str, *options: str) -> list[int]:
    printed = engine.check("tokenize", "--json", *options, model, stdin=text.encode()).stdout
    return json.loads(printed)


def second_half(engine: Engine, model: Path) -> tuple[list[int], np.ndarray]:
    """The scored tokens of TEXT and the log-probabilities in their places."""
    tokens = tokens_of(engine, model, TEXT)
    bos, scored, rows = tokens[0], [], []
    for begin in range(0, len(tokens) - CONTEXT + 1, CONTEXT):
        chunk = tokens[begin : begin + CONTEXT]
        first = CONTEXT // 2
        logits = engine.logits(model, [bos, *chunk[1:-1]])
        rows.append(log_softmax(logits)[first:])
        scored += chunk[first + 1 :]
    return scored, np.concatenate(rows)


def test_second_halves_are_those_of_the_logits(engine: Engine, model: Path, text: Path) -> None:
    scored, rows = second_half(engine, model)
    nats = -rows[np.arange(len(scored)), scored]
    command = ("ppl", model, "-f", text, "-c", CONTEXT, "--method", "second-half", *F32)
    got = json.loads(engine.check(*command, "--json").stdout)
    assert got["tokens"] == len(scored) and got["windows"] == len(scored) / 15
    assert got["method"] == "second-half"
    assert got["perplexity"] == pytest.approx(np.exp(nats.mean()), rel=1e-9)
    error = nats.std(ddof=1) / np.sqrt(nats.size)
    assert got["perplexity_error"] == pytest.approx(error * got["perplexity"], rel=1e-9)
    pieces = engine.check("detokenize", model, stdin=" ".join(map(str, scored)).encode()).stdout
    assert got["bytes"] == len(pieces.encode())
    assert got["bits_per_byte"] == pytest.approx(nats.sum() / np.log(2) / got["bytes"], rel=1e-9)
    first = json.loads(engine.check(*command, "--json", "--chunks", 2).stdout)
    assert first["windows"] == 2 and first["tokens"] == 30
    assert "second-half" in engine.check(*command).stdout


def test_strides_are_those_of_the_logits(engine: Engine, model: Path, text: Path) -> None:
    tokens, nats, previous = tokens_of(engine, model, TEXT), [], 0
    for begin in range(0, len(tokens), 20):
        end = min(begin + CONTEXT, len(tokens))
        rows = log_softmax(engine.logits(model, tokens[begin:end]))
        nats += [-rows[i - 1 - begin, tokens[i]] for i in range(max(previous, begin + 1), end)]
        previous = end
        if end == len(tokens):
            break
    command = ("ppl", model, "-f", text, "-c", CONTEXT, "--stride", 20, *F32, "--json")
    got = json.loads(engine.check(*command).stdout)
    assert got["tokens"] == len(nats) == len(tokens) - 1
    assert got["perplexity"] == pytest.approx(np.exp(np.mean(nats)), rel=1e-9)


def saved_rows(file: Path) -> tuple[int, int, np.ndarray, np.ndarray]:
    """Context, vocabulary, tokens (chunks, context) and log-probabilities (rows, vocab)."""
    data = file.read_bytes()
    assert data[:8] == b"_logits_"
    context, vocab, chunks = struct.unpack("<3i", data[8:20])
    end = 20 + 4 * context * chunks
    tokens = np.frombuffer(data[20:end], "<i4").reshape(chunks, context)
    width = 8 + 2 * (vocab + vocab % 2)
    rows = np.frombuffer(data[end:], np.uint8).reshape(-1, width)
    scale, base = np.ascontiguousarray(rows[:, :8]).view("<f4").T.astype(np.float64)
    codes = np.ascontiguousarray(rows[:, 8:]).view("<u2")[:, :vocab]
    return context, vocab, tokens, codes * scale[:, None] + base[:, None]


@pytest.fixture(scope="module")
def saved(
    engine: Engine, model: Path, text: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    file = tmp_path_factory.mktemp("saved") / "base.logits"
    engine.check("ppl", model, "-f", text, "-c", CONTEXT, "--save-logits", file, *F32)
    return file


def test_saved_logits_are_the_log_probabilities(engine: Engine, model: Path, saved: Path) -> None:
    context, vocab, tokens, rows = saved_rows(saved)
    scored, expected = second_half(engine, model)
    assert (context, vocab) == (CONTEXT, MODEL.vocab)
    assert tokens[:, CONTEXT // 2 + 1 :].ravel().tolist() == scored
    assert tokens.ravel().tolist() == tokens_of(engine, model, TEXT)[: tokens.size]
    np.testing.assert_allclose(rows, expected, atol=16 / 65535 / 2 + 1e-5)


def test_a_model_is_not_far_from_itself(engine: Engine, model: Path, saved: Path) -> None:
    got = json.loads(engine.check("ppl", model, "--kld", saved, *F32, "--json").stdout)
    kld = got["kld"]
    assert abs(kld["divergence"]["value"]) < 1e-6 and kld["divergence"]["max"] < 1e-5
    assert kld["same_top"]["value"] == 1
    assert kld["delta_p_rms"]["value"] < 1e-4
    assert kld["base_perplexity"]["value"] == pytest.approx(got["perplexity"], rel=1e-4)


def test_distance_of_two_models(engine: Engine, model: Path, other: Path, saved: Path) -> None:
    scored, base = second_half(engine, model)
    _, rows = second_half(engine, other)
    divergence = (np.exp(base) * (base - rows)).sum(axis=1)
    place = np.arange(len(scored)), scored
    delta = np.exp(rows[place]) - np.exp(base[place])
    kld = json.loads(engine.check("ppl", other, "--kld", saved, *F32, "--json").stdout)["kld"]
    near = {"abs": 2e-4, "rel": 1e-4}

    def error(values: np.ndarray) -> float:
        return values.std(ddof=1) / np.sqrt(values.size)

    assert divergence.mean() > 0.01, "the two models do not differ enough to tell"
    assert kld["divergence"]["value"] == pytest.approx(divergence.mean(), **near)
    assert kld["divergence"]["error"] == pytest.approx(error(divergence), **near)
    for key, fraction in (("min", 0), ("p01", 0.01), ("median", 0.5), ("p99", 0.99), ("max", 1)):
        assert kld["divergence"][key] == pytest.approx(np.quantile(divergence, fraction), **near)
        assert kld["delta_p"][key] == pytest.approx(np.quantile(delta, fraction), **near)
    assert kld["delta_p"]["value"] == pytest.approx(delta.mean(), **near)
    assert kld["delta_p_rms"]["value"] == pytest.approx(np.sqrt((delta**2).mean()), **near)
    same = (base.argmax(axis=1) == rows.argmax(axis=1)).mean()
    assert kld["same_top"]["value"] == pytest.approx(same, abs=1e-9)
    ratio = base[place] - rows[place]
    assert kld["log_perplexity_ratio"]["value"] == pytest.approx(ratio.mean(), **near)
    assert kld["log_perplexity_ratio"]["error"] == pytest.approx(error(ratio), **near)
    printed = engine.check("ppl", other, "--kld", saved, *F32).stdout
    assert "KL divergence" in printed and "same likeliest token" in printed


def test_saved_logits_that_lie(
    engine: Engine, model: Path, saved: Path, text: Path, tmp_path: Path
) -> None:
    good = saved.read_bytes()
    for name, content in {
        "empty": b"",
        "magic": b"x" + good[1:],
        "short": good[:-1],
        "long": good + b"\0",
        "context": good[:8] + struct.pack("<i", 2**31 - 1) + good[12:],
        "chunks": good[:16] + struct.pack("<i", -1) + good[20:],
        "token": good[:20] + struct.pack("<i", MODEL.vocab) + good[24:],
        "row": good[: 20 + 4 * saved_rows(saved)[2].size] + b"\xff" * 8
        + good[28 + 4 * saved_rows(saved)[2].size :],
    }.items():
        file = tmp_path / name
        file.write_bytes(content)
        outcome = engine.run("ppl", model, "--kld", file)
        assert outcome.status == 3, (name, outcome)
        assert str(file) in outcome.stderr and "offset" in outcome.stderr, outcome.stderr
    assert engine.run("ppl", model, "--kld", tmp_path / "none").status == 3
    for arguments in (
        ("--kld", saved, "-f", text),
        ("--kld", saved, "--stride", 8),
        ("-f", text, "--save-logits", tmp_path / "out", "--stride", 8),
        ("-f", text, "--save-logits", tmp_path / "out", "--method", "windows"),
        ("-f", text, "--method", "half"),
        ("-f", text, "--stride", 64, "-c", 32),
        ("-f", text, "--save-logits", model / "config.json"),
        (),
    ):
        assert engine.run("ppl", model, *arguments).status == 2, arguments
    assert not (tmp_path / "out").exists()


def test_saved_logits_of_another_vocabulary(
    engine: Engine, saved: Path, model_dir: Callable[[Recipe], Path]
) -> None:
    outcome = engine.run("ppl", model_dir(RECIPES["packed-divide"]), "--kld", saved)
    assert outcome.status == 2
    assert "320" in outcome.stderr and "384" in outcome.stderr


QUESTIONS = [
    {"query": "The king lived in a", "choices": ["castle", "spoon", "h\u00e9 h\u00e9"], "gold": 0},
    {"context": "She ate the ", "endings": ["apple", "song of the old king"], "label": "1"},
    {"question": "Who?", "choices": {"text": ["he", "she"], "label": ["A", "B"]}, "answerKey": "B"},
    {"ctx": "", "options": ["once upon a time", "zzzz"], "answer": "zzzz"},
    {"prompt": "a b c d", "choices": ["e", "f", "g", "h", "i"], "target": 4},
    {"query": "One two three", "choices": ["four"], "gold": 0},
    {"query": "tabs\t \n", "choices": ["x", "yy"], "gold": "A"},
]
GOLD = [0, 1, 1, 1, 4, 0, 0]


def parts(question: dict) -> tuple[str, list[str]]:
    context = next(question[k] for k in ("query", "context", "ctx", "question", "prompt")
                   if k in question)
    choices = next(question[k] for k in ("choices", "endings", "options") if k in question)
    return context, choices["text"] if isinstance(choices, dict) else choices


def likelihood(
    engine: Engine, model: Path, context: str, continuation: str, *options: str
) -> tuple[float, bool]:
    """lm-evaluation-harness: its encoding of a pair, its sum, its test for greedy."""
    bos = tokens_of(engine, model, "")[0]
    if context == "":
        before = [bos]
        after = tokens_of(engine, model, continuation, "--no-bos")
    else:
        spaces = len(context) - len(context.rstrip())
        if spaces > 0:
            continuation = context[-spaces:] + continuation
            context = context[:-spaces]
        before = tokens_of(engine, model, context, *options)
        after = tokens_of(engine, model, context + continuation, *options)[len(before) :]
    rows = log_softmax(engine.logits(model, (before + after)[:-1]))[-len(after) :]
    greedy = rows.argmax(axis=1).tolist() == after
    return float(rows[np.arange(len(after)), after].sum()), greedy


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("eval") / "questions.jsonl"
    lines = [json.dumps(question, ensure_ascii=index % 2 == 0) for index, question in
             enumerate(QUESTIONS)]
    file.write_text("\n".join(lines[:3]) + "\n\n" + "\n".join(lines[3:]) + "\n")
    return file


@pytest.mark.parametrize(("options", "delimiter"), [((), " "), (("--no-bos",), ": ")])
def test_eval_is_the_harness(
    engine: Engine, model: Path, questions: Path, tmp_path: Path,
    options: tuple[str, ...], delimiter: str,
) -> None:
    details = tmp_path / "details.jsonl"
    command = ["eval", questions, "-m", model, *F32, *options, "--mutual-info", "--json"]
    command += ["--details", details, "--delimiter", delimiter]
    report = json.loads(engine.check(*command).stdout)
    rules = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info")
    right: dict[str, list[bool]] = {rule: [] for rule in rules}
    lines = [json.loads(line) for line in details.read_text().splitlines()]
    assert len(lines) == report["questions"] == len(QUESTIONS)
    for index, (line, question, gold) in enumerate(zip(lines, QUESTIONS, GOLD, strict=True)):
        context, choices = parts(question)
        assert line["question"] == index + 1 and line["gold"] == gold
        scored = [likelihood(engine, model, context, delimiter + c, *options) for c in choices]
        lls = np.array([value for value, _ in scored])
        alone = np.array([likelihood(engine, model, "", c)[0] for c in choices])
        np.testing.assert_allclose(line["log_likelihoods"], lls, rtol=1e-12)
        np.testing.assert_allclose(line["log_likelihoods_alone"], alone, rtol=1e-12)
        assert line["greedy"] == [greedy for _, greedy in scored]
        lengths = np.array([len(c) for c in choices])
        sizes = np.array([len(c.encode()) for c in choices])
        for key, values in (("acc", lls), ("acc_norm", lls / lengths), ("acc_bytes", lls / sizes),
                            ("acc_mutual_info", lls - alone)):
            assert line[key] == values.argmax()
            right[key].append(int(values.argmax()) == gold)
    for key, answers in right.items():
        assert report[key]["value"] == pytest.approx(np.mean(answers))
        error = np.std(answers, ddof=1) / np.sqrt(len(answers))
        assert report[key]["error"] == pytest.approx(error)


def test_eval_does_not_depend_on_batches_and_threads(
    engine: Engine, model: Path, questions: Path, tmp_path: Path
) -> None:
    seen = set()
    for index, options in enumerate((("-b", 1), ("-b", 7, "-t", 1), ("-b", 256, "-c", 64))):
        details = tmp_path / f"{index}.jsonl"
        engine.check("eval", questions, "-m", model, "--details", details, *options)
        seen.add(details.read_text())
    assert len(seen) == 1
    report = json.loads(engine.check("eval", questions, "-m", model, "--json", "--limit", 3).stdout)
    assert report["questions"] == 3
    printed = engine.check("eval", questions, "-m", model).stdout
    words = [line.split()[0] for line in printed.splitlines()]
    assert words == ["acc", "acc_norm", "acc_bytes", "7"]


def test_eval_cuts_off_what_does_not_fit(engine: Engine, model: Path, tmp_path: Path) -> None:
    file = tmp_path / "long.jsonl"
    file.write_text(json.dumps({"query": "a b c " * 40, "choices": ["d e f g", "h"], "gold": 0}))
    command = ["eval", file, "-m", model, *F32, "-c", 24, "--details", tmp_path / "d.jsonl"]
    outcome = engine.check(*command, "--json")
    assert json.loads(outcome.stdout)["cut"] == 2 and "cut off" in outcome.stderr
    got = json.loads((tmp_path / "d.jsonl").read_text())["log_likelihoods"]
    stripped = ("a b c " * 40).rstrip()
    before = tokens_of(engine, model, stripped)
    for value, choice in zip(got, ("  d e f g", "  h"), strict=True):
        after = tokens_of(engine, model, stripped + choice)[len(before) :]
        inputs = (before + after)[-25:][:-1]
        rows = log_softmax(engine.logits(model, inputs))[-len(after) :]
        assert value == pytest.approx(rows[np.arange(len(after)), after].sum(), rel=1e-12)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "no question"),
        ("{", "line 1"),
        ("[]", "line 1"),
        ('{"query": 1, "choices": ["a"], "gold": 0}', "text of a question"),
        ('{"choices": ["a"], "gold": 0}', "text of a question"),
        ('{"query": "a", "gold": 0}', "choices"),
        ('{"query": "a", "choices": [], "gold": 0}', "choices"),
        ('{"query": "a", "choices": ["b", ""], "gold": 0}', "choices"),
        ('{"query": "a", "choices": ["b", 1], "gold": 0}', "choices"),
        ('{"query": "a", "choices": {"text": ["b"], "label": ["A", "B"]}, "gold": "A"}', "choices"),
        ('{"query": "a", "choices": ["b"]}', "right one"),
        ('{"query": "a", "choices": ["b"], "gold": 1}', "right one"),
        ('{"query": "a", "choices": ["b"], "gold": -1}', "right one"),
        ('{"query": "a", "choices": ["b"], "gold": "c"}', "right one"),
        ('{"query": "a", "choices": ["b"], "gold": 0.5}', "right one"),
    ],
)
def test_lines_that_are_no_questions(
    engine: Engine, model: Path, tmp_path: Path, line: str, said: str
) -> None:
    outcome = engine.run("eval", "-", "-m", model, "--details", tmp_path / "d", stdin=line.encode())
    assert outcome.status == 2 and said in outcome.stderr, outcome
    assert not outcome.stdout and not list(tmp_path.iterdir())
