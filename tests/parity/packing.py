# SPDX-License-Identifier: Apache-2.0
"""Bit layouts of ternary weights and block formats of embeddings, written from their published
descriptions with NumPy alone, so that the tests share no code with the engine.

Trits are int8 arrays of shape (rows, cols) with values -1, 0, +1; their codes are trit + 1.
"""

from __future__ import annotations

import numpy as np

I2S_LAYOUTS = ("128", "64", "1x4")


def bf16_bits(values: np.ndarray) -> np.ndarray:
    """Rounds float32 to the nearest bfloat16, ties to even; returns uint16 bits, same shape."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def bf16_values(bits: np.ndarray) -> np.ndarray:
    """The float32 values of uint16 bfloat16 bits, same shape."""
    return (np.ascontiguousarray(bits, dtype=np.uint16).astype(np.uint32) << 16).view(np.float32)


def round_to(values: np.ndarray, dtype: str) -> np.ndarray:
    """float32 values rounded to what a tensor of ``dtype`` ("F32", "F16" or "BF16") can hold."""
    if dtype == "BF16":
        return bf16_values(bf16_bits(values))
    if dtype == "F16":
        return values.astype(np.float16).astype(np.float32)
    return values.astype(np.float32)


def pack_hf(trits: np.ndarray) -> np.ndarray:
    """Packs (rows, cols) trits as the Hugging Face integration does: uint8 (ceil(rows/4), cols).

    Bits 2i..2i+1 of packed row j hold the code of row i * ceil(rows/4) + j; missing rows are 0.
    """
    rows, cols = trits.shape
    packed_rows = (rows + 3) // 4
    packed = np.zeros((packed_rows, cols), dtype=np.uint8)
    codes = (trits + 1).astype(np.uint8)
    for i in range(4):
        block = codes[i * packed_rows : (i + 1) * packed_rows]
        packed[: len(block)] |= block << (2 * i)
    return packed


def unpack_hf(packed: np.ndarray, rows: int) -> np.ndarray:
    """Inverse of pack_hf: int8 trits (rows, cols)."""
    fields = [(packed >> (2 * i)) & 3 for i in range(4)]
    return np.concatenate(fields)[:rows].astype(np.int8) - 1


def pack_i2s(trits: np.ndarray, scale: float, layout: str = "128") -> np.ndarray:
    """Packs trits as I2_S in one of its three layouts; uint8 (rows * cols / 4 + 32,).

    "128" and "64" run over the flattened tensor in blocks of that many weights: byte g of a block
    holds the codes of elements g, g + n, g + 2n, g + 3n (n = block / 4) from the highest bits down.
    "1x4" holds rows 4r..4r+3 of one column in the byte r * cols + column, highest bits first.
    The float32 scale follows, then zeros up to 32 bytes.
    """
    codes = (trits + 1).astype(np.uint8)
    if layout == "1x4":
        groups = codes.reshape(-1, 4, trits.shape[1])
    else:
        groups = codes.reshape(-1, 4, int(layout) // 4)
    shifts = np.array([6, 4, 2, 0], dtype=np.uint8).reshape(1, 4, 1)
    data = np.bitwise_or.reduce(groups << shifts, axis=1).reshape(-1)
    tail = np.zeros(32, dtype=np.uint8)
    tail[:4] = np.frombuffer(np.float32(scale).tobytes(), dtype=np.uint8)
    return np.concatenate([data, tail])


def _base3_bytes(digits: np.ndarray) -> np.ndarray:
    """Bytes of digits (..., bytes, 5), the first the most significant, as fractions of 256."""
    numbers = digits.astype(np.uint32) @ np.array([81, 27, 9, 3, 1], dtype=np.uint32)
    return ((numbers * 256 + 242) // 243).astype(np.uint8)


def _base3_runs(codes: np.ndarray, runs: list[tuple[int, int]]) -> np.ndarray:
    """Blocks of codes (blocks, elements) as bytes; (bytes, digits) of each run."""
    parts, begin = [], 0
    for count, digits in runs:
        part = codes[:, begin : begin + count * digits].reshape(-1, digits, count).swapaxes(1, 2)
        parts.append(_base3_bytes(np.pad(part, ((0, 0), (0, 0), (0, 5 - digits)))))
        begin += count * digits
    return np.concatenate(parts, axis=1)


# Ternary types in blocks along a row: elements of a block, whether its scale comes first.
BLOCK_TYPES = {
    "TQ1_0": (256, False),
    "TQ2_0": (256, False),
    "Q2_0": (64, True),
    "Q2_0_128": (128, True),
    "PQ2_0": (128, True),
    "PTQ1_0": (128, False),
}


def pack_blocks(trits: np.ndarray, scale: float | np.ndarray, kind: str) -> np.ndarray:
    """Trits (rows, cols) as one of BLOCK_TYPES; a float16 scale, or (rows, blocks) of them."""
    elements, scale_first = BLOCK_TYPES[kind]
    codes = (trits + 1).astype(np.uint8).reshape(-1, elements)
    if kind == "TQ1_0":
        data = _base3_runs(codes, [(32, 5), (16, 5), (4, 4)])
    elif kind == "PTQ1_0":
        data = _base3_runs(codes, [(16, 5), (8, 5), (2, 4)])
    elif kind == "TQ2_0":
        quarters = codes.reshape(-1, 2, 4, 32)
        shifts = np.arange(0, 8, 2, dtype=np.uint8)[:, None]
        data = np.bitwise_or.reduce(quarters << shifts, axis=2).reshape(-1, 64)
    else:
        shifts = np.arange(0, 8, 2, dtype=np.uint8)
        data = np.bitwise_or.reduce(codes.reshape(len(codes), -1, 4) << shifts, axis=2)
    d = np.empty((len(codes), 1), dtype=np.float16)
    d[:, 0] = np.ravel(scale)
    d = d.view(np.uint8)
    parts = [d, data] if scale_first else [data, d]
    return np.concatenate(parts, axis=1).reshape(trits.shape[0], -1)


IQ_BN_TYPES = ("IQ1_BN", "IQ2_BN", "IQ2_BN_R4")


def pack_iq_bn(trits: np.ndarray, scales: np.ndarray, kind: str) -> np.ndarray:
    """Trits (rows, cols) as one of ik_llama.cpp's types, with a scale for each row; uint8.

    IQ1_BN: f16, then per 64 weights 13 bytes: of each 16 three of five digits, the first the lowest,
    and one byte with the four that are left. IQ2_BN: f32, then 2-bit codes of weights 16 apart.
    IQ2_BN_R4: four f32, then 64 bytes per 64 columns of four rows, codes of columns 4 apart.
    """
    rows, cols = trits.shape
    codes = (trits + 1).astype(np.uint8)
    shifts = np.arange(0, 8, 2, dtype=np.uint8)
    scales = np.broadcast_to(np.asarray(scales, dtype=np.float32), (rows,))
    if kind == "IQ1_BN":
        sixteen = codes.reshape(rows, -1, 4, 16)
        fives = sixteen[..., :15].reshape(rows, -1, 12, 5)[..., ::-1]
        rest = np.pad(sixteen[..., 15][..., ::-1], ((0, 0), (0, 0), (1, 0)))[:, :, None]
        data = _base3_bytes(np.concatenate([fives, rest], axis=2)).reshape(rows, -1)
        head = scales.astype(np.float16).reshape(-1, 1).view(np.uint8)
    elif kind == "IQ2_BN":
        parts = codes.reshape(rows, -1, 4, 16)
        data = np.bitwise_or.reduce(parts << shifts[:, None], axis=2).reshape(rows, -1)
        head = scales.reshape(-1, 1).view(np.uint8)
    else:
        parts = codes.reshape(rows // 4, 4, cols // 64, 4, 4, 4)  # group, row, block, l, part, i
        packed = np.bitwise_or.reduce(parts << shifts[:, None], axis=4)
        data = packed.transpose(0, 2, 3, 1, 4).reshape(rows // 4, -1)
        head = np.ascontiguousarray(scales.reshape(-1, 4)).view(np.uint8)
    return np.concatenate([head, data], axis=1).reshape(-1)


def pack_mlx(trits: np.ndarray) -> np.ndarray:
    """Trits (rows, cols) as MLX packs 2-bit codes: uint32 (rows, cols / 16), the first lowest."""
    codes = (trits + 1).astype(np.uint32).reshape(trits.shape[0], -1, 16)
    return np.bitwise_or.reduce(codes << np.arange(0, 32, 2, dtype=np.uint32), axis=2)


def quantize_q8_0(values: np.ndarray) -> np.ndarray:
    """Q8_0 blocks of 32 along the last axis: f16 scale, 32 int8; uint8 (rows, cols / 32 * 34)."""
    rows, cols = values.shape
    blocks = values.astype(np.float32).reshape(-1, 32)
    d = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    with np.errstate(divide="ignore"):
        inverse = np.where(d == 0, np.float32(0), np.float32(1) / d)
    scaled = blocks * inverse
    # llama.cpp rounds half away from zero.
    q = (np.sign(scaled) * np.floor(np.abs(scaled) + np.float32(0.5))).astype(np.int8)
    packed = np.concatenate([d.astype(np.float16).view(np.uint8), q.view(np.uint8)], axis=1)
    return packed.reshape(rows, cols // 32 * 34)


def dequantize_q8_0(data: np.ndarray) -> np.ndarray:
    """float32 values (rows, cols) of quantize_q8_0's bytes."""
    blocks = data.reshape(-1, 34)
    d = np.ascontiguousarray(blocks[:, :2]).view(np.float16).astype(np.float32)
    q = np.ascontiguousarray(blocks[:, 2:]).view(np.int8).astype(np.float32)
    return (d * q).reshape(data.shape[0], -1)


def quantize_q4_0(values: np.ndarray) -> np.ndarray:
    """Q4_0 blocks of 32 along the last axis: f16 d, 16 bytes; uint8 (rows, cols / 32 * 18)."""
    rows, cols = values.shape
    blocks = values.astype(np.float32).reshape(-1, 32)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)
    d = (largest / np.float32(-8)).astype(np.float16)
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.where(d == 0, 8, np.rint(blocks / d.astype(np.float32)) + 8)
    q = np.clip(q, 0, 15).astype(np.uint8)
    packed = np.concatenate([d.view(np.uint8), q[:, :16] | q[:, 16:] << 4], axis=1)
    return packed.reshape(rows, cols // 32 * 18)


def dequantize_q4_0(data: np.ndarray) -> np.ndarray:
    """float32 values (rows, cols) of Q4_0 bytes: d * (q - 8)."""
    blocks = data.reshape(-1, 18)
    d = np.ascontiguousarray(blocks[:, :2]).view(np.float16).astype(np.float32)
    q = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32)
    return (d * (q - np.float32(8))).reshape(data.shape[0], -1)


def quantize_q4_k(values: np.ndarray) -> np.ndarray:
    """Q4_K super-blocks of 256: f16 d and dmin, 12 bytes of 6-bit scales and minima, 128 bytes of q.

    A plain nearest rounding, as for Q6_K.
    """
    rows, cols = values.shape
    parts = values.astype(np.float32).reshape(-1, 8, 32)
    low = np.minimum(parts.min(axis=2), 0)
    step = (parts.max(axis=2) - low) / np.float32(15)
    tiny = np.float32(2**-24)
    d = np.maximum(step.max(axis=1, keepdims=True) / np.float32(63), tiny).astype(np.float16)
    d_min = np.maximum((-low).max(axis=1, keepdims=True) / np.float32(63), tiny).astype(np.float16)
    scale = np.clip(np.ceil(step / d.astype(np.float32)), 1, 63).astype(np.uint8)
    minimum = np.clip(np.rint(-low / d_min.astype(np.float32)), 0, 63).astype(np.uint8)
    factor = (d.astype(np.float32) * scale)[:, :, None]
    offset = (d_min.astype(np.float32) * minimum)[:, :, None]
    q = np.clip(np.rint((parts + offset) / factor), 0, 15).astype(np.uint8)
    packed = np.empty((len(parts), 12), dtype=np.uint8)
    packed[:, :4] = scale[:, :4] | scale[:, 4:] >> 4 << 6
    packed[:, 4:8] = minimum[:, :4] | minimum[:, 4:] >> 4 << 6
    packed[:, 8:] = (scale[:, 4:] & 15) | (minimum[:, 4:] & 15) << 4
    pairs = q.reshape(-1, 4, 2, 32)
    codes = (pairs[:, :, 0] | pairs[:, :, 1] << 4).reshape(-1, 128)
    block = np.concatenate([d.view(np.uint8), d_min.view(np.uint8), packed, codes], axis=1)
    return block.reshape(rows, cols // 256 * 144)


def dequantize_q4_k(data: np.ndarray) -> np.ndarray:
    """float32 values (rows, cols) of Q4_K bytes: (d * scale) * q - dmin * min."""
    blocks = data.reshape(-1, 144)
    halves = np.ascontiguousarray(blocks[:, :4]).view(np.float16).astype(np.float32)
    packed = blocks[:, 4:16]
    scale = np.concatenate([packed[:, :4] & 63, (packed[:, 8:] & 15) | packed[:, :4] >> 6 << 4], 1)
    minimum = np.concatenate([packed[:, 4:8] & 63, packed[:, 8:] >> 4 | packed[:, 4:8] >> 6 << 4], 1)
    codes = blocks[:, 16:].reshape(-1, 4, 32)
    q = np.stack([codes & 15, codes >> 4], axis=2).reshape(-1, 8, 32).astype(np.float32)
    factor = (halves[:, :1] * scale)[:, :, None]
    offset = (halves[:, 1:] * minimum)[:, :, None]
    return (factor * q - offset).reshape(data.shape[0], -1)


def quantize_q6_k(values: np.ndarray) -> np.ndarray:
    """Q6_K super-blocks of 256: ql[128], qh[64], int8 scales[16], f16 d, along the last axis.

    A plain nearest rounding: any block contents are a valid tensor, quality does not matter here.
    """
    rows, cols = values.shape
    groups = values.astype(np.float32).reshape(-1, 16, 16)
    amax = np.abs(groups).max(axis=2)
    d = (amax.max(axis=1, keepdims=True) / np.float32(32 * 127)).astype(np.float16)
    d32 = np.maximum(d.astype(np.float32), np.float32(2**-24))
    scales = np.clip(np.ceil(amax / np.float32(32) / d32), 1, 127).astype(np.int8)
    steps = (d32 * scales.astype(np.float32))[:, :, None]
    q = (np.clip(np.rint(groups / steps), -32, 31) + 32).astype(np.uint8)
    # Each half of 128 weights is four runs of 32: low nibbles of runs 0,1 then 2,3 share 64 bytes,
    # the two high bits of all four runs share 32 bytes.
    runs = q.reshape(-1, 2, 4, 32)
    low = runs & 15
    ql = np.concatenate(
        [low[:, :, 0] | low[:, :, 2] << 4, low[:, :, 1] | low[:, :, 3] << 4], axis=2
    )
    high = runs >> 4
    qh = high[:, :, 0] | high[:, :, 1] << 2 | high[:, :, 2] << 4 | high[:, :, 3] << 6
    parts = [ql.reshape(-1, 128), qh.reshape(-1, 64), scales.view(np.uint8), d.view(np.uint8)]
    return np.concatenate(parts, axis=1).reshape(rows, cols // 256 * 210)


def dequantize_q6_k(data: np.ndarray) -> np.ndarray:
    """float32 values (rows, cols) of Q6_K bytes: (d * scale) * (q - 32)."""
    blocks = data.reshape(-1, 210)
    ql = blocks[:, :128].reshape(-1, 2, 2, 32)
    qh = blocks[:, 128:192].reshape(-1, 2, 32)
    scales = np.ascontiguousarray(blocks[:, 192:208]).view(np.int8).astype(np.float32)
    d = np.ascontiguousarray(blocks[:, 208:]).view(np.float16).astype(np.float32)
    runs = np.empty((len(blocks), 2, 4, 32), dtype=np.uint8)
    for run in range(4):
        low = (ql[:, :, run % 2] >> (4 * (run // 2))) & 15
        runs[:, :, run] = low | ((qh >> (2 * run)) & 3) << 4
    q = runs.reshape(-1, 16, 16).astype(np.float32) - np.float32(32)
    return ((d * scales)[:, :, None] * q).reshape(data.shape[0], -1)
