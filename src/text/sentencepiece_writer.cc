// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_writer.h"

#include <bit>
#include <cstdint>
#include <set>
#include <string_view>

#include "text/sentencepiece_proto.h"

namespace rotor {
namespace {

namespace proto = sentencepiece_proto;

void append_varint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) {
    out += static_cast<char>(value | 0x80);
  }
  out += static_cast<char>(value);
}

void append_tag(uint32_t number, unsigned wire, std::string& out) {
  append_varint(uint64_t{number} << 3 | wire, out);
}

void append_number(uint32_t number, uint64_t value, std::string& out) {
  append_tag(number, 0, out);
  append_varint(value, out);
}

void append_bytes(uint32_t number, std::string_view bytes, std::string& out) {
  append_tag(number, 2, out);
  append_varint(bytes.size(), out);
  out += bytes;
}

void append_float(uint32_t number, float value, std::string& out) {
  append_tag(number, 5, out);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int i = 0; i < 4; ++i) {
    out += static_cast<char>(bits >> (8 * i));
  }
}

uint64_t piece_type(const TokenizerSpec& spec, size_t id, bool is_protected) {
  switch (spec.kinds[id]) {
    case TokenKind::kNormal:
      return is_protected ? proto::kUserDefined : proto::kNormal;
    case TokenKind::kControl:
      return static_cast<TokenId>(id) == spec.unk ? proto::kUnknown : proto::kControl;
    case TokenKind::kUserDefined:
      return proto::kUserDefined;
    case TokenKind::kUnused:
      return proto::kUnused;
    case TokenKind::kByte:
      return proto::kByte;
  }
  return proto::kUnused;
}

// In a unigram model user-defined pieces are ordinary tokens whose texts are protected.
std::string pieces(const TokenizerSpec& spec) {
  const std::set<std::string_view> protected_texts(spec.sentencepiece->protected_texts.begin(),
                                                   spec.sentencepiece->protected_texts.end());
  std::set<TokenId> normalized;
  for (const AddedText& token : spec.normalized) {
    normalized.insert(token.id);
  }
  std::string out;
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    const bool is_protected =
        spec.model == TokenizerModel::kUnigram && protected_texts.contains(spec.tokens[id]);
    std::string piece;
    append_bytes(proto::kText, spec.tokens[id], piece);
    append_float(proto::kScore, static_cast<float>(spec.scores[id]), piece);
    append_number(proto::kType, piece_type(spec, id, is_protected), piece);
    if (spec.kinds[id] == TokenKind::kUserDefined &&
        !normalized.contains(static_cast<TokenId>(id))) {
      append_number(proto::kFoundFirst, 1, piece);
    }
    append_bytes(proto::kPieces, piece, out);
  }
  return out;
}

std::string trainer_spec(const TokenizerSpec& spec) {
  std::string out;
  append_number(proto::kModelType,
                spec.model == TokenizerModel::kUnigram ? proto::kUnigramModel : proto::kBpeModel,
                out);
  append_number(proto::kByteFallback, spec.byte_fallback ? 1 : 0, out);
  const auto append_id = [&](uint32_t id_field, uint32_t piece_field, TokenId id) {
    // A negative 32-bit number is written with its sign extended to 64 bits.
    append_number(id_field, static_cast<uint64_t>(static_cast<int64_t>(id)), out);
    append_bytes(piece_field, id == kNoToken ? "" : spec.tokens[static_cast<size_t>(id)], out);
  };
  append_id(proto::kUnkId, proto::kUnkPiece, spec.unk);
  append_id(proto::kBosId, proto::kBosPiece, spec.bos);
  append_id(proto::kEosId, proto::kEosPiece, spec.eos);
  append_number(proto::kPadId, static_cast<uint64_t>(int64_t{-1}), out);
  return out;
}

std::string normalizer_spec(const SentencePieceRules& rules) {
  std::string out;
  append_bytes(proto::kName, rules.charsmap.empty() ? "identity" : "user_defined", out);
  if (!rules.charsmap.empty()) {
    append_bytes(proto::kPrecompiledCharsmap, rules.charsmap, out);
  }
  append_number(proto::kAddDummyPrefix, rules.add_dummy_prefix ? 1 : 0, out);
  append_number(proto::kRemoveExtraWhitespaces, rules.remove_extra_whitespaces ? 1 : 0, out);
  return out;
}

std::string extension(const TokenizerSpec& spec) {
  std::string out;
  append_number(proto::kAddBos, spec.add_bos ? 1 : 0, out);
  append_number(proto::kAddEos, spec.add_eos ? 1 : 0, out);
  return out;
}

}  // namespace

bool is_sentencepiece(const TokenizerSpec& spec) {
  return spec.sentencepiece.has_value() && spec.scores.size() == spec.tokens.size();
}

Result<std::string> write_sentencepiece(const TokenizerSpec& spec) {
  if (!is_sentencepiece(spec)) {
    return unsupported(spec.source + ": not a tokenizer by SentencePiece's rules");
  }
  if (!spec.strip_left.empty() || !spec.strip_right.empty() || !spec.single_word.empty()) {
    return unsupported(spec.source +
                       ": an added token has lstrip, rstrip or single_word, which a SentencePiece "
                       "model cannot hold");
  }
  std::string out = pieces(spec);
  append_bytes(proto::kTrainerSpec, trainer_spec(spec), out);
  append_bytes(proto::kNormalizerSpec, normalizer_spec(*spec.sentencepiece), out);
  append_bytes(proto::kRotor, extension(spec), out);
  return out;
}

}  // namespace rotor
