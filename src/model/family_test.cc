// SPDX-License-Identifier: Apache-2.0
// The table of families: every row can be found by what its files say, and none hides another.
#include "model/family.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rotor {
namespace {

using testing::HasSubstr;

TEST(Family, EveryRowIsFoundByWhatItsFilesSay) {
  for (const Family& family : families()) {
    EXPECT_EQ(find_hf_family(family.model_type, family.architecture), &family) << family.name;
    EXPECT_TRUE(is_family(family.name));
    EXPECT_EQ(config_of(family).family, family.name);
    for (const std::string_view architecture : family.gguf) {
      EXPECT_EQ(find_gguf_family(architecture), &family) << architecture;
      EXPECT_THAT(gguf_family_names(), HasSubstr("'" + std::string(architecture) + "'"));
    }
    EXPECT_THAT(hf_family_names(), HasSubstr("'" + std::string(family.model_type) + "'"));
    for (const std::string_view norm : family.hf_norms) {
      EXPECT_FALSE(norm.empty());
    }
  }
}

TEST(Family, AModelIsWrittenAsTheFirstRowOfItsFamily) {
  for (const Family& family : families()) {
    const Family& first = family_of(config_of(family));
    EXPECT_EQ(first.name, family.name);
    EXPECT_TRUE(first.architecture.empty());
    EXPECT_EQ(is_exported(family), !first.hf_class.empty());
    EXPECT_TRUE(!is_exported(family) || !first.gguf.empty());
  }
}

TEST(Family, OthersAreNotFound) {
  for (const char* unknown : {"", "gpt2", "Llama", "bitnet-b1.59"}) {
    EXPECT_EQ(find_hf_family(unknown, ""), nullptr) << unknown;
    EXPECT_EQ(find_gguf_family(unknown), nullptr) << unknown;
    EXPECT_FALSE(is_family(unknown)) << unknown;
  }
}

// Both say model_type llama; the architecture tells them apart.
TEST(Family, TheFirstBitnetsAreNotTakenForLlama) {
  const Family* bitnet = find_hf_family("llama", "BitnetForCausalLM");
  ASSERT_NE(bitnet, nullptr);
  EXPECT_EQ(bitnet->name, "bitnet");
  EXPECT_TRUE(config_of(*bitnet).attn_sub_norm);
  EXPECT_EQ(bitnet->activation, Activation::kSilu);
  for (const char* architecture : {"LlamaForCausalLM", ""}) {
    const Family* llama = find_hf_family("llama", architecture);
    ASSERT_NE(llama, nullptr);
    EXPECT_EQ(llama->name, "llama");
    EXPECT_FALSE(config_of(*llama).attn_sub_norm);
    EXPECT_FALSE(config_of(*llama).ffn_sub_norm);
  }
}

}  // namespace
}  // namespace rotor
