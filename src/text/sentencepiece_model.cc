// SPDX-License-Identifier: Apache-2.0
// The fields of ModelProto are gathered first; then they become a TokenizerSpec as sentencepiece
// would use them.
#include "text/sentencepiece_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <vector>

#include "text/protobuf_reader.h"
#include "text/sentencepiece_proto.h"
#include "text/unicode.h"

namespace rotor {
namespace {

namespace proto = sentencepiece_proto;
using Wire = ProtobufField::Wire;

// Each takes some 50 bytes of memory and 5 of the file. The largest vocabularies have 2^18.
constexpr size_t kMaxPieces = size_t{1} << 22;

struct Piece {
  std::string_view text;
  float score = 0;
  uint64_t type = proto::kNormal;
  bool found_first = false;  // before normalising
};

struct ModelFields {
  std::vector<Piece> pieces;
  uint64_t model_type = proto::kUnigramModel;
  bool whitespace_is_suffix = false;
  bool byte_fallback = false;
  bool escape_whitespaces = true;
  bool denormalizes = false;
  std::string_view bos_piece = "<s>";
  std::string_view eos_piece = "</s>";
  SentencePieceRules rules;
  std::optional<bool> add_bos;
  std::optional<bool> add_eos;
};

// Calls `use(reader, field)` for every field of a message.
template <typename Use>
Status for_each_field(std::string_view message, size_t offset, const std::string& where, Use use) {
  ProtobufReader reader(message, offset, where);
  while (true) {
    ROTOR_ASSIGN(const auto field, reader.next());
    if (!field) {
      return Status::ok_status();
    }
    ROTOR_TRY(use(reader, *field));
  }
}

Status read_bool(const ProtobufReader& reader, const ProtobufField& field, bool& out) {
  ROTOR_TRY(reader.expect(field, Wire::kVarint));
  out = field.value != 0;
  return Status::ok_status();
}

Status read_bytes(const ProtobufReader& reader, const ProtobufField& field, std::string_view& out) {
  ROTOR_TRY(reader.expect(field, Wire::kBytes));
  out = field.bytes;
  return Status::ok_status();
}

Status read_piece_field(const ProtobufReader& reader, const ProtobufField& field, Piece& piece) {
  switch (field.number) {
    case proto::kText:
      return read_bytes(reader, field, piece.text);
    case proto::kScore:
      ROTOR_TRY(reader.expect(field, Wire::kFixed32));
      piece.score = field.as_float();
      if (!std::isfinite(piece.score)) {
        return reader.error(field.offset, "a score that is not finite");
      }
      return Status::ok_status();
    case proto::kType:
      ROTOR_TRY(reader.expect(field, Wire::kVarint));
      piece.type = field.value;
      if (field.value < proto::kNormal || field.value > proto::kByte) {
        return reader.error(field.offset, fmt::format("piece type {}; expected 1 to 6", field.value));
      }
      return Status::ok_status();
    case proto::kFoundFirst:
      return read_bool(reader, field, piece.found_first);
    default:
      return Status::ok_status();
  }
}

Status read_trainer_field(const ProtobufReader& reader, const ProtobufField& field,
                          ModelFields& model) {
  switch (field.number) {
    case proto::kModelType:
      ROTOR_TRY(reader.expect(field, Wire::kVarint));
      model.model_type = field.value;
      return Status::ok_status();
    case proto::kTreatWhitespaceAsSuffix:
      return read_bool(reader, field, model.whitespace_is_suffix);
    case proto::kByteFallback:
      return read_bool(reader, field, model.byte_fallback);
    case proto::kBosPiece:
      return read_bytes(reader, field, model.bos_piece);
    case proto::kEosPiece:
      return read_bytes(reader, field, model.eos_piece);
    default:
      return Status::ok_status();
  }
}

Status read_normalizer_field(const ProtobufReader& reader, const ProtobufField& field,
                             ModelFields& model) {
  switch (field.number) {
    case proto::kPrecompiledCharsmap:
      ROTOR_TRY(reader.expect(field, Wire::kBytes));
      model.rules.charsmap = field.bytes;
      return Status::ok_status();
    case proto::kAddDummyPrefix:
      return read_bool(reader, field, model.rules.add_dummy_prefix);
    case proto::kRemoveExtraWhitespaces:
      return read_bool(reader, field, model.rules.remove_extra_whitespaces);
    case proto::kEscapeWhitespaces:
      return read_bool(reader, field, model.escape_whitespaces);
    default:
      return Status::ok_status();
  }
}

Status read_extension_field(const ProtobufReader& reader, const ProtobufField& field,
                            ModelFields& model) {
  switch (field.number) {
    case proto::kAddBos:
      return read_bool(reader, field, model.add_bos.emplace());
    case proto::kAddEos:
      return read_bool(reader, field, model.add_eos.emplace());
    default:
      return Status::ok_status();
  }
}

Status read_piece(const ProtobufReader& reader, const ProtobufField& field,
                  const std::string& where, ModelFields& model) {
  ROTOR_TRY(reader.expect(field, Wire::kBytes));
  if (model.pieces.size() == kMaxPieces) {
    return reader.error(field.offset, fmt::format("more than {} pieces", kMaxPieces));
  }
  Piece piece;
  ROTOR_TRY(for_each_field(field.bytes, field.offset, where,
                           [&](const ProtobufReader& inner, const ProtobufField& inner_field) {
                             return read_piece_field(inner, inner_field, piece);
                           }));
  if (piece.text.empty() && piece.type != proto::kUnused) {
    return reader.error(field.offset, fmt::format("piece {} has no text", model.pieces.size()));
  }
  model.pieces.push_back(piece);
  return Status::ok_status();
}

Status read_model(std::string_view bytes, const std::string& where, ModelFields& model) {
  return for_each_field(
      bytes, 0, where, [&](const ProtobufReader& reader, const ProtobufField& field) -> Status {
        const auto read_message = [&](auto read_field) -> Status {
          ROTOR_TRY(reader.expect(field, Wire::kBytes));
          return for_each_field(
              field.bytes, field.offset, where,
              [&](const ProtobufReader& inner, const ProtobufField& inner_field) {
                return read_field(inner, inner_field, model);
              });
        };
        switch (field.number) {
          case proto::kPieces:
            return read_piece(reader, field, where, model);
          case proto::kTrainerSpec:
            return read_message(read_trainer_field);
          case proto::kNormalizerSpec:
            return read_message(read_normalizer_field);
          case proto::kDenormalizerSpec:
            return read_message([](const ProtobufReader&, const ProtobufField& inner,
                                   ModelFields& out) {
              out.denormalizes |= inner.number == proto::kPrecompiledCharsmap &&
                                  !inner.bytes.empty();
              return Status::ok_status();
            });
          case proto::kRotor:
            return read_message(read_extension_field);
          default:
            return Status::ok_status();
        }
      });
}

Status check_supported(const ModelFields& model, const std::string& source) {
  if (model.pieces.empty()) {
    return format_error(source + ": it holds no pieces");
  }
  if (model.model_type != proto::kUnigramModel && model.model_type != proto::kBpeModel) {
    const char* name = model.model_type == proto::kWordModel   ? " (word)"
                       : model.model_type == proto::kCharModel ? " (char)"
                                                               : "";
    return unsupported(fmt::format("{}: unsupported model type {}{}; expected 1 (unigram) or 2 (BPE)",
                                   source, model.model_type, name));
  }
  if (model.whitespace_is_suffix) {
    return unsupported(source + ": treat_whitespace_as_suffix is true; expected false");
  }
  if (!model.escape_whitespaces) {
    return unsupported(source + ": escape_whitespaces is false; expected true");
  }
  if (model.denormalizes) {
    return unsupported(source + ": it has a denormalizer; expected none");
  }
  return Status::ok_status();
}

// What the unigram model adds up: a user-defined piece costs nothing, and the longer of two is better. As
// sentencepiece 0.2.3 computes it, whatever the score in the file is (0.2.0: length * FLT_MIN - 0.1).
double unigram_score(const Piece& piece) {
  if (piece.type != proto::kUserDefined || piece.found_first) {
    return piece.score;
  }
  return static_cast<float>(piece.text.size()) * 0.1F - 0.1;
}

TokenKind kind_of(const Piece& piece, bool unigram) {
  switch (piece.type) {
    case proto::kUnknown:
    case proto::kControl:
      return TokenKind::kControl;
    case proto::kUserDefined:
      return unigram && !piece.found_first ? TokenKind::kNormal : TokenKind::kUserDefined;
    case proto::kUnused:
      return TokenKind::kUnused;
    case proto::kByte:
      return TokenKind::kByte;
    default:
      return TokenKind::kNormal;
  }
}

TokenId find_control(const TokenizerSpec& spec, std::string_view text) {
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.kinds[id] == TokenKind::kControl && spec.tokens[id] == text) {
      return static_cast<TokenId>(id);
    }
  }
  return kNoToken;
}

void add_pieces(const ModelFields& model, TokenizerSpec& spec) {
  const bool unigram = spec.model == TokenizerModel::kUnigram;
  float least = std::numeric_limits<float>::infinity();
  for (const Piece& piece : model.pieces) {
    if (piece.type == proto::kNormal) {
      least = std::min(least, piece.score);
    }
  }
  least = std::isfinite(least) ? least : 0;
  spec.unknown_score = least - 10.0F;
  for (const Piece& piece : model.pieces) {
    const auto id = static_cast<TokenId>(spec.tokens.size());
    spec.tokens.emplace_back(piece.text);
    spec.kinds.push_back(kind_of(piece, unigram));
    spec.scores.push_back(unigram ? unigram_score(piece) : piece.score);
    if (piece.type == proto::kUnknown && spec.unk == kNoToken) {
      spec.unk = id;
    }
    if (piece.type != proto::kUserDefined || piece.found_first) {
      continue;
    }
    spec.sentencepiece->protected_texts.emplace_back(piece.text);
    if (!unigram) {
      spec.normalized.push_back({id, std::string(piece.text)});
    }
  }
}

Result<TokenizerSpec> parse(std::string_view bytes, const std::string& name) {
  TokenizerSpec spec;
  spec.source = name + " (SentencePiece)";
  ModelFields model;
  ROTOR_TRY(read_model(bytes, spec.source, model));
  ROTOR_TRY(check_supported(model, spec.source));
  spec.model = model.model_type == proto::kBpeModel ? TokenizerModel::kCharacterBpe
                                                    : TokenizerModel::kUnigram;
  spec.sentencepiece = model.rules;
  add_pieces(model, spec);
  spec.single_precision = true;
  spec.byte_fallback = model.byte_fallback;
  spec.fuse_unk = true;
  spec.space_mark = kSpaceMark;
  if (model.rules.add_dummy_prefix || model.rules.remove_extra_whitespaces) {
    spec.first_space = FirstSpace::kDropOne;
  }
  spec.bos = find_control(spec, model.bos_piece);
  spec.eos = find_control(spec, model.eos_piece);
  spec.add_bos = model.add_bos.value_or(spec.bos != kNoToken);
  spec.add_eos = model.add_eos.value_or(false);
  return spec;
}

}  // namespace

Result<TokenizerSpec> parse_sentencepiece(std::string_view bytes, const std::string& name) {
  try {
    return parse(bytes, name);
  } catch (const std::bad_alloc&) {
    return out_of_memory(name + ": no memory for its tokenizer");
  }
}

}  // namespace rotor
