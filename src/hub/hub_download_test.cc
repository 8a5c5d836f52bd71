// SPDX-License-Identifier: Apache-2.0
// Against a hub in this process. tests/hub runs the program against a fuller one.
#include "hub/hub_download.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "base/sha256.h"
#include "base/test_folder.h"
#include "base/test_full_disk.h"
#include "hub/hub_cache.h"
#include "hub/test_server.h"

namespace rotor {
namespace {

namespace fs = std::filesystem;
using test::reply;
using test::ServedRequest;
using test::TestServer;

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";
const std::string kConfig = "hello\n";
const std::string kConfigEtag = "ce013625030ba8dba906f756967f9e9ca394464a";  // git hash-object

std::string sha(const std::string& text) { return sha256_hex(std::as_bytes(std::span(text))); }

class HubDownloadTest : public testing::Test {
 protected:
  HubDownloadTest() {
    settings_.cache = folder_.path("cache");
    settings_.endpoint = server_.address();
    settings_.first_pause = 0.01;
    for (int i = 0; i < 100'000; ++i) {
      weights_ += static_cast<char>(i * 7 + i / 251);
    }
    options_.note = [this](const std::string& text) { notes_.push_back(text); };
    options_.cancel = &cancel_;
  }

  std::string serve(const ServedRequest& request) {
    if (request.target.starts_with("/api/models/org/name/revision/")) {
      return reply(200, "", R"({"sha": ")" + kCommit + R"(", "siblings": [)" + siblings_ + "]}");
    }
    const std::string file = request.target.substr(request.target.rfind('/') + 1);
    if (file == "config.json") {
      return reply(200, "ETag: \"" + kConfigEtag + "\"\r\n", kConfig);
    }
    if (request.method == "HEAD") {
      return "HTTP/1.1 200 x\r\nETag: \"" + (etag_.empty() ? sha(weights_) : etag_) +
             "\"\r\nContent-Length: " + std::to_string(announced_.value_or(weights_.size())) +
             "\r\n\r\n";
    }
    return weights_answer_ ? weights_answer_(request) : range(request);
  }

  // What a sound server sends of the weights.
  std::string range(const ServedRequest& request) const {
    const std::string wanted = request.header("Range");
    if (wanted.empty()) {
      return reply(200, "", weights_);
    }
    const size_t start = std::stoul(wanted.substr(6));
    if (start >= weights_.size()) {
      return reply(416, "", "");
    }
    return reply(206,
                 "Content-Range: bytes " + std::to_string(start) + "-" +
                     std::to_string(weights_.size() - 1) + "/" + std::to_string(weights_.size()) +
                     "\r\n",
                 weights_.substr(start));
  }

  Result<PulledModel> pull() { return pull_model({"org/name", "", ""}, settings_, options_); }
  Code failure() { return pull().status().code(); }
  std::string part() const {
    return HubCache(settings_.cache).blob("org/name", sha(weights_)) + ".incomplete";
  }
  std::string read(const std::string& path) const {
    return folder_.get(path.substr(folder_.path().size() + 1));
  }
  void expect_whole(const Result<PulledModel>& pulled) {
    ASSERT_TRUE(pulled.ok()) << pulled.status().message();
    EXPECT_EQ(read(pulled->path + "/config.json"), kConfig);
    EXPECT_TRUE(read(pulled->path + "/model.safetensors") == weights_);
    EXPECT_FALSE(fs::exists(part()));
  }
  size_t gets() {
    size_t count = 0;
    for (const ServedRequest& request : server_.requests()) {
      count += request.method == "GET" && request.target.ends_with(".safetensors") ? 1 : 0;
    }
    return count;
  }

  const test::TestFolder folder_;
  std::string weights_;
  std::string etag_;                     // of the weights; empty: the true one
  std::optional<uint64_t> announced_;    // their size; unset: the true one
  std::string siblings_ = R"({"rfilename": "config.json"}, {"rfilename": "model.safetensors"})";
  TestServer::Handler weights_answer_;   // unset: range()
  TestServer server_{[this](const ServedRequest& request) { return serve(request); }};
  HubSettings settings_;
  CancelFlag cancel_;
  PullOptions options_;
  std::vector<std::string> notes_;
};

TEST_F(HubDownloadTest, AModelOnce) {
  std::vector<uint64_t> done;
  options_.progress = [&](std::string_view, uint64_t now, uint64_t total) {
    EXPECT_LE(now, total);
    done.push_back(now);
  };
  const Result<PulledModel> first = pull();
  expect_whole(first);
  EXPECT_EQ(first->commit, kCommit);
  EXPECT_TRUE(first->files[1].downloaded);
  EXPECT_EQ(first->files[1].bytes, weights_.size());
  EXPECT_GE(done.size(), 3u);
  const Result<PulledModel> second = pull();
  expect_whole(second);
  EXPECT_FALSE(second->files[1].downloaded);
  EXPECT_EQ(gets(), 1u);
  EXPECT_EQ(*HubCache(settings_.cache).find_commit("org/name", "main"), kCommit);
}

TEST_F(HubDownloadTest, GoesOnAfterABrokenConnection) {
  weights_answer_ = [&](const ServedRequest& request) {
    const std::string whole = range(request);
    return gets() < 4 ? whole.substr(0, whole.size() - std::min<size_t>(whole.size() / 2, 70'000))
                      : whole;
  };
  expect_whole(pull());
  EXPECT_EQ(gets(), 4u);
}

TEST_F(HubDownloadTest, GoesOnAfterAnotherProcess) {
  fs::create_directories(fs::path(part()).parent_path());
  folder_.put(part().substr(folder_.path().size() + 1), weights_.substr(0, 60'000));
  expect_whole(pull());
  EXPECT_EQ(server_.requests().back().header("Range"), "bytes=60000-");
}

TEST_F(HubDownloadTest, APartThatIsWholeIsOnlyChecked) {
  fs::create_directories(fs::path(part()).parent_path());
  folder_.put(part().substr(folder_.path().size() + 1), weights_);
  expect_whole(pull());
  EXPECT_EQ(gets(), 0u);
}

TEST_F(HubDownloadTest, ADamagedPartIsFetchedAnew) {
  fs::create_directories(fs::path(part()).parent_path());
  for (const size_t size : {size_t{50'000}, size_t{100'000}, size_t{100'001}}) {
    fs::remove_all(settings_.cache + "/models--org--name/snapshots");
    fs::remove(HubCache(settings_.cache).blob("org/name", sha(weights_)));
    folder_.put(part().substr(folder_.path().size() + 1), std::string(size, 'x'));
    expect_whole(pull());
  }
}

TEST_F(HubDownloadTest, AServerWithoutRanges) {
  fs::create_directories(fs::path(part()).parent_path());
  folder_.put(part().substr(folder_.path().size() + 1), weights_.substr(0, 60'000));
  weights_answer_ = [&](const ServedRequest&) { return reply(200, "", weights_); };
  expect_whole(pull());
}

TEST_F(HubDownloadTest, OtherBytesThanAskedFor) {
  fs::create_directories(fs::path(part()).parent_path());
  folder_.put(part().substr(folder_.path().size() + 1), weights_.substr(0, 60'000));
  weights_answer_ = [&](const ServedRequest&) {
    return reply(206, "Content-Range: bytes 5-9/100000\r\n", "56789");
  };
  EXPECT_EQ(failure(), Code::kFormatError);
}

TEST_F(HubDownloadTest, WrongContentIsNeverKept) {
  weights_answer_ = [&](const ServedRequest&) {
    return reply(200, "", std::string(weights_.size(), 'x'));
  };
  const Status status = pull().status();
  EXPECT_EQ(status.code(), Code::kVerificationFailed) << status.message();
  EXPECT_NE(status.message().find(sha(weights_)), std::string::npos);
  EXPECT_FALSE(fs::exists(part()));
  EXPECT_EQ(gets(), 2u);
  EXPECT_EQ(HubCache(settings_.cache).find_commit("org/name", "main"), std::nullopt);
}

TEST_F(HubDownloadTest, MoreThanAnnounced) {
  announced_ = 10;
  EXPECT_EQ(failure(), Code::kFormatError);
}

TEST_F(HubDownloadTest, LessThanAnnounced) {
  announced_ = weights_.size() + 5;
  EXPECT_NE(failure(), Code::kOk);
  EXPECT_EQ(HubCache(settings_.cache).find_commit("org/name", "main"), std::nullopt);
}

TEST_F(HubDownloadTest, ASizeThatNoDiskHasIsRefusedUnasked) {
  announced_ = ~uint64_t{0} - 1;
  const Status status = pull().status();
  EXPECT_EQ(status.code(), Code::kIoError);
  EXPECT_NE(status.message().find("free"), std::string::npos) << status.message();
  EXPECT_EQ(gets(), 0u);
}

TEST_F(HubDownloadTest, ATagOfAnotherServerCannotBeCheckedNorResumed) {
  etag_ = "some-tag";
  const std::string other = HubCache(settings_.cache).blob("org/name", etag_) + ".incomplete";
  fs::create_directories(fs::path(other).parent_path());
  folder_.put(other.substr(folder_.path().size() + 1), "old");
  expect_whole(pull());
  EXPECT_EQ(server_.requests().back().header("Range"), "");
}

TEST_F(HubDownloadTest, AnInterruptionLeavesAPart) {
  weights_answer_ = [&](const ServedRequest& request) {
    cancel_.cancel();
    return range(request);
  };
  EXPECT_EQ(failure(), Code::kCancelled);
  EXPECT_TRUE(fs::exists(part()));
  cancel_.reset();
  weights_answer_ = nullptr;
  expect_whole(pull());
}

TEST_F(HubDownloadTest, AFullDiskLeavesAPart) {
  {
    const test::FullDisk full(50'000);
    EXPECT_EQ(failure(), Code::kIoError);
  }
  EXPECT_EQ(fs::file_size(part()), 50'000u);
  expect_whole(pull());
  EXPECT_EQ(server_.requests().back().header("Range"), "bytes=50000-");
}

TEST_F(HubDownloadTest, AnUnsafeRepositoryIsRefused) {
  siblings_ = R"({"rfilename": "config.json"}, {"rfilename": "../../model.safetensors"})";
  EXPECT_EQ(failure(), Code::kFormatError);
  siblings_ = R"({"rfilename": "pytorch_model.bin"})";
  EXPECT_EQ(failure(), Code::kNotFound);
}

TEST_F(HubDownloadTest, Offline) {
  settings_.offline = true;
  EXPECT_EQ(failure(), Code::kNetworkError);
  EXPECT_TRUE(server_.requests().empty());
}

}  // namespace
}  // namespace rotor
