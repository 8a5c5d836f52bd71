// SPDX-License-Identifier: Apache-2.0
// Thin over the kernels of this machine's level: what an array must be is said here again, because
// these functions can be called by anybody, but the blocks say it first and with better words.
#include "kernel_ops.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string_view.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arrays.h"
#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "engine/sampler.h"
#include "errors.h"
#include "kernels/kernels.h"
#include "kernels/rotary.h"
#include "ternary/format.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rotor::python {
namespace {

template <typename T, size_t kDims>
using Given = nb::ndarray<const T, nb::ndim<kDims>, nb::c_contig, nb::device::cpu>;
template <size_t kDims>
using Floats = Given<float, kDims>;

constexpr size_t kMostCols = size_t{1} << 24;
constexpr size_t kMostRows = (size_t{1} << 31) - 1;
constexpr size_t kMostPosition = size_t{1} << 24;

const KernelTable& kernels() { return kernel_table(value_of(selected_isa())); }

void require(bool holds, const char* what) {
  if (!holds) {
    check(invalid_argument(what));
  }
}

// Without the interpreter lock, in the floating-point environment that the kernels are made for.
template <typename Work>
void compute(const Work& work) {
  bool fits = true;
  {
    const nb::gil_scoped_release released;
    ThreadPool alone(1);
    alone.run([&](size_t) {
      try {
        work();
      } catch (const std::bad_alloc&) {
        fits = false;
      }
    });
  }
  check(fits ? Status() : out_of_memory("the system has no more memory"));
}

Array<float, 2> rms_norm(const Floats<2>& x, const Floats<1>& weight, float eps) {
  const size_t rows = x.shape(0);
  const size_t cols = x.shape(1);
  require(weight.shape(0) == cols && cols > 0 && cols <= kMostCols,
          "rms_norm: expected x (rows, n) and weight (n,), n from 1 to 2^24");
  const RmsNorm norm = kernels().rms_norm;
  std::vector<float> out(rows * cols);
  compute([&] {
    for (size_t b = 0; b < rows; ++b) {
      norm(x.data() + b * cols, weight.data(), cols, eps, out.data() + b * cols);
    }
  });
  return array_of<float, 2>(std::move(out), {rows, cols});
}

std::pair<Array<int8_t, 2>, Array<float, 1>> quantize(const Floats<2>& x) {
  const size_t rows = x.shape(0);
  const size_t cols = x.shape(1);
  require(cols > 0 && cols <= kMostCols, "quantize: expected x (rows, n), n from 1 to 2^24");
  const RmsNormQuantize kernel = kernels().rms_norm_quantize;
  std::vector<int8_t> codes(rows * cols);
  std::vector<float> scales(rows);
  size_t first_odd = rows;
  compute([&] {
    std::vector<float> scratch(cols);
    for (size_t b = 0; b < rows; ++b) {
      const Quantized result = kernel(x.data() + b * cols, nullptr, cols, 0.0f, scratch.data(),
                                      codes.data() + b * cols, cols);
      scales[b] = result.scale;
      first_odd = result.finite ? first_odd : std::min(first_odd, b);
    }
  });
  if (first_odd < rows) {
    check(Status(Code::kNotFinite, "x: vector " + std::to_string(first_odd) + " of shape (" +
                                       std::to_string(rows) + ", " + std::to_string(cols) +
                                       ") holds infinity or NaN"));
  }
  return {array_of<int8_t, 2>(std::move(codes), {rows, cols}),
          array_of<float, 1>(std::move(scales), {rows})};
}

Array<float, 1> inverse_frequencies(double theta, size_t head_dim) {
  require(theta >= 1.0 && theta < 1e12 && head_dim > 0 && head_dim % 2 == 0 && head_dim <= kMostCols,
          "inverse_frequencies: expected theta from 1 to 1e12 and an even head_dim");
  std::vector<float> out(head_dim / 2);
  compute([&] { rotary_inverse_frequencies(theta, head_dim, out.data()); });
  return array_of<float, 1>(std::move(out), {head_dim / 2});
}

std::pair<Array<float, 2>, Array<float, 2>> rotary(const Given<uint32_t, 1>& positions,
                                                   const Floats<1>& inverse) {
  const size_t count = positions.shape(0);
  const size_t half = inverse.shape(0);
  const auto in_range = [](float f) { return f >= 0.0f && f <= 1.0f; };
  require(std::all_of(positions.data(), positions.data() + count,
                      [](uint32_t p) { return p <= kMostPosition; }) &&
              std::all_of(inverse.data(), inverse.data() + half, in_range),
          "rotary: expected positions up to 2^24 and frequencies from 0 to 1");
  std::vector<float> cos(count * half);
  std::vector<float> sin(count * half);
  compute([&] {
    for (size_t i = 0; i < count; ++i) {
      rotary_angles(positions.data()[i], inverse.data(), half, cos.data() + i * half,
                    sin.data() + i * half);
    }
  });
  return {array_of<float, 2>(std::move(cos), {count, half}),
          array_of<float, 2>(std::move(sin), {count, half})};
}

Array<float, 3> rope(const Floats<3>& x, const Floats<2>& cos, const Floats<2>& sin) {
  const size_t tokens = x.shape(0);
  const size_t heads = x.shape(1);
  const size_t dim = x.shape(2);
  require(dim % 2 == 0 && cos.shape(0) == tokens && cos.shape(1) == dim / 2 &&
              sin.shape(0) == tokens && sin.shape(1) == dim / 2,
          "rope: expected x (tokens, heads, head_dim), cos and sin (tokens, head_dim / 2)");
  const Rope kernel = kernels().rope;
  std::vector<float> out(x.data(), x.data() + x.size());
  compute([&] {
    for (size_t t = 0; t < tokens; ++t) {
      kernel(out.data() + t * heads * dim, heads, dim, cos.data() + t * dim / 2,
             sin.data() + t * dim / 2);
    }
  });
  return array_of<float, 3>(std::move(out), {tokens, heads, dim});
}

Array<float, 2> gated(const Floats<2>& gate, const Floats<2>& up, std::string_view activation) {
  require(gate.shape(0) == up.shape(0) && gate.shape(1) == up.shape(1),
          "gated: expected gate and up of one shape");
  require(activation == "relu2" || activation == "silu", "gated: expected relu2 or silu");
  const Gated kernel = activation == "relu2" ? kernels().gated_relu2 : kernels().gated_silu;
  std::vector<float> out(gate.size());
  compute([&] { kernel(gate.data(), up.data(), gate.size(), out.data()); });
  return array_of<float, 2>(std::move(out), {gate.shape(0), gate.shape(1)});
}

// Causal attention, page by page as the decoder does it.
class Attention {
 public:
  Attention(const Floats<3>& q, const Floats<3>& k, const Floats<3>& v, size_t position,
            std::string_view kv_type, size_t window)
      : keys_(k), values_(v), tokens_(q.shape(0)), heads_(q.shape(1)), dim_(q.shape(2)),
        kv_heads_(k.shape(1)), half_(kv_type == "f16"), position_(position), window_(window),
        scale_(static_cast<float>(1.0 / std::sqrt(static_cast<double>(dim_)))),
        q_(q.data(), q.data() + q.size()), out_(q.size()) {
    require(half_ || kv_type == "f32", "attend: expected kv_type f16 or f32");
    require(tokens_ > 0 && dim_ > 0 && dim_ % 2 == 0 && kv_heads_ > 0 && heads_ % kv_heads_ == 0 &&
                k.shape(2) == dim_ && v.shape(0) == k.shape(0) && v.shape(1) == kv_heads_ &&
                v.shape(2) == dim_ && position <= kMostPosition && k.shape(0) == position + tokens_,
            "attend: expected q (tokens, heads, head_dim), k and v (position + tokens, kv_heads, "
            "head_dim), heads a multiple of kv_heads");
  }

  Array<float, 3> run() {
    const KernelTable& table = kernels();
    compute([&] {
      if (half_) {
        round(table, q_.data(), q_.size());
      }
      for (size_t h = 0; h < kv_heads_; ++h) {
        attend_head(table, h);
      }
    });
    return array_of<float, 3>(std::move(out_), {tokens_, heads_, dim_});
  }

 private:
  static void round(const KernelTable& table, float* x, size_t n) {
    std::vector<uint16_t> halves(n);
    table.to_f16(x, n, halves.data());
    table.from_f16(halves.data(), n, x);
  }

  // Head `h` of keys or values in whole pages, in the type of the cache.
  std::vector<std::byte> pages_of(const KernelTable& table, const Floats<3>& given, size_t h) const {
    const size_t count = given.shape(0);
    const size_t element = half_ ? sizeof(uint16_t) : sizeof(float);
    const size_t pages = (count + kPagePositions - 1) / kPagePositions;
    std::vector<std::byte> out(pages * kPagePositions * dim_ * element);
    for (size_t j = 0; j < count; ++j) {
      const float* x = given.data() + (j * kv_heads_ + h) * dim_;
      std::byte* to = out.data() + j * dim_ * element;
      if (half_) {
        table.to_f16(x, dim_, reinterpret_cast<uint16_t*>(to));
      } else {
        std::copy_n(x, dim_, reinterpret_cast<float*>(to));
      }
    }
    return out;
  }

  void attend_head(const KernelTable& table, size_t h) {
    const std::vector<std::byte> keys = pages_of(table, keys_, h);
    const std::vector<std::byte> values = pages_of(table, values_, h);
    const size_t group = heads_ / kv_heads_;
    const size_t page_bytes = kPagePositions * dim_ * (half_ ? sizeof(uint16_t) : sizeof(float));
    std::vector<float> scratch(attend_scratch(dim_));
    std::vector<float> largest(2 * group);
    std::vector<float> sum(2 * group);
    std::vector<float> next(group * dim_);
    for (size_t t = 0; t < tokens_; ++t) {
      const size_t last = position_ + t;
      const size_t first = window_ != 0 && last + 1 > window_ ? last + 1 - window_ : 0;
      float* const out = out_.data() + (t * heads_ + h * group) * dim_;
      for (size_t page = first / kPagePositions; page <= last / kPagePositions; ++page) {
        const size_t start = page * kPagePositions;
        const bool fresh = page == first / kPagePositions;
        AttendArgs args{};
        args.keys = keys.data() + page * page_bytes;
        args.values = values.data() + page * page_bytes;
        const AttendRow row = {first > start ? first - start : 0,
                               std::min(last + 1 - start, kPagePositions),
                               q_.data() + (t * heads_ + h * group) * dim_,
                               largest.data() + (fresh ? 0 : group),
                               sum.data() + (fresh ? 0 : group),
                               fresh ? out : next.data()};
        args.rows = &row;
        args.row_count = 1;
        args.queries = group;
        args.head_dim = dim_;
        args.scale = scale_;
        args.scratch = scratch.data();
        (half_ ? table.attend_f16 : table.attend_f32)(args);
        for (size_t g = 0; g < group && !fresh; ++g) {
          table.attend_merge(&largest[g], &sum[g], out + g * dim_, largest[group + g],
                             sum[group + g], next.data() + g * dim_, dim_);
        }
      }
      for (size_t g = 0; g < group; ++g) {
        table.divide_by(out + g * dim_, sum[g], dim_, out + g * dim_);
      }
    }
  }

  const Floats<3>& keys_;
  const Floats<3>& values_;
  const size_t tokens_;
  const size_t heads_;
  const size_t dim_;
  const size_t kv_heads_;
  const bool half_;
  const size_t position_;
  const size_t window_;
  const float scale_;
  std::vector<float> q_;
  std::vector<float> out_;
};

Array<float, 3> attend(const Floats<3>& q, const Floats<3>& k, const Floats<3>& v, size_t position,
                       std::string_view kv_type, size_t window) {
  return Attention(q, k, v, position, kv_type, window).run();
}

Array<float, 2> dot_rows(const Floats<2>& w, const Floats<2>& x) {
  const size_t rows = w.shape(0);
  const size_t cols = w.shape(1);
  const size_t batch = x.shape(0);
  require(x.shape(1) == cols, "dot_rows: expected w (rows, n) and x (batch, n)");
  const DotRows kernel = kernels().dot_rows_f32;
  std::vector<float> out(batch * rows);
  if (!out.empty() && cols > 0) {
    compute([&] { kernel({w.data(), rows, cols, x.data(), cols, batch, out.data(), rows}); });
  }
  return array_of<float, 2>(std::move(out), {batch, rows});
}

const TernaryFormatInfo& format_named(std::string_view name) {
  const std::optional<TernaryFormat> format = parse_format(name);
  require(format.has_value(), "format: expected i2, dense243, fold243 or planes2");
  return format_info(*format);
}

// Packed bytes fit memory where the trits do.
void check_shape(size_t rows, size_t cols) {
  require(rows > 0 && cols > 0 && rows <= kMostRows && cols < kMostCols,
          "trits: expected 1 to 2^31 - 1 rows and 1 to 2^24 - 1 columns");
}

// (row blocks, bytes of a row block).
Array<uint8_t, 2> pack_trits(const Given<int8_t, 2>& trits, std::string_view format) {
  const TernaryFormatInfo& info = format_named(format);
  const size_t rows = trits.shape(0);
  const size_t cols = trits.shape(1);
  check_shape(rows, cols);
  require(std::all_of(trits.data(), trits.data() + trits.size(),
                      [](int8_t t) { return t >= -1 && t <= 1; }),
          "trits: expected -1, 0 and 1");
  const size_t block_bytes = row_block_bytes(info.format, cols);
  std::vector<uint8_t> out(row_blocks(rows) * block_bytes);
  compute([&] {
    std::vector<int8_t> block(kTileRows * cols);
    for (size_t b = 0; b < row_blocks(rows); ++b) {
      const size_t first = b * kTileRows;
      const size_t count = std::min(kTileRows, rows - first);
      std::fill(std::copy_n(trits.data() + first * cols, count * cols, block.begin()), block.end(), 0);
      info.pack_row_block(block.data(), cols, cols, out.data() + b * block_bytes);
    }
  });
  return array_of<uint8_t, 2>(std::move(out), {row_blocks(rows), block_bytes});
}

Array<int8_t, 2> unpack_trits(const Given<uint8_t, 2>& packed, size_t rows, size_t cols,
                              std::string_view format) {
  const TernaryFormatInfo& info = format_named(format);
  check_shape(rows, cols);
  const size_t block_bytes = row_block_bytes(info.format, cols);
  require(packed.shape(0) == row_blocks(rows) && packed.shape(1) == block_bytes,
          "packed: expected (row blocks of 16 rows, bytes of a row block)");
  if (const auto odd = info.find_invalid(packed.data(), packed.size())) {
    check(format_error("packed: byte " + std::to_string(*odd) + " is no code of " +
                       std::string(info.name)));
  }
  std::vector<int8_t> out(row_blocks(rows) * kTileRows * cols);
  compute([&] {
    for (size_t b = 0; b < row_blocks(rows); ++b) {
      info.unpack_row_block(packed.data() + b * block_bytes, cols, out.data() + b * kTileRows * cols,
                            cols);
    }
  });
  out.resize(rows * cols);
  return array_of<int8_t, 2>(std::move(out), {rows, cols});
}

// Draws tokens as generate() does.
struct TokenSampler {
  Sampler sampler;
  size_t vocabulary;
};

TokenId draw(TokenSampler& self, const Floats<1>& logits, const Given<TokenId, 1>& tokens,
             uint32_t answer) {
  require(logits.size() == self.vocabulary, "draw: expected as many logits as the vocabulary has tokens");
  const std::span<const float> row(logits.data(), logits.size());
  const std::span<const TokenId> history(tokens.data(), tokens.size());
  return value_of(self.sampler.draw({row, {}}, history, answer, true));
}

}  // namespace

void bind_kernel_ops(nb::module_& module) {
  module.def("rms_norm", &rms_norm, "x"_a.noconvert(), "weight"_a.noconvert(), "eps"_a);
  module.def("quantize", &quantize, "x"_a.noconvert());
  module.def("inverse_frequencies", &inverse_frequencies, "theta"_a, "head_dim"_a);
  module.def("rotary", &rotary, "positions"_a.noconvert(), "inverse"_a.noconvert());
  module.def("rope", &rope, "x"_a.noconvert(), "cos"_a.noconvert(), "sin"_a.noconvert());
  module.def("gated", &gated, "gate"_a.noconvert(), "up"_a.noconvert(), "activation"_a);
  module.def("attend", &attend, "q"_a.noconvert(), "k"_a.noconvert(), "v"_a.noconvert(), "position"_a,
             "kv_type"_a, "window"_a = 0);
  module.def("dot_rows", &dot_rows, "w"_a.noconvert(), "x"_a.noconvert());
  module.def("pack_trits", &pack_trits, "trits"_a.noconvert(), "format"_a);
  module.def("unpack_trits", &unpack_trits, "packed"_a.noconvert(), "rows"_a, "cols"_a, "format"_a);
  nb::class_<TokenSampler>(module, "Sampler", "Draws tokens; has no state but its parameters.")
      .def("__init__",
           [](TokenSampler* self, const SamplingParams& params, size_t vocabulary) {
             new (self) TokenSampler{value_of(Sampler::create(params, vocabulary)), vocabulary};
           },
           "params"_a, "vocabulary"_a)
      .def("draw", &draw, "logits"_a.noconvert(), "tokens"_a.noconvert(), "answer"_a = 0);
}

}  // namespace rotor::python
