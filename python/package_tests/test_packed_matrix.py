# SPDX-License-Identifier: Apache-2.0
"""rotor._core.PackedMatrix against its statement in NumPy, with ==."""

import copy
import itertools
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from rotor import _core

FORMATS = ("i2", "dense243", "fold243", "planes2")
SHAPES = ((1, 1), (3, 79), (16, 80), (17, 81), (33, 256), (64, 1), (100, 345))
Floats = NDArray[np.float32]


def random_trits(rows: int, cols: int, seed: int = 1) -> NDArray[np.int8]:
    return np.random.default_rng(seed).integers(-1, 2, (rows, cols), dtype=np.int8)


def random_floats(*shape: int, seed: int = 2) -> Floats:
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return values * np.float32(3)


def quantized(x: Floats) -> tuple[NDArray[np.int8], Floats]:
    """docs/numerics.md, RMSNorm and quantisation: codes, and a scale for each vector."""
    largest = np.maximum(np.abs(x).max(axis=-1, keepdims=True), np.float32(1e-5))
    scale = np.float32(127) / largest
    return np.clip(np.rint(x * scale), -128, 127).astype(np.int8), scale


def sums(trits: NDArray[np.int8], codes: NDArray[np.int8]) -> NDArray[np.int32]:
    return codes.astype(np.int32) @ trits.T.astype(np.int32)


@pytest.mark.parametrize("form", FORMATS)
def test_equals_the_formula(form: str) -> None:
    for (rows, cols), threads in itertools.product(SHAPES, (1, 3)):
        trits = random_trits(rows, cols)
        one, each = 0.37, np.abs(random_floats(rows, seed=3)) + np.float32(0.01)
        for batch in (1, 6, 37):
            x = random_floats(batch, cols, seed=batch)
            codes, scale = quantized(x)
            exact = sums(trits, codes).astype(np.float32)
            tensor = _core.PackedMatrix(trits, one, format=form)
            np.testing.assert_array_equal(
                tensor.matmul(x, threads=threads), exact * (np.float32(one) / scale)
            )
            by_row = _core.PackedMatrix(trits, each, format=form)
            if rows > 1:  # one row has the scale of the matrix
                np.testing.assert_array_equal(
                    by_row.matmul(x, threads=threads), exact * (each * (np.float32(1) / scale))
                )
            np.testing.assert_array_equal(
                by_row.matmul_int8(codes, threads=threads), sums(trits, codes)
            )


def test_a_team_of_threads() -> None:
    """Products that are worth one; below 2^22 multiplications the caller computes alone."""
    trits, x = random_trits(305, 1003), random_floats(40, 1003)
    codes, scale = quantized(x)
    exact = sums(trits, codes)
    grouped = np.ones((305, 16), np.float32)
    for threads in (1, 2, 3, 7):
        for form in FORMATS:
            matrix = _core.PackedMatrix(trits, 0.5, format=form)
            expected = exact.astype(np.float32) * (np.float32(0.5) / scale)
            np.testing.assert_array_equal(matrix.matmul(x, threads=threads), expected)
            np.testing.assert_array_equal(matrix.matmul_int8(codes, threads=threads), exact)
        matrix = _core.PackedMatrix(trits, grouped, group_cols=64)
        np.testing.assert_array_equal(
            matrix.matmul(x, threads=threads), exact.astype(np.float32) / scale
        )
    x[17, 1002] = np.nan
    with pytest.raises(FloatingPointError, match="vector 17 of"):
        matrix.matmul(x, threads=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("group_cols", [64, 128, 256])
def test_scales_of_groups(group_cols: int, dtype: type) -> None:
    for rows, cols in ((1, 64), (17, 300), (40, 513), (16, 30)):
        trits = random_trits(rows, cols)
        groups = -(-cols // group_cols)
        scale = (np.abs(random_floats(rows, groups)) + 0.1).astype(dtype)
        matrix = _core.PackedMatrix(trits, scale, group_cols=group_cols)
        assert matrix.group_cols == group_cols
        np.testing.assert_array_equal(matrix.scale, scale.astype(np.float32))
        x = random_floats(7, cols)
        codes, divisor = quantized(x)
        total = np.zeros((7, rows), np.float32)
        for group in range(groups):
            part = slice(group * group_cols, (group + 1) * group_cols)
            exact = sums(trits[:, part], codes[:, part]).astype(np.float32)
            total = total + exact * scale[:, group].astype(np.float32)
        np.testing.assert_array_equal(matrix.matmul(x), total / divisor)
        np.testing.assert_array_equal(matrix.matmul_int8(codes), sums(trits, codes))


def test_the_largest_sums() -> None:
    trits = np.ones((17, 40_000), np.int8)
    codes = np.full((2, 40_000), -128, np.int8)
    codes[1] = 127
    for form in FORMATS:
        matrix = _core.PackedMatrix(trits, 1.0, format=form)
        assert matrix.matmul_int8(codes)[0].tolist() == [-128 * 40_000] * 17
        assert matrix.matmul_int8(codes)[1].tolist() == [127 * 40_000] * 17


def test_edges_of_rounding() -> None:
    x = np.zeros((6, 80), np.float32)
    x[1, :4] = 127, 0.5, 1.5, -2.5  # halves, to even
    x[2, 0] = 1e-6  # below the smallest divisor
    x[3, 0], x[3, 1] = np.float32(3e38), 1
    x[4, 0] = np.float32(1e-44)
    x[5] = -0.0
    trits = random_trits(20, 80)
    codes, scale = quantized(x)
    expected = sums(trits, codes).astype(np.float32) * (np.float32(0.5) / scale)
    np.testing.assert_array_equal(_core.PackedMatrix(trits, 0.5).matmul(x), expected)


def test_any_leading_dimensions() -> None:
    matrix = _core.PackedMatrix(random_trits(5, 12), 2)
    whole = random_floats(2, 3, 4, 12)
    result = matrix.matmul(whole)
    assert result.shape == (2, 3, 4, 5) and result.dtype == np.float32
    np.testing.assert_array_equal(matrix.matmul(whole[1, 2, 3]), result[1, 2, 3])
    assert matrix.matmul(whole[:0]).shape == (0, 3, 4, 5)
    before = whole.copy()
    whole.flags.writeable = False
    np.testing.assert_array_equal(matrix.matmul(whole), result)
    np.testing.assert_array_equal(whole, before)


def test_what_it_holds() -> None:
    for form, (rows, cols) in itertools.product(FORMATS, SHAPES):
        trits = random_trits(rows, cols)
        matrix = _core.PackedMatrix(trits, np.float32(0.25), format=form)
        assert (matrix.shape, matrix.format, matrix.scale) == ((rows, cols), form, 0.25)
        np.testing.assert_array_equal(matrix.trits(), trits)
        assert matrix.nbytes % 64 == 0 and matrix.nbytes >= rows * cols / 5
        assert copy.deepcopy(matrix) is copy.copy(matrix) is matrix


def test_threads_and_forks_share_a_matrix() -> None:
    matrix = _core.PackedMatrix(random_trits(300, 400), 1.5)
    x = random_floats(50, 400)
    expected = matrix.matmul(x, threads=2)
    got: list[bool] = []

    def work(threads: int) -> None:
        got.extend(bool((matrix.matmul(x, threads=threads) == expected).all()) for _ in range(20))

    team = [threading.Thread(target=work, args=(1 + i % 3,)) for i in range(6)]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    assert got == [True] * 120
    child = os.fork()
    if child == 0:
        os._exit(0 if (matrix.matmul(x, threads=2) == expected).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_interrupt_ends_a_product() -> None:
    matrix = _core.PackedMatrix(random_trits(3000, 3000), 1.0)
    x = np.ones((4000, 3000), np.float32)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            while True:
                matrix.matmul(x)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_the_interpreter_may_end_during_a_product() -> None:
    text = """
import threading, time
import numpy as np
from rotor import _core
matrix = _core.PackedMatrix(np.ones((3000, 3000), np.int8), 1.0)
def work():
    try:
        while True:
            matrix.matmul(np.ones((200, 3000), np.float32), threads=2)
    except RuntimeError as error:
        assert "interpreter" in str(error)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
"""
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_wrong_matrices() -> None:
    good = random_trits(4, 6)
    with pytest.raises(ValueError, match=r"got 2 at row 1, column 2 of shape \(4, 6\)"):
        _core.PackedMatrix(np.where(np.arange(24).reshape(4, 6) == 8, 2, good).astype(np.int8), 1.0)
    for trits in (good[0], good[None], good[:0], good[:, :0], good[:, ::2], good.T):
        with pytest.raises(ValueError, match=r"trits.*shape"):
            _core.PackedMatrix(trits, 1.0)
    for trits in (good.astype(np.int64), good.astype(np.float32), good.astype(bool)):
        with pytest.raises(TypeError, match=r"trits: expected int8, got .*shape \(4, 6\)"):
            _core.PackedMatrix(trits, 1.0)
    for nothing in (3, [[1, 0]], "trits"):
        with pytest.raises(TypeError, match="trits: expected an array"):
            _core.PackedMatrix(nothing, 1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        _core.PackedMatrix(None, 1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="between 1 and 16777215 columns"):
        _core.PackedMatrix(np.zeros((1, 1 << 24), np.int8), 1.0)
    with pytest.raises(ValueError, match=r"shape \(1099511627776, 6\)"):
        _core.PackedMatrix(np.broadcast_to(good[:1], (1 << 40, 6)), 1.0)
    with pytest.raises(ValueError, match="format: expected i2"):
        _core.PackedMatrix(good, 1.0, format="i3")


def test_wrong_scales() -> None:
    good = random_trits(4, 70)
    for number in (0.0, -1.0, float("nan"), float("inf"), 1e300):
        with pytest.raises(ValueError, match="scale: expected finite values above zero"):
            _core.PackedMatrix(good, number)
    for shape in ((0,), (3,), (4, 2), (70,), (2, 2)):
        with pytest.raises(ValueError, match=r"scale: expected .*shape \(4, 70\), got \("):
            _core.PackedMatrix(good, np.ones(shape, np.float32))
    for scale in (np.ones(4), np.ones(4, np.int32), np.ones(4, np.float16)):
        with pytest.raises(TypeError, match="scale: expected float32"):
            _core.PackedMatrix(good, scale)  # type: ignore[arg-type]
    for scale in (None, "1", [1.0]):
        with pytest.raises(TypeError):
            _core.PackedMatrix(good, scale)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="group_cols: expected 0, 64"):
        _core.PackedMatrix(good, 1.0, group_cols=32)
    with pytest.raises(ValueError, match=r"expected \(4, 2\) with groups of 64"):
        _core.PackedMatrix(good, np.ones((4, 1), np.float32), group_cols=64)
    with pytest.raises(TypeError, match="scale: expected an array"):
        _core.PackedMatrix(good, 1.0, group_cols=64)
    with pytest.raises(ValueError, match="need i2"):
        _core.PackedMatrix(good, np.ones((4, 2), np.float32), group_cols=64, format="dense243")


def test_wrong_activations() -> None:
    matrix = _core.PackedMatrix(random_trits(4, 6), 1.0)
    for shape in ((), (5,), (6, 5), (0,), (2, 3, 7)):
        with pytest.raises(ValueError, match=r"x: expected shape \(\.\.\., 6\).*\(4, 6\), got \("):
            matrix.matmul(np.zeros(shape, np.float32))
    for dtype in (np.float64, np.float16, np.int8, np.complex64, bool):
        with pytest.raises(TypeError, match=r"x: expected float32, got .*shape \(2, 6\)"):
            matrix.matmul(np.zeros((2, 6), dtype))
    with pytest.raises(TypeError, match="x: expected int8"):
        matrix.matmul_int8(np.zeros((2, 6), np.uint8))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"C-contiguous.*shape \(2, 6\)"):
        matrix.matmul(np.zeros((2, 12), np.float32)[:, ::2])
    with pytest.raises(TypeError, match="x: expected an array, got list"):
        matrix.matmul([0.0] * 6)  # type: ignore[arg-type]
    for value in (np.nan, np.inf, -np.inf):
        x = np.zeros((3, 2000, 6), np.float32)
        x[1, 7, 2] = x[2, 0, 0] = value
        with pytest.raises(FloatingPointError, match="vector 2007 of 6 columns"):
            matrix.matmul(x)
    with pytest.raises(ValueError, match="threads: at most 1024, got 100000"):
        matrix.matmul(np.zeros((2, 6), np.float32), threads=100_000)
    with pytest.raises(TypeError):
        matrix.matmul(np.zeros((2, 6), np.float32), threads=-1)


def test_tiles_that_the_caller_keeps() -> None:
    for rows, cols in SHAPES:
        trits, x = random_trits(rows, cols), random_floats(3, cols)
        tiles = _core.pack_i2(trits)
        assert tiles.shape == (-(-rows // 16), -(-cols // 16), 64) and tiles.flags.writeable
        np.testing.assert_array_equal(_core.unpack_i2(tiles, rows, cols), trits)
        for scale in (0.75, np.abs(random_floats(rows)) + np.float32(0.1)):
            expected = _core.PackedMatrix(trits, scale).matmul(x)
            np.testing.assert_array_equal(_core.matmul_i2(x, tiles, rows, cols, scale), expected)


def test_wrong_tiles() -> None:
    trits, x = random_trits(20, 40), random_floats(3, 40)
    tiles = _core.pack_i2(trits)
    wrong = ((16, tiles), (33, tiles), (0, tiles), (20, tiles[:1]), (20, tiles[..., :32]))
    for rows, array in wrong:
        with pytest.raises(ValueError, match=r"tiles: expected .*got|C-contiguous"):
            _core.matmul_i2(x, array, rows, 40, 1.0)
    with pytest.raises(ValueError, match=r"matrix of shape \(20, 0\)"):
        _core.matmul_i2(x, tiles, 20, 0, 1.0)
    with pytest.raises(ValueError, match=r"expected shape \(\.\.\., 39\).*got \(3, 40\)"):
        _core.matmul_i2(x, tiles, 20, 39, 1.0)
    shifted = np.empty(tiles.nbytes + 64, np.uint8)
    begin = 1 - shifted.ctypes.data % 64 + 64 * (shifted.ctypes.data % 64 > 0)
    with pytest.raises(ValueError, match="multiple of 64 bytes"):
        _core.matmul_i2(x, shifted[begin : begin + tiles.nbytes].reshape(tiles.shape), 20, 40, 1.0)
    with pytest.raises(ValueError, match="finite values above zero"):
        _core.matmul_i2(x, tiles, 20, 40, -1.0)
    garbage = np.full(tiles.shape, 255, np.uint8)
    aligned = _core.pack_i2(trits)
    aligned[:] = garbage
    assert _core.matmul_i2(x, aligned, 20, 40, 1.0).shape == (3, 20)  # numbers without meaning
