// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_settings.h"

#include <gtest/gtest.h>

#include <map>

#include "base/test_folder.h"

namespace rotor {
namespace {

using Variables = std::map<std::string, std::string>;

Result<HubSettings> settings(const Variables& variables) {
  return hub_settings([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

std::string cache(const Variables& variables) { return settings(variables)->cache; }

TEST(HubSettings, TheCacheFolder) {
  EXPECT_EQ(cache({{"HOME", "/h"}}), "/h/.cache/huggingface/hub");
  EXPECT_EQ(cache({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}}), "/x/huggingface/hub");
  EXPECT_EQ(cache({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}, {"HF_HOME", "~/f"}}), "/h/f/hub");
  EXPECT_EQ(cache({{"HF_HOME", "/f"}, {"HUGGINGFACE_HUB_CACHE", "/old"}}), "/old");
  EXPECT_EQ(cache({{"HF_HUB_CACHE", "/c"}, {"HUGGINGFACE_HUB_CACHE", "/old"}}), "/c");
}

TEST(HubSettings, Defaults) {
  const Result<HubSettings> plain = settings({{"HOME", "/h"}});
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->endpoint, "https://huggingface.co");
  EXPECT_EQ(plain->token, "");
  EXPECT_EQ(plain->metadata_seconds, 10u);
  EXPECT_FALSE(plain->offline);
  EXPECT_TRUE(plain->symlinks);
}

TEST(HubSettings, Switches) {
  const Result<HubSettings> set = settings({{"HF_ENDPOINT", "http://mirror:80//"},
                                            {"HF_HUB_OFFLINE", "YES"},
                                            {"HF_HUB_DISABLE_SYMLINKS", "1"},
                                            {"HF_HUB_ETAG_TIMEOUT", "3"},
                                            {"HF_HUB_DOWNLOAD_TIMEOUT", "0"},
                                            {"SSL_CERT_FILE", "/ca.pem"}});
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->endpoint, "http://mirror:80");
  EXPECT_TRUE(set->offline);
  EXPECT_FALSE(set->symlinks);
  EXPECT_EQ(set->metadata_seconds, 3u);
  EXPECT_EQ(set->download_seconds, 10u);
  EXPECT_EQ(set->ca_file, "/ca.pem");
  EXPECT_FALSE(settings({{"HF_HUB_OFFLINE", "0"}})->offline);
}

TEST(HubSettings, TheToken) {
  const test::TestFolder folder;
  folder.put("token", " hf_stored\n");
  const std::string home = folder.path();
  EXPECT_EQ(settings({{"HF_HOME", home}})->token, "hf_stored");
  EXPECT_EQ(settings({{"HF_HOME", home}, {"HF_TOKEN", "hf_set"}})->token, "hf_set");
  EXPECT_EQ(settings({{"HF_HOME", home}, {"HUGGING_FACE_HUB_TOKEN", "hf_old"}})->token, "hf_old");
  EXPECT_EQ(settings({{"HF_HOME", home}, {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"}})->token, "");
  EXPECT_EQ(settings({{"HF_TOKEN_PATH", folder.put("other", "hf_other")}})->token, "hf_other");
}

TEST(HubSettings, NothingThatCouldBecomeAHeader) {
  const Result<HubSettings> bad = settings({{"HF_TOKEN", "hf_secret\r\nHost: x"}});
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(bad.status().message().find("secret"), std::string::npos);
  EXPECT_FALSE(settings({{"HF_ENDPOINT", "file:///etc"}}).ok());
  EXPECT_FALSE(settings({{"HF_HUB_ETAG_TIMEOUT", "soon"}}).ok());
}

}  // namespace
}  // namespace rotor
