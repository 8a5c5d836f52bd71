#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of gguf_fuzz and safetensors_fuzz: src/io/fuzz/{gguf,safetensors}/.

Small files, a few hundred bytes each: some right, so that the fuzzers reach every reader, and one
for each way a header is known to have broken a loader. Run it again after a change and commit what
it writes; the same script always writes the same bytes.
"""

import json
import pathlib
import shutil
import struct

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "src/io/fuzz"
BOUNDARIES = {"2p31": 2**31, "2p32": 2**32, "2p42_1": 2**42 + 1, "2p63": 2**63, "max": 2**64 - 1}


def string(text):
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def scalar(key, kind, form, value):
    return string(key) + struct.pack("<I" + form, kind, value)


def text(key, value):
    return string(key) + struct.pack("<I", 8) + string(value)


def array(key, kind, count, payload):
    return string(key) + struct.pack("<IIQ", 9, kind, count) + payload


def tensor(name, dims, kind, offset):
    return string(name) + struct.pack("<I%dQIQ" % len(dims), len(dims), *dims, kind, offset)


def gguf(entries=(), tensors=(), data=b"", version=3, counts=None, alignment=32, magic=b"GGUF"):
    n_tensors, n_entries = counts or (len(tensors), len(entries))
    head = magic + struct.pack("<IQQ", version, n_tensors, n_entries) + b"".join(entries)
    head += b"".join(tensors)
    if tensors:
        head += bytes(-len(head) % alignment)
    return head + data


def i2s(codes, scale=1.0):
    """Packed codes as they are, then the tail."""
    return bytes(codes) + struct.pack("<f", scale) + bytes(28)


def gguf_seeds():
    small = [text("general.architecture", "bitnet-b1.58"), scalar("n", 4, "I", 2)]
    f32 = tensor("a", [8], 0, 0)
    yield "ok_empty", gguf()
    yield "ok_every_value", gguf(
        [scalar("u8", 0, "B", 1), scalar("i8", 1, "b", -1), scalar("u16", 2, "H", 1),
         scalar("i16", 3, "h", -1), scalar("u32", 4, "I", 1), scalar("i32", 5, "i", -1),
         scalar("f32", 6, "f", 0.5), scalar("bool", 7, "B", 1), text("text", "t"),
         scalar("u64", 10, "Q", 2**64 - 1), scalar("i64", 11, "q", -1),
         scalar("f64", 12, "d", 0.5)])
    yield "ok_every_array", gguf(
        [array(f"n{kind}", kind, 1, bytes(size)) for kind, size in
         ((0, 1), (1, 1), (2, 2), (3, 2), (4, 4), (5, 4), (6, 4), (7, 1), (10, 8), (11, 8), (12, 8))]
        + [array("text", 8, 2, string("a") + string("")), array("none", 8, 0, b""),
           array("huge", 10, 1, b"\xff" * 8)])
    yield "ok_i2s_layouts", gguf(small, [tensor("w", [64, 4], 36, 0)], i2s([0x64] * 64))
    yield "ok_i2s", gguf(small, [tensor("w", [128, 2], 36, 0)], i2s([0x95] * 64))
    yield "ok_i2s_straddling", gguf(small, [tensor("w", [80, 8], 36, 0)], i2s([0x24] * 160))
    yield "ok_embeddings", gguf(
        small, [tensor("q8", [32], 8, 0), tensor("q6", [256], 14, 64), tensor("f16", [4], 1, 288),
                tensor("bf16", [4], 30, 320)], bytes(range(256)) + bytes(72))
    ternary = [tensor("tq1", [256], 34, 0), tensor("tq2", [256], 35, 64), tensor("q1", [256], 41, 160),
               tensor("q2", [256], 42, 224), tensor("q2_128", [1024], 42, 320),
               tensor("pq2", [128], 142, 608), tensor("ptq1", [128], 143, 672)]
    yield "ok_ternary_blocks", gguf(small, ternary, bytes(672 + 28))
    yield "bad_ternary_blocks", gguf(small, ternary, b"\xff" * (672 + 28))
    iq_bn = [tensor("iq1", [64, 4], 134, 0), tensor("iq2", [64, 4], 135, 64),
             tensor("iq2_r4", [64, 4], 335, 160)]
    yield "ok_iq_bn", gguf(small, iq_bn, bytes(160 + 80))
    yield "bad_iq_bn", gguf(small, iq_bn, b"\xff" * (160 + 80))
    split = [[scalar("split.no", 2, "H", i), scalar("split.count", 2, "H", 2),
              scalar("split.tensors.count", 5, "i", 2)] for i in range(2)]
    yield "bad_both_parts_of_a_split_model_in_one_file", (
        gguf(split[0], [tensor("a", [8], 0, 0)], bytes(32))
        + gguf(split[1], [tensor("b", [8], 0, 0)], bytes(32)))
    yield "ok_unsized_types", gguf(small, [tensor("t", [64, 4], 38, 0), tensor("u", [64], 42, 32)],
                                   bytes(64))
    yield "ok_alignment_64", gguf([scalar("general.alignment", 4, "I", 64)], [f32], bytes(32),
                                  alignment=64)
    yield "ok_version_2", gguf(small, [f32], bytes(32), version=2)
    yield "bad_code_3", gguf(small, [tensor("w", [128], 36, 0)], i2s([0xC0] * 32))
    yield "bad_scale_nan", gguf(small, [tensor("w", [128], 36, 0)], i2s([0] * 32, float("nan")))
    yield "bad_version_1", gguf(small, version=1)
    yield "bad_big_endian", gguf(version=0x03000000)
    yield "bad_magic", gguf(magic=b"ggjt")
    yield "bad_value_type", gguf([string("k") + struct.pack("<I", 13)])
    yield "bad_nested_array", gguf([array("k", 9, 1, struct.pack("<IQ", 0, 1) + b"a")])
    yield "bad_bool", gguf([scalar("k", 7, "B", 2)])
    yield "bad_key_twice", gguf([text("k", "a"), text("k", "b")])
    yield "bad_tensor_twice", gguf(small, [f32, tensor("a", [8], 0, 32)], bytes(64))
    yield "bad_rank", gguf(small, [tensor("a", [1] * 5, 0, 0)], bytes(32))
    yield "bad_dim_0", gguf(small, [tensor("a", [0], 0, 0)], bytes(32))
    yield "bad_row_of_half_a_block", gguf(small, [tensor("a", [33], 8, 0)], bytes(64))
    yield "bad_type_255", gguf(small, [tensor("a", [8], 255, 0)], bytes(32))
    yield "bad_overlap", gguf(small, [tensor("a", [16], 0, 0), tensor("b", [8], 0, 32)], bytes(96))
    yield "bad_hole", gguf(small, [f32, tensor("b", [8], 0, 64)], bytes(96))
    yield "bad_same_offset", gguf(small, [tensor("a", [8], 38, 0), tensor("b", [8], 38, 0)],
                                  bytes(32))
    yield "bad_unaligned", gguf(small, [tensor("a", [8], 0, 4)], bytes(64))
    for value in (0, 1, 24, 2**31):
        yield f"bad_alignment_{value}", gguf([scalar("general.alignment", 4, "I", value)], [f32],
                                             bytes(32))
    yield "bad_alignment_i32", gguf([scalar("general.alignment", 5, "i", 32)], [f32], bytes(32))
    for name, value in BOUNDARIES.items():
        yield f"bad_entries_{name}", gguf(counts=(0, value))
        yield f"bad_tensors_{name}", gguf(counts=(value, 0))
        yield f"bad_string_{name}", gguf([string("k") + struct.pack("<IQ", 8, value)])
        yield f"bad_array_{name}", gguf([array("k", 8, value, string("a"))])
        yield f"bad_dim_{name}", gguf(small, [tensor("a", [value, 2], 0, 0)], bytes(32))
        yield f"bad_dims_{name}", gguf(small, [tensor("a", [2**31, value, 2**31], 0, 0)], bytes(32))
        yield f"bad_offset_{name}", gguf(small, [tensor("a", [8], 0, value & ~31)], bytes(32))


def safetensors(header, data=b"", length=None):
    if not isinstance(header, bytes):
        header = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors_seeds():
    packed = entry("U8", [2, 3], 0, 6)
    yield "ok_empty", safetensors({})
    yield "ok_packed", safetensors({"w": packed, "w.weight_scale": entry("BF16", [1], 6, 8)},
                                   b"\x24\x95\x12\x00\xaa\x55\x80\x3f")
    yield "ok_metadata", safetensors({"__metadata__": {"format": "pt", "rotor.version": "1"}})
    yield "ok_any_order", safetensors({"b": entry("U8", [1], 1, 2), "a": entry("U8", [1], 0, 1)},
                                      b"ab")
    yield "ok_empty_tensor", safetensors({"a": entry("F32", [0, 4], 0, 0)})
    yield "ok_scalar", safetensors({"a": entry("F64", [], 0, 8)}, bytes(8))
    yield "ok_escapes", safetensors(b'{"\\u0061\\n":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}')
    yield "ok_spaces", safetensors(b"{ }      ")
    yield "bad_code_3", safetensors({"w": packed}, b"\xff" * 6)
    yield "bad_hole", safetensors({"a": entry("U8", [1], 1, 2)}, b"ab")
    yield "bad_overlap", safetensors({"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 1, 3)},
                                     b"abc")
    yield "bad_trailing_byte", safetensors({"w": packed}, bytes(7))
    yield "bad_missing_byte", safetensors({"w": packed}, bytes(5))
    yield "bad_reversed", safetensors({"w": entry("U8", [6], 6, 0)}, bytes(6))
    yield "bad_dtype", safetensors({"w": entry("U9", [6], 0, 6)}, bytes(6))
    yield "bad_shape", safetensors({"w": entry("U8", [7], 0, 6)}, bytes(6))
    yield "bad_rank", safetensors({"w": entry("U8", [1] * 9, 0, 1)}, bytes(1))
    yield "bad_negative", safetensors({"w": entry("U8", [-1], 0, 1)}, bytes(1))
    yield "bad_fraction", safetensors({"w": entry("U8", [1.5], 0, 1)}, bytes(1))
    yield "bad_half_byte", safetensors({"w": entry("F4", [3], 0, 1)}, bytes(1))
    yield "bad_no_shape", safetensors({"w": {"dtype": "U8", "data_offsets": [0, 1]}}, bytes(1))
    yield "bad_three_offsets", safetensors({"w": entry("U8", [1], 0, 1) | {"data_offsets": [0, 1, 1]}},
                                           bytes(1))
    yield "bad_metadata", safetensors({"__metadata__": {"a": 1}})
    yield "bad_metadata_list", safetensors({"__metadata__": []})
    yield "bad_metadata_twice", safetensors(b'{"__metadata__":{},"__metadata__":{}}')
    yield "bad_metadata_key_twice", safetensors(b'{"__metadata__":{"a":"","a":""}}')
    yield "bad_dtype_number", safetensors({"w": entry(8, [6], 0, 6)}, bytes(6))
    yield "bad_shape_number", safetensors({"w": entry("U8", 6, 0, 6)}, bytes(6))
    yield "bad_description", safetensors({"w": []})
    yield "bad_field_twice", safetensors(
        b'{"w":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}')
    yield "ok_more_fields", safetensors({"w": packed | {"more": {}}}, bytes(6))
    yield "bad_name_twice", safetensors(
        b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
        b'"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}')
    yield "bad_root", safetensors([])
    yield "bad_utf8", safetensors(b'{"\xff":{}}')
    yield "bad_depth", safetensors(b'{"a":' + b"[" * 100 + b"]" * 100 + b"}")
    yield "bad_short", b"\2\0\0"
    for name, value in BOUNDARIES.items():
        yield f"bad_length_{name}", safetensors({}, length=value)
        yield f"bad_dim_{name}", safetensors({"w": entry("F64", [value, value], 0, 8)}, bytes(8))
        yield f"bad_end_{name}", safetensors({"w": entry("U8", [8], 0, value)}, bytes(8))


def main():
    for name, seeds, ending in (("gguf", gguf_seeds(), "gguf"),
                                ("safetensors", safetensors_seeds(), "safetensors")):
        folder = FOLDER / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for seed, content in seeds:
            (folder / f"{seed}.{ending}").write_bytes(content)
        files = list(folder.iterdir())
        print(f"{folder}: {len(files)} files, {sum(f.stat().st_size for f in files)} bytes")


if __name__ == "__main__":
    main()
