# SPDX-License-Identifier: Apache-2.0
"""The training loop: steps, progress, curve, and checkpoints that resume exactly.

A run lives in one folder: `tokenizer.json`, `tokens-N.bin` (one per source; beside those of
conversations `learned-N.bin`), `checkpoint.pt`, `curve.csv`. The same command again goes on from
the checkpoint; on the same machine, with the same number of threads, the result equals that of a
run that never stopped. `stop()`, which the program calls on SIGINT and SIGTERM, ends a run after
its step with a checkpoint.
"""

import dataclasses
import shutil
import sys
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer

from rotor.train.chat import ChatSource, tokenize_conversations
from rotor.train.config import TrainConfig, from_dict
from rotor.train.curve import Curve
from rotor.train.data import Batches, Source, read_texts, tokenize_texts
from rotor.train.evaluate import bits_per_byte
from rotor.train.model import BitNet
from rotor.train.tokenizer import BEGIN_OF_TEXT, load_tokenizer, train_tokenizer

# The validation text read while training; the last step reads it whole.
GLANCE_CHARACTERS = 100_000


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def prepare(
    config: TrainConfig, data: Path, run: Path
) -> tuple[Tokenizer, list[Source | ChatSource]]:
    """Tokenizer and token files of `run`, made from the texts if they are not there yet."""
    vocabulary = run / "tokenizer.json"
    if not vocabulary.exists():
        say(f"training a tokenizer of {config.model.vocab_size} entries")
        plain = [data / source.path for source in config.sources if not source.chat]
        texts = (text for path in plain for text in read_texts([path]))
        partial = vocabulary.with_suffix(".partial")
        train_tokenizer(texts, config.model.vocab_size).save(str(partial))
        partial.replace(vocabulary)
    tokenizer = load_tokenizer(vocabulary)
    sources = []
    for index, source in enumerate(config.sources):
        path = data / source.path
        tokens, learned = run / f"tokens-{index}.bin", run / f"learned-{index}.bin"
        if not tokens.exists():
            partial = tokens.with_suffix(".partial")
            if source.chat:
                count = tokenize_conversations(tokenizer, path, partial, learned)
            else:
                count = tokenize_texts(tokenizer, read_texts([path]), partial)
            partial.replace(tokens)
            say(f"{path}: {count} tokens")
        if source.chat:
            context = config.model.max_position_embeddings
            sources.append(ChatSource.open(tokens, learned, tokenizer, context))
        else:
            sources.append(Source.open(tokens, tokenizer))
    return tokenizer, sources


def make_optimizer(model: BitNet, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW; the first group (matrices) decays, the second (norm gains) does not."""
    matrices = [p for p in model.parameters() if p.ndim == 2]
    gains = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices}, {"params": gains, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.0, betas=config.betas, fused=True)


class Trainer:
    """A run: `train()` goes from the checkpoint in `run`, or from the seed, to the last step."""

    def __init__(
        self,
        config: TrainConfig,
        data: Path,
        run: Path,
        device: torch.device,
        dtype: torch.dtype,
        compiled: bool,
        start: Path | None = None,
    ):
        """`start`: the folder of another run, whose tokenizer and weights this one begins with."""
        run.mkdir(parents=True, exist_ok=True)
        if start and not (run / "tokenizer.json").exists():
            shutil.copyfile(start / "tokenizer.json", run / "tokenizer.json")
        self.config, self.run, self.device, self.dtype = config, run, device, dtype
        self.tokenizer, sources = prepare(config, data, run)
        begin = self.tokenizer.token_to_id(BEGIN_OF_TEXT)
        context = config.model.max_position_embeddings
        self.batches = Batches(sources, begin, context, config.seed)
        self.valid = (data / config.valid).read_text(encoding="utf-8")
        torch.manual_seed(config.seed)
        self.model = BitNet(config.model).to(device)
        self.optimizer = make_optimizer(self.model, config)
        self.loss = torch.compile(self.model) if compiled else self.model
        self.step = 0
        self.stopping = False
        if (run / "checkpoint.pt").exists():
            self._resume()
        elif start:
            self._begin_with(start / "checkpoint.pt")
        self.curve = Curve(run / "curve.csv", self.step)

    def _begin_with(self, path: Path) -> None:
        state = torch.load(path, map_location="cpu", weights_only=True)
        model = from_dict(state["config"], str(path)).model
        if model != self.config.model:
            raise ValueError(f"{path} holds {model}, the recipe asks for {self.config.model}")
        self.model.load_state_dict(state["model"])

    def _resume(self) -> None:
        path = self.run / "checkpoint.pt"
        state = torch.load(path, map_location="cpu", weights_only=True)
        old = from_dict(state["config"], str(path))
        new = self.config.schedule
        same_past = old.schedule == new or state["step"] <= min(
            old.schedule.stage_two_step, new.stage_two_step
        )
        if old.with_steps(new.steps, new.stage_two_step) != self.config or not same_past:
            raise ValueError(
                f"{path} belongs to another recipe. Give its recipe, or another folder; only "
                "steps and stage_two_step may change, and only before stage two has begun"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        say(f"resuming at step {self.step} of {new.steps}")

    def save(self) -> None:
        """Writes the checkpoint; a crash leaves the one before."""
        state = {
            "config": dataclasses.asdict(self.config),
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        partial = self.run / "checkpoint.partial"
        torch.save(state, partial)
        partial.replace(self.run / "checkpoint.pt")

    def train_step(self) -> float:
        """One optimiser step; returns its mean loss in nats per token."""
        config, schedule = self.config, self.config.schedule
        for group, decays in zip(self.optimizer.param_groups, (1.0, 0.0), strict=True):
            group["lr"] = schedule.rate(self.step)
            group["weight_decay"] = decays * schedule.decay(self.step)
        stage = schedule.stage(self.step)
        weights = [source.weights[stage] for source in config.sources]
        inputs, targets = self.batches.batch(self.step, config.sequences, weights)
        parts = config.sequences // config.sequences_at_once
        total = 0.0
        for part, goal in zip(inputs.chunk(parts), targets.chunk(parts), strict=True):
            loss = self.loss(part.to(self.device), goal.to(self.device), self.dtype) / parts
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return total

    def stop(self) -> None:
        """Makes `train()` save and return after the step that it is in."""
        self.stopping = True

    def train(self, log_every: int, eval_every: int, save_minutes: float) -> None:
        """Runs to the last step, then writes the checkpoint and says the bits per byte."""
        steps = self.config.schedule.steps
        tokens = self.config.sequences * self.config.model.max_position_embeddings
        saved = logged = time.monotonic()
        logged_step, losses = self.step, []
        while self.step < steps and not self.stopping:
            rate = self.config.schedule.rate(self.step)
            losses.append(self.train_step())
            now = time.monotonic()
            if self.step % log_every == 0 or self.step == steps:
                seconds = (now - logged) / (self.step - logged_step)
                left = int(seconds * (steps - self.step))
                loss = sum(losses) / len(losses)
                look = self.step % eval_every == 0 and self.step < steps
                bits = self.evaluate(self.valid[:GLANCE_CHARACTERS]) if look else None
                self.curve.add(self.step, self.step * tokens, rate, loss, bits)
                say(
                    f"step {self.step}/{steps}  loss {loss:.4f}  rate {rate:.2e}  "
                    f"{tokens / seconds:.0f} tokens/s  {left // 3600}:{left // 60 % 60:02} left"
                    + (f"  {bits:.4f} bits/byte" if bits else "")
                )
                logged, logged_step, losses = time.monotonic(), self.step, []
            if now - saved > 60 * save_minutes:
                self.save()
                saved = time.monotonic()
        self.save()
        if self.stopping:
            say(f"stopped after step {self.step}; the same command goes on from there")
            return
        bits = self.evaluate(self.valid)
        say(f"done: {bits:.4f} bits per byte on all of {self.config.valid}")

    def evaluate(self, text: str) -> float:
        """Bits per byte of `text`, computed as in training."""
        return bits_per_byte(self.model, self.tokenizer, text, self.dtype)
