# SPDX-License-Identifier: Apache-2.0
"""The command line: what --help promises, how options are read, and how a command ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import gguf_writer
import tiny_models
from engine import MIB, Engine
from tiny_models import RECIPES, Recipe

COMMANDS = (
    *("run", "chat", "tokenize", "detokenize", "template", "embed", "logits", "inspect", "convert"),
    *("verify", "bench", "ppl", "eval", "finetune", "doctor", "pull", "ls", "rm"),
)
RECIPE = RECIPES["packed-multiply"]
RECOMMENDED = {"do_sample": True, "temperature": 0.6, "top_p": 0.9}  # what hf_writer writes
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b")


def examples(help_text: str) -> list[str]:
    """The indented lines that follow "Example:" or "Examples:"."""
    found = re.search(r"^Examples?:\n((?:  .+\n)+)", help_text, re.MULTILINE)
    assert found, f"no example in {help_text}"
    return [line.strip() for line in found[1].splitlines()]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_examples_work_as_typed(command: str, engine: Engine, tmp_path: Path) -> None:
    lines = examples(engine.check(*command.split(), "--help").stdout)
    environment = {**os.environ, "PATH": f"{engine.program.resolve().parent}:{os.environ['PATH']}"}
    for line in lines:
        if PLACEHOLDER.search(line):
            continue
        subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )


def test_finetune_says_what_is_missing(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "rotor.py").write_text("raise SystemExit('the current folder is no module')")
    for python, message in (("python3", "pip install"), ("/nowhere/python3", "cannot start")):
        done = subprocess.run(
            [engine.program.resolve(), "finetune", "stories", "--data", "x.txt", "--out", "out"],
            cwd=tmp_path,
            env={**os.environ, "ROTOR_PYTHON": python, "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        assert done.stdout == ""
        assert message in done.stderr and "rotor-llm[finetune]" in done.stderr


def test_shipped_models_go_by_name(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = json.loads(engine.check("inspect", "stories-chat", "--json").stdout)
    assert found["model"].endswith("/stories-chat.rotor")
    monkeypatch.setenv("ROTOR_MODELS", str(tmp_path))
    (tmp_path / "mine.rotor").symlink_to(found["model"])
    mine = json.loads(engine.check("inspect", "mine", "--json").stdout)
    assert mine["model"] == f"{tmp_path}/mine.rotor"
    (tmp_path / "mine").mkdir()  # what is there goes first
    outcome = engine.run("inspect", "mine")
    assert outcome.status == 3 and "config.json" in outcome.stderr
    assert engine.run("inspect", "../stories").status != 0  # a name is no path


def test_every_command_has_its_examples_tested(engine: Engine) -> None:
    listed = engine.check("--help").stdout.split("Subcommands:")[1].split("Examples:")[0]
    assert tuple(re.findall(r"^  (\w+)", listed, re.MULTILINE)) == COMMANDS


@pytest.fixture(scope="module")
def directory(model_dir: Callable[[Recipe], Path]) -> Path:
    return model_dir(RECIPE)


@pytest.fixture(scope="module")
def rotor_file(engine: Engine, directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rotor") / "model.rotor"
    engine.check("convert", directory, file)
    return file


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("gguf") / "model.gguf"
    weights = tiny_models.make_weights(RECIPE)
    file.write_bytes(gguf_writer.build(RECIPE, weights, gguf_writer.Form()).encode())
    return file


def sampled(engine: Engine, model: Path, *options: object) -> list[int]:
    """The tokens of `rotor run` with a seed that tells the samplings below apart."""
    command = ["run", model, "-p", "a", "-n", 60, "--seed", 3, "--ignore-eos", "--json"]
    report = json.loads(engine.check(*command, *options).stdout)
    return report["answers"][0]["tokens"]


def test_sampling_defaults_do_not_depend_on_the_container(
    engine: Engine, directory: Path, rotor_file: Path, gguf_file: Path
) -> None:
    documented = ["--temp", 0.8, "--top-k", 40, "--top-p", 0.95, "--min-p", 0.05]
    expected = sampled(engine, gguf_file, *documented)
    for model in (directory, rotor_file, gguf_file):
        assert sampled(engine, model) == expected


def test_recommended_sampling(
    engine: Engine, directory: Path, rotor_file: Path, gguf_file: Path
) -> None:
    expected = sampled(engine, gguf_file, "--temp", 0.6, "--top-p", 0.9)
    assert expected != sampled(engine, gguf_file), "the seed tells nothing apart"
    hot = sampled(engine, gguf_file, "--temp", 1.5, "--top-p", 0.9)
    for model in (directory, rotor_file):
        assert sampled(engine, model, "--recommended") == expected
        assert sampled(engine, model, "--recommended", "--temp", 1.5) == hot, "an option given wins"
    for command in ("run", "chat"):
        outcome = engine.run(command, gguf_file, "--recommended", stdin=b"a")
        assert outcome.status == 3
        assert "recommends no sampling" in outcome.stderr


def test_inspect_shows_the_recommendation(
    engine: Engine, directory: Path, rotor_file: Path, gguf_file: Path
) -> None:
    for model, expected, words in (
        (directory, RECOMMENDED, "--temp 0.6 --top-p 0.9"),
        (rotor_file, RECOMMENDED, "--temp 0.6 --top-p 0.9"),
        (gguf_file, {}, "none"),
    ):
        report = json.loads(engine.check("inspect", "--json", model).stdout)
        assert report["recommended_sampling"] == expected
        line = re.search(r"^  recommended +(.*)$", engine.check("inspect", model).stdout, re.M)
        assert line and line[1] == words


def test_json_is_utf8_where_tokens_end_inside_a_character(engine: Engine) -> None:
    text = "a\u00e9b"
    ids = json.loads(engine.check("tokenize", "--no-bos", "--json", stdin=text.encode()).stdout)
    pieces = [raw(engine, "detokenize", stdin=str(token).encode()) for token in ids]
    assert b"".join(pieces) == text.encode()
    expected = [piece.decode(errors="replace") for piece in pieces]
    assert "\ufffd" in "".join(expected), "no token ends inside a character"
    lines = "".join(f"[{token}]\n" for token in ids).encode()
    got = raw(engine, "detokenize", "--jsonl", stdin=lines).decode()
    assert [json.loads(line) for line in got.splitlines()] == expected
    for token, piece in zip(ids, expected, strict=True):
        got = raw(engine, "detokenize", "--json", stdin=str(token).encode()).decode()
        assert json.loads(got) == piece


def test_json_is_utf8_whatever_a_file_is_called(
    engine: Engine, gguf_file: Path, tmp_path: Path
) -> None:
    file = os.fsencode(tmp_path) + b"/\xff.gguf"
    os.link(gguf_file, file)
    for command in (("inspect", "--json"), ("run", "-p", "a", "-n", "4", "--json")):
        report = json.loads(raw(engine, *command, "-m", file).decode())
        assert report["model"].endswith("/\ufffd.gguf")


def raw(engine: Engine, *arguments: str | bytes, stdin: bytes = b"") -> bytes:
    """The bytes of standard output of a command that succeeds."""
    done = subprocess.run(
        [engine.program, *arguments], input=stdin, stdout=subprocess.PIPE, timeout=60, check=True
    )
    return done.stdout


WRITERS = {
    "help": ["--help"],
    "version": ["--version"],
    "help of a command": ["run", "--help"],
    "inspect": ["inspect"],
    "inspect --json": ["inspect", "--json"],
    "container": ["inspect", "--container", "--json"],
    "run": ["run", "-p", "a", "-n", "4"],
    "run --json": ["run", "-p", "a", "-n", "4", "--json"],
    "tokenize": ["tokenize"],
    "tokenize --jsonl": ["tokenize", "--jsonl"],
    "verify": ["verify"],
    "ppl": ["ppl", "-f", "-"],
    "bench": ["bench", "-p", "8", "-n", "0", "-r", "1"],
    "doctor": ["doctor"],
}


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("arguments", WRITERS.values(), ids=WRITERS)
def test_output_that_cannot_be_written(engine: Engine, arguments: list[str], closed: bool) -> None:
    redirect = ">&-" if closed else ">/dev/full"
    done = subprocess.run(
        ["bash", "-c", f'"$0" "$@" {redirect}', engine.program, *arguments],
        input=b'"a long enough text"\n',
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.decode().count("cannot write to standard output") == 1


def test_generation_stops_when_nobody_can_read_it(engine: Engine, directory: Path) -> None:
    for command in ("run", "chat"):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [engine.program, command, directory, "-n", "400", "--logit-bias", "2=-inf"],
                input=b"a\na\na\n",
                stdout=full,
                stderr=subprocess.PIPE,
                timeout=60,
                check=False,
            )
        assert done.returncode == 1
        written = re.search(rb"generation (\d+) tokens", done.stderr)
        assert command == "chat" or (written and int(written[1]) < 50)


def test_a_list_option_leaves_the_model_alone(
    engine: Engine, directory: Path, tmp_path: Path
) -> None:
    logits = ["--out", tmp_path / "logits.npy"]
    for arguments in (
        ("run", "-p", "a", "-n", 2, "--json", "--stop", "foo", directory),
        ("run", "-p", "a", "-n", 2, "--json", "--stop", "foo", "--stop", "[a,b]", directory),
        ("run", "-p", "a", "-n", 2, "--json", "--logit-bias", "5=1", directory),
        ("bench", "-p", 4, "-n", 2, "-r", 1, "-o", "json", "-t", 1, "-b", "1,2", directory),
    ):
        report = json.loads(engine.check(*arguments).stdout)
        assert (report[0] if arguments[0] == "bench" else report)["model"] == str(directory)
    engine.check("logits", *logits, "--tokens", "1,2", "--tokens", "319", directory)
    assert np.load(tmp_path / "logits.npy").shape == (3, RECIPE.vocab)


@pytest.mark.parametrize("tokens", ["", ",", "1,,2", "1,", ",1", "1 2", "x", "-1", "99999999999"])
def test_a_list_of_numbers_has_no_gaps(engine: Engine, tokens: str, tmp_path: Path) -> None:
    for arguments in (
        ("logits", f"--tokens={tokens}", "--out", tmp_path / "logits.npy"),
        ("logits", "--tokens", tokens, "--out", tmp_path / "logits.npy"),
        ("bench", "-t", tokens),
    ):
        outcome = engine.run(*arguments)
        assert outcome.status == 2, arguments
        assert "expected" in outcome.stderr and not outcome.stdout
    assert not list(tmp_path.iterdir())


def test_no_output_replaces_the_model(
    engine: Engine, model_dir: Callable[[Recipe], Path], rotor_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model_dir(RECIPE), folder)
    file = Path(shutil.copy(rotor_file, tmp_path / "model.rotor"))
    (tmp_path / "symbolic").symlink_to(file)
    os.link(file, tmp_path / "hard")
    trace = tmp_path / "trace"
    trace.mkdir()
    os.link(file, trace / "layer0.qkv.q.npy")
    (tmp_path / "away").symlink_to(folder / "config.json")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    outputs = [
        *((file, "--out", tmp_path / name) for name in ("model.rotor", "symbolic", "hard")),
        (tmp_path / "symbolic", "--out", file),
        (folder, "--out", folder / "model.safetensors"),
        (folder, "--out", tmp_path / "away"),
        (folder, "--out", folder),
        (file, "--out", tmp_path / "logits.npy", "--trace", trace),
    ]
    for arguments in outputs:
        outcome = engine.run("logits", "--tokens", "1", *arguments)
        assert outcome.status == 2, arguments
        assert "the output is" in outcome.stderr
    for save in (folder / "config.json", tmp_path / "away"):
        outcome = engine.run("chat", folder, stdin=f"/save {save}\n".encode())
        assert "the output is" in outcome.stderr
    for path, content in before.items():
        assert path.read_bytes() == content, path


def test_seeds(engine: Engine) -> None:
    command = ("run", "-p", "a", "-n", 1, "--json", "--seed")
    for seed in (0, 2**63 - 1, 2**64 - 1):
        assert json.loads(engine.check(*command, seed).stdout)["seed"] == seed
    drawn = json.loads(engine.check(*command, -1).stdout)["seed"]
    engine.check(*command, drawn)
    for seed in (2**64, 10**30, -2, "1x", ""):
        outcome = engine.run(*command, seed)
        assert outcome.status == 2
        assert "--seed: expected -1 or 0 to 18446744073709551615" in outcome.stderr


def test_layouts_of_the_weights(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("run", "-p", "Once upon a time", "-n", 20, "--weights")
    layouts = ("i2", "dense243", "fold243", "planes2")
    assert len({engine.check(*command, name).stdout for name in layouts}) == 1
    bench = ("bench", "--synthetic", "tiny", "-p", 4, "-n", 0, "-r", 1, "-o", "json", "--weights")
    assert json.loads(engine.check(*bench, "dense243").stdout)[0]["format"] == "dense243"
    monkeypatch.setenv("ROTOR_WEIGHTS", "i3")
    assert engine.run("run", "-p", "a").status == 2


def test_context_range(engine: Engine) -> None:
    """The largest context the help names is refused for want of memory at most."""
    most = re.search(r"--ctx-size \S+ in \[0 - (\d+)\]", engine.check("run", "--help").stdout)
    assert most
    for size, status in ((int(most[1]), (0, 4)), (int(most[1]) + 1, (2,))):
        outcome = engine.run(
            "run", "synthetic:tiny", "-p", "a", "-n", 1, "-c", size, memory=2048 * MIB
        )
        assert outcome.status in status, outcome


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["run", "-p", "a", "-f", "b"], 2, ["--prompt", "--file"]),
        (["run", "-p", "a", "--system", "b"], 2, ["--system", "--chat"]),
        (["run", "-f", "/nonexistent"], 1, ["/nonexistent"]),
        (["ppl", "-f", "/nonexistent"], 1, ["/nonexistent"]),
        (["run", "-f", "/"], 1, ["/: cannot read"]),
        (["template", "--file", "/nonexistent", "--context", "-"], 1, ["/nonexistent"]),
        (["nosuch"], 2, ["'nosuch'"]),
        (["nosuch", "--help"], 2, ["'nosuch'"]),
        ([], 2, []),
    ],
)
def test_refusals(engine: Engine, arguments: list[str], status: int, words: list[str]) -> None:
    outcome = engine.run(*arguments)
    assert (outcome.status, outcome.stdout) == (status, "")
    assert outcome.stderr and all(word in outcome.stderr for word in words)


TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"
CONTEXT = b'{"messages": [{"role": "user", "content": "Hi"}]}'


@pytest.mark.parametrize("context", ["-", "/dev/stdin"])
def test_template_reads_its_context_from_a_pipe(
    engine: Engine, context: str, tmp_path: Path
) -> None:
    file = tmp_path / "chat.jinja"
    file.write_text(TEMPLATE)
    command = ("template", "--file", file, "--context", context)
    assert engine.check(*command, stdin=CONTEXT).stdout == "Hi"


def test_texts_are_read_from_a_pipe(engine: Engine) -> None:
    for command in ("run -n 1 --temp 0", "ppl -q"):
        got = [
            engine.check(*command.split(), "-f", name, stdin=b"Once upon a time").stdout
            for name in ("-", "/dev/stdin")
        ]
        assert got[0] == got[1] != ""


def test_template_errors_name_the_template(
    engine: Engine, model_dir: Callable[[Recipe], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model_dir(RECIPE), folder)
    for template in ("{% for %}", "{{ raise_exception('no') }}"):
        file = folder / "chat_template.jinja"
        file.write_text(template)
        for source in (("--file", file), (folder,)):
            outcome = engine.run("template", *source, "--context", "-", stdin=CONTEXT)
            assert outcome.status in (2, 3)
            assert outcome.stderr.startswith(f"rotor: {source[-1]}: ")
