// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <stdexcept>
#include <string_view>

#include "model/family.h"
#include "tables/tables.h"

namespace rotor::tables {
namespace {

constexpr std::array kColumns = {"Hugging Face, packed", "masters",         "floats as they are",
                                 "GGUF",                 "`.rotor`",        "to GGUF",
                                 "to Hugging Face",      "llama.cpp loads", "transformers loads"};

// The tests of a row of model/family.h, by column; none: it is not supported.
struct Tests {
  std::string_view model_type;
  std::string_view architecture;
  std::string_view models;
  std::array<std::string_view, kColumns.size()> tests;
};

constexpr Tests kTests[] = {
    {"bitnet", "", "BitNet b1.58 2B-4T and models of its architecture",
     {"parity/golden_test.py#test_on_its_own[packed-multiply]",
      "parity/golden_test.py#test_on_its_own[master-bf16]",
      "",
      "parity/identity_test.py#test_gguf[packed-multiply]",
      "parity/identity_test.py#test_rotor_file[packed-multiply]",
      "parity/convert_matrix_test.py#test_every_pair[hf]",
      "parity/convert_matrix_test.py#test_every_pair[i2_s]",
      "parity/live_llama_cpp_test.py#test_a_fixture_writes_the_same_text",
      "parity/live_writers_test.py#test_transformers_computes_the_source"}},
    {"llama", "BitnetForCausalLM", "bitnet_b1_58-large, -xl, -3B of 1bitLLM",
     {"",
      "parity/golden_test.py#test_on_its_own[1bitllm-heads-96]",
      "",
      "parity/identity_test.py#test_gguf[1bitllm-heads-96]",
      "parity/identity_test.py#test_rotor_file[1bitllm-heads-100]",
      "parity/convert_matrix_test.py#test_a_way_through_every_container[1bitllm]",
      "parity/convert_matrix_test.py#test_a_way_through_every_container[1bitllm]",
      "parity/live_llama_cpp_test.py#test_other_families_write_the_same_text",
      "parity/live_writers_test.py#test_transformers_computes_what_were_masters"}},
    {"llama", "", "Llama3-8B-1.58, Falcon3-1.58bit, Falcon-E; TriLM; small float models",
     {"parity/golden_test.py#test_on_its_own[llama-divide]",
      "parity/golden_test.py#test_on_its_own[llama-master]",
      "parity/golden_test.py#test_on_its_own[trilm-shards]",
      "parity/identity_test.py#test_gguf[falcon3-heads]",
      "parity/identity_test.py#test_rotor_file[falcon3-heads]",
      "parity/convert_matrix_test.py#test_a_way_through_every_container[llama3]",
      "parity/convert_matrix_test.py#test_a_way_through_every_container[falcon3]",
      "parity/live_llama_cpp_test.py#test_other_families_write_the_same_text",
      "parity/live_writers_test.py#test_transformers_computes_other_families"}},
    {"mistral", "", "Mistral",
     {"parity/golden_test.py#test_on_its_own[mistral]",
      "",
      "",
      "parity/identity_test.py#test_gguf[mistral]",
      "parity/identity_test.py#test_rotor_file[mistral]",
      "parity/convert_matrix_test.py#test_a_way_through_every_container[mistral]",
      "parity/convert_matrix_test.py#test_a_way_through_every_container[mistral]",
      "parity/live_llama_cpp_test.py#test_other_families_write_the_same_text",
      "parity/live_writers_test.py#test_transformers_computes_other_families"}},
    {"qwen3", "", "Ternary-Bonsai 1.7B, 4B, 8B; BitNet-embedding-0.6B; small float models",
     {"parity/golden_test.py#test_on_its_own[qwen3-yarn]",
      "parity/golden_test.py#test_on_its_own[qwen3-embedding]",
      "parity/golden_test.py#test_on_its_own[qwen3-float]",
      "parity/identity_test.py#test_bonsai[Q2_0]",
      "parity/identity_test.py#test_rotor_file[qwen3-embedding]",
      "parity/convert_matrix_test.py#test_a_way_through_every_container[qwen3]",
      "parity/convert_matrix_test.py#test_a_way_through_every_container[qwen3-embedding]",
      "parity/live_llama_cpp_test.py#test_other_families_write_the_same_text",
      "parity/live_writers_test.py#test_transformers_computes_other_families"}},
    {"gemma3_text", "", "BitNet-embedding-270M",
     {"",
      "parity/golden_test.py#test_on_its_own[gemma3-embedding]",
      "",
      "",
      "parity/identity_test.py#test_rotor_file[gemma3-embedding]",
      "",
      "",
      "",
      ""}},
    {"maple", "", "Maple-20B-A1B",
     {"",
      "",
      "parity/maple_test.py#test_containers",
      "parity/maple_test.py#test_formula",
      "parity/maple_test.py#test_packed_containers",
      "parity/maple_test.py#test_packed_containers",
      "",
      "parity/live_llama_cpp_test.py#test_maple_is_computed_as_llama_cpp_computes_it",
      ""}},
    {"minicpm", "", "BitCPM4, MiniCPM",
     {"",
      "",
      "parity/golden_test.py#test_on_its_own[minicpm-groups]",
      "parity/identity_test.py#test_multipliers",
      "parity/identity_test.py#test_multipliers",
      "",
      "",
      "",
      ""}},
};

const Tests& tests_of(const Family& family) {
  for (const Tests& tests : kTests) {
    if (tests.model_type == family.model_type && tests.architecture == family.architecture) {
      return tests;
    }
  }
  throw std::runtime_error(fmt::format("tests/tables/models.cc names no tests of the family {} {}",
                                       family.model_type, family.architecture));
}

std::string layers(const Family& family) {
  std::string text = family.sub_norms ? "inner norms" : "no inner norms";
  text += family.qk_norm ? ", norms of heads" : "";
  text += family.post_norms ? ", norms after each block, windows in most layers" : "";
  text += family.experts ? ", experts, windows in most layers, a part of each head turned in these" : "";
  text += family.multipliers ? ", multipliers of embedding, layers and head" : "";
  text += family.gguf_pairs_rows ? ", rows of q and k paired in GGUF" : "";
  return text;
}

// Of the first row of the family, as only that has them.
std::string architectures(const Family& family) {
  std::string text;
  for (const Family& row : families()) {
    for (const std::string_view name : row.gguf) {
      if (row.name == family.name) {
        text += fmt::format("{}`{}`", text.empty() ? "" : ", ", name);
      }
    }
  }
  return text.empty() ? "none" : text;
}

}  // namespace

std::string models() {
  std::string out = "| models | `model_type`, class | GGUF architecture | layers |";
  std::string rule = "|---|---|---|---|";
  for (const char* const column : kColumns) {
    out += fmt::format(" {} |", column);
    rule += "---|";
  }
  out += "\n" + rule + "\n";
  for (const Family& family : families()) {
    const Tests& tests = tests_of(family);
    const std::string_view name = family.architecture.empty() ? family.hf_class : family.architecture;
    out += fmt::format("| {} | `{}`{} | {} | {} |", tests.models, family.model_type,
                       name.empty() ? "" : fmt::format(", `{}`", name), architectures(family),
                       layers(family));
    for (const std::string_view test : tests.tests) {
      out += fmt::format(" {} |", link(std::string(test)));
    }
    out += "\n";
  }
  return out;
}

}  // namespace rotor::tables
