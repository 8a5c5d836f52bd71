// SPDX-License-Identifier: Apache-2.0
#include "engine/multiple_choice.h"

#include <algorithm>
#include <cmath>

#include "text/unicode.h"

namespace rotor {
namespace {

// The length of `text` without the white space at its end, as Python's rstrip() takes it: Unicode's,
// and the four separators U+001C to U+001F.
size_t length_without_final_space(std::string_view text) {
  size_t length = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char character = decode_utf8(text, at);
    at += character.length;
    const bool separator = character.code_point >= 0x1c && character.code_point <= 0x1f;
    if (!separator && !is_white_space(char_class(character.code_point))) {
      length = at;
    }
  }
  return length;
}

size_t characters(std::string_view text) {
  size_t count = 0;
  for (size_t at = 0; at < text.size(); at += decode_utf8(text, at).length) {
    ++count;
  }
  return count;
}

template <typename Length>
size_t likeliest(const ChoiceQuestion& question, std::span<const double> log_likelihoods,
                 Length length) {
  size_t best = 0;
  double best_score = 0;
  for (size_t i = 0; i < log_likelihoods.size(); ++i) {
    const double score = log_likelihoods[i] / static_cast<double>(length(question.choices[i]));
    if (i == 0 || score > best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
}

}  // namespace

Result<TokenPair> encode_pair(const Tokenizer& tokenizer, std::string_view context,
                              std::string_view continuation, bool add_bos) {
  EncodeOptions options;
  options.add_bos = add_bos && tokenizer.add_bos() && tokenizer.bos() != kNoToken;
  options.add_eos = false;
  TokenPair pair;
  if (context.empty()) {
    const TokenId prefix = tokenizer.bos() != kNoToken ? tokenizer.bos() : tokenizer.eos();
    if (prefix == kNoToken) {
      return invalid_argument("the context is empty, and the tokenizer has neither a begin-of-text "
                              "nor an end-of-text token to stand for it");
    }
    options.add_bos = false;
    pair.context = {prefix};
    ROTOR_ASSIGN(pair.continuation, tokenizer.encode(continuation, options));
  } else {
    const std::string whole = std::string(context) + std::string(continuation);
    const std::string_view stripped = context.substr(0, length_without_final_space(context));
    ROTOR_ASSIGN(const std::vector<TokenId> tokens, tokenizer.encode(whole, options));
    ROTOR_ASSIGN(pair.context, tokenizer.encode(stripped, options));
    const size_t start = std::min(pair.context.size(), tokens.size());
    pair.continuation.assign(tokens.begin() + static_cast<ptrdiff_t>(start), tokens.end());
  }
  if (pair.continuation.empty() || pair.context.empty()) {
    return invalid_argument("no token is left for the " +
                            std::string(pair.context.empty() ? "context" : "continuation"));
  }
  return pair;
}

Result<EncodedQuestion> encode_question(const Tokenizer& tokenizer, const ChoiceQuestion& question,
                                        const ChoiceEncoding& encoding) {
  EncodedQuestion out;
  std::vector<TokenPair> pairs;
  for (const std::string& choice : question.choices) {
    ROTOR_ASSIGN(TokenPair pair, encode_pair(tokenizer, question.context,
                                             encoding.delimiter + choice, encoding.add_bos));
    // The last token of a continuation is no input.
    const size_t inputs = pair.context.size() + pair.continuation.size() - 1;
    if (inputs > encoding.positions) {
      if (pair.continuation.size() > encoding.positions) {
        return invalid_argument("a choice has " + std::to_string(pair.continuation.size()) +
                                " tokens; the context has " + std::to_string(encoding.positions) +
                                " positions");
      }
      pair.context.erase(pair.context.begin(),
                         pair.context.begin() + static_cast<ptrdiff_t>(inputs - encoding.positions));
      ++out.cut;
    }
    pairs.push_back(std::move(pair));
  }
  for (TokenPair& pair : pairs) {
    if (out.items.empty() || out.items.back().context != pair.context) {
      out.items.push_back({std::move(pair.context), {}});
    }
    out.items.back().texts.push_back(std::move(pair.continuation));
  }
  return out;
}

ChosenAnswers choose(const ChoiceQuestion& question, std::span<const double> log_likelihoods) {
  ChosenAnswers chosen;
  chosen.plain = likeliest(question, log_likelihoods, [](const std::string&) { return 1; });
  chosen.per_character = likeliest(question, log_likelihoods, characters);
  chosen.per_byte =
      likeliest(question, log_likelihoods, [](const std::string& text) { return text.size(); });
  return chosen;
}

Accuracy accuracy(size_t right, size_t count) {
  const double n = static_cast<double>(count);
  const double share = static_cast<double>(right) / n;
  return {share, count < 2 ? 0 : std::sqrt(share * (1 - share) / (n - 1))};
}

}  // namespace rotor
