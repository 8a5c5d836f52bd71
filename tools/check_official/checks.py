# SPDX-License-Identifier: Apache-2.0
"""The checks, in order. Each returns what it found, for the report, or raises Failed or Skipped."""

from __future__ import annotations

import argparse
import array
import importlib.util
import math
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import against_transformers
from hub import Hub, sha256_of
from program import Failed, Rotor
from report import Skipped

# Any tokens will do; these are in every vocabulary, and repeat.
TOKENS = [1, 17, 42, 99, 256, 7, 17, 42, 200, 3, 150, 11, 64, 42, 99, 5]
GREEDY = 64  # tokens of the answer
MIN_SAME_TOP = 0.85  # of TOKENS, between the forms, and against transformers
MAX_KL = 0.02  # nats a token; what a step of int8 here and there makes (docs/numerics.md)
FLOATS = 10  # bytes of memory a byte of packed file: transformers holds every trit in binary32
NEAR = math.sqrt(2 * MAX_KL)  # nats; logits that are d off cost about d * d / 2


class Checks:
    """Everything that is checked of one table."""

    def __init__(self, options: argparse.Namespace, table: dict, rotor: Rotor, hub: Hub) -> None:
        self.options, self.table, self.rotor, self.hub = options, table, rotor, hub
        self.logits_folder = options.out / "logits"

    def all(self) -> Iterator[tuple[str, Callable[[], dict]]]:
        forms = list(self.table["models"])
        yield "this machine", self.machine
        for form in forms:
            yield f"download {form}", lambda form=form: self.download(form)
        for form in forms:
            yield f"inspect {form}", lambda form=form: self.inspect(form)
            yield f"verify {form}", lambda form=form: self.verify(form)
        yield "same trits", self.same_trits
        yield "logits of the forms", self.same_logits
        yield "logits of transformers", self.transformers
        yield "perplexity", self.perplexity
        yield "chat", self.chat

    def model(self, form: str) -> Path:
        """The path of a form, as downloaded."""
        entry = self.table["models"][form]
        folder = self.hub.fetch(entry["repo"], self.commit(entry), list(entry["files"]))
        return folder / entry["model"] if entry["model"] != "." else folder

    def commit(self, entry: dict) -> str:
        """The revision of this check: pinned, or noted by the first run."""
        note = self.options.out / "revisions" / entry["repo"].replace("/", "--")
        if not note.exists():
            commit = self.hub.revision(entry["repo"], entry["revision"])
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(commit)
        return note.read_text()

    def machine(self) -> dict:
        return {"doctor": self.rotor.run("doctor").strip().splitlines()}

    def download(self, form: str) -> dict:
        entry = self.table["models"][form]
        folder = self.hub.fetch(entry["repo"], self.commit(entry), list(entry["files"]))
        hashes = {name: sha256_of(folder / name) for name in entry["files"]}
        for name, expected in entry["files"].items():
            if expected is not None and hashes[name] != expected:
                raise Failed(f"{name}: sha256 {hashes[name]}, expected {expected}")
        return {"repo": entry["repo"], "revision": self.commit(entry), "sha256": hashes,
                "pinned": all(entry["files"].values()) and entry["revision"] is not None}

    def inspect(self, form: str) -> dict:
        found = self.rotor.json("inspect", self.model(form))
        wrong = {
            key: f"{found.get(key)}, expected {value}"
            for key, value in self.table["inspect"].items()
            if not _same(found.get(key), value)
        }
        missing = [t for t in self.table["stop_tokens"] if t not in found["end_of_generation"]]
        if wrong or missing:
            raise Failed(f"{wrong or ''} {f'no stop tokens {missing}' if missing else ''}")
        keys = ("container", "architecture", "name", "layouts", "trits", "trits_sha256", "tokens",
                "chat_template", "end_of_generation", "notes", "warnings")
        return {key: found[key] for key in keys}

    def verify(self, form: str) -> dict:
        return {"said": self.rotor.run("verify", self.model(form)).strip().splitlines()}

    def same_trits(self) -> dict:
        hashes = {
            form: self.rotor.json("inspect", self.model(form))["trits_sha256"]
            for form in self.table["models"]
        }
        if len(set(hashes.values())) != 1:
            raise Failed(f"the trits differ: {hashes}")
        return {"trits_sha256": hashes}

    def logits(self, form: str) -> list[array.array]:
        """Rows of float32, one for each of TOKENS."""
        self.logits_folder.mkdir(exist_ok=True)
        file = self.logits_folder / f"{form}.npy"
        tokens = ",".join(map(str, TOKENS))
        self.rotor.run("logits", self.model(form), "--tokens", tokens, "--kv", "f32", "--out", file)
        return read_npy(file)

    def same_logits(self) -> dict:
        """The forms store one model, but round its scales and its embedding differently."""
        forms = list(self.table["models"])
        base = self.logits(forms[0])
        return {
            f"{form} against {forms[0]}": self.judged(base, self.logits(form), form)
            for form in forms[1:]
        }

    def transformers(self) -> dict:
        if self.options.no_transformers:
            raise Skipped("--no-transformers")
        if not all(map(importlib.util.find_spec, ("torch", "transformers"))):
            raise Skipped("torch and transformers are not installed")
        folder, names = self.model("packed"), self.table["models"]["packed"]["files"]
        needed = FLOATS * sum((folder / name).stat().st_size for name in names)
        if (free := available_memory()) is not None and free < needed:
            raise Skipped(f"transformers needs {needed / 1e9:.1f} GB of memory for this model, "
                          f"{free / 1e9:.1f} GB are free")
        expected, versions = against_transformers.logits(folder, TOKENS)
        return {**versions, **self.judged(expected, self.logits("packed"), "packed")}

    def judged(self, expected: list, got: list, form: str) -> dict:
        top = "near_top" if self.options.random_weights else "same_top"
        return judged(expected, got, form, top)

    def text(self) -> Path:
        """wiki.test.raw."""
        entry = self.table["text"]
        path = self.options.text
        if path is None:
            commit = self.commit(entry)
            archive = self.hub.fetch(entry["repo"], commit, [entry["file"]]) / entry["file"]
            path = self.options.out / "wiki.test.raw"
            with zipfile.ZipFile(archive) as file:
                path.write_bytes(file.read(entry["member"]))
        got = sha256_of(path)
        if got != entry["sha256"]:
            raise Failed(f"{path}: sha256 {got}, expected {entry['sha256']}")
        return path

    def perplexity(self) -> dict:
        """Of the GGUF file, as the published number was measured."""
        published = self.table["perplexity"]
        command = ["ppl", self.model("gguf"), "-f", self.text(), "--method", "second-half", "-q"]
        got = self.rotor.json(*command, "--chunks", self.options.chunks)
        found = {key: got[key] for key in ("perplexity", "perplexity_error", "bits_per_byte",
                                           "tokens", "windows", "context")}
        found |= {"published": published["published"], "source": published["source"]}
        apart = got["perplexity"] / published["published"] - 1
        if self.options.random_weights:
            return {**found, "judged": "no: random weights"}
        if self.options.chunks:
            return {**found, "judged": f"no: the first {self.options.chunks} chunks only"}
        if abs(apart) > published["tolerance"]:
            raise Failed(f"{found}: {100 * apart:+.2f} % of the published number")
        return {**found, "judged": f"{100 * apart:+.2f} % of the published number"}

    def chat(self) -> dict:
        """One greedy answer, of the packed form: its template is the right one."""
        message = self.table["chat"]["message"]
        words = ["chat", self.model("packed"), "--temp", 0, "-n", GREEDY, "-q"]
        answer = self.rotor.run(*words, stdin=message + "\n").strip()
        if not answer:
            raise Failed("no answer")
        if not self.options.random_weights and (
            self.table["chat"]["answer_holds"] not in answer or "<|" in answer
        ):
            raise Failed(f"{message!r}: {answer!r}")
        return {"message": message, "answer": answer}


def _same(got: object, expected: object) -> bool:
    if isinstance(expected, float) and isinstance(got, float | int):
        return math.isclose(got, expected, rel_tol=1e-6)
    return got == expected


def available_memory() -> int | None:
    """Bytes, without swapping; None where the system does not say."""
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    found = re.search(r"MemAvailable: *(\d+) kB", text)
    return int(found[1]) << 10 if found else None


def read_npy(file: Path) -> list[array.array]:
    """A float32 .npy of (rows, columns), without NumPy."""
    data = file.read_bytes()
    start = 10 + struct.unpack("<H", data[8:10])[0]
    rows = int(data[10:start].split(b"(")[1].split(b",")[0])
    values = array.array("f", data[start:])
    width = len(values) // rows
    return [values[row * width : (row + 1) * width] for row in range(rows)]


def judged(expected: list, got: list, what: str, top: str = "same_top") -> dict:
    """Mean KL(expected || got) in nats, how often both choose one token (same_top), and how often
    `got` chooses one within NEAR of the likeliest (near_top: random weights make many as likely).
    The first and `top` are within bounds."""
    divergence = same = near = 0.0
    for p_row, q_row in zip(expected, got, strict=True):
        p, q = _log_softmax(p_row), _log_softmax(q_row)
        divergence += sum(math.exp(a) * (a - b) for a, b in zip(p, q, strict=True)) / len(expected)
        best, chosen = max(p), p[max(range(len(q)), key=q.__getitem__)]
        same += (chosen == best) / len(expected)
        near += (chosen >= best - NEAR) / len(expected)
    found = {"mean_kl_nats": divergence, "same_top": same, "near_top": near,
             "tokens": len(expected)}
    if divergence > MAX_KL or found[top] < MIN_SAME_TOP:
        raise Failed(f"{what}: {found}, expected a mean_kl_nats of at most {MAX_KL} and a {top} of "
                     f"at least {MIN_SAME_TOP}")
    return found


def _log_softmax(row: list[float]) -> list[float]:
    largest = max(row)
    log_sum = math.log(sum(math.exp(value - largest) for value in row))
    return [value - largest - log_sum for value in row]
