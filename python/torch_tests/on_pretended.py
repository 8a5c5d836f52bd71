# SPDX-License-Identifier: Apache-2.0
"""What trains on CUDA, on a pretended device. test_devices.py runs it in a process of its own."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pretended
import pytest
import torch
from finetune_case import TINY, begin, fable, finish
from pretended import DEVICE, There

import rotor.torch as rt
from rotor.finetune import model
from rotor.finetune.run import Run
from rotor.train.config import ScheduleConfig, SourceConfig, TrainConfig
from rotor.train.trainer import Trainer

pytestmark = pytest.mark.usefixtures("program")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def as_on_a_gpu() -> Iterator[None]:
    """Modules that move keep their parameters, tied ones tied; gradients are computed in this
    thread, where the device is known."""
    torch.__future__.set_swap_module_params_on_conversion(True)
    with pretended.Making(), torch.autograd.set_multithreading_enabled(False):
        yield
    torch.__future__.set_swap_module_params_on_conversion(False)


def test_it_refuses_what_cuda_refuses() -> None:
    there, here = torch.ones(3, device=DEVICE), torch.ones(3)
    with pytest.raises(RuntimeError, match="is on the CPU"):
        there + here
    with pytest.raises((RuntimeError, TypeError), match=r"numpy"):
        there.numpy()
    assert (there * 2).sum().item() == 6 and torch.equal(there.cpu() + here, here * 2)
    torch.manual_seed(3)
    kept, first = pretended.module.get_rng_state(DEVICE), torch.rand(4, device=DEVICE)
    torch.manual_seed(3)
    assert not torch.equal(first.cpu(), torch.rand(4))
    pretended.module.set_rng_state(kept, DEVICE)
    assert torch.equal(first.cpu(), torch.rand(4, device=DEVICE).cpu())


def test_layers() -> None:
    """Trained, evaluated, frozen, adapted, copied to files and from them."""
    torch.manual_seed(1)
    layer, x = rt.BitLinear(48, 20, bias=True), torch.randn(5, 48)
    results = []
    for device in (CPU, DEVICE):
        at, inputs = copy.deepcopy(layer).to(device), x.clone().to(device).requires_grad_()
        frozen = rt.TernaryLinear.from_bit_linear(at)
        frozen.load_state_dict(frozen.state_dict())
        adapted = rt.add_lora(torch.nn.Sequential(frozen), r=2)
        torch.nn.init.constant_(adapted[0].lora_B.weight, 0.5)
        torch.nn.init.constant_(adapted[0].lora_A.weight, 0.5)
        operator = torch.ops.rotor.bit_linear(inputs, at.weight)
        found = [at.train()(inputs), frozen(inputs), adapted(inputs), operator, at.eval()(inputs)]
        torch.stack([y.square().sum() for y in found]).sum().backward()
        found += [inputs.grad, at.weight.grad, adapted[0].lora_A.weight.grad]
        assert all(y.device.type == device.type for y in found)
        results.append([y.detach().cpu() for y in found])
    for here, there in zip(*results, strict=True):
        torch.testing.assert_close(there, here, rtol=1e-5, atol=1e-5)


def stopped_at(run: Run, step: int) -> None:
    """The run as Ctrl-C in that step leaves it."""
    one_step = run.train_step

    def stopping() -> float:
        loss = one_step()
        if run.step == step:
            run.stop()
        return loss

    run.train_step = stopping  # type: ignore[method-assign]
    assert run.train() is None


@pytest.mark.parametrize("full", [False, True])
def test_fine_tuning(full: bool, tiny: Callable[[str], Path], text: Path, tmp_path: Path) -> None:
    """As on the CPU; stopped and gone on with as in one go, chance included."""
    folder = tiny("offline")
    given: dict[str, Any] = {"full": full, "steps": 6, "eval_every": 3, "at_once": 2}
    given |= {"measure": [text]} if full else {"dropout": 0.2, "teacher": str(folder)}
    whole = begin(folder, text, tmp_path / "whole", device=DEVICE, **given)
    wanted = finish(whole)["bits_per_byte"]
    assert all(isinstance(p, There) for p in (*whole.model.parameters(), *whole.model.buffers()))
    assert wanted["held_out"]["after"] < wanted["held_out"]["before"] - 0.1
    stopped_at(begin(folder, text, tmp_path / "twice", device=DEVICE, **given), 2)
    rest = begin(folder, text, tmp_path / "twice", device=DEVICE, resume=True, **given)
    assert rest.step == 2
    assert finish(rest)["bits_per_byte"] == wanted

    here = finish(begin(folder, text, tmp_path / "here", device=CPU, **given))["bits_per_byte"]
    assert here["held_out"]["before"] == pytest.approx(wanted["held_out"]["before"], rel=1e-3)
    assert here["held_out"]["after"] == pytest.approx(wanted["held_out"]["after"], rel=5e-2)
    if full:
        written = model.load(str(tmp_path / "whole" / "model.rotor")).model.state_dict()
        for name, tensor in whole.model.state_dict().items():
            assert torch.equal(written[name], tensor.cpu()), name
    else:
        loaded = model.load(str(folder)).model.to(DEVICE)
        rt.load_lora(loaded, tmp_path / "whole" / "adapter")
        ids = torch.tensor([[1, 5, 9, 200, 17, 42]]).to(DEVICE)
        again, first = (m(ids, use_cache=False).logits for m in (loaded, whole.model.eval()))
        assert torch.equal(again.cpu(), first.cpu())


@pytest.mark.parametrize("devices", [(CPU, DEVICE), (DEVICE, CPU)])
def test_a_run_moves(
    devices: tuple[torch.device, torch.device],
    tiny: Callable[[str], Path],
    text: Path,
    tmp_path: Path,
) -> None:
    given: dict[str, Any] = {"steps": 4, "batch": 2, "dropout": 0.2}
    first, second = devices
    stopped_at(begin(tiny("offline"), text, tmp_path, device=first, **given), 2)
    run = begin(tiny("offline"), text, tmp_path, device=second, resume=True, **given)
    assert run.step == 2
    assert finish(run)["steps"] == 4


def test_training_from_the_beginning(tmp_path: Path) -> None:
    """rotor.train: the bits of the CPU; by chance are only the first weights, drawn there."""
    (tmp_path / "train.txt").write_text("A FABLE\n" + fable(1, 400), encoding="utf-8")
    (tmp_path / "valid.txt").write_text(fable(2, 40), encoding="utf-8")
    recipe = TrainConfig(
        sources=(SourceConfig("train.txt"),),
        valid="valid.txt",
        model=TINY,
        schedule=ScheduleConfig(steps=6, stage_two_step=4, warmup_steps=2, stage_one_rate=5e-3),
        sequences=4,
        sequences_at_once=2,
    )
    found = []
    for device in (CPU, DEVICE):
        run = tmp_path / device.type
        first = Trainer(recipe, tmp_path, run, device, torch.float32, compiled=False)
        for _ in range(3):
            first.train_step()
        first.save()
        second = Trainer(recipe, tmp_path, run, device, torch.float32, compiled=False)
        assert second.step == 3
        second.train(log_every=2, eval_every=4, save_minutes=60)
        found.append({name: value.cpu() for name, value in second.model.state_dict().items()})
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    start = tmp_path / CPU.type
    other = Trainer(recipe, tmp_path, tmp_path / "other", DEVICE, torch.float32, False, start)
    assert torch.equal(other.model.model.norm.weight.cpu(), found[0]["model.norm.weight"])
