// SPDX-License-Identifier: Apache-2.0
// Loading is a list of tasks of about a megabyte each (runs of row blocks, runs of embedding rows)
// that the pool's members take in turn. Buffers are allocated first, from validated shapes.
#include "model/loader.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "base/cpu_features.h"
#include "base/round_up.h"
#include "model/conversion.h"
#include "model/float_rows.h"

namespace rotor {
namespace {

constexpr size_t kTaskBytes = size_t{1} << 20;

// Packs row blocks of a matrix, or reads rows of floats to memory or into the plane.
struct Task {
  const LinearSource* linear;  // or null, then `rows` is read
  const FloatReader* reader;
  const FloatMatrix* rows;     // null for a matrix of a layer
  HeadPlane* plane;            // or null
  size_t begin;                // row blocks, or rows
  size_t end;
  TernaryFormat format;
  std::byte* out;              // or null: the bytes are not kept
  size_t bytes;                // that are read or packed
  std::byte* scales;           // of the row blocks, or null
  GroupShape scale_shape = {};
};

// Reads and rounds rows. `usable` is cleared by a row that has no bound.
Status run_rows(const Task& task, FromF16 from_f16, std::atomic<bool>& usable) {
  std::vector<std::byte> passing(task.out == nullptr ? task.bytes : 0);
  std::byte* bytes = task.out == nullptr ? passing.data() : task.out;
  ROTOR_TRY(task.reader->read(task.begin, task.end, bytes));
  if (task.plane == nullptr) {
    return {};
  }
  std::vector<float> values(task.rows->cols);
  for (size_t row = task.begin; row < task.end; ++row) {
    decode_row(task.rows->type, bytes + (row - task.begin) * task.rows->row_bytes(),
               task.rows->cols, from_f16, values.data());
    if (!task.plane->fill_row(row, values.data())) {
      usable = false;
    }
  }
  return {};
}

// Packs row blocks, and their scales.
Status run_matrix(const Task& task) {
  const LinearSource& linear = *task.linear;
  ROTOR_TRY(linear.trits->pack(task.begin, task.end, task.format,
                               reinterpret_cast<uint8_t*>(task.out)));
  if (task.scales == nullptr) {
    return {};
  }
  const GroupShape& shape = task.scale_shape;
  const size_t groups = shape.groups(linear.trits->cols());
  const size_t block_bytes = group_scale_block_bytes(shape, linear.trits->cols());
  std::vector<float> scales((task.end - task.begin) * kTileRows * groups);
  ROTOR_TRY(read_scales(linear, shape.cols, task.begin, task.end, scales.data()));
  for (size_t i = 0; i < task.end - task.begin; ++i) {
    if (!pack_group_scales(shape.type, scales.data() + i * kTileRows * groups, groups,
                           task.scales + i * block_bytes)) {
      return format_error("tensor '" + linear.tensor + "', rows from " +
                          std::to_string((task.begin + i) * kTileRows) + ": a scale is no number of " +
                          std::string(group_scale_type_name(shape.type)));
    }
  }
  return {};
}

// Of the packed trits, whole cache lines, behind which packed scales lie.
size_t trit_bytes(const LinearSource& source, TernaryFormat format) {
  return packed_bytes(format, source.trits->rows(), source.trits->cols());
}

// Places the rows of a matrix of floats at `memory` and appends the tasks that read them.
void plan_floats(const FloatSource& source, std::byte* memory, Linear& to, std::vector<Task>& tasks) {
  to.matrix.rows = source.rows;
  to.matrix.cols = source.cols;
  to.float_type = source.type;
  to.floats = memory;
  const size_t row_bytes = float_row_bytes(source.type, source.cols);
  const size_t step = std::max<size_t>(1, kTaskBytes / row_bytes);
  for (size_t begin = 0; begin < source.rows; begin += step) {
    const size_t end = std::min(source.rows, begin + step);
    tasks.push_back({nullptr, source.reader.get(), nullptr, nullptr, begin, end, TernaryFormat::kI2,
                     memory + begin * row_bytes, (end - begin) * row_bytes, nullptr});
  }
}

// Places `matrix` at `memory` and appends the tasks that fill it.
void plan_trits(const LinearSource& source, const std::optional<GroupShape>& scale_shape,
                TernaryFormat format, std::byte* memory, TernaryMatrix& matrix,
                std::vector<Task>& tasks) {
  matrix.format = format;
  matrix.rows = source.trits->rows();
  matrix.cols = source.trits->cols();
  matrix.scale = source.scale;
  matrix.packed = reinterpret_cast<const uint8_t*>(memory);
  const size_t block_bytes = row_block_bytes(format, matrix.cols);
  const size_t blocks = row_blocks(matrix.rows);
  std::byte* scales = nullptr;
  if (scale_shape) {
    scales = memory + trit_bytes(source, format);
    matrix.scale.group = *scale_shape;
    matrix.group_scales = scales;
  }
  const size_t step = std::max<size_t>(1, kTaskBytes / block_bytes);
  for (size_t begin = 0; begin < blocks; begin += step) {
    const size_t end = std::min(blocks, begin + step);
    Task task{&source, nullptr, nullptr, nullptr, begin, end, format,
              memory + begin * block_bytes, (end - begin) * block_bytes, nullptr};
    if (scales != nullptr) {
      task.scales = scales + begin * group_scale_block_bytes(*scale_shape, matrix.cols);
      task.scale_shape = *scale_shape;
    }
    tasks.push_back(task);
  }
}

// What becomes of an embedding or head: its rows stay in the file or come to memory, and `plane`,
// unless it is null, is filled from them.
Status plan_rows(FloatSource& source, bool in_memory, HeadPlane* plane, FloatMatrix& matrix,
                 std::vector<Task>& tasks) {
  matrix.type = source.type;
  matrix.rows = source.rows;
  matrix.cols = source.cols;
  const size_t row_bytes = matrix.row_bytes();
  if (in_memory) {
    ROTOR_ASSIGN(matrix.data, Buffer::allocate(source.rows * row_bytes));
  } else {
    matrix.file = std::move(source.reader);
  }
  if (!in_memory && plane == nullptr) {
    return {};
  }
  const FloatReader* reader = in_memory ? source.reader.get() : matrix.file.get();
  // Whole blocks of the plane, which tasks then do not share.
  const size_t step = std::max<size_t>(1, kTaskBytes / row_bytes / 16) * 16;
  for (size_t begin = 0; begin < source.rows; begin += step) {
    const size_t end = std::min(source.rows, begin + step);
    std::byte* out = in_memory ? matrix.data.data() + begin * row_bytes : nullptr;
    tasks.push_back({nullptr, reader, &matrix, plane, begin, end, TernaryFormat::kI2, out,
                     (end - begin) * row_bytes, nullptr});
  }
  return {};
}

Status plan_embedding_and_head(ModelSource& source, HeadMode mode, Weights& weights,
                               std::vector<Task>& tasks) {
  FloatSource& head = source.head ? *source.head : source.embed;
  const size_t head_bytes = head.rows * float_row_bytes(head.type, head.cols);
  HeadPlane* plane = nullptr;
  if (in_two_stages(mode, head_bytes, head.cols)) {
    ROTOR_ASSIGN(weights.head_plane, HeadPlane::allocate(head.rows, head.cols));
    plane = &weights.head_plane;
  }
  const bool in_memory = plane == nullptr;
  ROTOR_TRY(plan_rows(source.embed, in_memory, source.head ? nullptr : plane, weights.embed, tasks));
  if (source.head) {
    ROTOR_TRY(plan_rows(*source.head, in_memory, plane, weights.head, tasks));
  }
  return {};
}

Linear& linear_of(LayerWeights& layer, LinearRole role) {
  switch (role) {
    case LinearRole::kQ: return layer.q;
    case LinearRole::kK: return layer.k;
    case LinearRole::kV: return layer.v;
    case LinearRole::kO: return layer.o;
    case LinearRole::kGate: return layer.gate;
    case LinearRole::kUp: return layer.up;
    case LinearRole::kDown: break;
  }
  return layer.down;
}

Status plan_matrices(ModelSource& source, TernaryFormat format, Weights& weights,
                     std::vector<Task>& tasks) {
  size_t total = 0;
  for (const LayerSource& layer : source.layers) {
    for (const LinearSource& linear : layer.linear) {
      total += matrix_bytes(source.config, linear, format);
    }
  }
  ROTOR_ASSIGN(weights.packed, Buffer::allocate(total));
  std::byte* memory = weights.packed.data();
  for (size_t i = 0; i < source.layers.size(); ++i) {
    for (size_t role = 0; role < kLinearRoles; ++role) {
      const LinearSource& linear = source.layers[i].linear[role];
      Linear& to = linear_of(weights.layers[i], static_cast<LinearRole>(role));
      to.input_norm = linear.input_norm;
      to.activation = source.config.float_activations ? ActivationRule::kFloat
                                                      : ActivationRule::kInt8PerToken;
      if (linear.floats) {
        plan_floats(*linear.floats, memory, to, tasks);
      } else {
        plan_trits(linear, packed_scales(source.config, linear), format, memory, to.matrix, tasks);
      }
      memory += matrix_bytes(source.config, linear, format);
    }
  }
  return {};
}

Status plan_weights(ModelSource& source, TernaryFormat format, Weights& weights,
                    std::vector<Task>& tasks) {
  ROTOR_TRY(check_format(source, format));
  weights.grouped = has_group_scales(source) && !source.config.float_activations;
  weights.output_norm = std::move(source.output_norm);
  weights.layers.resize(source.layers.size());
  for (size_t i = 0; i < source.layers.size(); ++i) {
    LayerSource& from = source.layers[i];
    LayerWeights& to = weights.layers[i];
    static_cast<LayerNorms&>(to) = static_cast<LayerNorms&&>(from);
    if (from.router) {
      ROTOR_TRY(plan_rows(*from.router, true, nullptr, to.router, tasks));
    }
  }
  ROTOR_TRY(plan_matrices(source, format, weights, tasks));
  return {};
}

// Runs the tasks on the whole pool. A head whose rows cannot all be bounded loses its plane.
Status run_tasks(const std::vector<Task>& tasks, const ProgressCallback& progress, ThreadPool& pool,
                 Weights& weights) {
  ROTOR_ASSIGN(const IsaLevel isa, selected_isa());
  const FromF16 from_f16 = kernel_table(isa).from_f16;
  uint64_t total = 0;
  for (const Task& task : tasks) {
    total += task.bytes;
  }
  uint64_t done = 0;
  std::atomic<bool> usable{true};
  ROTOR_TRY(for_each_task(
      pool, tasks.size(),
      [&](size_t i) {
        const Task& task = tasks[i];
        if (task.linear != nullptr) {
          return run_matrix(task);
        }
        return run_rows(task, from_f16, usable);
      },
      [&](size_t i) {
        done += tasks[i].bytes;
        if (progress) {
          progress("loading", done, total);
        }
      }));
  if (!usable) {
    weights.head_plane = HeadPlane();
  }
  return {};
}

bool all_zero(const TernaryMatrix& matrix) {
  std::vector<int8_t> trits(kTileRows * matrix.cols, 0);
  std::vector<uint8_t> zero(row_block_bytes(matrix.format, matrix.cols));
  format_info(matrix.format).pack_row_block(trits.data(), matrix.cols, matrix.cols, zero.data());
  for (size_t block = 0; block < row_blocks(matrix.rows); ++block) {
    if (!std::equal(zero.begin(), zero.end(), matrix.row_block(block))) {
      return false;
    }
  }
  return true;
}

// Ascending, each once, inside the vocabulary.
void take_end_of_generation(Model& model) {
  std::vector<TokenId>& ids = model.end_of_generation;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  const size_t outside = std::erase_if(
      ids, [&](TokenId id) { return id < 0 || static_cast<size_t>(id) >= model.config.vocab; });
  if (outside > 0) {
    model.warnings.push_back("end-of-generation tokens outside the vocabulary are ignored");
  }
}

Status take_text(ModelSource& source, Model& model) {
  if (source.tokenizer) {
    ROTOR_ASSIGN(Tokenizer tokenizer, Tokenizer::create(*std::move(source.tokenizer)));
    std::vector<TokenId>& ends = model.end_of_generation;
    ends.insert(ends.end(), tokenizer.end_of_generation().begin(),
                tokenizer.end_of_generation().end());
    model.tokenizer = std::make_shared<const Tokenizer>(std::move(tokenizer));
  }
  take_end_of_generation(model);
  model.chat_template_source = source.chat_template;
  if (!source.chat_template.empty()) {
    auto parsed = ChatTemplate::parse(source.chat_template);
    if (parsed.ok()) {
      model.chat_template = std::make_shared<const ChatTemplate>(*std::move(parsed));
    } else {
      model.warnings.push_back("chat template: " + parsed.status().message());
    }
  }
  return {};
}

}  // namespace

std::optional<GroupShape> packed_scales(const ModelConfig& config, const LinearSource& linear) {
  if (linear.scale.grouped()) {
    return linear.scale.group;
  }
  if (!config.float_activations) {
    return std::nullopt;
  }
  const size_t whole_row = round_up(linear.trits->cols(), format_info(TernaryFormat::kI2).tile_cols);
  return GroupShape{whole_row, GroupScaleType::kF32};
}

uint64_t matrix_bytes(const ModelConfig& config, const LinearSource& linear, TernaryFormat format) {
  if (linear.floats) {
    const FloatSource& floats = *linear.floats;
    return round_up(floats.rows * float_row_bytes(floats.type, floats.cols), size_t{kTileBytes});
  }
  const std::optional<GroupShape> scales = packed_scales(config, linear);
  const size_t rows = linear.trits->rows();
  const size_t cols = linear.trits->cols();
  return packed_bytes(format, rows, cols) + (scales ? group_scale_bytes(*scales, rows, cols) : 0);
}

Status for_each_task(ThreadPool& pool, size_t count, const std::function<Status(size_t)>& work,
                     const std::function<void(size_t)>& finished) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  size_t failed = count;
  Status failure;
  pool.run([&](size_t) {
    for (size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
      Status status = work(i);
      const std::lock_guard<std::mutex> lock(mutex);
      if (!status.ok()) {
        if (i < failed) {
          failed = i;
          failure = std::move(status);
        }
        next.store(count);  // tasks before i were handed out already and will be finished
        return;
      }
      finished(i);
    }
  });
  return failure;
}

Result<std::shared_ptr<const Model>> load_model(ModelSource source, const LoadOptions& options,
                                                ThreadPool& pool) {
  auto model = std::make_shared<Model>();
  model->path = source.path;
  model->config = source.config;
  model->end_of_generation = source.end_of_generation;
  model->generation_defaults = source.generation_defaults;
  model->notes = source.notes;
  model->warnings = source.warnings;
  std::vector<Task> tasks;
  ROTOR_TRY(plan_weights(source, options.format, model->weights, tasks));
  ROTOR_TRY(plan_embedding_and_head(source, options.head, model->weights, tasks));
  ROTOR_TRY(run_tasks(tasks, options.progress, pool, model->weights));
  warn_of_zero_matrices(
      source,
      [&](size_t layer, LinearRole role) {
        const Linear& linear = linear_of(model->weights.layers[layer], role);
        return linear.floats == nullptr && all_zero(linear.matrix);
      },
      model->warnings);
  ROTOR_TRY(take_text(source, *model));
  return std::shared_ptr<const Model>(std::move(model));
}

Result<std::shared_ptr<const Model>> load_model(const std::string& path, const LoadOptions& options,
                                                ThreadPool& pool) {
  ROTOR_ASSIGN(ModelSource source, open_model_source(path, options.source));
  return load_model(std::move(source), options, pool);
}

}  // namespace rotor
