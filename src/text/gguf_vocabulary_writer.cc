// SPDX-License-Identifier: Apache-2.0
#include "text/gguf_vocabulary_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "text/bpe_alphabet.h"
#include "text/gguf_sentencepiece_writer.h"
#include "text/sentencepiece_writer.h"
#include "text/tokenizer_merge_list.h"

namespace rotor {
namespace {

// The name under which llama.cpp knows how a tokenizer cuts text; empty when it knows none. With these
// names it and Rotor agree on the pattern and on whether whole pieces are looked up first.
std::string_view pre_tokenizer_name(const TokenizerSpec& spec) {
  if (spec.splits.size() != 1) {
    return {};
  }
  switch (spec.splits[0].kind) {
    case SplitKind::kLlama3: return spec.ignore_merges ? "llama-bpe" : "smaug-bpe";
    case SplitKind::kQwen2: return spec.ignore_merges ? "" : "qwen2";
    case SplitKind::kGpt2: return spec.ignore_merges ? "" : "gpt-2";
    case SplitKind::kDigits:
    case SplitKind::kBefore:
    case SplitKind::kRegex: break;
  }
  return {};
}

int32_t type_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::kNormal: return 1;
    case TokenKind::kControl: return 3;
    case TokenKind::kUserDefined: return 4;
    case TokenKind::kUnused: return 5;
    case TokenKind::kByte: return 6;
  }
  return 5;
}

// Unused tokens of a vocabulary need texts of their own: llama.cpp looks tokens up by text.
void add_unused(GgufVocabulary& out) {
  out.tokens.push_back(fmt::format("[PAD{}]", out.tokens.size()));
  out.types.push_back(type_of(TokenKind::kUnused));
}

void add_tokens(const TokenizerSpec& spec, size_t rows, GgufVocabulary& out,
                std::vector<std::string>& notes) {
  auto shared = spec.shared.begin();
  for (size_t id = 0; id < std::min(rows, spec.tokens.size()); ++id) {
    const bool is_shared = shared != spec.shared.end() && static_cast<size_t>(shared->id) == id;
    const TokenKind kind = spec.kinds[id];
    if (kind == TokenKind::kUnused) {
      add_unused(out);
      continue;
    }
    out.tokens.push_back(is_shared                    ? (shared++)->text
                         : kind == TokenKind::kNormal ? alphabet_from_bytes(spec.tokens[id])
                                                      : spec.tokens[id]);
    out.types.push_back(type_of(kind));
  }
  if (spec.tokens.size() > rows) {
    notes.push_back(fmt::format("the last {} added tokens have no row in the embedding and are left "
                                "out of the file's vocabulary", spec.tokens.size() - rows));
  }
  while (out.tokens.size() < rows) {
    add_unused(out);
  }
}

void add_merges(const TokenizerSpec& spec, GgufVocabulary& out) {
  const auto text = [&](TokenId id) {
    return alphabet_from_bytes(spec.tokens[static_cast<size_t>(id)]);
  };
  const std::vector<MergePair> merges = merge_list(spec);
  out.merges.reserve(merges.size());
  for (const MergePair& merge : merges) {
    out.merges.push_back(text(merge.left) + " " + text(merge.right));
  }
}

std::optional<int64_t> id_or_none(TokenId id, size_t rows) {
  return id == kNoToken || static_cast<size_t>(id) >= rows ? std::nullopt
                                                           : std::optional<int64_t>(id);
}

}  // namespace

Result<GgufVocabulary> gguf_from_tokenizer(const TokenizerSpec& spec, size_t rows,
                                           std::vector<std::string>& notes) {
  if (is_sentencepiece(spec)) {
    return gguf_from_sentencepiece(spec, rows, notes);
  }
  if (spec.model != TokenizerModel::kByteBpe) {
    return unsupported(spec.source + ": a tokenizer of the kind " +
                       std::string(tokenizer_model_name(spec.model)) + " without SentencePiece's "
                       "scores is not written to GGUF; a .rotor file or a Hugging Face folder can "
                       "hold it, and a folder's tokenizer.model, left alone, has the scores");
  }
  GgufVocabulary out;
  out.name = spec.source;
  out.model = "gpt2";
  out.pre = pre_tokenizer_name(spec);
  if (out.pre.empty()) {
    return unsupported(spec.source + ": GGUF has no name for the way this tokenizer cuts text into "
                       "pieces; a .rotor file or a Hugging Face folder can hold it");
  }
  const bool nfc = spec.normalizers.size() == 1 && spec.normalizers[0].kind == NormalizerKind::kNfc;
  if (!spec.normalizers.empty() && !nfc) {
    return unsupported(spec.source + ": GGUF has no place for what this tokenizer does to text before "
                       "it cuts it; a .rotor file or a Hugging Face folder can hold it");
  }
  if (nfc) {
    notes.push_back("the tokenizer normalises text (NFC), of which a GGUF file says nothing: text "
                    "in another form will get other tokens");
  }
  if (!spec.strip_left.empty() || !spec.strip_right.empty() || !spec.single_word.empty() ||
      !spec.normalized.empty()) {
    notes.push_back("added tokens that swallow white space, want whole words or normalised text are "
                    "recognised everywhere: a GGUF file has no place for that");
  }
  add_tokens(spec, rows, out, notes);
  add_merges(spec, out);
  out.bos = id_or_none(spec.bos, rows);
  out.eos = id_or_none(spec.eos, rows);
  out.eot = id_or_none(spec.eot, rows);
  out.unk = id_or_none(spec.unk, rows);
  out.add_bos = spec.add_bos;
  out.add_eos = spec.add_eos;
  return out;
}

}  // namespace rotor
