# SPDX-License-Identifier: Apache-2.0
"""The quantisers against transformers' own, and their edge cases."""

from collections.abc import Iterator

import pytest
import torch

from rotor.train.bitlinear import BitLinear, ternarize

bitnet = pytest.importorskip("transformers.integrations.bitnet")


@pytest.fixture(autouse=True)
def eager() -> Iterator[None]:
    """transformers compiles its quantisers; eager ones start at once and compute the same."""
    with torch.compiler.set_stance("force_eager"):
        yield


def layer_of(weight: torch.Tensor) -> BitLinear:
    layer = BitLinear(weight.shape[1], weight.shape[0])
    layer.weight.data.copy_(weight)
    return layer


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layer_equals_transformers(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(96, 160) * 0.02, torch.randn(3, 7, 160, dtype=dtype)
    theirs = bitnet.WeightQuant.apply(weight).to(dtype)
    expected = torch.nn.functional.linear(bitnet.ActQuant.apply(x), theirs)
    assert torch.equal(layer_of(weight)(x), expected)


def test_gradient_passes_the_rounding() -> None:
    torch.manual_seed(0)
    layer, x = layer_of(torch.randn(8, 16)), torch.randn(4, 16, requires_grad=True)
    upstream = torch.randn(4, 8)
    layer(x).backward(upstream)
    trits, scale = ternarize(layer.weight)
    assert torch.allclose(x.grad, upstream @ (trits / scale).detach())
    codes = bitnet.ActQuant.apply(x.detach())
    assert torch.allclose(layer.weight.grad, upstream.T @ codes, atol=1e-6)


def test_halves_round_to_even() -> None:
    # mean|W| is 1 and the quantised values are 0.5, -0.5, 1.5, -1.5
    trits, scale = ternarize(torch.tensor([[0.5, -0.5, 1.5, -1.5]]))
    assert scale.item() == 1.0
    assert trits.tolist() == [[0.0, 0.0, 1.0, -1.0]]


def test_zeros_stay_finite() -> None:
    layer = layer_of(torch.zeros(4, 8))
    assert torch.equal(layer(torch.zeros(2, 8)), torch.zeros(2, 4))
    trits, scale = ternarize(layer.weight)
    assert not trits.any() and scale.item() == pytest.approx(1e5)
