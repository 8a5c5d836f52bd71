// SPDX-License-Identifier: Apache-2.0
// For tests: makes SentencePiece model files.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "text/sentencepiece_proto.h"

namespace rotor::test {

namespace proto = sentencepiece_proto;

inline std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) {
    out += static_cast<char>(value | 0x80);
  }
  return out + static_cast<char>(value);
}

inline std::string number_field(uint32_t number, uint64_t value) {
  return varint(uint64_t{number} << 3) + varint(value);
}

inline std::string bytes_field(uint32_t number, std::string_view bytes) {
  return varint(uint64_t{number} << 3 | 2) + varint(bytes.size()) + std::string(bytes);
}

inline std::string piece_field(std::string_view text, float score,
                               uint64_t type = proto::kNormal) {
  std::string piece = bytes_field(proto::kText, text) + varint(proto::kScore << 3 | 5);
  const auto bits = std::bit_cast<uint32_t>(score);
  for (int i = 0; i < 4; ++i) {
    piece += static_cast<char>(bits >> (8 * i));
  }
  return bytes_field(proto::kPieces, piece + number_field(proto::kType, type));
}

// <unk> <s> </s>, two bytes, U+2581, a, b, U+2581 a, ab, and the user-defined <u>.
inline std::string sentencepiece_bytes(proto::ModelType type) {
  std::string file = piece_field("<unk>", 0, proto::kUnknown) +
                     piece_field("<s>", 0, proto::kControl) +
                     piece_field("</s>", 0, proto::kControl) +
                     piece_field("<0xC3>", 0, proto::kByte) +
                     piece_field("<0xA9>", 0, proto::kByte) + piece_field("\u2581", -3) +
                     piece_field("a", -4) + piece_field("b", -5) + piece_field("\u2581a", -1) +
                     piece_field("ab", -2) + piece_field("<u>", 0, proto::kUserDefined);
  return file + bytes_field(proto::kTrainerSpec, number_field(proto::kModelType, type) +
                                                     number_field(proto::kByteFallback, 1));
}

// Of Llama 2's kind: BPE, no normalisation but the space in front, bytes, merges across letters and
// spaces.
inline std::string llama_bytes(bool prefix = true) {
  std::string file = piece_field("<unk>", 0, proto::kUnknown) +
                     piece_field("<s>", 0, proto::kControl) +
                     piece_field("</s>", 0, proto::kControl);
  for (const char* byte : {"<0xC3>", "<0xA9>", "<0x0A>", "<0xF0>"}) {
    file += piece_field(byte, 0, proto::kByte);
  }
  float score = 0;
  for (const char* text : {"ab", "\u2581a", "\u2581\u2581", "aba", "\u2581ab", "cab", "abab", "a",
                           "b", "c", "\u2581"}) {
    file += piece_field(text, score--);
  }
  return file +
         bytes_field(proto::kTrainerSpec, number_field(proto::kModelType, proto::kBpeModel) +
                                              number_field(proto::kByteFallback, 1)) +
         bytes_field(proto::kNormalizerSpec, number_field(proto::kAddDummyPrefix, prefix) +
                                                 number_field(proto::kRemoveExtraWhitespaces, 0));
}

}  // namespace rotor::test
