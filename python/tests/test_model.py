# SPDX-License-Identifier: Apache-2.0
"""The model and its exports against transformers' BitNetForCausalLM, in float32."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import TINY

from rotor.train.attention import causal_attention
from rotor.train.export import export, pack
from rotor.train.trainer import Trainer

transformers = pytest.importorskip("transformers")
bitnet = pytest.importorskip("transformers.integrations.bitnet")


@pytest.fixture(autouse=True)
def eager() -> Iterator[None]:
    """transformers compiles its quantisers; eager ones start at once and compute the same."""
    with torch.compiler.set_stance("force_eager"):
        yield


def their_logits(folder: Path, ids: torch.Tensor) -> torch.Tensor:
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    assert type(model).__name__ == "BitNetForCausalLM"
    assert type(model.model.layers[1].mlp.down_proj).__name__ == "AutoBitLinear"
    with torch.no_grad():
        return model(ids).logits


def largest_difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """In units of the logits' standard deviation."""
    return ((ours - theirs).abs().max() / theirs.std()).item()


@pytest.fixture(scope="session")
def ids() -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(TINY.vocab_size, (2, 48), generator=generator)


def test_masters_give_the_same_logits(finished: Trainer, ids: torch.Tensor, tmp_path: Path) -> None:
    export(finished.run, tmp_path, torch.float32, masters=True)
    with torch.no_grad():
        ours = finished.model(ids)
    # The same operations in the same order but for attention, which sums in blocks.
    assert largest_difference(ours, their_logits(tmp_path, ids)) < 1e-5


def test_packed_gives_the_same_logits(finished: Trainer, ids: torch.Tensor, tmp_path: Path) -> None:
    export(finished.run, tmp_path, torch.float32, masters=False)
    with torch.no_grad():
        ours = finished.model(ids)
    # The scale is applied after the product instead of before it: an activation within float
    # noise of a rounding boundary may take the neighbouring int8 code, 1/127 of the token's range.
    assert largest_difference(ours, their_logits(tmp_path, ids)) < 1e-2


def test_packed_bfloat16_keeps_the_trits(finished: Trainer, tmp_path: Path) -> None:
    export(finished.run, tmp_path / "half", torch.bfloat16, masters=False)
    export(finished.run, tmp_path / "full", torch.float32, masters=False)
    half, full = (
        transformers.AutoModelForCausalLM.from_pretrained(tmp_path / name, dtype=torch.float32)
        for name in ("half", "full")
    )
    for name, value in full.state_dict().items():
        other = half.state_dict()[name]
        if name.endswith("_proj.weight"):
            assert set(value.unique().tolist()) == {-1.0, 0.0, 1.0}
            assert torch.equal(other, value), name
        else:
            assert torch.equal(other, value.bfloat16().float()), name


@pytest.mark.parametrize("rows", [4, 8, 44])
def test_pack_is_theirs(rows: int) -> None:
    trits = torch.randint(-1, 2, (rows, 24), generator=torch.Generator().manual_seed(rows))
    assert torch.equal(pack(trits), bitnet.pack_weights(trits.clone()))


def test_pack_pads_a_short_last_part() -> None:
    packed = pack(torch.ones(6, 3))  # two packed rows: 0 and 1, 2 and 3, 4 and 5, none
    assert packed.tolist() == [[0b00101010] * 3] * 2


@pytest.mark.parametrize("length", [1, 100, 128, 300])
def test_attention_equals_pytorchs(length: int) -> None:
    torch.manual_seed(length)
    query, key, value = (torch.randn(2, heads, length, 16) for heads in (6, 2, 2))
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, key.repeat_interleave(3, 1), value.repeat_interleave(3, 1), is_causal=True
    )
    ours = causal_attention(query, key, value)
    assert torch.allclose(ours, expected.transpose(1, 2).flatten(2), atol=1e-6)


def test_tokenizer_loads(finished: Trainer, tmp_path: Path) -> None:
    export(finished.run, tmp_path, torch.bfloat16, masters=False)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = "Once a fox saw the moon by night."
    assert theirs(text)["input_ids"] == finished.tokenizer.encode(text).ids
    assert theirs.decode(theirs(text)["input_ids"], skip_special_tokens=True) == text
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert theirs.bos_token_id == config["bos_token_id"]
    assert theirs.eos_token_id == config["eos_token_id"]
