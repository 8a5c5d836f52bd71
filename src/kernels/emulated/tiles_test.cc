// SPDX-License-Identifier: Apache-2.0
// The emulated tiles against the definition, and everything that they have to refuse.
#include "kernels/emulated/tiles.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>
#include <vector>

namespace rotor::emulated {
namespace {

struct Shape {
  size_t rows;
  size_t row_bytes;
};

using Config = std::array<uint8_t, 64>;

Config config_of(const std::vector<Shape>& shapes) {
  Config config = {};
  config[0] = 1;
  for (size_t i = 0; i < shapes.size(); ++i) {
    config[16 + 2 * i] = static_cast<uint8_t>(shapes[i].row_bytes);
    config[17 + 2 * i] = static_cast<uint8_t>(shapes[i].row_bytes >> 8);
    config[48 + i] = static_cast<uint8_t>(shapes[i].rows);
  }
  return config;
}

void load(const Config& config) { tile_loadconfig(config.data()); }

// Tiles 0 and 1, 2: c, a, b of a product of `rows` vectors by `columns` rows of codes over `quads`.
void check_product(size_t rows, size_t quads, size_t columns) {
  SCOPED_TRACE(testing::Message() << rows << " x " << quads << " x " << columns);
  constexpr size_t kStride = 80;
  std::mt19937 random(static_cast<uint32_t>(rows * 1000 + quads * 100 + columns));
  std::vector<int8_t> a(rows * kStride);
  std::vector<uint8_t> b(quads * kStride);
  std::vector<int32_t> c(rows * kStride);
  for (int8_t& value : a) {
    value = static_cast<int8_t>(random());
  }
  for (uint8_t& value : b) {
    value = static_cast<uint8_t>(random());
  }
  for (int32_t& value : c) {
    value = static_cast<int32_t>(random());
  }
  load(config_of({{rows, 4 * columns}, {rows, 4 * quads}, {quads, 4 * columns}}));
  tile_loadd(0, c.data(), kStride * 4);
  tile_loadd(1, a.data(), kStride);
  tile_loadd(2, b.data(), kStride);
  tile_dpbsud(0, 1, 2);
  std::vector<int32_t> got = c;
  tile_stored(0, got.data(), kStride * 4);
  tile_release();
  for (size_t m = 0; m < rows; ++m) {
    for (size_t n = 0; n < kStride; ++n) {
      int64_t want = c[m * kStride + n];
      for (size_t i = 0; n < columns && i < 4 * quads; ++i) {
        want += int64_t{a[m * kStride + i]} * b[i / 4 * kStride + 4 * n + i % 4];
      }
      ASSERT_EQ(got[m * kStride + n], static_cast<int32_t>(want)) << m << ", " << n;
    }
  }
}

TEST(EmulatedTiles, MultiplyByTheDefinition) {
  for (const size_t rows : {1, 5, 16}) {
    for (const size_t quads : {1, 3, 16}) {
      for (const size_t columns : {1, 7, 16}) {
        check_product(rows, quads, columns);
      }
    }
  }
}

TEST(EmulatedTiles, SumsWrap) {
  const int8_t a[4] = {127, 127, 127, 127};
  const uint8_t b[4] = {255, 255, 255, 255};
  int32_t c = INT32_MAX;
  load(config_of({{1, 4}, {1, 4}, {1, 4}}));
  tile_loadd(0, &c, 4);
  tile_loadd(1, a, 4);
  tile_loadd(2, b, 4);
  tile_dpbsud(0, 1, 2);
  tile_stored(0, &c, 4);
  tile_release();
  EXPECT_EQ(c, INT32_MIN + 4 * 127 * 255 - 1);
}

TEST(EmulatedTiles, AreZeroAtFirstAndWhenTold) {
  std::array<uint8_t, 1024> bytes;
  bytes.fill(7);
  const Config config = config_of({{16, 64}});
  load(config);
  tile_loadd(0, bytes.data(), 64);
  load(config);
  std::array<uint8_t, 1024> got = bytes;
  tile_stored(0, got.data(), 64);
  EXPECT_EQ(got, (std::array<uint8_t, 1024>{}));
  tile_loadd(0, bytes.data(), 64);
  tile_stored(0, got.data(), 64);
  EXPECT_EQ(got, bytes);
  tile_zero(0);
  tile_stored(0, got.data(), 64);
  EXPECT_EQ(got, (std::array<uint8_t, 1024>{}));
  EXPECT_TRUE(tiles_configured());
  tile_release();
  EXPECT_FALSE(tiles_configured());
}

TEST(EmulatedTilesDeathTest, RefuseConfigurations) {
  EXPECT_DEATH(load(config_of({{17, 64}})), "LDTILECFG: a tile of more than 16 rows");
  EXPECT_DEATH(load(config_of({{16, 65}})), "LDTILECFG: a row of more than 64 bytes");
  EXPECT_DEATH(load(config_of({{16, 256}})), "LDTILECFG: a row of more than 64 bytes");
  EXPECT_DEATH(load(config_of({{16, 0}})), "LDTILECFG: rows without bytes");
  EXPECT_DEATH(load(config_of({{0, 64}})), "LDTILECFG: rows without bytes");
  EXPECT_DEATH(load(config_of(std::vector<Shape>(9, {16, 64}))), "LDTILECFG: reserved");
  Config config = config_of({{16, 64}});
  config[0] = 2;
  EXPECT_DEATH(load(config), "LDTILECFG: a palette");
  config[0] = 1;
  config[1] = 1;
  EXPECT_DEATH(load(config), "LDTILECFG: a start row");
}

TEST(EmulatedTilesDeathTest, RefuseTilesWithoutAShape) {
  std::array<uint8_t, 1024> bytes = {};
  EXPECT_DEATH(tile_zero(0), "TILEZERO: tiles without a configuration");
  EXPECT_DEATH(tile_loadd(0, bytes.data(), 64), "TILELOADD: tiles without a configuration");
  load(config_of({{16, 64}, {0, 0}, {16, 64}}));
  EXPECT_DEATH(tile_loadd(1, bytes.data(), 64), "TILELOADD: a tile without a shape");
  EXPECT_DEATH(tile_stored(1, bytes.data(), 64), "TILESTORED: a tile without a shape");
  EXPECT_DEATH(tile_dpbsud(0, 1, 2), "TDPBSUD: a tile without a shape");
  EXPECT_DEATH(tile_zero(8), "TILEZERO: no such tile");
  tile_release();
  EXPECT_DEATH(tile_stored(0, bytes.data(), 64), "TILESTORED: tiles without a configuration");
}

TEST(EmulatedTilesDeathTest, RefuseShapesThatDoNotFit) {
  const auto multiply = [](Shape c, Shape a, Shape b) {
    load(config_of({c, a, b}));
    tile_dpbsud(0, 1, 2);
  };
  multiply({3, 8}, {3, 16}, {4, 8});
  EXPECT_DEATH(multiply({2, 8}, {3, 16}, {4, 8}), "TDPBSUD: a and c differ in rows");
  EXPECT_DEATH(multiply({3, 12}, {3, 16}, {4, 8}), "TDPBSUD: b and c differ");
  EXPECT_DEATH(multiply({3, 8}, {3, 16}, {5, 8}), "TDPBSUD: a has not four columns");
  EXPECT_DEATH(multiply({3, 8}, {3, 18}, {4, 8}), "TDPBSUD: rows that are no multiple of 4");
  EXPECT_DEATH(tile_dpbsud(0, 1, 1), "TDPBSUD: one tile twice");
  EXPECT_DEATH(tile_dpbsud(1, 1, 2), "TDPBSUD: one tile twice");
  tile_release();
}

}  // namespace
}  // namespace rotor::emulated
