// SPDX-License-Identifier: Apache-2.0
// Field numbers of a SentencePiece model file (ModelProto in sentencepiece_model.proto), as far as
// they say how text is encoded, for the reader and the writer.
#pragma once

#include <cstdint>

namespace rotor::sentencepiece_proto {

enum Model : uint32_t { kPieces = 1, kTrainerSpec = 2, kNormalizerSpec = 3, kDenormalizerSpec = 5 };
enum Piece : uint32_t { kText = 1, kScore = 2, kType = 3, kFoundFirst = 1580 };
enum PieceType : uint64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};
enum Trainer : uint32_t {
  kModelType = 3,
  kTreatWhitespaceAsSuffix = 24,
  kByteFallback = 35,
  kUnkId = 40,
  kBosId = 41,
  kEosId = 42,
  kPadId = 43,
  kUnkPiece = 45,
  kBosPiece = 46,
  kEosPiece = 47,
};
enum ModelType : uint64_t { kUnigramModel = 1, kBpeModel = 2, kWordModel = 3, kCharModel = 4 };
enum Normalizer : uint32_t {
  kName = 1,
  kPrecompiledCharsmap = 2,
  kAddDummyPrefix = 3,
  kRemoveExtraWhitespaces = 4,
  kEscapeWhitespaces = 5,
};

// Fields of Rotor's, for the messages are open to third parties from field 200 on: what a GGUF or
// Hugging Face file says beyond the model. Other readers pass over them.
// Piece, kFoundFirst, bool: a user-defined piece that is found before text is normalised.
// Model, kRotor: a message with these.
inline constexpr uint32_t kRotor = 1580;
enum Rotor : uint32_t {
  kAddBos = 1,  // bool: a begin-of-text token first
  kAddEos = 2,  // bool: an end-of-text token last
};

}  // namespace rotor::sentencepiece_proto
