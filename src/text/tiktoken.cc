// SPDX-License-Identifier: Apache-2.0
// The tiktoken reader and Llama 3's special tokens (llama3 repository, llama/tokenizer.py).
#include "text/tiktoken.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>

#include "text/unicode.h"

namespace rotor {
namespace {

constexpr size_t kLlama3Ranks = 128'000;
constexpr size_t kLlama3Specials = 256;

constexpr std::array<int8_t, 256> base64_values() {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kDigits.size(); ++i) {
    values[static_cast<uint8_t>(kDigits[i])] = static_cast<int8_t>(i);
  }
  return values;
}

// RFC 4648 with padding; unused bits must be zero, so that every text has one form.
std::optional<std::string> decode_base64(std::string_view text) {
  static constexpr std::array<int8_t, 256> kValues = base64_values();
  if (text.size() % 4 != 0 || text.empty()) {
    return std::nullopt;
  }
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  text.remove_suffix(padding);
  std::string bytes;
  uint32_t bits = 0;
  uint32_t count = 0;
  for (const char c : text) {
    const int8_t value = kValues[static_cast<uint8_t>(c)];
    if (value < 0) {
      return std::nullopt;
    }
    bits = (bits << 6 | static_cast<uint32_t>(value)) & 0xFFFF;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count & 0xFF);
    }
  }
  if ((bits & ((1U << count) - 1)) != 0) {
    return std::nullopt;
  }
  return bytes;
}

Status parse_line(std::string_view line, size_t number, TokenizerSpec& spec) {
  const auto bad = [&](std::string_view expected) {
    return format_error(fmt::format("{}: line {}: expected {}; got {}", spec.source, number,
                                    expected, printable(line)));
  };
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) {
    return bad("base64, a space and a rank");
  }
  std::optional<std::string> bytes = decode_base64(line.substr(0, space));
  if (!bytes) {
    return bad("base64 of at least one byte before the space");
  }
  const std::string_view digits = line.substr(space + 1);
  size_t rank = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return bad("a decimal rank after the space");
  }
  if (rank != spec.tokens.size()) {
    return bad(fmt::format("rank {}, the number of lines before", spec.tokens.size()));
  }
  spec.tokens.push_back(*std::move(bytes));
  return Status::ok_status();
}

// Meta's order: ten tokens, five of them reserved, then reserved ones numbered on.
std::string llama3_special(size_t index) {
  switch (index) {
    case 0:
      return "<|begin_of_text|>";
    case 1:
      return "<|end_of_text|>";
    case 6:
      return "<|start_header_id|>";
    case 7:
      return "<|end_header_id|>";
    case 9:
      return "<|eot_id|>";
    default:
      break;
  }
  const size_t number = index < 6 ? index - 2 : index == 8 ? 4 : index - 5;
  return fmt::format("<|reserved_special_token_{}|>", number);
}

void add_llama3_specials(TokenizerSpec& spec) {
  for (size_t i = 0; i < kLlama3Specials; ++i) {
    spec.tokens.push_back(llama3_special(i));
  }
  spec.kinds.resize(spec.tokens.size(), TokenKind::kControl);
  const TokenId first = static_cast<TokenId>(kLlama3Ranks);
  spec.add_bos = true;
  spec.bos = first;
  spec.eos = first + 1;
  spec.eot = first + 9;
}

}  // namespace

Result<TokenizerSpec> parse_tiktoken(std::string_view text, const std::string& name) {
  TokenizerSpec spec;
  spec.source = name + " (tiktoken)";
  spec.ranks_are_ids = true;
  spec.ignore_merges = true;
  spec.splits = {{SplitKind::kLlama3, {}}};
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (!line.empty()) {
      ROTOR_TRY(parse_line(line, number, spec));
    }
  }
  if (spec.tokens.empty()) {
    return format_error(spec.source +
                        ": no line with a token; expected base64, a space and a rank");
  }
  spec.kinds.assign(spec.tokens.size(), TokenKind::kNormal);
  if (spec.tokens.size() == kLlama3Ranks) {
    add_llama3_specials(spec);
  } else {
    spec.notes.push_back(fmt::format(
        "{} ranks are not Llama 3's {}: no special tokens; Llama 3's split rule assumed",
        spec.tokens.size(), kLlama3Ranks));
  }
  return spec;
}

}  // namespace rotor
