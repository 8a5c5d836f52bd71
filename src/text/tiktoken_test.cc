// SPDX-License-Identifier: Apache-2.0
#include "text/tiktoken.h"

#include <gtest/gtest.h>

#include "text/tokenizer.h"

namespace rotor {
namespace {

std::string error(std::string_view text) {
  const auto spec = parse_tiktoken(text, "tokenizer.model");
  EXPECT_EQ(spec.status().code(), Code::kFormatError);
  return spec.status().message();
}

TEST(Tiktoken, LinesAreBytesAndRanks) {
  const auto spec = parse_tiktoken("IQ== 0\nIg== 1\r\n//4= 2\n\nISEi 3\nAP8Q 4", "small");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(spec->tokens, (std::vector<std::string>{"!", "\"", "\xFF\xFE", "!!\"",
                                                    std::string("\0\xFF\x10", 3)}));
  EXPECT_TRUE(spec->ranks_are_ids);
  EXPECT_TRUE(spec->ignore_merges);
  EXPECT_FALSE(spec->add_bos);
  ASSERT_EQ(spec->notes.size(), 1u);
  EXPECT_EQ(spec->notes[0],
            "5 ranks are not Llama 3's 128000: no special tokens; Llama 3's split "
            "rule assumed");
}

TEST(Tiktoken, ErrorsNameTheLine) {
  EXPECT_EQ(error(""),
            "tokenizer.model (tiktoken): no line with a token; expected base64, a space "
            "and a rank");
  EXPECT_EQ(error("IQ==\n"),
            "tokenizer.model (tiktoken): line 1: expected base64, a space and a "
            "rank; got \"IQ==\"");
  EXPECT_EQ(error("IQ== 0\nIQ== 2\n"),
            "tokenizer.model (tiktoken): line 2: expected rank 1, the "
            "number of lines before; got \"IQ== 2\"");
  for (const char* rank : {"", "x", "0x0", "-0", " 0", "0 ", "18446744073709551616"}) {
    EXPECT_NE(error(std::string("IQ== ") + rank).find("a decimal rank after the space"),
              std::string::npos)
        << rank;
  }
  for (const char* text : {"", "I", "IQ", "IQ=", "IQ===", "I===", "====", "IR==", "ISF=", "I-==",
                           "IQ==IQ==", "\xC3\xA9=="}) {
    EXPECT_NE(error(std::string(text) + " 0").find("base64 of at least one byte"),
              std::string::npos)
        << text;
  }
}

TEST(Tiktoken, RanksDecideTheMerges) {
  // a b ab bb: in "abb" the lower id wins; in "bbb" the left pair.
  const auto spec = parse_tiktoken("YQ== 0\nYg== 1\nYWI= 2\nYmI= 3\n", "small");
  const auto tokenizer = Tokenizer::create(*spec);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(*tokenizer->encode("abb"), (std::vector<TokenId>{2, 1}));
  EXPECT_EQ(*tokenizer->encode("bbb"), (std::vector<TokenId>{3, 1}));
}

TEST(Tiktoken, RepeatedBytesAreRefused) {
  const auto tokenizer = Tokenizer::create(*parse_tiktoken("YQ== 0\nYQ== 1\n", "small"));
  EXPECT_EQ(tokenizer.status().message(), "small (tiktoken): tokens 0 and 1 are both \"a\"");
}

}  // namespace
}  // namespace rotor
