# SPDX-License-Identifier: Apache-2.0
"""The run: steps, progress, held-out text, early stopping, checkpoints that resume exactly.

A run lives in one folder: `checkpoint.pt`, `best.safetensors` (what learned, at the step that was
best on the held-out text), `curve.csv`, and in the end `adapter/` or `model/` and `model.rotor`,
and `report.json`. On the same machine, with as many threads, a run that was stopped ends as one
that was not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import pickle
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rotor.finetune.documents import Document, hold_out, read_documents
from rotor.finetune.evaluate import bits_per_byte, nats
from rotor.finetune.model import export, finish, freeze_with_lora, load, unfreeze
from rotor.finetune.program import convert, find_program
from rotor.finetune.samples import Batches, Sample, beginning, collate, encode
from rotor.finetune.settings import Settings
from rotor.finetune.teacher import Teacher
from rotor.torch import save_lora
from rotor.train.curve import Curve

# Held-out tokens that are read while training; before and after, all of them are.
GLANCE_TOKENS = 16_384


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


class Run:
    """`train()` goes from the checkpoint in `out`, or from the model as it is, to the last step."""

    def __init__(
        self,
        name: str,
        data: Sequence[Path],
        out: Path,
        settings: Settings,
        *,
        valid: Path | None = None,
        measure: Sequence[Path] = (),
        teacher: str | None = None,
        device: torch.device | None = None,
        resume: bool = False,
    ):
        """valid: a text to hold out, instead of a part of the data. measure: texts that are only
        measured, before and after.

        Raises:
            OSError, ValueError: a file cannot be used, or `out` holds another run.
        """
        if (out / "checkpoint.pt").exists() and not resume:
            raise ValueError(f"{out} holds a run: --resume goes on with it")
        if settings.full:
            find_program()  # which writes model.rotor at the end; better missed now
        self.settings, self.out = settings, out
        self.device = device or torch.device("cpu")
        learn, held = self._read(data, valid)
        others = {str(path): read_documents(path, split=False) for path in measure}

        self.loaded = load(name)
        self.model, tokenizer = self.loaded.model, self.loaded.tokenizer
        self.begin = beginning(tokenizer)
        limit = self.model.config.max_position_embeddings
        self.context = min(settings.context, limit)
        samples = [s for document in learn for s in encode(document, tokenizer, end=True)]
        self.held = [s for document in held for s in encode(document, tokenizer, end=False)]
        self.others = {
            path: [s for document in found for s in encode(document, tokenizer, end=False)]
            for path, found in others.items()
        }
        self.batches = Batches(samples, self.begin, self.context, settings.batch, settings.seed)
        self.steps = settings.steps or max(1, round(settings.epochs * self.batches.an_epoch))
        self.eval_every = settings.eval_every or max(1, self.steps // 10)

        self.teacher = None
        if teacher is not None:
            self.teacher = Teacher(teacher, tokenizer, self.device, settings.temperature)
        torch.manual_seed(settings.seed)
        self._prepare()
        out.mkdir(parents=True, exist_ok=True)
        self.identity = {
            "model": name,
            "model_bytes": _size(self.loaded.path),
            "data": _digest(samples, self.held),
            "teacher": teacher,
            "measure": [str(path) for path in measure],
        }
        self.step, self.tokens, self.seconds = 0, 0, 0.0
        self.best, self.best_step, self.without_gain = float("inf"), 0, 0
        self.before: dict[str, float] = {}
        self.stopping = False
        say(
            f"{len(learn)} documents, {sum(d.size for d in learn)} bytes to learn: "
            f"{self.batches.rows} rows of up to {self.context} tokens, {self.steps} steps; "
            f"held out: {len(held)} documents, {sum(d.size for d in held)} bytes"
        )
        if self.batches.left_out:
            say(f"{self.batches.left_out} left out: nothing to learn in their first tokens")
        if (out / "checkpoint.pt").exists():
            self._resume()
        self.curve = Curve(out / "curve.csv", self.step)

    def _read(
        self, data: Sequence[Path], valid: Path | None
    ) -> tuple[list[Document], list[Document]]:
        join = self.settings.join_lines
        found = [d for path in data for d in read_documents(path, join_lines=join)]
        if valid is not None:
            return found, read_documents(valid, join_lines=join, split=False)
        return hold_out(found, self.settings.hold_out, self.settings.seed)

    def _prepare(self) -> None:
        """Decides what learns, and gives it an optimiser."""
        chosen = self.settings
        if chosen.full:
            if unfreeze(self.loaded):
                say("the model holds trits alone: its masters are the trits times their scale")
        else:
            freeze_with_lora(
                self.loaded, chosen.target_modules or None, chosen.r, chosen.alpha, chosen.dropout
            )
        self.model.to(self.device)
        self.learning: dict[str, Tensor] = {
            name: p for name, p in self.model.named_parameters() if p.requires_grad
        }
        matrices = [p for p in self.learning.values() if p.ndim == 2]
        gains = [p for p in self.learning.values() if p.ndim != 2]
        groups = [{"params": matrices}, {"params": gains, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(
            [g for g in groups if g["params"]],
            lr=0.0,
            betas=(0.9, 0.95),
            weight_decay=chosen.decay,
        )

    def _resume(self) -> None:
        path = self.out / "checkpoint.pt"
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            then = state["settings"] | state["identity"]
        except (RuntimeError, pickle.UnpicklingError, EOFError, LookupError, TypeError) as error:
            raise ValueError(f"{path}: cannot be read as a checkpoint: {error}") from None
        now = dataclasses.asdict(self.settings) | self.identity
        for key in now:
            old, new = then.get(key), now[key]
            if (list(old) if isinstance(old, tuple) else old) != (
                list(new) if isinstance(new, tuple) else new
            ):
                raise ValueError(f"{path} is of a run with another {key}: {old}, now {new}")
        with torch.no_grad():
            for name, value in state["learning"].items():
                self.learning[name].copy_(value)
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        if self.device.type != "cpu" and state["random_device"] is not None:
            # None: the run began on the CPU, and draws on here as the seed says.
            torch.get_device_module(self.device).set_rng_state(state["random_device"], self.device)
        for key in ("step", "tokens", "seconds", "best", "best_step", "without_gain", "before"):
            setattr(self, key, state[key])
        say(f"resuming at step {self.step} of {self.steps}")

    def save(self) -> None:
        """Writes the checkpoint; a crash leaves the one before."""
        random = None
        if self.device.type != "cpu":
            random = torch.get_device_module(self.device).get_rng_state(self.device)
        state: dict[str, Any] = {
            "settings": dataclasses.asdict(self.settings),
            "identity": self.identity,
            "learning": {name: p.detach() for name, p in self.learning.items()},
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "random_device": random,
        }
        for key in ("step", "tokens", "seconds", "best", "best_step", "without_gain", "before"):
            state[key] = getattr(self, key)
        partial = self.out / "checkpoint.partial"
        try:
            torch.save(state, partial)
        except RuntimeError as error:  # which PyTorch makes of a full disk
            raise OSError(f"{partial}: {error}") from None
        partial.replace(self.out / "checkpoint.pt")

    def train_step(self) -> float:
        """One optimiser step; returns its mean cross-entropy in nats per learned token."""
        chosen = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = chosen.rate_at(self.step, self.steps)
        rows = self.batches.batch(self.step)
        learned = sum(int(marks[1:].sum()) for _, marks in rows)
        total = 0.0
        self.model.train()
        for start in range(0, len(rows), chosen.at_once):
            inputs, targets = collate(rows[start : start + chosen.at_once])
            inputs, targets = inputs.to(self.device), targets.to(self.device)
            logits = self.model(input_ids=inputs, use_cache=False).logits
            entropy = nats(logits, targets) / learned
            loss = entropy
            if self.teacher is not None:
                divergence = self.teacher.divergence(inputs, logits, targets) / learned
                share = chosen.teacher_weight
                loss = (1 - share) * entropy + share * divergence
            loss.backward()
            total += entropy.item()
        if not math.isfinite(total):
            raise FloatingPointError("the loss is no number any more")
        torch.nn.utils.clip_grad_norm_(list(self.learning.values()), chosen.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += sum(len(ids) for ids, _ in rows)
        return total

    def stop(self) -> None:
        """Makes `train()` save and return after the step that it is in."""
        self.stopping = True

    @property
    def exhausted(self) -> bool:
        """Whether the held-out text has not gained for too long."""
        return 0 < self.settings.patience <= self.without_gain

    def train(self, log_every: int = 10, save_minutes: float = 4.0) -> dict[str, Any] | None:
        """Runs to the end, writes what was learned, and returns the report; None if stopped."""
        if not self.before:
            self.before = self._measure()
            say(f"before: {_shown(self.before)} bits per byte")
            self._look()
        saved, seconds, tokens, losses = time.monotonic(), self.seconds, self.tokens, list[float]()
        while self.step < self.steps and not self.exhausted and not self.stopping:
            rate, began = self.settings.rate_at(self.step, self.steps), time.monotonic()
            losses.append(self.train_step())
            self.seconds += time.monotonic() - began
            look = self.step % self.eval_every == 0 or self.step == self.steps
            bits = self._look() if look else None
            if look or self.step % log_every == 0:
                speed = (self.tokens - tokens) / (self.seconds - seconds)  # without measuring
                left = int(self.seconds / self.step * (self.steps - self.step))
                loss = sum(losses) / len(losses)
                self.curve.add(self.step, self.tokens, rate, loss, bits)
                say(
                    f"step {self.step}/{self.steps}  loss {loss:.4f}"
                    + (f"  {bits:.4f} bits/byte" if bits is not None else "")
                    + f"  {speed:.0f} tokens/s  {left // 60}:{left % 60:02} left"
                )
                seconds, tokens, losses = self.seconds, self.tokens, []
            if time.monotonic() - saved > 60 * save_minutes:
                self.save()
                saved = time.monotonic()
        self.save()
        if self.stopping:
            say(f"stopped after step {self.step}; the same command with --resume goes on")
            return None
        return self._finish()

    def _look(self) -> float:
        """Bits per byte on some of the held-out text; keeps what learned if it is the best yet."""
        glance, tokens = [], 0
        for sample in self.held:
            if tokens >= GLANCE_TOKENS:
                break
            glance.append(sample)
            tokens += len(sample.ids)
        bits = bits_per_byte(self.model, glance, self.begin, self.context)
        if bits < self.best:
            self.best, self.best_step, self.without_gain = bits, self.step, 0
            partial = self.out / "best.partial"
            save_file({n: p.detach().cpu().contiguous() for n, p in self.learning.items()}, partial)
            partial.replace(self.out / "best.safetensors")
        else:
            self.without_gain += 1
        return bits

    def _measure(self) -> dict[str, float]:
        """Bits per byte of everything that is to be measured."""
        texts = {"held_out": self.held, **self.others}
        return {
            name: bits_per_byte(self.model, samples, self.begin, self.context)
            for name, samples in texts.items()
        }

    def _finish(self) -> dict[str, Any]:
        """Writes the best that was learned, and the report."""
        with torch.no_grad():
            for name, value in load_file(self.out / "best.safetensors").items():
                self.learning[name].copy_(value)
        if self.best_step == 0:
            say("the held-out text gained at no step: what is written is the model as it was")
        if self.settings.full:
            dtype = finish(self.loaded)
            export(self.loaded, self.out / "model", dtype)
            convert(self.out / "model", self.out / "model.rotor", "rotor")
            written = ["model", "model.rotor"]
        else:
            save_lora(
                self.model, self.out / "adapter", base_model_name_or_path=self.identity["model"]
            )
            written = ["adapter"]
        after = self._measure()
        say(f"after:  {_shown(after)} bits per byte")
        report = {
            "model": self.identity["model"],
            "teacher": self.identity["teacher"],
            "bits_per_byte": {
                name: {"before": self.before[name], "after": after[name]} for name in after
            },
            "steps": self.step,
            "best_step": self.best_step,
            "stopped_early": self.exhausted,
            "tokens": self.tokens,
            "seconds": round(self.seconds, 1),
            "learning_parameters": sum(p.numel() for p in self.learning.values()),
            "written": [str(self.out / name) for name in written],
            "settings": dataclasses.asdict(self.settings),
        }
        text = json.dumps(report, indent=2) + "\n"
        (self.out / "report.json").write_text(text, encoding="utf-8")
        say(f"written: {', '.join(report['written'])}, {self.out / 'report.json'}")
        return report


def _shown(bits: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in bits.items())


def _size(path: Path) -> int:
    files = path.glob("*.safetensors") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _digest(*parts: Sequence[Sample]) -> str:
    digest = hashlib.sha256()
    for samples in parts:
        digest.update(len(samples).to_bytes(8, "little"))
        for sample in samples:
            digest.update(sample.ids.tobytes() + sample.learned.tobytes())
    return digest.hexdigest()
