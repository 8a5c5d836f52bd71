// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include "io/gguf_types.h"
#include "io/iq_bn.h"
#include "io/ternary_blocks.h"
#include "model/gguf_linear.h"
#include "model/gguf_weights.h"
#include "tables/tables.h"
#include "ternary/format.h"

namespace rotor::tables {
namespace {

// The test that reads a layout as a matrix or as an embedding, by its name and use.
struct Test {
  std::string_view layout;
  std::string_view matrix;
  std::string_view rows;
};
constexpr Test kTests[] = {
    {"I2_S", "parity/identity_test.py#test_i2s_layouts[128]", ""},
    {"TQ1_0", "parity/identity_test.py#test_ternary_blocks[TQ1_0]",
     "/src/model/gguf_source_test.cc#GgufSource.EmbeddingsOfTernaryTypes"},
    {"TQ2_0", "parity/identity_test.py#test_ternary_blocks[TQ2_0]",
     "/src/model/gguf_source_test.cc#GgufSource.EmbeddingsOfTernaryTypes"},
    {"Q1_0", "/src/io/ternary_blocks_test.cc#TernaryBlocks.ReadsEveryRangeOfRows",
     "/src/model/gguf_source_test.cc#GgufSource.EmbeddingsOfTernaryTypes"},
    {"Q2_0 g64", "parity/identity_test.py#test_ternary_blocks[Q2_0]",
     "parity/identity_test.py#test_bonsai[Q2_0]"},
    {"Q2_0 g128", "parity/identity_test.py#test_ternary_blocks[Q2_0_128]",
     "parity/identity_test.py#test_bonsai[Q2_0_128]"},
    {"PQ2_0", "parity/identity_test.py#test_ternary_blocks[PQ2_0]",
     "parity/identity_test.py#test_bonsai[PQ2_0]"},
    {"PTQ1_0", "parity/identity_test.py#test_ternary_blocks[PTQ1_0]",
     "parity/identity_test.py#test_bonsai[PTQ1_0]"},
    {"IQ1_BN", "parity/identity_test.py#test_ternary_blocks[IQ1_BN]", ""},
    {"IQ2_BN", "parity/identity_test.py#test_ternary_blocks[IQ2_BN]", ""},
    {"IQ2_BN_R4", "parity/identity_test.py#test_ternary_blocks[IQ2_BN_R4]", ""},
    {"F32", "parity/identity_test.py#test_gguf_forms[f32-linears]",
     "parity/identity_test.py#test_gguf_forms[f32-embedding]"},
    {"F16", "/src/model/exact_ternary_test.cc#ExactTernary.TheUnitsAreFound",
     "parity/identity_test.py#test_gguf[packed-multiply]"},
    {"BF16", "parity/identity_test.py#test_gguf_forms[bf16-linears]",
     "parity/identity_test.py#test_gguf_forms[bf16-embedding]"},
    {"Q4_0", "", "parity/identity_test.py#test_quantised_embedding[Q4_0]"},
    {"Q8_0", "", "parity/identity_test.py#test_quantised_embedding[Q8_0]"},
    {"Q4_K", "", "parity/identity_test.py#test_quantised_embedding[Q4_K]"},
    {"Q6_K", "", "parity/identity_test.py#test_quantised_embedding[Q6_K]"},
};

const Test& test_of(std::string_view layout) {
  const auto* const found = std::find_if(std::begin(kTests), std::end(kTests),
                                         [&](const Test& test) { return test.layout == layout; });
  if (found == std::end(kTests)) {
    throw std::runtime_error(fmt::format("tests/tables/formats.cc names no tests of {}", layout));
  }
  return *found;
}

// Whether the reader takes a matrix, and an embedding or head, of the type.
struct Use {
  bool matrix;
  bool rows;
};

std::string written(std::string_view layout, uint32_t id, size_t elements, bool as_rows) {
  for (const GgufWeights type : kAllGgufWeights) {
    const bool same_blocks = type != GgufWeights::kQ2_0_128 ? elements != 128 : elements == 128;
    if (gguf_weights_id(type) == id && (id != kGgufQ2_0 || same_blocks)) {
      return link(fmt::format("parity/convert_matrix_test.py#test_every_pair[{}]",
                              gguf_weights_name(type)),
                  fmt::format("`--type {}`", gguf_weights_name(type)));
    }
  }
  return as_rows ? link("/src/model/gguf_export_test.cc#GgufExportVariants.IsTheSameModel",
                        fmt::format("{} that were it", layout == "F32" ? "norms, rows" : "rows"))
                 : "no";
}

std::string row(std::string_view layout, uint32_t id, size_t elements, Use use) {
  const Test& test = test_of(layout);
  if (test.matrix.empty() == use.matrix || test.rows.empty() == use.rows) {
    throw std::runtime_error(fmt::format("the tests named for {} are not of what is read", layout));
  }
  return fmt::format("| {} | {} | {} | {} | {} |\n", id, layout, link(std::string(test.matrix)),
                     link(std::string(test.rows)),
                     written(layout, id, elements, gguf_float_type(id).has_value()));
}

std::string gguf_types() {
  std::string out = "| id | GGUF type | matrices | embedding, head | written |\n|---|---|---|---|---|\n";
  for (uint32_t id = 0; id < 400; ++id) {
    if (id == kGgufI2S) {
      out += row("I2_S", id, 1, {true, false});
    }
    for (int block = 0; block <= static_cast<int>(TernaryBlock::kPTQ1_0); ++block) {
      const TernaryBlockInfo& info = ternary_block_info(static_cast<TernaryBlock>(block));
      if (info.type == id) {
        out += row(info.name, id, info.elements, {true, true});
      }
    }
    GgufTensor tensor;
    tensor.type = id;
    if (const auto kind = find_iq_bn(tensor)) {
      out += row(iq_bn_name(*kind), id, 64, {true, false});
    }
    if (const auto type = gguf_float_type(id)) {
      out += row(gguf_type_name(id), id, 1, {is_plain_float(*type), true});
    }
  }
  return out + "| all others | | no | no | no |\n";
}

std::string containers() {
  const std::string matrix = "parity/convert_matrix_test.py#test_every_pair";
  std::string out = "| container, form of the matrices | read | written |\n|---|---|---|\n";
  const auto add = [&](std::string_view form, const std::string& read, const std::string& write) {
    out += fmt::format("| {} | {} | {} |\n", form, link(read), link(write));
  };
  add(fmt::format("`.rotor` ([page](formats/rotor-file.md)), {}",
                  format_info(TernaryFormat::kDense243).name),
      "parity/identity_test.py#test_rotor_file[packed-multiply]", matrix + "[rotor]");
  add("Hugging Face folder ([page](formats/safetensors.md)), packed U8, scales multiply",
      "parity/golden_test.py#test_on_its_own[packed-multiply]", matrix + "[hf]");
  add("- the same, scales divide", "parity/golden_test.py#test_on_its_own[packed-divide]",
      "parity/convert_matrix_test.py#test_a_way_through_every_container[llama3]");
  add("- masters of ternary weights (BF16, F16, F32)",
      "parity/golden_test.py#test_on_its_own[master-bf16]", "");
  add("- floats that are ternary exactly", "parity/containers_test.py#test_exactly_ternary_floats", "");
  add("- the same with scales of groups",
      "parity/containers_test.py#test_ternary_floats_with_scales_of_groups", "");
  add("- MLX of 2 bits", "parity/containers_test.py#test_mlx", "");
  add("- several files and an index", "parity/golden_test.py#test_on_its_own[sharded]",
      "/src/model/hf_export_test.cc#HfExport.CutsLargeModelsIntoSeveralFiles");
  add("GGUF ([page](formats/gguf.md)), version 3", "parity/identity_test.py#test_gguf[packed-multiply]",
      matrix + "[i2_s]");
  add("- version 2", "parity/identity_test.py#test_gguf_forms[v2]", "");
  add("- split over several files", "parity/containers_test.py#test_split_files", "");
  add("torch pickles, GGML before GGUF", "", "");
  return out;
}

}  // namespace

std::string formats() { return containers() + "\n" + gguf_types(); }

}  // namespace rotor::tables
