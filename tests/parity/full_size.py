#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/check_official at full size: `python3 tests/parity/full_size.py`.

Writes a random model of the shape and layout of BitNet b1.58 2B-4T in its three forms, serves them
from a hub on this machine, interrupts tools/check_official in the middle of the largest download,
runs it again to the end, and writes a report. Needs Linux, NumPy, the Llama 3 vocabulary of
$ROTOR_TEST_DATA and 15 GB of disk, which it frees; compares logits with transformers where that is
installed.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import mmap
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import official_model
from engine import ROOT, find_program
from hub_server import Hub, Request

TOOL = ROOT / "tools" / "check_official"
OFFICIAL = json.loads((TOOL / "official.json").read_text())
COMMITS = {"packed": "1" * 40, "bf16": "2" * 40, "gguf": "3" * 40}
DATA = Path(os.environ.get("ROTOR_TEST_DATA", ROOT / "../shared/data"))
PAUSE = 0.05  # seconds between two looks at the processes
INTERRUPT_AT = 0.5  # of the masters' file
MIB = 1 << 20


@dataclass
class Memory:
    """The largest resident memory, pages of files included, of the processes of one session by
    command, in MiB: what a look every PAUSE seconds finds."""

    peak: dict[str, int] = field(default_factory=dict)

    def look(self, session: int) -> None:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.getsid(int(folder.name)) != session:
                    continue
                words = (folder / "cmdline").read_bytes().decode().split("\0")
                status = (folder / "status").read_text()
            except OSError:  # it has ended
                continue
            if found := re.search(r"VmHWM:\s+(\d+) kB", status):
                named = words[0].endswith("rotor") and len(words) > 1
                name = f"rotor {words[1]}" if named else "check_official"
                self.peak[name] = max(self.peak.get(name, 0), int(found[1]) >> 10)


@dataclass
class Run:
    """tools/check_official on one folder and hub."""

    rotor: Path
    folder: Path
    hub: Hub
    chunks: int
    memory: Memory = field(default_factory=Memory)

    def start(self) -> subprocess.Popen:
        command = [sys.executable, TOOL, "--rotor", self.rotor, "--endpoint", self.hub.address]
        command += ["--table", self.folder / "table.json", "--out", self.folder / "out"]
        command += ["--chunks", self.chunks, "--random-weights"]
        # Where this runs in the background, SIGINT may be ignored, and children would inherit that.
        heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        return subprocess.Popen([*map(str, command)], start_new_session=True, preexec_fn=heed)

    def wait(self, process: subprocess.Popen) -> int:
        while process.poll() is None:
            self.memory.look(process.pid)
            time.sleep(PAUSE)
        return process.returncode

    def interrupt(self, size: int) -> dict:
        """Presses Ctrl-C when so many bytes of a file of the masters' repository are there."""
        process = self.start()
        while process.poll() is None and self._incomplete() < size:
            self.memory.look(process.pid)
            time.sleep(PAUSE)
        if process.poll() is not None:
            raise SystemExit(f"it ended before {size} bytes of the masters were there")
        os.killpg(process.pid, signal.SIGINT)
        return {"exit_code": self.wait(process), "bytes_kept": self._incomplete()}

    def _incomplete(self) -> int:
        repo = OFFICIAL["models"]["bf16"]["repo"].replace("/", "--")
        parts = (self.folder / "out" / "hub" / "cache" / f"models--{repo}").rglob("*.incomplete")
        return max((part.stat().st_size for part in parts), default=0)

    def report(self) -> dict:
        return json.loads((self.folder / "out" / "report.json").read_text())


def mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def fill(hub: Hub, folder: Path, text: Path) -> None:
    """Gives the hub the repositories of the official table; writes the table for the text."""
    for form, entry in OFFICIAL["models"].items():
        files = {path.name: mapped(path) for path in sorted((folder / form).iterdir())}
        hub.add(entry["repo"], files, commit=COMMITS[form])
    entry = OFFICIAL["text"]
    archive = folder / entry["file"]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(text, entry["member"])
    hub.add(entry["repo"], {entry["file"]: archive.read_bytes()}, commit="4" * 40)
    sha256 = hashlib.sha256(text.read_bytes()).hexdigest()
    table = OFFICIAL | {"text": entry | {"sha256": sha256}}
    (folder / "table.json").write_text(json.dumps(table))


def resumed_at(requests: list[Request], hub: Hub) -> int:
    """The byte from which the masters were asked for again."""
    commit = hub.find(OFFICIAL["models"]["bf16"]["repo"], "main")
    name = hashlib.sha256(commit.files["model.safetensors"]).hexdigest()
    ranges = [r.headers.get("Range", "bytes=0-") for r in requests if r.path == f"/{name}"]
    assert len(ranges) == 1, ranges
    return int(re.fullmatch(r"bytes=(\d+)-", ranges[0])[1])


def without_machine(value: object, folder: Path) -> object:
    """A JSON value without the paths of this machine."""
    return json.loads(json.dumps(value).replace(str(folder), "OUT").replace(str(ROOT), "ROTOR"))


def summary(run: Run) -> dict:
    """The report, less what is of this machine alone."""
    report = run.report()
    about = {key: report["about"][key] for key in ("rotor", "program_bytes", "chunks")}
    checks = report["checks"]
    checks["this machine"]["doctor"] = [
        line
        for line in checks["this machine"]["doctor"]
        if not line.startswith(("model ", "system "))
    ]
    return {"about": about, "checks": without_machine(checks, run.folder)}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--rotor", type=Path, default=find_program(), help="the program (default: %(default)s)")
    folder = Path("full-size")
    add("--out", type=Path, default=folder, help="folder, new, that is removed at the end")
    add("--report", type=Path, default=Path("full-size.json"), help="file to write")
    add("--chunks", type=int, default=4, help="chunks of 512 tokens for the perplexity")
    ranks = DATA / "tokenizer" / "llama3-tokenizer.model"
    add("--tokenizer", type=Path, default=ranks, help="tiktoken file (default: %(default)s)")
    text = DATA / "text" / "wikitext2" / "wikitext-2-tokenized.valid.txt"
    add("--text", type=Path, default=text, help="in place of wikitext-2 (default: %(default)s)")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    options.out.mkdir(parents=True)
    folder = options.out.resolve()
    started = time.time()
    official_model.write_tokenizer(options.tokenizer, folder / "tokenizer.json")
    files = official_model.write(folder, tokenizer=folder / "tokenizer.json")
    record = {
        "weights_bytes": {form: path.stat().st_size for form, path in files.items()},
        "written_in_seconds": round(time.time() - started, 1),
    }
    with Hub() as hub:
        fill(hub, folder, options.text)
        run = Run(options.rotor.resolve(), folder, hub, options.chunks)
        record["interrupted"] = run.interrupt(int(INTERRUPT_AT * record["weights_bytes"]["bf16"]))
        asked, started = len(hub.requests), time.time()
        status = run.wait(run.start())
        record["check_official_seconds"] = round(time.time() - started, 1)
        record["interrupted"]["resumed_at_byte"] = resumed_at(hub.requests[asked:], hub)
    record |= {"peak_mib": run.memory.peak, **summary(run)}
    options.report.write_text(json.dumps(record, indent=2) + "\n")
    stopped = record["interrupted"]
    if status or stopped["exit_code"] != 130 or stopped["resumed_at_byte"] != stopped["bytes_kept"]:
        print(f"full_size: FAILED; see {options.report}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
