# SPDX-License-Identifier: Apache-2.0
"""lm-evaluation-harness on Rotor: ``pip install lm_eval``, then

    python -m rotor.lm_eval --model rotor --model_args pretrained=stories --tasks lambada_openai

Newer versions of the harness find ``--model rotor`` by themselves. Log-likelihoods are the
engine's: those of ``rotor eval --details``, to the last bit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

try:
    import lm_eval.models  # noqa: F401  # the harness registers its own only before anybody else's
    from lm_eval.api.model import LM
    from lm_eval.api.registry import register_model
except ImportError as error:
    raise ImportError(
        "rotor.lm_eval is a model of lm-evaluation-harness: pip install lm_eval"
    ) from error

from rotor.model import Model
from rotor.numpy_sampler import log_softmax
from rotor.tokenizer import BitNetTokenizer

MAX_GENERATED = 256  # where a task does not say how many tokens it wants


@register_model("rotor")
class RotorLM(LM):  # type: ignore[misc]  # the harness has no types
    """A model of the harness.

    pretrained: what :meth:`rotor.Model.from_pretrained` takes. threads, context, kv, revision,
    cache_dir, token: the same. add_bos_token: put begin-of-text in front where the tokenizer wants
    it. Other arguments, such as batch_size and device, say nothing to a processor and are ignored.
    """

    def __init__(
        self,
        pretrained: str,
        threads: int = 0,
        context: int = 0,
        kv: str = "f16",
        revision: str | None = None,
        cache_dir: str | None = None,
        token: str | None = None,
        add_bos_token: bool = True,
        **_: Any,
    ) -> None:
        super().__init__()
        self.model = Model.from_pretrained(
            pretrained,
            revision=revision,
            cache_dir=cache_dir,
            token=token,
            threads=int(threads),
            context=int(context),
            kv=kv,
            every_logit=True,
        )
        self.tokenizer = BitNetTokenizer(self.model.path)
        self.add_bos = add_bos_token

    @property
    def tokenizer_name(self) -> str:
        return self.model.path

    def loglikelihood(self, requests: Sequence[Any], **_: Any) -> list[tuple[float, bool]]:
        """(log-likelihood, whether the model itself would write it) of each continuation."""
        found = []
        for context, continuation in (request.args for request in requests):
            answer = self._score(*self._encoded_pair(context, continuation))
            self.cache_hook.add_partial("loglikelihood", (context, continuation), answer)
            found.append(answer)
        return found

    def loglikelihood_rolling(self, requests: Sequence[Any], **_: Any) -> list[float]:
        """The log-likelihood of each text, every token once, in windows of the whole context."""
        found = []
        for (text,) in (request.args for request in requests):
            tokens = self._encode(text, bos=False)
            total = sum(self._score(before, window)[0] for before, window in self._windows(tokens))
            self.cache_hook.add_partial("loglikelihood_rolling", (text,), total)
            found.append(total)
        return found

    def generate_until(self, requests: Sequence[Any], **_: Any) -> list[str]:
        """Greedy, unless a request asks for a temperature, up to any of its stop texts."""
        found = []
        for context, wanted in (request.args for request in requests):
            until = wanted.get("until") or []
            stops = [until] if isinstance(until, str) else [stop for stop in until if stop]
            length = int(wanted.get("max_gen_toks", MAX_GENERATED))
            drawn = float(wanted.get("temperature") or 0.0) if wanted.get("do_sample") else 0.0
            prompt = self._encode(context, bos=self.add_bos)[-max(1, self.model.context - length) :]
            text = self.model.generate(
                prompt,
                max_new_tokens=length,
                stop=stops,
                temperature=drawn,
                top_k=int(wanted.get("top_k", 0)),
                top_p=float(wanted.get("top_p", 1.0)),
                min_p=0.0,
            ).text
            self.cache_hook.add_partial("generate_until", (context, wanted), text)
            found.append(text)
        return found

    def _encode(self, text: str, *, bos: bool) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=bos)

    def _prefix(self) -> int:
        """What stands for an empty context."""
        bos = self.tokenizer.bos_token_id
        ends = self.model.end_of_generation
        if bos is None and not ends:
            raise ValueError("the context is empty, and no token begins or ends a text")
        return ends[0] if bos is None else bos

    def _encoded_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """White space at the end of the context goes to the continuation; its tokens are those of
        the
        whole behind as many as the context alone has."""
        if context == "":
            return [self._prefix()], self._encode(continuation, bos=False)
        stripped = context.rstrip()
        before = self._encode(stripped, bos=self.add_bos)
        whole = self._encode(context + continuation, bos=self.add_bos)
        return before or [self._prefix()], whole[len(before) :]

    def _score(self, context: list[int], continuation: list[int]) -> tuple[float, bool]:
        """Of a context longer than there is room for the beginning is cut off."""
        if not continuation or len(continuation) > self.model.context:
            raise ValueError(
                f"a continuation of {len(continuation)} tokens: expected 1 to {self.model.context}"
            )
        inputs = (context + continuation[:-1])[-self.model.context :]
        rows = self.model.logits(inputs, rows=len(continuation))
        total, greedy = 0.0, True
        for row, token in zip(rows, continuation, strict=True):
            total += float(log_softmax(row)[token])
            greedy = greedy and int(row.argmax()) == token
        return total, greedy

    def _windows(self, tokens: list[int]) -> Iterator[tuple[list[int], list[int]]]:
        """Every token once, after as many before it as the context holds; the last window is
        full."""
        size = self.model.context
        if not tokens:
            return
        yield [self._prefix()], tokens[:size]
        for begin in range(size, len(tokens), size):
            end = min(begin + size, len(tokens))
            yield tokens[end - size - 1 : begin], tokens[begin:end]


def main(arguments: Sequence[str] | None = None) -> None:
    """The harness's own program, which now knows ``--model rotor``."""
    from lm_eval.__main__ import cli_evaluate

    if arguments is not None:
        sys.argv[1:] = list(arguments)
    cli_evaluate()


if __name__ == "__main__":
    main()
