// SPDX-License-Identifier: Apache-2.0
// The meaning of tokenizer.ggml.* for model "gpt2" (gguf_sentencepiece.cc has "llama"), with the
// defects of the published BitNet file repaired: no pre-tokenizer named, no end-of-turn id.
#include "text/gguf_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "text/bpe_alphabet.h"
#include "text/gguf_sentencepiece.h"
#include "text/tokenizer_merge_list.h"
#include "text/unicode.h"

namespace rotor {
namespace {

constexpr size_t kLlama3Vocabulary = 128'256;
constexpr size_t kLlama3Eot = 128'009;

struct PreTokenizer {
  std::string_view name;
  SplitKind split;
  bool ignore_merges;
  bool add_bos;
  bool single_digits = false;  // cut out before the rule applies
};

// The names that llama.cpp writes, and what it does by default for each. Its files of GPT-NeoX and
// Falcon-E models carry names of their own.
constexpr auto kPreTokenizers = std::to_array<PreTokenizer>({
    {"llama-bpe", SplitKind::kLlama3, true, true},
    {"llama3", SplitKind::kLlama3, true, true},
    {"llama-v3", SplitKind::kLlama3, true, true},
    {"falcon3", SplitKind::kLlama3, true, true},
    {"falcon-h1", SplitKind::kLlama3, true, true},
    {"falcon_e", SplitKind::kLlama3, true, true},
    {"pixtral", SplitKind::kLlama3, true, true},
    {"lfm2", SplitKind::kLlama3, true, true},
    {"dbrx", SplitKind::kLlama3, false, false},
    {"smaug-bpe", SplitKind::kLlama3, false, false},
    {"qwen2", SplitKind::kQwen2, false, false},
    {"deepseek-r1-qwen", SplitKind::kQwen2, false, false},
    {"stablelm2", SplitKind::kQwen2, false, false},
    {"gpt-2", SplitKind::kGpt2, false, false},
    {"gpt2", SplitKind::kGpt2, false, false},
    {"phi-2", SplitKind::kGpt2, false, false},
    {"mpt", SplitKind::kGpt2, false, false},
    {"olmo", SplitKind::kGpt2, false, false},
    {"gpt-neox", SplitKind::kGpt2, false, false},
    {"smollm", SplitKind::kGpt2, false, false, true},
    {"starcoder", SplitKind::kGpt2, false, false, true},
    {"refact", SplitKind::kGpt2, false, false, true},
    {"command-r", SplitKind::kGpt2, false, false, true},
});

bool looks_like_llama3(const GgufVocabulary& v) {
  return v.tokens.size() == kLlama3Vocabulary && v.tokens[kLlama3Eot] == "<|eot_id|>";
}

Status choose_pre_tokenizer(const GgufVocabulary& v, TokenizerSpec& spec) {
  std::string_view wanted = v.pre;
  if (wanted.empty() || wanted == "default") {
    const bool is_llama3 = looks_like_llama3(v);
    const bool is_bitnet = v.is_bitnet && v.pre.empty();
    wanted = is_llama3 || is_bitnet ? "llama-bpe" : "gpt-2";
    spec.notes.push_back(fmt::format(
        "the pre-tokenizer key tokenizer.ggml.pre is {}: the {} rule is used{}",
        v.pre.empty() ? "missing" : "\"default\"", wanted,
        is_llama3   ? " (the vocabulary is Llama 3's)"
        : is_bitnet ? " (BitNet's models split as Llama 3 does)"
                    : ""));
  }
  const auto found = std::find_if(kPreTokenizers.begin(), kPreTokenizers.end(),
                                  [&](const PreTokenizer& p) { return p.name == wanted; });
  if (found == kPreTokenizers.end()) {
    std::string known;
    for (const PreTokenizer& p : kPreTokenizers) {
      known += known.empty() ? "" : ", ";
      known += p.name;
    }
    return unsupported(
        fmt::format("{}: tokenizer.ggml.pre: unsupported pre-tokenizer {}; expected "
                    "one of {}",
                    v.name, printable(v.pre), known));
  }
  if (found->single_digits) {
    spec.splits.push_back({SplitKind::kDigits, {}});
  }
  spec.splits.push_back({found->split, {}});
  spec.ignore_merges = found->ignore_merges;
  spec.add_bos = v.add_bos.value_or(found->add_bos);
  spec.add_eos = v.add_eos.value_or(false);
  return Status::ok_status();
}

Status add_tokens(const GgufVocabulary& v, TokenizerSpec& spec) {
  ROTOR_TRY(check_gguf_types(v));
  spec.tokens.reserve(v.tokens.size());
  spec.kinds.reserve(v.tokens.size());
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    ROTOR_ASSIGN(TokenKind kind, gguf_token_kind(v, id));
    std::optional<std::string> bytes;
    if (kind == TokenKind::kNormal) {
      bytes = bytes_from_alphabet(v.tokens[id]);
      // Not in the byte alphabet: text that no merge can reach.
      kind = bytes ? kind : TokenKind::kUnused;
    }
    spec.tokens.push_back(bytes ? *std::move(bytes) : v.tokens[id]);
    spec.kinds.push_back(kind);
  }
  return Status::ok_status();
}

Status set_id(const GgufVocabulary& v, std::string_view key, std::optional<int64_t> value,
              TokenId& id) {
  if (!value) {
    return Status::ok_status();
  }
  // Writers spell "none" as -1, in 32 bits without sign.
  if (*value == -1 || *value == UINT32_MAX) {
    return Status::ok_status();
  }
  if (*value < 0 || static_cast<uint64_t>(*value) >= v.tokens.size()) {
    return format_error(
        fmt::format("{}: tokenizer.ggml.{} is {}; expected below {}, the number of "
                    "tokens",
                    v.name, key, *value, v.tokens.size()));
  }
  id = static_cast<TokenId>(*value);
  return Status::ok_status();
}

void repair_end_of_turn(const GgufVocabulary& v, TokenizerSpec& spec) {
  if (spec.eot == kNoToken && looks_like_llama3(v)) {
    spec.eot = static_cast<TokenId>(kLlama3Eot);
    spec.notes.push_back(fmt::format(
        "tokenizer.ggml.eot_token_id is missing: {} (<|eot_id|>) ends a turn", kLlama3Eot));
  }
}

// Without merges nothing makes the longer tokens: every text would fall apart into bytes.
Status check_merges(const GgufVocabulary& v, const TokenizerSpec& spec) {
  for (size_t id = 0; v.merges.empty() && id < spec.tokens.size(); ++id) {
    if (spec.kinds[id] == TokenKind::kNormal && spec.tokens[id].size() > 1) {
      return format_error(
          fmt::format("{}: tokenizer.ggml.merges is missing or empty; expected the merges that make "
                      "tokens such as {}, {}",
                      v.name, id, printable(spec.tokens[id])));
    }
  }
  return Status::ok_status();
}

// Added tokens (control and user-defined) that are spelled in the byte alphabet, as merges are.
using AddedTokens = std::map<std::string_view, size_t>;

AddedTokens added_tokens(const GgufVocabulary& v, const TokenizerSpec& spec) {
  AddedTokens added;
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    const TokenKind kind = spec.kinds[id];
    if ((kind == TokenKind::kControl || kind == TokenKind::kUserDefined) &&
        bytes_from_alphabet(v.tokens[id])) {
      added.emplace(v.tokens[id], id);
    }
  }
  return added;
}

// The merges without those that take or make a control token, which must not come from plain text (a
// single byte has no other spelling and stays ordinary). Marks the added tokens that the others take
// or make.
std::vector<std::string_view> plain_merges(const GgufVocabulary& v, const TokenizerSpec& spec,
                                           std::vector<bool>& is_shared) {
  const AddedTokens added = added_tokens(v, spec);
  // False for a control token; marks another added token.
  const auto share = [&](std::string_view token) {
    const auto found = added.find(token);
    if (found == added.end()) {
      return true;
    }
    const size_t id = found->second;
    if (spec.kinds[id] == TokenKind::kControl && bytes_from_alphabet(token)->size() > 1) {
      return false;
    }
    is_shared[id] = true;
    return true;
  };
  std::vector<std::string_view> merges;
  merges.reserve(v.merges.size());
  for (const std::string_view merge : v.merges) {
    const size_t space = merge.find(' ');
    if (!added.empty() && space != std::string_view::npos) {
      const std::string_view left = merge.substr(0, space);
      const std::string_view right = merge.substr(space + 1);
      if (!share(left) || !share(right) || !share(std::string(left).append(right))) {
        continue;
      }
    }
    merges.push_back(merge);
  }
  return merges;
}

// As in tokenizer.json, an added token that merges take or make is an ordinary token too.
Status add_merges(const GgufVocabulary& v, TokenizerSpec& spec) {
  std::vector<bool> is_shared(v.tokens.size());
  const std::vector<std::string_view> merges = plain_merges(v, spec, is_shared);
  for (size_t id = 0; id < is_shared.size(); ++id) {
    if (is_shared[id]) {
      spec.shared.push_back({static_cast<TokenId>(id), v.tokens[id]});
      spec.tokens[id] = *bytes_from_alphabet(v.tokens[id]);
    }
  }
  MergeListReader reader(spec);
  for (const std::string_view merge : merges) {
    ROTOR_TRY(reader.add(merge));
  }
  return Status::ok_status();
}

// "gpt2": the bytes of text, merged by a list.
Result<TokenizerSpec> byte_bpe_from_gguf(const GgufVocabulary& v) {
  TokenizerSpec spec;
  spec.source = v.name + " (GGUF)";
  ROTOR_TRY(choose_pre_tokenizer(v, spec));
  ROTOR_TRY(add_tokens(v, spec));
  ROTOR_TRY(set_gguf_ids(v, spec));
  repair_end_of_turn(v, spec);
  ROTOR_TRY(check_merges(v, spec));
  ROTOR_TRY(add_merges(v, spec));
  return spec;
}

}  // namespace

Result<TokenKind> gguf_token_kind(const GgufVocabulary& v, size_t id) {
  if (v.types.empty()) {
    return TokenKind::kNormal;
  }
  switch (v.types[id]) {
    case 1:
      return TokenKind::kNormal;
    case 2:
    case 3:
      return TokenKind::kControl;
    case 4:
      return TokenKind::kUserDefined;
    case 5:
      return TokenKind::kUnused;
    case 6:
      return TokenKind::kByte;
    default:
      return format_error(fmt::format("{}: tokenizer.ggml.token_type[{}] is {}; expected 1 to 6",
                                      v.name, id, v.types[id]));
  }
}

Status check_gguf_types(const GgufVocabulary& v) {
  if (!v.types.empty() && v.types.size() != v.tokens.size()) {
    return format_error(
        fmt::format("{}: tokenizer.ggml.token_type has {} elements; expected {}, as "
                    "tokenizer.ggml.tokens",
                    v.name, v.types.size(), v.tokens.size()));
  }
  return Status::ok_status();
}

Status set_gguf_ids(const GgufVocabulary& v, TokenizerSpec& spec) {
  TokenId eom = kNoToken;
  ROTOR_TRY(set_id(v, "bos_token_id", v.bos, spec.bos));
  ROTOR_TRY(set_id(v, "eos_token_id", v.eos, spec.eos));
  ROTOR_TRY(set_id(v, "eot_token_id", v.eot, spec.eot));
  ROTOR_TRY(set_id(v, "eom_token_id", v.eom, eom));
  ROTOR_TRY(set_id(v, "unknown_token_id", v.unk, spec.unk));
  if (eom != kNoToken) {
    spec.end_of_generation.push_back(eom);
  }
  if (v.types.empty()) {
    // Nothing says which tokens are special; at least these are.
    for (const TokenId id : {spec.bos, spec.eos, spec.eot, eom}) {
      if (id != kNoToken) {
        spec.tokens[static_cast<size_t>(id)] = v.tokens[static_cast<size_t>(id)];
        spec.kinds[static_cast<size_t>(id)] = TokenKind::kControl;
      }
    }
  }
  return Status::ok_status();
}

Result<TokenizerSpec> tokenizer_from_gguf(const GgufVocabulary& v) {
  if (v.model == "gpt2") {
    return byte_bpe_from_gguf(v);
  }
  if (v.model == "llama") {
    return sentencepiece_from_gguf(v);
  }
  return unsupported(
      fmt::format("{}: tokenizer.ggml.model: unsupported tokenizer model {}; "
                  "expected \"gpt2\" or \"llama\"",
                  v.name, printable(v.model)));
}

}  // namespace rotor
