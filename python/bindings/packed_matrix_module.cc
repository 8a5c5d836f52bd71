// SPDX-License-Identifier: Apache-2.0
// Arrays are taken as they are, without copies; what they must be is said with what they are. All
// products release the interpreter lock and look for an interrupt every few tens of milliseconds.
#include "packed_matrix_module.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/half.h"
#include "errors.h"
#include "packed_matrix.h"
#include "shared_model.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rotor::python {
namespace {

using Given = nb::ndarray<nb::ro>;  // whatever an argument is

std::string shape_text(const Given& array) {
  std::string text = "(";
  for (size_t i = 0; i < array.ndim(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(array.shape(i));
  }
  return text + (array.ndim() == 1 ? ",)" : ")");
}

std::string dtype_text(nb::dlpack::dtype type) {
  const char* name = "an unknown type";
  switch (static_cast<nb::dlpack::dtype_code>(type.code)) {
    case nb::dlpack::dtype_code::Int: name = "int"; break;
    case nb::dlpack::dtype_code::UInt: name = "uint"; break;
    case nb::dlpack::dtype_code::Float: name = "float"; break;
    case nb::dlpack::dtype_code::Bfloat: name = "bfloat"; break;
    case nb::dlpack::dtype_code::Complex: name = "complex"; break;
    case nb::dlpack::dtype_code::Bool: return "bool";
    default: return name;
  }
  return name + std::to_string(type.bits);
}

[[noreturn]] void wrong_type(const std::string& message) { throw nb::type_error(message.c_str()); }

bool is(nb::dlpack::dtype type, nb::dlpack::dtype_code code, uint8_t bits) {
  return type.code == static_cast<uint8_t>(code) && type.bits == bits && type.lanes == 1;
}

// Raises unless the array's elements lie in C order in memory that a CPU reads.
void check_memory(const Given& array, const char* name) {
  if (array.device_type() != nb::device::cpu::value) {
    wrong_type(std::string(name) + ": expected memory of the CPU, got another device, shape " +
               shape_text(array));
  }
  int64_t stride = 1;
  for (size_t i = array.ndim(); array.size() != 0 && i-- > 0;) {
    if (array.shape(i) != 1 && array.stride(i) != stride) {
      check(invalid_argument(std::string(name) + ": expected a C-contiguous array, got strides that " +
                             "skip, shape " + shape_text(array)));
    }
    stride *= static_cast<int64_t>(array.shape(i));
  }
}

template <typename T>
const T* elements(const Given& array, const char* name, const char* type) {
  check_memory(array, name);
  if (array.dtype() != nb::dtype<T>()) {
    wrong_type(std::string(name) + ": expected " + type + ", got " + dtype_text(array.dtype()) +
               " of shape " + shape_text(array));
  }
  return static_cast<const T*>(array.data());
}

Given array_in(nb::handle value, const char* name) {
  Given array;
  if (!nb::try_cast(value, array)) {
    wrong_type(std::string(name) + ": expected an array, got " +
               nb::cast<std::string>(nb::str(value.type().attr("__name__"))));
  }
  return array;
}

// An array of `shape` that Python owns.
template <typename T>
nb::ndarray<nb::numpy, T> make_array(const std::vector<size_t>& shape) {
  size_t count = 1;
  for (const size_t size : shape) {
    count *= size;  // REQUIRES: fits, as the caller has checked
  }
  T* memory = new (std::nothrow) T[count == 0 ? 1 : count];
  if (memory == nullptr) {
    check(out_of_memory("no memory for " + std::to_string(count) + " values"));
  }
  nb::capsule owner(memory, [](void* kept) noexcept { delete[] static_cast<T*>(kept); });
  return nb::ndarray<nb::numpy, T>(memory, shape.size(), shape.data(), owner);
}

// (..., cols) becomes (..., rows); the number of vectors beside it.
std::pair<std::vector<size_t>, size_t> output_shape(const Given& x, const TernaryMatrix& matrix) {
  if (x.ndim() == 0 || x.shape(x.ndim() - 1) != matrix.cols) {
    check(invalid_argument("x: expected shape (..., " + std::to_string(matrix.cols) +
                           ") for a matrix of shape (" + std::to_string(matrix.rows) + ", " +
                           std::to_string(matrix.cols) + "), got " + shape_text(x)));
  }
  std::vector<size_t> shape;
  size_t batch = 1;
  for (size_t i = 0; i + 1 < x.ndim(); ++i) {
    shape.push_back(x.shape(i));
    batch *= x.shape(i);  // at most the elements of x
  }
  shape.push_back(matrix.rows);
  if (batch > (size_t{1} << 60) / matrix.rows) {
    check(out_of_memory("no memory for the result of x of shape " + shape_text(x)));
  }
  return {shape, batch};
}

// Calls work(first, count) for runs of a batch, without the interpreter lock.
template <typename Work>
void in_runs(const TernaryMatrix& matrix, size_t batch, const Work& work) {
  const Waiters::Scope waiting;
  SharedModel::check_running();
  const size_t most = batch_at_once(matrix);
  for (size_t first = 0; first < batch; first += most) {
    Status status;
    {
      const nb::gil_scoped_release released;
      status = work(first, std::min(most, batch - first));
    }
    check(std::move(status));
    if (PyErr_CheckSignals() != 0) {
      throw nb::python_error();
    }
  }
}

nb::ndarray<nb::numpy, float> multiplied(const TernaryMatrix& matrix, nb::handle given,
                                         size_t threads) {
  const Given x = array_in(given, "x");
  const float* const values = elements<float>(x, "x", "float32");
  const auto [shape, batch] = output_shape(x, matrix);
  nb::ndarray<nb::numpy, float> out = make_array<float>(shape);
  float* const results = out.data();
  in_runs(matrix, batch, [&](size_t first, size_t count) {
    return multiply(matrix, values + first * matrix.cols, count, first,
                    results + first * matrix.rows, threads);
  });
  return out;
}

nb::ndarray<nb::numpy, int32_t> multiplied_codes(const PackedMatrix& packed, nb::handle given,
                                                 size_t threads) {
  const TernaryMatrix& matrix = packed.matrix();
  const Given x = array_in(given, "x");
  const int8_t* const codes = elements<int8_t>(x, "x", "int8");
  const auto [shape, batch] = output_shape(x, matrix);
  nb::ndarray<nb::numpy, int32_t> out = make_array<int32_t>(shape);
  int32_t* const results = out.data();
  in_runs(matrix, batch, [&](size_t first, size_t count) {
    return multiply_codes(matrix, codes + first * matrix.cols, count, results + first * matrix.rows,
                          threads);
  });
  return out;
}

// A number; one or (rows) of float32; or, with group_cols, (rows, groups) of float32 or float16.
ScaleValues scale_of(nb::handle given, size_t rows, size_t cols, size_t group_cols) {
  if (group_cols != 0 && group_cols != 64 && group_cols != 128 && group_cols != 256) {
    check(invalid_argument("group_cols: expected 0, 64, 128 or 256, got " + std::to_string(group_cols)));
  }
  ScaleValues scale;
  const bool number = PyFloat_Check(given.ptr()) || PyLong_Check(given.ptr());
  if (double value = 0; group_cols == 0 && number && nb::try_cast(given, value)) {
    scale.values = {static_cast<float>(value)};
    return scale;
  }
  const Given array = array_in(given, "scale");
  const std::string of_matrix = " for a matrix of shape (" + std::to_string(rows) + ", " +
                                std::to_string(cols) + "), got " + shape_text(array);
  if (group_cols == 0) {
    const float* const values = elements<float>(array, "scale", "float32");
    if (array.size() != 1 && (array.ndim() != 1 || array.shape(0) != rows)) {
      check(invalid_argument("scale: expected one value or (" + std::to_string(rows) + ",)" + of_matrix));
    }
    scale.granularity = array.size() == 1 ? TernaryScale::Granularity::kTensor
                                          : TernaryScale::Granularity::kRow;
    scale.values.assign(values, values + array.size());
    return scale;
  }
  scale.granularity = TernaryScale::Granularity::kGroup;
  scale.group.cols = group_cols;
  const size_t groups = scale.group.groups(cols);
  if (array.ndim() != 2 || array.shape(0) != rows || array.shape(1) != groups) {
    check(invalid_argument("scale: expected (" + std::to_string(rows) + ", " + std::to_string(groups) +
                           ") with groups of " + std::to_string(group_cols) + of_matrix));
  }
  if (is(array.dtype(), nb::dlpack::dtype_code::Float, 16)) {
    check_memory(array, "scale");
    scale.group.type = GroupScaleType::kF16;
    const auto* const halves = static_cast<const uint16_t*>(array.data());
    for (size_t i = 0; i < array.size(); ++i) {
      scale.values.push_back(f16_to_float(halves[i]));
    }
    return scale;
  }
  scale.group.type = GroupScaleType::kF32;
  const float* const values = elements<float>(array, "scale", "float32 or float16");
  scale.values.assign(values, values + array.size());
  return scale;
}

PackedMatrix pack(nb::handle given, nb::handle given_scale, size_t group_cols,
                  std::string_view format_name) {
  const Given trits = array_in(given, "trits");
  const int8_t* const values = elements<int8_t>(trits, "trits", "int8");
  if (trits.ndim() != 2) {
    check(invalid_argument("trits: expected shape (rows, columns), got " + shape_text(trits)));
  }
  const std::optional<TernaryFormat> format = parse_format(format_name);
  if (!format) {
    check(invalid_argument("format: expected i2, dense243, fold243 or planes2, got " +
                           std::string(format_name)));
  }
  const size_t rows = trits.shape(0);
  const size_t cols = trits.shape(1);
  ScaleValues scale = scale_of(given_scale, rows, cols, group_cols);
  const nb::gil_scoped_release released;
  return value_of(PackedMatrix::pack(values, rows, cols, std::move(scale), *format));
}

nb::ndarray<nb::numpy, int8_t> trits_of(const TernaryMatrix& matrix) {
  nb::ndarray<nb::numpy, int8_t> out = make_array<int8_t>({matrix.rows, matrix.cols});
  int8_t* const values = out.data();
  const nb::gil_scoped_release released;
  unpack(matrix, values);
  return out;
}

nb::object scale_as_given(const PackedMatrix& packed) {
  const TernaryScale& scale = packed.matrix().scale;
  const std::vector<float>& values = packed.scale_values();
  if (scale.granularity == TernaryScale::Granularity::kTensor) {
    return nb::float_(values[0]);
  }
  std::vector<size_t> shape{packed.matrix().rows};
  if (scale.grouped()) {
    shape.push_back(values.size() / shape[0]);
  }
  nb::ndarray<nb::numpy, float> out = make_array<float>(shape);
  std::copy(values.begin(), values.end(), out.data());
  return nb::cast(out);
}

// Tiles of i2 that the caller keeps, (row blocks, tiles, 64): a matrix of `rows` by `cols`.
TernaryMatrix matrix_in(const Given& tiles, size_t rows, size_t cols) {
  const uint8_t* const bytes = elements<uint8_t>(tiles, "tiles", "uint8");
  if (rows == 0 || cols == 0 || rows > kMostRows || cols > kMostCols || tiles.ndim() != 3 ||
      tiles.shape(0) != row_blocks(rows) ||
      tiles.shape(1) != tiles_per_row_block(TernaryFormat::kI2, cols) ||
      tiles.shape(2) != kTileBytes) {
    check(invalid_argument("tiles: expected shape (rows / 16, columns / 16, 64) for a matrix of shape (" +
                           std::to_string(rows) + ", " + std::to_string(cols) + "), got " +
                           shape_text(tiles)));
  }
  if (reinterpret_cast<uintptr_t>(bytes) % kTileBytes != 0) {
    check(invalid_argument("tiles: expected memory that begins at a multiple of 64 bytes, shape " +
                           shape_text(tiles)));
  }
  TernaryMatrix matrix;
  matrix.rows = rows;
  matrix.cols = cols;
  matrix.packed = bytes;
  return matrix;
}

nb::ndarray<nb::numpy, uint8_t> pack_i2(nb::handle given) {
  const PackedMatrix packed = pack(given, nb::float_(1.0), 0, "i2");
  const TernaryMatrix& matrix = packed.matrix();
  const size_t tiles = tiles_per_row_block(matrix.format, matrix.cols);
  const size_t shape[] = {row_blocks(matrix.rows), tiles, kTileBytes};
  void* const memory = std::aligned_alloc(kTileBytes, packed.bytes().size());
  if (memory == nullptr) {
    check(out_of_memory("no memory for " + std::to_string(packed.bytes().size()) + " bytes"));
  }
  nb::capsule owner(memory, [](void* kept) noexcept { std::free(kept); });
  std::copy(packed.bytes().begin(), packed.bytes().end(), static_cast<uint8_t*>(memory));
  return nb::ndarray<nb::numpy, uint8_t>(memory, 3, shape, owner);
}

nb::ndarray<nb::numpy, int8_t> unpack_i2(nb::handle tiles, size_t rows, size_t cols) {
  return trits_of(matrix_in(array_in(tiles, "tiles"), rows, cols));
}

nb::ndarray<nb::numpy, float> matmul_i2(nb::handle x, nb::handle given_tiles, size_t rows, size_t cols,
                                        nb::handle scale, size_t threads) {
  const Given tiles = array_in(given_tiles, "tiles");  // keeps the memory while it is read
  TernaryMatrix matrix = matrix_in(tiles, rows, cols);
  ScaleValues values = scale_of(scale, rows, cols, 0);
  check(check_scale(values.values));
  matrix.scale.granularity = values.granularity;
  matrix.scale.values = std::move(values.values);
  return multiplied(matrix, x, threads);
}

}  // namespace

void bind_packed_matrix(nb::module_& module) {
  nb::class_<PackedMatrix>(
      module, "PackedMatrix",
      "A matrix of trits with its scales, in a layout of the kernels. Immutable; any thread may use it.")
      .def(
          "__init__",
          [](PackedMatrix* self, nb::handle trits, nb::handle scale, size_t group_cols,
             std::string_view format) { new (self) PackedMatrix(pack(trits, scale, group_cols, format)); },
          "trits"_a, "scale"_a, nb::kw_only(), "group_cols"_a = 0, "format"_a = "i2",
          nb::sig("def __init__(self, trits: NDArray[numpy.int8], "
                  "scale: float | NDArray[numpy.float32] | NDArray[numpy.float16], *, "
                  "group_cols: int = 0, format: str = 'i2') -> None"))
      .def_prop_ro("shape",
                   [](const PackedMatrix& packed) {
                     return std::tuple(packed.matrix().rows, packed.matrix().cols);
                   })
      .def_prop_ro("format",
                   [](const PackedMatrix& packed) {
                     return std::string(format_info(packed.matrix().format).name);
                   })
      .def_prop_ro("group_cols",
                   [](const PackedMatrix& packed) {
                     const TernaryScale& scale = packed.matrix().scale;
                     return scale.grouped() ? scale.group.cols : 0;
                   })
      .def_prop_ro("scale", &scale_as_given,
                   nb::for_getter(nb::sig("def scale(self) -> float | NDArray[numpy.float32]")))
      .def_prop_ro("nbytes", [](const PackedMatrix& packed) { return packed.bytes().size(); })
      .def("trits", [](const PackedMatrix& packed) { return trits_of(packed.matrix()); },
           nb::sig("def trits(self) -> NDArray[numpy.int8]"))
      .def(
          "matmul",
          [](const PackedMatrix& packed, nb::handle x, size_t threads) {
            return multiplied(packed.matrix(), x, threads);
          },
          "x"_a, nb::kw_only(), "threads"_a = 0,
          nb::sig("def matmul(self, x: NDArray[numpy.float32], *, threads: int = 0) -> "
                  "NDArray[numpy.float32]"))
      .def("matmul_int8", &multiplied_codes, "x"_a, nb::kw_only(), "threads"_a = 0,
           nb::sig("def matmul_int8(self, x: NDArray[numpy.int8], *, threads: int = 0) -> "
                   "NDArray[numpy.int32]"))
      .def("__copy__", [](nb::handle self) { return nb::borrow(self); },
           nb::sig("def __copy__(self) -> PackedMatrix"))
      .def("__deepcopy__", [](nb::handle self, nb::handle) { return nb::borrow(self); }, "memo"_a,
           nb::sig("def __deepcopy__(self, memo: object) -> PackedMatrix"));
  module.def("pack_i2", &pack_i2, "trits"_a,
             nb::sig("def pack_i2(trits: NDArray[numpy.int8]) -> NDArray[numpy.uint8]"));
  module.def("unpack_i2", &unpack_i2, "tiles"_a, "rows"_a, "cols"_a,
             nb::sig("def unpack_i2(tiles: NDArray[numpy.uint8], rows: int, cols: int) -> "
                     "NDArray[numpy.int8]"));
  module.def("matmul_i2", &matmul_i2, "x"_a, "tiles"_a, "rows"_a, "cols"_a, "scale"_a, nb::kw_only(),
             "threads"_a = 0,
             nb::sig("def matmul_i2(x: NDArray[numpy.float32], tiles: NDArray[numpy.uint8], rows: int, "
                     "cols: int, scale: float | NDArray[numpy.float32], *, threads: int = 0) -> "
                     "NDArray[numpy.float32]"));
}

}  // namespace rotor::python
