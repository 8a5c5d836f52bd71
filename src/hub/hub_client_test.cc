// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_client.h"

#include <gtest/gtest.h>

#include <memory>

#include "hub/test_server.h"

namespace rotor {
namespace {

using test::reply;
using test::ServedRequest;
using test::TestServer;

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";

// A hub of one function, and a client of it that does not wait.
struct Hub {
  explicit Hub(TestServer::Handler handler) : server(std::move(handler)) {
    settings.endpoint = server.address();
    settings.token = "hf_secret";
    settings.first_pause = 0.01;
    settings.metadata_seconds = 5;
    client = std::make_unique<HubClient>(settings, nullptr,
                                         [this](const std::string& text) { notes.push_back(text); });
  }

  TestServer server;
  HubSettings settings;
  std::vector<std::string> notes;
  std::unique_ptr<HubClient> client;
};

Status refusal(int status, const std::string& headers) {
  Hub hub([&](const ServedRequest&) { return reply(status, headers, "{}"); });
  return hub.client->model_info("org/name", "main").status();
}

TEST(HubClient, AsksForARevision) {
  Hub hub([](const ServedRequest&) { return reply(200, "", "{\"a\": 1}"); });
  EXPECT_EQ(*hub.client->model_info("org/name", "refs/pr/1"), "{\"a\": 1}");
  const ServedRequest request = hub.server.requests().front();
  EXPECT_EQ(request.target, "/api/models/org/name/revision/refs%2Fpr%2F1");
  EXPECT_EQ(request.header("Authorization"), "Bearer hf_secret");
  EXPECT_EQ(request.header("Accept-Encoding"), "identity");
}

TEST(HubClient, SaysWhyItWasRefused) {
  const auto expect = [](const Status& status, Code code, const char* word) {
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_NE(status.message().find(word), std::string::npos) << status.message();
    EXPECT_EQ(status.message().find("hf_secret"), std::string::npos) << status.message();
  };
  expect(refusal(401, "X-Error-Code: RepoNotFound\r\n"), Code::kNotFound, "no such repository");
  expect(refusal(404, ""), Code::kNotFound, "no such repository");
  expect(refusal(404, "X-Error-Code: RevisionNotFound\r\n"), Code::kNotFound, "revision");
  expect(refusal(403, "X-Error-Code: GatedRepo\r\n"), Code::kNetworkError, "accept its terms");
  expect(refusal(403, ""), Code::kNetworkError, "access refused");
  expect(refusal(418, "X-Error-Message: short\tand\x1b[1m stout\r\n"), Code::kNetworkError,
         "short and [1m stout");
  expect(refusal(429, "Retry-After: 3600\r\n"), Code::kNetworkError, "3600 s");
  expect(refusal(307, ""), Code::kNetworkError, "307");
}

TEST(HubClient, TriesAgainWhatMayPass) {
  int count = 0;
  Hub hub([&](const ServedRequest&) {
    constexpr int kStatus[] = {503, 429, 500};
    return count < 3 ? reply(kStatus[count++], "Retry-After: 0\r\n", "") : reply(200, "", "{}");
  });
  EXPECT_TRUE(hub.client->model_info("org/name", "main").ok());
  EXPECT_EQ(hub.notes.size(), 3u);
}

TEST(HubClient, GivesUpAfterFiveTries) {
  Hub hub([](const ServedRequest&) { return reply(503, "", ""); });
  EXPECT_EQ(hub.client->model_info("org/name", "main").status().code(), Code::kNetworkError);
  EXPECT_EQ(hub.server.requests().size(), 5u);
}

TEST(HubClient, MetadataStandsInTheRedirectToAnotherHost) {
  const std::string sha = std::string(64, 'a');
  Hub hub([&](const ServedRequest& request) {
    EXPECT_EQ(request.method, "HEAD");
    return reply(302, "Location: http://127.0.0.1:1/cdn\r\nX-Linked-Etag: \"" + sha +
                          "\"\r\nX-Linked-Size: 1234\r\nX-Repo-Commit: " + kCommit + "\r\n",
                 "");
  });
  const auto info = hub.client->file_info("org/name", kCommit, "a b.gguf");
  ASSERT_TRUE(info.ok()) << info.status().message();
  EXPECT_EQ(info->etag, sha);
  EXPECT_EQ(info->size, 1234u);
  EXPECT_EQ(hub.server.requests().front().target, "/org/name/resolve/" + kCommit + "/a%20b.gguf");
}

TEST(HubClient, MetadataOfASmallFileBehindARedirectOnTheHub) {
  Hub hub([](const ServedRequest& request) {
    return request.target.starts_with("/api/")
               ? std::string("HTTP/1.1 200 OK\r\nETag: W/\"abc\"\r\nContent-Length: 5\r\n\r\n")
               : reply(307, "Location: /api/x\r\n", "");
  });
  const auto info = hub.client->file_info("org/name", kCommit, "config.json");
  ASSERT_TRUE(info.ok()) << info.status().message();
  EXPECT_EQ(info->etag, "abc");
  EXPECT_EQ(info->size, 5u);
}

TEST(HubClient, TagsThatCannotNameAFile) {
  for (const char* tag : {"", "\"../../x\"", "\".hidden\"", "\"a b\"", "\"a/b\""}) {
    Hub hub([&](const ServedRequest&) {
      return reply(200, "ETag: " + std::string(tag) + "\r\n", "");
    });
    EXPECT_EQ(hub.client->file_info("org/name", kCommit, "f").status().code(), Code::kFormatError)
        << tag;
  }
  Hub other([](const ServedRequest&) {
    return reply(200, "ETag: \"a\"\r\nX-Repo-Commit: " + std::string(40, '0') + "\r\n", "");
  });
  EXPECT_EQ(other.client->file_info("org/name", kCommit, "f").status().code(), Code::kFormatError);
}

TEST(HubClient, TheTokenGoesToTheHubAlone) {
  TestServer cdn([](const ServedRequest&) { return reply(200, "", "content"); });
  Hub hub([&](const ServedRequest&) {
    return reply(302, "Location: " + cdn.address() + "/signed?x=1\r\n", "not this");
  });
  std::string body;
  const HttpResult result = hub.client->get_file(
      "org/name", kCommit, "f", [] { return uint64_t{0}; },
      [&](const HttpResponse&, std::span<const std::byte> bytes) {
        body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return Status();
      });
  EXPECT_TRUE(result.status.ok()) << result.status.message();
  EXPECT_EQ(body, "content");
  EXPECT_EQ(hub.server.requests().front().header("Authorization"), "Bearer hf_secret");
  ASSERT_EQ(cdn.requests().size(), 1u);
  EXPECT_EQ(cdn.requests().front().header("Authorization"), "");
}

// Read carelessly, the host of this address is the hub's.
TEST(HubClient, TheTokenDoesNotFollowADisguisedHost) {
  TestServer evil([](const ServedRequest&) { return reply(200, "", "{}"); });
  std::string hub_address;
  Hub hub([&](const ServedRequest&) {
    return reply(302, "Location: " + hub_address + "\\@" + evil.address().substr(7) + "/x\r\n", "");
  });
  hub_address = hub.server.address();
  EXPECT_TRUE(hub.client->model_info("org/name", "main").ok());
  ASSERT_EQ(evil.requests().size(), 1u);
  EXPECT_EQ(evil.requests().front().header("Authorization").find("hf_secret"), std::string::npos);
}

TEST(HubClient, RedirectsEnd) {
  Hub hub([](const ServedRequest&) { return reply(302, "Location: /again\r\n", ""); });
  EXPECT_EQ(hub.client->model_info("org/name", "main").status().code(), Code::kNetworkError);
  EXPECT_EQ(hub.server.requests().size(), 11u);
}

TEST(HubClient, AsksForTheRest) {
  Hub hub([](const ServedRequest&) { return reply(206, "Content-Range: bytes 3-5/6\r\n", "def"); });
  const HttpResult result = hub.client->get_file(
      "org/name", kCommit, "f", [] { return uint64_t{3}; },
      [](const HttpResponse&, std::span<const std::byte>) { return Status(); });
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(hub.server.requests().front().header("Range"), "bytes=3-");
}

TEST(HubClient, CancelledWhileItWaits) {
  CancelFlag flag;
  TestServer server([&](const ServedRequest&) {
    flag.cancel();
    return reply(503, "Retry-After: 60\r\n", "");
  });
  HubSettings settings;
  settings.endpoint = server.address();
  HubClient client(settings, &flag, [](const std::string&) {});
  EXPECT_EQ(client.model_info("org/name", "main").status().code(), Code::kCancelled);
}

}  // namespace
}  // namespace rotor
