// SPDX-License-Identifier: Apache-2.0
// Questions with several answers of which one is right, scored as lm-evaluation-harness scores its
// output type multiple_choice: the answer that the model holds most likely after the question.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "engine/continuations.h"
#include "text/tokenizer.h"

namespace rotor {

struct ChoiceQuestion {
  std::string context;               // may be empty
  std::vector<std::string> choices;  // at least one, none empty
  size_t gold = 0;                   // the right one
};

// How a question becomes tokens.
struct ChoiceEncoding {
  std::string delimiter = " ";  // between context and choice
  bool add_bos = true;          // where the tokenizer adds a begin-of-text token
  size_t positions = 0;         // of the model: inputs beyond them are cut off at the left
};

struct TokenPair {
  std::vector<TokenId> context;
  std::vector<TokenId> continuation;
};

// White space at the end of `context` goes to the front of `continuation`; then the tokens of
// context + continuation behind as many as the context alone has are the continuation's, and before
// them stand the context's own. An empty context is the begin-of-text token, or, without one,
// end-of-text. kInvalidArgument when nothing is left for the continuation.
Result<TokenPair> encode_pair(const Tokenizer& tokenizer, std::string_view context,
                              std::string_view continuation, bool add_bos);

// What to compute for a question: continuation i is delimiter + choice i. Where the positions cut a
// context off, each choice has a context of its own length and the items are one for each choice.
struct EncodedQuestion {
  std::vector<Continuations> items;
  size_t cut = 0;                    // choices whose context lost tokens
};
Result<EncodedQuestion> encode_question(const Tokenizer& tokenizer, const ChoiceQuestion& question,
                                        const ChoiceEncoding& encoding);

// The choice that each rule finds likeliest, the first of several.
struct ChosenAnswers {
  size_t plain = 0;           // acc: largest log-likelihood
  size_t per_character = 0;   // acc_norm: divided by the characters of the choice
  size_t per_byte = 0;        // acc_bytes: divided by its bytes in UTF-8; the same for ASCII
};
ChosenAnswers choose(const ChoiceQuestion& question, std::span<const double> log_likelihoods);

// Of `count` questions `right` were answered rightly: the share, and its standard error
// sqrt(p (1 - p) / (count - 1)), which is the sample's as the harness takes it; 0 for one question.
struct Accuracy {
  double value = 0;
  double error = 0;
};
Accuracy accuracy(size_t right, size_t count);

}  // namespace rotor
