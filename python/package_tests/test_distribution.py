# SPDX-License-Identifier: Apache-2.0
"""The package as it is installed: program, models, types, the README's example."""

import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT

import rotor


def test_versions_agree(program: Callable[..., str]) -> None:
    assert rotor.__version__ == importlib.metadata.version("rotor-llm")
    assert rotor.__version__ in program("--version")


def test_the_program_finds_its_model(program: Callable[..., str]) -> None:
    assert program("run", "-p", "Once upon a time", "-n", 8)


def examples(readme: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / readme).read_text(), re.DOTALL)


def test_the_example_of_the_readme_runs(capfd: pytest.CaptureFixture[str]) -> None:
    (example,) = examples("README.md")
    subprocess.run([sys.executable, "-c", example], check=True, timeout=120)
    assert len(capfd.readouterr().out) > 40


@pytest.mark.parametrize("number", range(2))
def test_the_examples_of_the_package_run(number: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Each alone, as it may be copied."""
    found = examples("python/README.md")
    assert len(found) == 2
    subprocess.run([sys.executable, "-c", found[number]], check=True, timeout=120)
    assert capfd.readouterr().out


def test_the_stub_is_what_the_module_has(tmp_path: Path) -> None:
    made = tmp_path / "_core.pyi"
    command = [sys.executable, "-m", "nanobind.stubgen", "-q", "-m", "rotor._core", "-o", str(made)]
    subprocess.run(command, check=True)
    assert made.read_text() == (ROOT / "python" / "rotor" / "_core.pyi").read_text()
    installed = Path(rotor.__file__).parent
    assert (installed / "py.typed").is_file() and (installed / "_core.pyi").is_file()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="NumPy 2.2's types say less than 2.4's")
def test_types_are_strict(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import rotor\n"
        "model = rotor.Model.from_pretrained('stories', threads=1)\n"
        "text: str = model.generate('Once', max_new_tokens=3, temperature=0.5).text\n"
        "for chunk in model.stream([1, 2]):\n"
        "    token: int | None = chunk.token\n"
        "params = rotor.SamplingParams(top_k=3)\n"
        "hidden = model.hidden_states(text)\n"
        "model.generate(text, logits_processor=lambda tokens, logits: None)\n"
        "codes = rotor.ternary_gemm(hidden.astype('int8'), hidden.astype('int8'))\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    folder = Path(rotor.__file__).parent
    modules = [f"rotor.{path.stem}" for path in folder.glob("[a-z]*.py") if path.stem != "lm_eval"]
    assert len(modules) > 15
    named = [word for module in ["rotor", *modules] for word in ("-m", module)]
    for names in (named, [str(program)]):
        done = subprocess.run(
            [*command, *names], capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, done.stdout
