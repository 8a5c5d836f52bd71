# SPDX-License-Identifier: Apache-2.0
"""BitLinear and TernaryLinear against the formulas of transformers, as operators and as modules."""

import copy
import gc
import io
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from transformers.integrations import bitnet

import rotor.torch as rt
from rotor.torch import ops, packing

SHAPES = ((1, 1), (48, 80), (17, 33), (96, 200))


def random_trits(rows: int, cols: int) -> Tensor:
    torch.manual_seed(rows * 1000 + cols)
    return torch.randint(-1, 2, (rows, cols), dtype=torch.int8)


def steps(x: Tensor) -> Tensor:
    """127 / largest magnitude, divided once; PyTorch computes `127 / t` as `(1 / t) * 127`."""
    largest = x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-5)
    return torch.full_like(largest, 127) / largest


def int8_product(x: Tensor, trits: Tensor, scale: Tensor) -> Tensor:
    """docs/numerics.md: exact sums, one scale for the matrix."""
    divisor = steps(x)
    codes = (x * divisor).round().clamp(-128, 127)
    return (codes.double() @ trits.T.double()).float() * (scale / divisor)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_product_is_the_kernels(shape: tuple[int, int]) -> None:
    trits, scale = random_trits(*shape), torch.tensor([0.3])
    layer = rt.TernaryLinear(trits, scale)
    for leading in ((), (1,), (7,), (2, 3), (0,)):
        x = torch.randn(*leading, shape[1])
        assert torch.equal(layer(x), int8_product(x, trits, scale))
        if x.numel() > 0:  # what CUDA runs
            assert torch.equal(ops.matmul_in_torch(x, layer.tiles, layer.scale, *shape), layer(x))
    bias = torch.randn(shape[0])
    assert torch.equal(rt.TernaryLinear(trits, scale, bias)(x), layer(x) + bias)
    each = torch.rand(shape[0]) + 0.1
    x = torch.randn(6, shape[1])
    divisor = steps(x)
    sums = int8_product(x, trits, divisor)  # times 1
    if shape[0] > 1:  # one row has the scale of the matrix
        layer = rt.TernaryLinear(trits, each)
        assert torch.equal(layer(x), sums * (each * (1 / divisor)))
        assert torch.equal(ops.matmul_in_torch(x, layer.tiles, each, *shape), layer(x))


@pytest.mark.parametrize("shape", SHAPES)
def test_evaluation_is_the_reference_of_training(shape: tuple[int, int]) -> None:
    """Equal but for the order in which floats are added: far below one step of int8, 8e-3."""
    rows, cols = shape
    torch.manual_seed(1)
    layer, x = rt.BitLinear(cols, rows, bias=True), torch.randn(5, cols, requires_grad=True)
    reference = bitnet.AutoBitLinear(cols, rows, bias=True, online_quant=True)
    reference.load_state_dict(layer.state_dict())
    wanted = torch.randn(5, rows)
    results = []
    for module in (reference, layer, layer.eval()):
        module.zero_grad()
        x.grad = None
        with torch.compiler.set_stance("force_eager"):
            y = module(x)
            (y * wanted).sum().backward()
        results.append((y.detach(), x.grad, module.weight.grad, module.bias.grad))
        if module is reference:
            layer.train()
    for name, expected, trained, evaluated in zip("yxwb", *results, strict=True):
        torch.testing.assert_close(trained, expected, rtol=0, atol=0, msg=name)
        size = expected.abs().max().item()
        torch.testing.assert_close(evaluated, expected, rtol=0, atol=2e-6 * size, msg=name)


def test_a_changed_weight_is_packed_again() -> None:
    gc.collect()
    others = len(ops._packed)
    layer, x = rt.BitLinear(64, 32).eval(), torch.randn(3, 64)
    y = layer(x)
    first = ops.packed_of(layer.weight)[0]
    layer(x)
    assert ops.packed_of(layer.weight)[0] is first  # kept
    with torch.no_grad():
        layer.weight.neg_()
    assert torch.equal(layer(x), -y)
    layer.load_state_dict({"weight": -layer.weight})
    assert torch.equal(layer(x), y)
    layer.weight = nn.Parameter(-layer.weight)
    assert torch.equal(layer(x), -y)
    with torch.inference_mode():
        layer.weight = nn.Parameter(-layer.weight, requires_grad=False)
        assert torch.equal(layer(x), y)
        layer.weight.neg_()  # nothing counts this change
        assert torch.equal(layer(x), -y)
    del layer, first, y  # whose graph has the weight
    gc.collect()
    assert len(ops._packed) == others


def test_training_goes_down() -> None:
    torch.manual_seed(3)
    layer, x = rt.BitLinear(32, 16), torch.randn(64, 32)
    wanted = x @ random_trits(16, 32).T.float()
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        loss = (layer(x) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    evaluated = (layer.eval()(x) - wanted).square().mean().item()
    assert abs(evaluated - (layer.train()(x) - wanted).square().mean().item()) < 1e-4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types_are_converted_on_both_sides(dtype: torch.dtype) -> None:
    layer = rt.TernaryLinear(random_trits(40, 70), torch.tensor([0.5]))
    x = torch.randn(4, 70).to(dtype)
    y = layer(x)
    assert y.dtype == dtype and torch.equal(y, layer(x.float()).to(dtype))
    assert rt.BitLinear(70, 40, dtype=dtype).eval()(x).dtype == dtype


def test_strides_and_threads() -> None:
    layer, x = rt.TernaryLinear(random_trits(100, 70), torch.tensor([0.5])), torch.randn(70, 9)
    expected = layer(x.T.contiguous())
    assert torch.equal(layer(x.T), expected)
    assert torch.equal(layer(x.T.contiguous().expand(2, 9, 70))[1], expected)
    threads = torch.get_num_threads()
    for number in (1, 2, 3):
        torch.set_num_threads(number)
        assert torch.equal(layer(x.T), expected)
    torch.set_num_threads(threads)


def test_operators_keep_pytorchs_contracts() -> None:
    x = torch.randn(2, 5, 33, requires_grad=True)
    layer = rt.TernaryLinear(random_trits(17, 33), torch.tensor([0.5]))
    packed = (x, layer.tiles, layer.scale, 17, 33)
    torch.library.opcheck(torch.ops.rotor.ternary_linear.default, packed)
    master = torch.randn(17, 33, requires_grad=True)
    torch.library.opcheck(torch.ops.rotor.bit_linear.default, (x, master))


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiles_without_breaks(backend: str) -> None:
    ternary = rt.TernaryLinear(random_trits(32, 48), torch.tensor([0.5]))
    model = nn.Sequential(ternary, rt.BitLinear(32, 16)).eval()
    if backend == "inductor":
        model = ternary  # nothing for a C++ compiler to do
    compiled = torch.compile(model, fullgraph=True, backend=backend)
    for batch in (1, 4):
        x = torch.randn(batch, 48)
        with torch.no_grad():
            assert torch.equal(compiled(x), model(x))
    x = torch.randn(3, 48, requires_grad=True)
    compiled(x).sum().backward()
    through_graph, x.grad = x.grad, None
    model(x).sum().backward()
    torch.testing.assert_close(through_graph, x.grad)


def test_transformers_packing() -> None:
    for rows, cols in ((4, 3), (48, 80), (68, 5)):
        trits = random_trits(rows, cols)
        packed = packing.pack_weights(trits)
        assert torch.equal(packed, bitnet.pack_weights(trits.clone()))
        assert torch.equal(packing.unpack_weights(packed, rows), trits)
    for rows in (1, 2, 3, 5, 6, 7):
        trits = random_trits(rows, 9)
        assert torch.equal(packing.unpack_weights(packing.pack_weights(trits), rows), trits)


@pytest.mark.parametrize("rule", ["divide", "multiply"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_states_come_and_go(rule: str, dtype: torch.dtype) -> None:
    trits, weight_scale = random_trits(20, 33), torch.tensor([0.3], dtype=dtype)
    layer = rt.TernaryLinear.from_packed(
        packing.pack_weights(trits), weight_scale, torch.randn(20), scale_rule=rule
    )
    assert torch.equal(layer.trits, trits)
    state = layer.state_dict()
    assert sorted(state) == ["bias", "weight", "weight_scale"]
    assert torch.equal(state["weight"], packing.pack_weights(trits))
    assert state["weight_scale"].dtype == dtype
    other = rt.BitLinearTernary(
        random_trits(20, 33).neg(), torch.ones(1, dtype=dtype), torch.zeros(20), scale_rule=rule
    )
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    x = torch.randn(3, 33)
    assert torch.equal(other(x), layer(x))
    assert torch.equal(copy.deepcopy(other)(x), layer(x))
    assert list(layer.parameters()) == [layer.bias] and not layer.bias.requires_grad


def test_states_that_do_not_fit() -> None:
    layer = rt.TernaryLinear(random_trits(20, 33), torch.ones(1))
    good, x = layer.state_dict(), torch.randn(2, 33)
    before = layer(x)
    for name, value, message in (
        ("weight", good["weight"][:4], r"weight: expected shape \(5, in_features\) for 20 rows"),
        ("weight", good["weight"][:, :32], r"weight: expected 33 columns, got \(5, 32\)"),
        ("weight", good["weight"].float(), "weight: expected uint8, got torch.float32"),
        ("weight", torch.full((5, 33), 255, dtype=torch.uint8), "code 3 at row 0, column 0"),
        ("weight_scale", torch.zeros(1), "weight_scale: expected values above zero"),
        ("weight_scale", torch.ones(20), "weight_scale: expected shape"),
        ("weight_scale", torch.tensor([float("nan")]), "weight_scale"),
    ):
        with pytest.raises(RuntimeError, match=message):
            layer.load_state_dict(good | {name: value})
        assert torch.equal(layer(x), before)
    with pytest.raises(RuntimeError, match=r"Missing key.*weight"):
        layer.load_state_dict({"weight_scale": torch.ones(1)})


def test_other_types_and_copies() -> None:
    layer, x = rt.TernaryLinear(random_trits(20, 33), torch.tensor([0.3])), torch.randn(4, 33)
    expected = layer(x)
    for same in (nn.Module.double(copy.deepcopy(layer)), copy.deepcopy(layer).float()):
        assert same.scale.dtype == torch.float32 and torch.equal(same(x), expected)
    halved = copy.deepcopy(layer).to(torch.bfloat16)
    assert torch.equal(halved(x), rt.TernaryLinear(layer.trits, layer.weight_scale.bfloat16())(x))
    assert layer.to("meta").tiles.device.type == "meta"


def test_from_a_bit_linear() -> None:
    layer = rt.BitLinear(33, 20, bias=True).eval()
    packed, x = rt.TernaryLinear.from_bit_linear(layer), torch.randn(4, 33)
    assert torch.equal(packed(x), layer(x))


def test_replacing_layers() -> None:
    torch.manual_seed(5)
    shared = nn.Linear(8, 8)
    model = nn.ModuleDict(
        {
            "body": nn.Sequential(nn.Linear(8, 8), nn.ReLU(), shared),
            "again": shared,
            "kept": nn.Linear(8, 8),
            "lm_head": nn.Linear(8, 8),
        }
    )
    weight = model["body"][0].weight
    assert rt.replace_with_rotor_linear(model, ["kept", "lm_head.weight"]) is model
    kinds = {name: type(m).__name__ for name, m in model.named_modules(remove_duplicate=False)}
    assert kinds["body.0"] == kinds["body.2"] == kinds["again"] == "BitLinear"
    assert kinds["kept"] == kinds["lm_head"] == "Linear"
    assert model["again"] is model["body"][2] and model["body"][0].weight is weight
    with pytest.raises(ValueError, match="no linear layer"):
        rt.replace_with_rotor_linear(nn.ReLU())
    with pytest.raises(TypeError, match="one string"):
        rt.replace_with_rotor_linear(model, "kept")
    assert isinstance(rt.replace_with_rotor_linear(nn.Linear(4, 4)), rt.BitLinear)


def test_replacing_layers_of_transformers(uncompiled: None) -> None:
    trits, x = random_trits(16, 24), torch.randn(5, 24)
    packed = bitnet.BitLinear(24, 16, bias=False, dtype=torch.float32)
    packed.weight.copy_(packing.pack_weights(trits))
    packed.weight_scale.fill_(2.5)
    unpacked = bitnet.AutoBitLinear(24, 16, bias=True, dtype=torch.float32, use_rms_norm=True)
    with torch.no_grad():
        unpacked.weight.copy_(trits)
    unpacked.weight_scale.fill_(0.4)
    online = bitnet.AutoBitLinear(24, 16, bias=False, online_quant=True)
    model = nn.ModuleList([packed, unpacked, online]).eval()
    expected = [module(x) for module in model]
    rt.replace_with_rotor_linear(model)
    assert [type(m) for m in model] == [rt.TernaryLinear, rt.TernaryLinear, rt.BitLinear]
    for module, y in zip(model, expected, strict=True):
        torch.testing.assert_close(module(x), y, rtol=0, atol=2e-6 * y.abs().max().item())
    with torch.no_grad():
        bad = bitnet.AutoBitLinear(24, 16, bias=False)
        bad.weight.fill_(0.5)
    with pytest.raises(ValueError, match=r"expected -1, 0 and 1.*\(16, 24\)"):
        rt.replace_with_rotor_linear(nn.ModuleList([bad]))


def test_importing_writes_and_asks_nothing() -> None:
    text = """
import sys, torch
seen = []
sys.addaudithook(lambda name, given: seen.append((name, given)))
import rotor.torch
assert not [name for name, _ in seen if name.startswith(("socket", "subprocess"))], seen
opened = [given for name, given in seen if name == "open"]
assert not [given for given in opened if given[1] not in ("r", "rb", None)], opened
assert "transformers" not in sys.modules and "peft" not in sys.modules
"""
    subprocess.run([sys.executable, "-B", "-c", text], check=True, timeout=120)


def test_wrong_inputs() -> None:
    for layer in (
        rt.TernaryLinear(random_trits(8, 12), torch.ones(1)),
        rt.BitLinear(12, 8).eval(),
    ):
        for shape in ((), (11,), (3, 13), (12, 3)):
            with pytest.raises(ValueError, match=r"x: expected shape \(\.\.\., 12\), got \("):
                layer(torch.zeros(shape))
        for dtype in (torch.float64, torch.int8, torch.int64, torch.bool, torch.complex64):
            with pytest.raises(TypeError, match=r"x: expected float32.*shape \(2, 12\)"):
                layer(torch.zeros((2, 12), dtype=dtype))
        for value in (float("nan"), float("inf")):
            with pytest.raises(FloatingPointError, match="vector 3 of 12 columns"):
                layer(torch.zeros(5, 12).index_fill_(0, torch.tensor(3), value))
        assert layer(torch.empty(2, 0, 12)).shape == (2, 0, 8)
        with pytest.raises((TypeError, AttributeError, RuntimeError)):
            layer([0.0] * 12)
    with pytest.raises(FloatingPointError, match=r"weight.*\(8, 12\)"):
        bad = rt.BitLinear(12, 8).eval()
        nn.init.constant_(bad.weight, float("nan"))
        bad(torch.zeros(1, 12))


def test_wrong_weights() -> None:
    good = random_trits(8, 12)
    for trits, error, message in (
        (good[0], ValueError, r"trits: expected shape \(out, in\), got \(12,\)"),
        (good.float(), TypeError, r"trits: expected int8.*\(8, 12\)"),
        (good[:0], ValueError, r"shape \(0, 12\)"),
        (good.clone().fill_(2), ValueError, "trits: expected -1, 0 or 1"),
    ):
        with pytest.raises(error, match=message):
            rt.TernaryLinear(trits, torch.ones(1))
    for scale, error in (
        (torch.zeros(1), ValueError),
        (torch.tensor([float("inf")]), ValueError),
        (torch.ones(3), ValueError),
        (torch.ones(1, dtype=torch.int32), TypeError),
    ):
        with pytest.raises(error, match="weight_scale: expected"):
            rt.TernaryLinear(good, scale)
    with pytest.raises(ValueError, match=r"bias: expected \(8,\), got \(9,\)"):
        rt.TernaryLinear(good, torch.ones(1), torch.zeros(9))
    with pytest.raises(ValueError, match="scale_rule"):
        rt.TernaryLinear(good, torch.ones(1), scale_rule="add")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected two dimensions"):
        rt.TernaryLinear.from_packed(torch.zeros(4, dtype=torch.uint8), torch.ones(1))
