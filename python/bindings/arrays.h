// SPDX-License-Identifier: Apache-2.0
// Arrays that own their memory, made of vectors without a copy.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

namespace rotor::python {

template <typename T, size_t kDims>
using Array = nanobind::ndarray<nanobind::numpy, T, nanobind::ndim<kDims>, nanobind::c_contig>;

// REQUIRES: as many values as the shape says.
template <typename T, size_t kDims>
Array<T, kDims> array_of(std::vector<T> values, const std::array<size_t, kDims>& shape) {
  auto* kept = new std::vector<T>(std::move(values));
  nanobind::capsule owner(kept,
                          [](void* memory) noexcept { delete static_cast<std::vector<T>*>(memory); });
  return Array<T, kDims>(kept->data(), kDims, shape.data(), owner);
}

}  // namespace rotor::python
