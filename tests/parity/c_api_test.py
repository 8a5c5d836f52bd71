# SPDX-License-Identifier: Apache-2.0
"""The shared library through ctypes, as another language calls it: names, struct layouts, results."""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path

import pytest

from engine import ROOT, Engine

HEADER = ROOT / "include" / "rotor" / "rotor_c.h"
MODEL = ROOT / "models" / "stories.rotor"
SIZE = ctypes.c_size_t
INT32 = ctypes.c_int32


class LogitBias(ctypes.Structure):
    _fields_ = [("token", INT32), ("bias", ctypes.c_float)]


class Request(ctypes.Structure):
    _fields_ = [
        ("size", SIZE),
        ("prompt", ctypes.POINTER(INT32)),
        ("prompt_tokens", SIZE),
        ("max_new_tokens", SIZE),
        ("answers", SIZE),
        ("stop", ctypes.POINTER(ctypes.c_char_p)),
        ("stop_count", SIZE),
        ("ignore_end", INT32),
        ("log_probabilities", INT32),
        ("speculate", INT32),
        ("temperature", ctypes.c_float),
        ("top_k", INT32),
        ("top_p", ctypes.c_float),
        ("min_p", ctypes.c_float),
        ("typical_p", ctypes.c_float),
        ("repeat_last_n", INT32),
        ("repeat_penalty", ctypes.c_float),
        ("presence_penalty", ctypes.c_float),
        ("frequency_penalty", ctypes.c_float),
        ("seed", ctypes.c_uint64),
        ("logit_bias", ctypes.POINTER(LogitBias)),
        ("logit_bias_count", SIZE),
        ("beam_width", SIZE),
        ("length_penalty", ctypes.c_float),
        ("early_stopping", INT32),
        ("scores", ctypes.POINTER(ctypes.c_double)),
    ]


class Event(ctypes.Structure):
    _fields_ = [
        ("size", SIZE),
        ("answer", SIZE),
        ("token", INT32),
        ("text", ctypes.c_void_p),
        ("text_bytes", SIZE),
        ("log_probability", ctypes.c_double),
        ("finish_reason", INT32),
    ]


CALLBACK = ctypes.CFUNCTYPE(INT32, ctypes.POINTER(Event), ctypes.c_void_p)


@pytest.fixture(scope="module")
def library(engine: Engine) -> ctypes.CDLL:
    path = Path(engine.program).resolve().parent.parent / "librotor.so"
    loaded = ctypes.CDLL(str(path))
    for name in ("rotor_version", "rotor_last_error", "rotor_code_name"):
        getattr(loaded, name).restype = ctypes.c_char_p
    return loaded


@pytest.fixture
def model(library: ctypes.CDLL):
    handle = ctypes.c_void_p()
    assert library.rotor_open(str(MODEL).encode(), None, ctypes.byref(handle)) == 0
    yield handle
    library.rotor_close(handle)


def test_every_function_of_the_header_is_exported(library: ctypes.CDLL) -> None:
    names = set(re.findall(r"^[a-z].*?\b(rotor_\w+)\(", HEADER.read_text(), re.MULTILINE))
    assert len(names) == 21
    for name in names:
        assert hasattr(library, name), name


def test_the_header_is_c99_and_cxx(tmp_path: Path) -> None:
    for compiler, name, standard in (("gcc", "use.c", "c99"), ("g++", "use.cc", "c++11")):
        source = tmp_path / name
        source.write_text("#include <rotor/rotor_c.h>\n#include <rotor/rotor_c.h>\n")
        flags = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-std={standard}", "-fsyntax-only"]
        subprocess.run([compiler, *flags, f"-I{ROOT / 'include'}", str(source)], check=True)


def test_version(library: ctypes.CDLL, engine: Engine) -> None:
    assert library.rotor_version().decode() in engine.check("--version").stdout
    assert library.rotor_abi_version() == 1


def encode(library: ctypes.CDLL, model: ctypes.c_void_p, text: str) -> ctypes.Array:
    data = text.encode()
    count = SIZE()
    assert library.rotor_encode(model, data, SIZE(len(data)), None, SIZE(0), ctypes.byref(count)) == 0
    tokens = (INT32 * count.value)()
    assert library.rotor_encode(model, data, SIZE(len(data)), tokens, count, ctypes.byref(count)) == 0
    return tokens


def test_the_defaults_are_those_of_the_header(library: ctypes.CDLL) -> None:
    request = Request()
    library.rotor_request_init(ctypes.byref(request))
    assert request.size == ctypes.sizeof(Request)
    got = {name: getattr(request, name) for name in ("top_k", "repeat_last_n", "answers", "beam_width")}
    assert got == {"top_k": 40, "repeat_last_n": 64, "answers": 1, "beam_width": 1}
    assert (request.temperature, request.top_p) == pytest.approx((0.8, 0.95))


def test_greedy_text_is_the_programs(
    library: ctypes.CDLL, model: ctypes.c_void_p, engine: Engine
) -> None:
    text = "Once upon a time there was a"
    tokens = encode(library, model, text)
    request = Request()
    library.rotor_request_init(ctypes.byref(request))
    request.prompt = tokens
    request.prompt_tokens = len(tokens)
    request.max_new_tokens = 32
    request.temperature = 0
    parts: list[bytes] = []

    @CALLBACK
    def collect(event, _user) -> int:
        got = event.contents
        parts.append(ctypes.string_at(got.text, got.text_bytes))
        return 0

    assert library.rotor_generate(model, ctypes.byref(request), collect, None, None) == 0
    command = ("run", "-m", MODEL, "-p", text, "-n", 32, "--temp", 0)
    assert b"".join(parts).decode() in engine.check(*command).stdout
    assert parts


def test_errors(library: ctypes.CDLL) -> None:
    handle = ctypes.c_void_p()
    code = library.rotor_open(b"/no/such.rotor", None, ctypes.byref(handle))
    assert library.rotor_code_name(code) == b"not found"
    assert b"/no/such.rotor" in library.rotor_last_error()
    assert not handle
