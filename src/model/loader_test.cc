// SPDX-License-Identifier: Apache-2.0
// Loading: every trit and every embedding byte in place whatever the layout and the team, progress
// that only grows, the first failure of a source, and what a model is given beside its weights.
#include "model/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/half.h"
#include "model/test_model.h"
#include "text/tokenizer_fixtures.h"

namespace rotor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::shared_ptr<const Model> load(ModelSource source, const LoadOptions& options = {}) {
  ThreadPool pool(2);
  auto model = load_model(std::move(source), options, pool);
  EXPECT_TRUE(model.ok()) << model.status().message();
  return *model;
}

void expect_trits(const TernaryMatrix& matrix, const LinearSource& source) {
  const std::vector<int8_t> expected = all_trits(*source.trits);
  ASSERT_EQ(matrix.rows * matrix.cols, expected.size());
  EXPECT_EQ(matrix.scale.values, source.scale.values);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(matrix.packed) % 64, 0u);
  std::vector<int8_t> trits(row_blocks(matrix.rows) * kTileRows * matrix.cols);
  for (size_t block = 0; block < row_blocks(matrix.rows); ++block) {
    format_info(matrix.format)
        .unpack_row_block(matrix.row_block(block), matrix.cols,
                          trits.data() + block * kTileRows * matrix.cols, matrix.cols);
  }
  trits.resize(expected.size());
  EXPECT_EQ(trits, expected);
}

TEST(Loader, EveryMatrixIsInItsPlaceInEveryLayout) {
  const TestModelOptions kinds = {.scale = TernaryScale::Granularity::kRow};
  const ModelSource source = test_source(test_config(), kinds);
  for (size_t f = 0; f < kTernaryFormats; ++f) {
    LoadOptions options;
    options.format = static_cast<TernaryFormat>(f);
    SCOPED_TRACE(format_info(options.format).name);
    const auto model = load(test_source(test_config(), kinds), options);
    for (size_t i = 0; i < source.layers.size(); ++i) {
      const LayerWeights& layer = model->weights.layers[i];
      size_t role = 0;
      for (const Linear* linear :
           {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}) {
        SCOPED_TRACE(source.layers[i].linear[role].tensor);
        expect_trits(linear->matrix, source.layers[i].linear[role++]);
      }
    }
  }
}

TestModelOptions grouped(size_t cols, GroupScaleType type) {
  return {.scale = TernaryScale::Granularity::kGroup, .group = {cols, type}};
}

float group_scale_at(const TernaryMatrix& matrix, size_t row, size_t g) {
  const size_t groups = matrix.scale.group.groups(matrix.cols);
  const size_t at = (row / kTileRows * groups + g) * kTileRows + row % kTileRows;
  if (matrix.scale.group.type == GroupScaleType::kF32) {
    return reinterpret_cast<const float*>(matrix.group_scales)[at];
  }
  return f16_to_float(reinterpret_cast<const uint16_t*>(matrix.group_scales)[at]);
}

// Matrices of several tasks, rows that end within a block.
TEST(Loader, EveryScaleOfAGroupIsInItsPlace) {
  ModelConfig config = test_config();
  config.hidden = 333;
  config.ffn = 13001;
  config.layers = 1;
  for (const TestModelOptions& kind :
       {grouped(64, GroupScaleType::kF16), grouped(256, GroupScaleType::kF32)}) {
    const ModelSource source = test_source(config, kind);
    const auto model = load(test_source(config, kind));
    EXPECT_TRUE(model->weights.grouped);
    const LayerWeights& layer = model->weights.layers[0];
    size_t role = 0;
    for (const Linear* linear :
         {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}) {
      const LinearSource& expected = source.layers[0].linear[role++];
      const TernaryMatrix& matrix = linear->matrix;
      expect_trits(matrix, expected);
      EXPECT_EQ(matrix.scale.group, kind.group);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(matrix.group_scales) % 64, 0u);
      const size_t groups = kind.group.groups(matrix.cols);
      const std::vector<float> scales = all_group_scales(expected);
      for (size_t r = 0; r < row_blocks(matrix.rows) * kTileRows; ++r) {
        for (size_t g = 0; g < groups; ++g) {
          ASSERT_EQ(group_scale_at(matrix, r, g), r < matrix.rows ? scales[r * groups + g] : 0.0f);
        }
      }
    }
  }
}

TEST(Loader, ScalesOfGroupsAreComputedInI2Alone) {
  ThreadPool pool(1);
  EXPECT_FALSE(load(test_source(test_config()))->weights.grouped);
  for (size_t f = 1; f < kTernaryFormats; ++f) {
    LoadOptions options;
    options.format = static_cast<TernaryFormat>(f);
    ModelSource source = test_source(test_config());
    source.layers[1].linear[3] = std::move(
        test_source(test_config(), grouped(128, GroupScaleType::kF16)).layers[1].linear[3]);
    const Status status = load_model(std::move(source), options, pool).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("one multiplier for each 128 columns of a row (f16)"));
    EXPECT_THAT(status.message(), HasSubstr(format_info(options.format).name));
  }
}

// Where activations stay floats every matrix has its scales behind its trits, and i2 is the layout.
TEST(Loader, ScalesOfFloatActivationsAreThoseOfARow) {
  using Scale = TernaryScale::Granularity;
  ModelConfig config = test_config();
  config.float_activations = true;
  for (const Scale scale : {Scale::kTensor, Scale::kRow, Scale::kGroup}) {
    const TestModelOptions options = {.scale = scale};
    const ModelSource source = test_source(config, options);
    const auto model = load(test_source(config, options));
    EXPECT_FALSE(model->weights.grouped);
    const Linear& up = model->weights.layers[1].up;
    const LinearSource& expected = source.layers[1].linear[static_cast<size_t>(LinearRole::kUp)];
    expect_trits(up.matrix, expected);
    EXPECT_EQ(up.activation, ActivationRule::kFloat);
    EXPECT_EQ(up.matrix.scale.group.groups(up.matrix.cols), 1u);
    for (size_t row = 0; row < up.matrix.rows; ++row) {
      const float want = scale == Scale::kGroup ? all_group_scales(expected)[row]
                                                : expected.scale.values[scale == Scale::kRow ? row : 0];
      EXPECT_EQ(group_scale_at(up.matrix, row, 0), want);
    }
    ThreadPool pool(1);
    LoadOptions dense;
    dense.format = TernaryFormat::kDense243;
    const Status status = load_model(test_source(config, options), dense, pool).status();
    EXPECT_THAT(status.message(), HasSubstr("its activations stay floats, which is computed in the "
                                            "layout i2 alone"));
  }
}

TEST(Loader, FloatMatricesAreLoadedAsTheyAre) {
  ModelConfig config = test_config();
  config.float_activations = true;
  ModelSource source = test_source(config);
  for (LayerSource& layer : source.layers) {
    for (LinearSource& linear : layer.linear) {
      write_out(linear);
    }
  }
  EXPECT_TRUE(has_float_matrices(source));
  const ModelSource again = test_source(config);
  const auto model = load(std::move(source));
  const Linear& q = model->weights.layers[1].q;
  ASSERT_NE(q.floats, nullptr);
  const std::vector<int8_t> trits = all_trits(*again.layers[1].linear[0].trits);
  const float scale = again.layers[1].linear[0].scale.values[0];
  for (size_t i = 0; i < trits.size(); ++i) {
    EXPECT_EQ(reinterpret_cast<const float*>(q.floats)[i], static_cast<float>(trits[i]) * scale);
  }
}

TEST(Loader, AScaleThatItsTypeCannotHoldIsAnError) {
  ThreadPool pool(1);
  ModelSource source = test_source(test_config(), grouped(64, GroupScaleType::kF16));
  std::vector<float> scales = all_group_scales(source.layers[1].linear[0]);
  scales[17] = 0.1f;
  source.layers[1].linear[0].group_scales = std::make_unique<VectorGroupScales>(1, scales);
  const Status status = load_model(std::move(source), {}, pool).status();
  EXPECT_EQ(status.code(), Code::kFormatError);
  EXPECT_THAT(status.message(),
              HasSubstr("'layers.1.q', rows from 16: a scale is no number of f16"));
}

// An embedding and a matrix of several tasks each, the last of them smaller than the others.
TEST(Loader, TensorsOfSeveralTasksAreWhole) {
  ModelConfig config = test_config();
  config.vocab = 7001;
  config.hidden = 333;
  config.ffn = 13001;
  config.layers = 1;
  const ModelSource source = test_source(config);
  const auto model = load(test_source(config));
  expect_trits(model->weights.layers[0].up.matrix, source.layers[0].linear[5]);
  expect_trits(model->weights.layers[0].down.matrix, source.layers[0].linear[6]);
  std::vector<std::byte> rows(config.vocab * config.hidden * 2);
  ASSERT_TRUE(source.embed.reader->read(0, config.vocab, rows.data()).ok());
  const Buffer& data = model->weights.embed.data;
  EXPECT_TRUE(std::equal(rows.begin(), rows.end(), data.data(), data.data() + data.size()));
}

TEST(Loader, ProgressGrowsUpToAllBytes) {
  ModelConfig config = test_config();
  config.tied_head = false;
  uint64_t last = 0;
  uint64_t end = 0;
  LoadOptions options;
  options.progress = [&](std::string_view what, uint64_t done, uint64_t total) {
    EXPECT_EQ(what, "loading");
    EXPECT_GT(done, last);
    EXPECT_LE(done, total);
    last = done;
    end = total;
  };
  const auto model = load(test_source(config), options);
  const Weights& weights = model->weights;
  EXPECT_EQ(last, end);
  EXPECT_EQ(end, weights.packed.size() + weights.embed.data.size() + weights.head.data.size());
}

// The plane of rows that many tasks fill, whether or not the embedding is the head.
TEST(Loader, AHeadInTwoStagesLeavesItsRowsInTheFile) {
  for (const bool tied : {true, false}) {
    ModelConfig config = test_config();
    config.vocab = 7001;
    config.hidden = 333;
    config.tied_head = tied;
    const ModelSource source = test_source(config);
    const FloatReader& reader = tied ? *source.embed.reader : *source.head->reader;
    LoadOptions options;
    options.head = HeadMode::kTwoStage;
    const auto model = load(test_source(config), options);
    const Weights& weights = model->weights;
    EXPECT_FALSE(weights.embed.in_memory());
    EXPECT_FALSE(weights.head_matrix().in_memory());
    HeadPlane expected = std::move(*HeadPlane::allocate(config.vocab, config.hidden));
    std::vector<uint16_t> row(config.hidden);
    std::vector<float> values(config.hidden);
    for (size_t r = 0; r < config.vocab; ++r) {
      ASSERT_TRUE(reader.read(r, r + 1, reinterpret_cast<std::byte*>(row.data())).ok());
      std::transform(row.begin(), row.end(), values.begin(), bf16_to_float);
      ASSERT_TRUE(expected.fill_row(r, values.data()));
    }
    const HeadPlane& plane = weights.head_plane;
    EXPECT_TRUE(std::equal(plane.codes.data(), plane.codes.data() + plane.codes.size(),
                           expected.codes.data()));
    EXPECT_TRUE(std::equal(plane.rests.data(), plane.rests.data() + plane.rests.size(),
                           expected.rests.data()));
    EXPECT_EQ(plane.scale, expected.scale);
    EXPECT_EQ(plane.error, expected.error);
    EXPECT_EQ(plane.coarse_error, expected.coarse_error);
    EXPECT_EQ(plane.norm, expected.norm);
  }
}

TEST(Loader, AHeadWithoutBoundsIsNotKeptInTwoStages) {
  ModelSource source = test_source(test_config());
  std::vector<std::byte> rows(97 * 40 * 2);
  rows[501] = std::byte{0x7f};  // the upper byte of a number beyond 2^55
  source.embed.reader = std::make_unique<VectorRows>(80, rows);
  LoadOptions options;
  options.head = HeadMode::kTwoStage;
  const auto model = load(std::move(source), options);
  EXPECT_EQ(model->weights.head_plane.rows, 0u);
}

TEST(Loader, SaysTheFirstFailureOfTheSource) {
  for (const size_t threads : {1, 3}) {
    ThreadPool pool(threads);
    ModelSource source = test_source(test_config());
    source.layers[1].linear[0].trits = std::make_unique<BrokenTrits>(48, 40, "later");
    source.layers[0].linear[6].trits = std::make_unique<BrokenTrits>(40, 56, "earlier");
    const auto model = load_model(std::move(source), {}, pool);
    EXPECT_EQ(model.status().code(), Code::kIoError);
    EXPECT_EQ(model.status().message(), "earlier");
  }
}

TEST(Loader, WarnsOfMatricesOfZerosInEveryLayout) {
  for (size_t f = 0; f < kTernaryFormats; ++f) {
    ModelSource source = test_source(test_config());
    LinearSource& up = source.layers[1].linear[static_cast<size_t>(LinearRole::kUp)];
    replace_trits(up, std::vector<int8_t>(56 * 40, 0));
    std::vector<int8_t> almost(40 * 48, 0);
    almost.back() = -1;
    replace_trits(source.layers[0].linear[static_cast<size_t>(LinearRole::kO)], almost);
    LoadOptions options;
    options.format = static_cast<TernaryFormat>(f);
    EXPECT_THAT(load(std::move(source), options)->warnings,
                ElementsAre("tensor 'layers.1.up' holds only zeros"));
  }
}

TEST(Loader, EndTokensAreSortedUniqueAndOfTheVocabulary) {
  ModelSource source = test_source(test_config());
  source.end_of_generation = {9, 3, 9, 96, 97, -1};
  const auto model = load(std::move(source));
  EXPECT_THAT(model->end_of_generation, ElementsAre(3, 9, 96));
  EXPECT_THAT(model->warnings, ElementsAre(HasSubstr("outside the vocabulary")));
}

TEST(Loader, TakesTokenizerTemplateAndDefaults) {
  ModelConfig config = test_config();
  config.vocab = 600;
  ModelSource source = test_source(config);
  source.tokenizer = fixture_spec("llama3");
  source.chat_template = "{{ bos_token }}";
  source.generation_defaults.top_k = 7;
  source.notes = {"a note"};
  const auto model = load(std::move(source));
  ASSERT_NE(model->tokenizer, nullptr);
  EXPECT_THAT(model->end_of_generation,
              testing::IsSupersetOf(model->tokenizer->end_of_generation()));
  EXPECT_NE(model->chat_template, nullptr);
  EXPECT_EQ(model->chat_template_source, "{{ bos_token }}");
  EXPECT_EQ(model->generation_defaults.top_k, 7);
  EXPECT_THAT(model->notes, ElementsAre("a note"));
  EXPECT_EQ(model->config, config);
}

// Text can be given as ids, and messages as text, even so.
TEST(Loader, WarnsOfATemplateThatIsNone) {
  ModelSource source = test_source(test_config());
  source.chat_template = "{% for m in %}";
  const auto model = load(std::move(source));
  EXPECT_EQ(model->chat_template, nullptr);
  EXPECT_THAT(model->warnings, testing::Contains(HasSubstr("chat template: ")));
}

TEST(Loader, OpensWhatItIsNamed) {
  ThreadPool pool(1);
  const auto model = load_model("synthetic:tiny", {}, pool);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ((*model)->path, "synthetic:tiny");
  EXPECT_EQ(load_model("synthetic:none", {}, pool).status().code(), Code::kNotFound);
}

TEST(ForEachTask, RunsEachTaskOnce) {
  ThreadPool pool(3);
  std::vector<std::atomic<int>> runs(1000);
  size_t finished = 0;
  const Status status = for_each_task(
      pool, runs.size(),
      [&](size_t i) {
        ++runs[i];
        return Status();
      },
      [&](size_t) { ++finished; });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(finished, runs.size());
  EXPECT_TRUE(std::all_of(runs.begin(), runs.end(), [](const auto& n) { return n == 1; }));
  EXPECT_TRUE(for_each_task(pool, 0, {}, {}).ok());
}

TEST(ForEachTask, StopsAtAFailure) {
  ThreadPool pool(3);
  std::atomic<size_t> run{0};
  const Status status = for_each_task(
      pool, 10'000,
      [&](size_t i) -> Status {
        ++run;
        if (i == 10) {
          return io_error("10");
        }
        std::this_thread::sleep_for(std::chrono::microseconds(100));
        return {};
      },
      [](size_t) {});
  EXPECT_EQ(status.message(), "10");
  EXPECT_LT(run, 5000u);
}

// Whichever of two failures comes last.
TEST(ForEachTask, ReturnsTheLowestFailure) {
  ThreadPool pool(2);
  for (const size_t slow : {size_t{0}, size_t{1}}) {
    const Status status = for_each_task(
        pool, 2,
        [&](size_t i) {
          std::this_thread::sleep_for(std::chrono::milliseconds(i == slow ? 20 : 2));
          return io_error(std::to_string(i));
        },
        [](size_t) {});
    EXPECT_EQ(status.message(), "0");
  }
}

}  // namespace
}  // namespace rotor
