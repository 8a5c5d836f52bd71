# SPDX-License-Identifier: Apache-2.0
"""Threads, signals, forks, the end of the interpreter, memory."""

import gc
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import rotor

TEXT = "Once upon a time"


def run_script(text: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(text)]
    return subprocess.run(command, timeout=seconds, capture_output=True, text=True, check=False)


def test_eight_threads_share_a_model(model: rotor.Model) -> None:
    expected = [model.generate(TEXT, max_new_tokens=12, seed=seed).text for seed in range(8)]
    got: dict[int, list[str]] = {}

    def work(seed: int) -> None:
        got[seed] = [model.generate(TEXT, max_new_tokens=12, seed=seed).text for _ in range(5)]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {seed: [expected[seed]] * 5 for seed in range(8)}


def test_python_runs_beside_a_generation(model: rotor.Model) -> None:
    thread = threading.Thread(target=lambda: model.generate(TEXT, ignore_end=True))
    thread.start()
    turns = 0
    while thread.is_alive():
        turns += 1
        time.sleep(0.001)
    assert turns > 5


@pytest.mark.parametrize("call", ["generate", "stream", "logits"])
def test_an_interrupt_ends_a_call_within_200_ms(model: rotor.Model, call: str) -> None:
    tokens = model.tokenizer.encode(TEXT) * 1000
    interrupted_at = 0.0

    def interrupt(*_: object) -> None:
        nonlocal interrupted_at
        interrupted_at = time.monotonic()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            while True:
                if call == "generate":
                    model.generate(TEXT, ignore_end=True)
                elif call == "stream":
                    list(model.stream(TEXT, ignore_end=True))
                else:
                    model.logits(tokens[: model.context])
        assert time.monotonic() - interrupted_at < 0.2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert model.generate(TEXT, max_new_tokens=1).answers[0].finish_reason == "length"


def test_an_exception_in_the_loop_ends_the_generation(model: rotor.Model) -> None:
    def work() -> None:
        for _ in model.stream(TEXT, ignore_end=True):
            raise LookupError

    with pytest.raises(LookupError):
        work()
    gc.collect()
    assert model.generate(TEXT, max_new_tokens=1).text


def test_a_waiting_stream_is_dropped_at_once(model: rotor.Model) -> None:
    first = model.stream(TEXT, ignore_end=True)
    next(first)
    start = time.monotonic()
    for _ in range(5):
        waiting = model.stream(TEXT)
        waiting.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 1
    first.close()  # type: ignore[attr-defined]


def test_a_fork_does_not_take_the_model(model: rotor.Model) -> None:
    done = run_script(
        f"""
        import os, rotor
        model = rotor.Model.from_pretrained("stories", threads=2)
        text = model.generate({TEXT!r}, max_new_tokens=4, seed=1).text
        child = os.fork()
        if child == 0:
            try:
                model.generate("x")
            except RuntimeError as error:
                assert "fork" in str(error)
                own = rotor.Model.from_pretrained("stories", threads=2)
                assert own.generate({TEXT!r}, max_new_tokens=4, seed=1).text == text
                raise SystemExit(7)
            raise SystemExit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert model.generate({TEXT!r}, max_new_tokens=4, seed=1).text == text
        """
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("daemon", [True, False])
def test_the_interpreter_may_end_during_a_generation(daemon: bool) -> None:
    start = time.monotonic()
    done = run_script(
        f"""
        import rotor, threading
        model = rotor.Model.from_pretrained("stories", threads=2)
        abandoned = model.stream("Once", ignore_end=True)
        next(abandoned)
        def work():
            try:
                model.generate("Once", ignore_end=True, max_new_tokens=400)
            except rotor.CancelledError:
                pass
        threading.Thread(target=work, daemon={daemon}).start()
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - start < 30


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_ten_thousand_streams_and_answers_leak_nothing(model: rotor.Model) -> None:
    def cycle(times: int) -> None:
        for index in range(times):
            stream = model.stream("Once", max_new_tokens=2, seed=index)
            next(stream)
            del stream
        gc.collect()

    cycle(500)
    before = resident_bytes()
    cycle(10_000)
    assert resident_bytes() - before < 4 << 20


def test_models_are_given_back() -> None:
    def cycle(times: int) -> None:
        for _ in range(times):
            rotor.Model.from_pretrained("synthetic:tiny", threads=1, context=64)
        gc.collect()

    cycle(20)
    before = resident_bytes()
    handles = len(os.listdir("/proc/self/fd"))
    cycle(200)
    assert resident_bytes() - before < 8 << 20
    assert len(os.listdir("/proc/self/fd")) == handles
    assert threading.active_count() < 20


def test_importing_writes_and_asks_nothing(tmp_path: Path) -> None:
    done = run_script(
        f"""
        import sys
        seen = []
        sys.addaudithook(lambda name, given: seen.append((name, given)))
        import rotor, rotor.model, rotor.generation, rotor.tokenizer, rotor.gguf, rotor.gemm
        opened = [given for name, given in seen if name == "open"]
        writes = [given for given in opened if given[1] not in ("r", "rb", None)]
        assert not [name for name, _ in seen if name.startswith("socket")], seen
        assert not writes, writes
        """
    )
    assert done.returncode == 0, done.stderr
