// SPDX-License-Identifier: Apache-2.0
// For the tests of this folder: bytes of GGUF and safetensors files written field by field, right
// or wrong on purpose, and the loops that damage them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace rotor::test {

template <typename T>
void put(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

inline void put_string(std::string& bytes, std::string_view text) {
  put<uint64_t>(bytes, text.size());
  bytes += text;
}

// A GGUF file in parts; bytes() puts them together.
struct GgufBytes {
  uint32_t version = 3;
  uint64_t entries = 0;
  uint64_t tensors = 0;
  uint32_t alignment = 32;  // of the data; not written by itself
  std::string metadata;
  std::string descriptions;
  std::string data;

  template <typename T>
  void add(std::string_view key, uint32_t type, T value) {
    ++entries;
    put_string(metadata, key);
    put(metadata, type);
    put(metadata, value);
  }
  void add(std::string_view key, std::string_view value) {
    ++entries;
    put_string(metadata, key);
    put<uint32_t>(metadata, 8);
    put_string(metadata, value);
  }
  void add_strings(std::string_view key, const std::vector<std::string>& values) {
    ++entries;
    put_string(metadata, key);
    put<uint32_t>(metadata, 9);
    put<uint32_t>(metadata, 8);
    put<uint64_t>(metadata, values.size());
    for (const std::string& value : values) {
      put_string(metadata, value);
    }
  }
  template <typename T>
  void add_array(std::string_view key, uint32_t element_type, const std::vector<T>& values) {
    ++entries;
    put_string(metadata, key);
    put<uint32_t>(metadata, 9);
    put(metadata, element_type);
    put<uint64_t>(metadata, values.size());
    for (const T& value : values) {
      put(metadata, value);
    }
  }
  void describe(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                uint64_t offset) {
    ++tensors;
    put_string(descriptions, name);
    put(descriptions, static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) {
      put(descriptions, dim);
    }
    put(descriptions, type);
    put(descriptions, offset);
  }
  void add_tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                  std::string_view content) {
    data.resize((data.size() + alignment - 1) / alignment * alignment, '\0');
    describe(name, dims, type, data.size());
    data += content;
  }

  std::string bytes() const {
    std::string all = "GGUF";
    put(all, version);
    put(all, tensors);
    put(all, entries);
    all += metadata + descriptions;
    if (tensors != 0) {
      all.resize((all.size() + alignment - 1) / alignment * alignment, '\0');
    }
    return all + data;
  }
};

// A file with every kind of value and of tensor.
inline GgufBytes sample_gguf() {
  GgufBytes file;
  file.add("general.architecture", "bitnet-b1.58");
  file.add<uint32_t>("u32", 4, 7);
  file.add<int64_t>("i64", 11, -7);
  file.add<uint64_t>("u64", 10, UINT64_MAX);
  file.add<float>("f32", 6, 0.5f);
  file.add<double>("f64", 12, 0.25);
  file.add<uint8_t>("bool", 7, 1);
  file.add_strings("tokens", {"a", "", "ccc"});
  file.add_array<float>("scores", 6, {1.0f, -2.0f});
  file.add_array<int32_t>("types", 5, {1, -3});
  file.add_array<uint64_t>("huge", 10, {UINT64_MAX});
  file.add_tensor("first", {3, 2}, 0, std::string(24, 'a'));
  file.add_tensor("second", {128, 2}, 36, std::string(96, 'b'));
  file.add_tensor("third", {2}, 1, "wxyz");
  return file;
}

inline std::string safetensors_bytes(std::string_view header, std::string_view data) {
  std::string bytes;
  put_string(bytes, header);
  return bytes + std::string(data);
}

inline std::filesystem::path source_folder() {
  const char* source = std::getenv("ROTOR_SOURCE_DIR");
  return source == nullptr ? "." : source;
}

// Seeds of a fuzz target, written by tools/make_io_corpus.py.
inline std::filesystem::path corpus(std::string_view name) {
  return source_folder() / "src/io/fuzz" / name;
}

// ../shared/data beside the sources, or ROTOR_TEST_DATA.
inline std::filesystem::path test_data() {
  if (const char* folder = std::getenv("ROTOR_TEST_DATA")) {
    return folder;
  }
  return source_folder() / "../shared/data";
}

// Calls parse(bytes) for `count` copies of `bytes` with one to four random bits flipped.
template <typename Parse>
void flip_bits(const std::string& bytes, size_t count, Parse parse) {
  std::mt19937_64 random(1);
  for (size_t i = 0; i < count; ++i) {
    std::string damaged = bytes;
    const size_t flips = 1 + random() % 4;
    for (size_t flip = 0; flip < flips; ++flip) {
      damaged[random() % damaged.size()] ^= static_cast<char>(1u << (random() % 8));
    }
    parse(damaged);
  }
}

// Calls parse(bytes) with 8 bytes at every place replaced by numbers at which arithmetic breaks.
template <typename Parse>
void boundary_numbers(const std::string& bytes, Parse parse) {
  const uint64_t numbers[] = {0,
                              1,
                              (1ull << 31) - 1,
                              1ull << 31,
                              (1ull << 31) + 1,
                              (1ull << 32) - 1,
                              1ull << 32,
                              (1ull << 32) + 1,
                              (1ull << 42) + 1,
                              1ull << 63,
                              (1ull << 63) - 1,
                              UINT64_MAX};
  for (size_t at = 0; at + sizeof(uint64_t) <= bytes.size(); ++at) {
    for (const uint64_t number : numbers) {
      std::string damaged = bytes;
      std::memcpy(damaged.data() + at, &number, sizeof(number));
      parse(damaged);
    }
  }
}

}  // namespace rotor::test
