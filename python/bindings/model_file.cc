// SPDX-License-Identifier: Apache-2.0
#include "model_file.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "arrays.h"
#include "base/cpu_features.h"
#include "errors.h"
#include "kernels/kernels.h"
#include "model/float_rows.h"
#include "model/model_source.h"
#include "model/rope_scaling.h"
#include "model/rotor_config.h"
#include "model/text_source.h"
#include "text/tokenizer.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rotor::python {
namespace {

using Values = std::optional<Array<float, 1>>;

Values values_of(const std::vector<float>& values) {
  return values.empty() ? Values() : array_of<float, 1>(std::vector<float>(values), {values.size()});
}

// A model's file, opened and checked; what is asked for is read then.
class ModelFile {
 public:
  static ModelFile open(const std::string& path) {
    const nb::gil_scoped_release released;
    return ModelFile(value_of(open_model_source(path, {})));
  }

  std::string config() const {
    RotorConfig config;
    config.model = source_->config;
    config.embed_type = source_->embed.type;
    config.head_type = source_->head ? source_->head->type : source_->embed.type;
    config.end_of_generation = source_->end_of_generation;
    config.generation_defaults = source_->generation_defaults;
    config.notes = source_->notes;
    return write_rotor_config(config);
  }
  const std::string& container() const { return source_->container; }
  const std::vector<std::string>& warnings() const { return source_->warnings; }

  std::string layout(size_t layer, std::string_view name) const { return linear(layer, name).layout; }

  Array<int8_t, 2> trits(size_t layer, std::string_view name) const {
    const TritReader& reader = *linear(layer, name).trits;
    const size_t blocks = row_blocks(reader.rows());
    std::vector<int8_t> out(blocks * kTileRows * reader.cols());
    Status status;
    {
      const nb::gil_scoped_release released;
      status = reader.read(0, blocks, out.data());
    }
    check(std::move(status));
    out.resize(reader.rows() * reader.cols());
    return array_of<int8_t, 2>(std::move(out), {reader.rows(), reader.cols()});
  }

  // (1), (rows), or with groups (rows, groups).
  nb::object scale(size_t layer, std::string_view name) const {
    const LinearSource& linear = this->linear(layer, name);
    if (!linear.scale.grouped()) {
      return nb::cast(values_of(linear.scale.values));
    }
    const size_t rows = linear.trits->rows();
    const size_t groups = linear.scale.group.groups(linear.trits->cols());
    std::vector<float> out(row_blocks(rows) * kTileRows * groups);
    check(linear.group_scales->read(0, row_blocks(rows), out.data()));
    out.resize(rows * groups);
    return nb::cast(array_of<float, 2>(std::move(out), {rows, groups}));
  }
  size_t group_cols(size_t layer, std::string_view name) const {
    const TernaryScale& scale = linear(layer, name).scale;
    return scale.grouped() ? scale.group.cols : 0;
  }
  Values input_norm(size_t layer, std::string_view name) const {
    return values_of(linear(layer, name).input_norm);
  }

  Values norm(size_t layer, std::string_view name) const {
    check_layer_number(layer);
    for (size_t role = 0; role < kNormRoles; ++role) {
      if (norm_role_name(static_cast<NormRole>(role)) == name) {
        return values_of(source_->layers[layer].norm(static_cast<NormRole>(role)));
      }
    }
    check(invalid_argument("norm: no norm is called " + std::string(name)));
    return {};
  }
  Values output_norm() const { return values_of(source_->output_norm); }

  Array<float, 2> embedding() const { return rows_of(source_->embed); }
  std::optional<Array<float, 2>> head() const {
    return source_->head ? std::optional(rows_of(*source_->head)) : std::nullopt;
  }

  Array<float, 1> inverse_frequencies() const {
    const ModelConfig& config = source_->config;
    std::vector<float> out(config.turned_dims() / 2);
    rope_frequencies(config.rope_scaling, config.rope_theta, config.turned_dims(), out.data());
    return array_of<float, 1>(std::move(out), {config.turned_dims() / 2});
  }

 private:
  explicit ModelFile(ModelSource source) : source_(std::make_shared<ModelSource>(std::move(source))) {}

  void check_layer_number(size_t layer) const {
    if (layer >= source_->layers.size()) {
      check(invalid_argument("layer: expected 0 to " + std::to_string(source_->layers.size() - 1) +
                             ", got " + std::to_string(layer)));
    }
  }
  const LinearSource& linear(size_t layer, std::string_view name) const {
    check_layer_number(layer);
    for (size_t role = 0; role < kLinearRoles; ++role) {
      if (linear_role_name(static_cast<LinearRole>(role)) == name) {
        return source_->layers[layer].linear[role];
      }
    }
    throw StatusError(invalid_argument("name: expected q, k, v, o, gate, up or down, got " +
                                       std::string(name)));
  }
  static Array<float, 2> rows_of(const FloatSource& table) {
    const FromF16 from_f16 = kernel_table(value_of(selected_isa())).from_f16;
    const size_t row_bytes = float_row_bytes(table.type, table.cols);
    constexpr size_t kRowsAtOnce = 256;
    std::vector<std::byte> bytes(kRowsAtOnce * row_bytes);
    std::vector<float> out(table.rows * table.cols);
    Status status;
    {
      const nb::gil_scoped_release released;
      for (size_t begin = 0; begin < table.rows && status.ok(); begin += kRowsAtOnce) {
        const size_t end = std::min(table.rows, begin + kRowsAtOnce);
        status = table.reader->read(begin, end, bytes.data());
        for (size_t r = begin; r < end && status.ok(); ++r) {
          decode_row(table.type, bytes.data() + (r - begin) * row_bytes, table.cols, from_f16,
                     out.data() + r * table.cols);
        }
      }
    }
    check(std::move(status));
    return array_of<float, 2>(std::move(out), {table.rows, table.cols});
  }

  std::shared_ptr<const ModelSource> source_;
};

Tokenizer open_tokenizer(const std::string& path) {
  TextSource text = value_of(open_text_source(path));
  if (!text.tokenizer) {
    check(format_error(path + ": holds no tokenizer"));
  }
  return value_of(Tokenizer::create(*std::move(text.tokenizer)));
}

void bind_tokenizer(nb::module_& module) {
  nb::class_<Tokenizer>(module, "Tokenizer", "Text to tokens and back, without a model.")
      .def_static("open", &open_tokenizer, "path"_a)
      .def_prop_ro("size", &Tokenizer::size)
      .def_prop_ro("bos", &Tokenizer::bos)
      .def_prop_ro("end_of_generation", &Tokenizer::end_of_generation)
      .def(
          "encode",
          [](const Tokenizer& tokenizer, std::string_view text, std::optional<bool> add_bos,
             bool parse_special) {
            return value_of(tokenizer.encode(
                text, {.add_bos = add_bos, .add_eos = {}, .parse_special = parse_special}));
          },
          "text"_a, nb::kw_only(), "add_bos"_a = nb::none(), "parse_special"_a = false)
      .def(
          "decode",
          [](const Tokenizer& tokenizer, const std::vector<TokenId>& tokens, bool skip_special) {
            const std::string text = value_of(tokenizer.decode(tokens, skip_special));
            return nb::bytes(text.data(), text.size());
          },
          "tokens"_a, nb::kw_only(), "skip_special"_a = true)
      .def(
          "token_bytes",
          [](const Tokenizer& tokenizer, TokenId token) {
            const std::string_view text = tokenizer.token_bytes(token);
            return nb::bytes(text.data(), text.size());
          },
          "token"_a);
}

}  // namespace

void bind_model_file(nb::module_& module) {
  nb::class_<ModelFile>(module, "ModelFile", "What a model's file holds, as arrays.")
      .def_static("open", &ModelFile::open, "path"_a)
      .def_prop_ro("config", &ModelFile::config)
      .def_prop_ro("container", &ModelFile::container)
      .def_prop_ro("warnings", &ModelFile::warnings)
      .def("layout", &ModelFile::layout, "layer"_a, "name"_a)
      .def("trits", &ModelFile::trits, "layer"_a, "name"_a)
      .def("scale", &ModelFile::scale, "layer"_a, "name"_a,
           nb::sig("def scale(self, layer: int, name: str) -> NDArray[numpy.float32]"))
      .def("group_cols", &ModelFile::group_cols, "layer"_a, "name"_a)
      .def("input_norm", &ModelFile::input_norm, "layer"_a, "name"_a)
      .def("norm", &ModelFile::norm, "layer"_a, "name"_a)
      .def("output_norm", &ModelFile::output_norm)
      .def("embedding", &ModelFile::embedding)
      .def("head", &ModelFile::head)
      .def("inverse_frequencies", &ModelFile::inverse_frequencies);
  bind_tokenizer(module);
}

}  // namespace rotor::python
