// SPDX-License-Identifier: Apache-2.0
// SafetensorsSet: one file, shards, and indexes that lie.
#include "io/safetensors_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "io/test_bytes.h"

namespace rotor {
namespace {

using testing::HasSubstr;

class SafetensorsSetTest : public testing::Test, protected test::TestFolder {
 protected:
  // A file that holds one byte of a tensor.
  void put_shard(const std::string& name, const std::string& tensor) const {
    put(name, test::safetensors_bytes(
                  "{\"" + tensor + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x"));
  }
  std::string with_index(std::string_view index) const {
    put("model.safetensors.index.json", index);
    const auto set = SafetensorsSet::open(path());
    return set.ok() ? "accepted" : set.status().message();
  }
};

TEST_F(SafetensorsSetTest, OneFile) {
  EXPECT_EQ(SafetensorsSet::open(path()).status().code(), Code::kNotFound);
  put_shard("model.safetensors", "a");
  const auto set = SafetensorsSet::open(path());
  ASSERT_TRUE(set.ok()) << set.status().message();
  EXPECT_EQ(set->find("a").tensor->bytes, 1u);
  EXPECT_FALSE(set->find("b"));
  EXPECT_TRUE(SafetensorsSet::open(path("model.safetensors")).ok());
}

TEST_F(SafetensorsSetTest, Shards) {
  put_shard("one.safetensors", "a");
  put_shard("two.safetensors", "b");
  EXPECT_EQ(with_index(R"({"metadata":{"total_size":2},)"
                       R"("weight_map":{"b":"two.safetensors","a":"one.safetensors"}})"),
            "accepted");
  auto opened = SafetensorsSet::open(path());
  const SafetensorsSet set = *std::move(opened);
  EXPECT_EQ(set.files().size(), 2u);
  EXPECT_THAT(set.find("b").file->file().path(), HasSubstr("two.safetensors"));
}

TEST_F(SafetensorsSetTest, IndexesThatLie) {
  put_shard("one.safetensors", "a");
  put_shard("two.safetensors", "b");
  put_shard("again.safetensors", "a");
  EXPECT_THAT(with_index("{}"), HasSubstr("has no object \"weight_map\""));
  EXPECT_THAT(with_index("{"), HasSubstr("not valid JSON"));
  EXPECT_THAT(with_index(R"({"weight_map":{"a":1}})"), HasSubstr("expected the name of a file"));
  for (const char* name :
       {"", ".", "..", "../one.safetensors", "/etc/passwd", "a\\\\b", "x\\u0000"}) {
    EXPECT_THAT(with_index(std::string(R"({"weight_map":{"a":")") + name + "\"}}"),
                HasSubstr("expected the name of a file in the same folder"))
        << name;
  }
  EXPECT_THAT(with_index(R"({"weight_map":{"a":"absent.safetensors"}})"),
              HasSubstr("absent.safetensors: cannot open"));
  EXPECT_THAT(with_index(R"({"weight_map":{"a":"one.safetensors","c":"one.safetensors"}})"),
              HasSubstr("places tensor \"c\" in \"one.safetensors\", but it is not there"));
  EXPECT_THAT(with_index(R"({"weight_map":{"c":"one.safetensors"}})"),
              HasSubstr("tensor \"a\" is in \"one.safetensors\", but the index does not name it"));
  EXPECT_THAT(with_index(R"({"weight_map":{"a":"one.safetensors","b":"again.safetensors"}})"),
              HasSubstr("but the index places it in \"one.safetensors\""));
  EXPECT_THAT(with_index(R"({"weight_map":{"a":"one.safetensors","a":"one.safetensors"}})"),
              HasSubstr("occurs twice"));
}

}  // namespace
}  // namespace rotor
