# SPDX-License-Identifier: Apache-2.0
"""A recipe: everything that decides what a training run computes, read from a TOML file."""

import dataclasses
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rotor.train.model import ModelConfig


@dataclass(frozen=True)
class SourceConfig:
    """A text file, a folder of *.txt files or a *.jsonl file of conversations (`rotor.train.chat`),
    and its share of the sequences in each stage."""

    path: str
    weights: tuple[float, float] = (1.0, 1.0)

    @property
    def chat(self) -> bool:
        """Whether the source holds conversations; everything else is text."""
        return self.path.endswith(".jsonl")


@dataclass(frozen=True)
class ScheduleConfig:
    """The two-stage recipe of BitNet b1.58 (arXiv:2504.12285, section 2.2; "The Era of 1-bit
    LLMs: Training Tips, Code and FAQ").

    Ternary weights bear, and want, a high learning rate; the drop and the decay to zero of
    stage two settle the signs, without weight decay. Stage one is constant after its warm-up:
    until stage two begins, `steps` and `stage_two_step` can still be changed without changing
    what has been computed.
    """

    steps: int = 1000
    stage_two_step: int = 600
    warmup_steps: int = 100
    stage_one_rate: float = 2e-3
    stage_two_rate: float = 1.2e-3
    stage_one_decay: float = 0.1
    stage_two_decay: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup_steps <= self.stage_two_step <= self.steps:
            raise ValueError(
                f"a schedule needs 0 <= warmup_steps ({self.warmup_steps}) <= stage_two_step "
                f"({self.stage_two_step}) <= steps ({self.steps})"
            )

    def stage(self, step: int) -> int:
        """0 in stage one, 1 in stage two; steps count from 0."""
        return int(step >= self.stage_two_step)

    def rate(self, step: int) -> float:
        """Learning rate of `step`; it would reach 0 at `steps`."""
        if self.stage(step):
            return self.stage_two_rate * (self.steps - step) / (self.steps - self.stage_two_step)
        return self.stage_one_rate * min(1.0, (step + 1) / max(1, self.warmup_steps))

    def decay(self, step: int) -> float:
        """Weight decay of `step`."""
        return self.stage_two_decay if self.stage(step) else self.stage_one_decay


@dataclass(frozen=True)
class TrainConfig:
    """A whole recipe; paths are relative to the data folder given on the command line."""

    sources: tuple[SourceConfig, ...]
    valid: str
    model: ModelConfig = field(default_factory=ModelConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    seed: int = 1
    sequences: int = 16  # per optimiser step
    sequences_at_once: int = 16  # less saves memory: gradients are accumulated
    clip_norm: float = 1.0
    betas: tuple[float, float] = (0.9, 0.95)

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("a recipe needs at least one [[sources]] entry")
        if self.sequences % self.sequences_at_once:
            raise ValueError(
                f"sequences ({self.sequences}) must be a multiple of sequences_at_once "
                f"({self.sequences_at_once})"
            )

    def with_steps(self, steps: int, stage_two_step: int) -> "TrainConfig":
        """This recipe with another length."""
        schedule = dataclasses.replace(self.schedule, steps=steps, stage_two_step=stage_two_step)
        return dataclasses.replace(self, schedule=schedule)


def load_recipe(path: Path, changes: Sequence[str] = ()) -> TrainConfig:
    """Reads a recipe; `changes` are lines of TOML such as "model.hidden_size = 256" that replace
    its values.

    Raises:
        ValueError: a key is unknown, or a value does not fit the others.
        OSError, tomllib.TOMLDecodeError: the file cannot be read.
    """
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    for change in changes:
        merge(table, tomllib.loads(change))
    return from_dict(table, str(path))


def merge(table: dict, changes: dict) -> None:
    """Puts `changes` into `table`, tables inside tables."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(table.get(key), dict):
            merge(table[key], value)
        else:
            table[key] = value


def from_dict(table: dict, origin: str) -> TrainConfig:
    """Builds a recipe from the dictionary that its TOML file, or a checkpoint, holds."""
    table = dict(table)
    try:
        sources = tuple(
            SourceConfig(source["path"], tuple(source.get("weights", (1.0, 1.0))))
            for source in table.pop("sources", [])
        )
        model = ModelConfig(**table.pop("model", {}))
        schedule = ScheduleConfig(**table.pop("schedule", {}))
        table["betas"] = tuple(table.get("betas", TrainConfig.betas))
        return TrainConfig(sources=sources, model=model, schedule=schedule, **table)
    except (TypeError, KeyError) as error:
        raise ValueError(f"{origin}: {error}") from error
