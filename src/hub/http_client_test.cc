// SPDX-License-Identifier: Apache-2.0
#include "hub/http_client.h"

#include <gtest/gtest.h>

#include <chrono>

#include "hub/test_server.h"

namespace rotor {
namespace {

using test::reply;
using test::ServedRequest;
using test::TestServer;

struct Fetched {
  HttpResult result;
  std::string body;
};

Fetched fetch(HttpClient& client, const HttpRequest& request) {
  Fetched out;
  out.result = client.send(request, [&](const HttpResponse&, std::span<const std::byte> bytes) {
    out.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return Status();
  });
  return out;
}

TEST(HttpClient, AnAnswerWithItsHeaders) {
  TestServer server([](const ServedRequest&) {
    return "HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n" +
           reply(404, "X-Kind:  odd \r\nX-KIND: last\r\nRetry-After: 7\r\n", "gone");
  });
  HttpClient client("rotor/test", "", nullptr);
  const Fetched got = fetch(client, {server.address() + "/a?b", false, {"X-Mine: 1"}, 5});
  ASSERT_TRUE(got.result.status.ok()) << got.result.status.message();
  EXPECT_EQ(got.result.response.status, 404);
  EXPECT_EQ(got.result.response.header("x-kind"), "last");
  EXPECT_EQ(got.result.response.header("x-early"), "");
  EXPECT_EQ(got.result.response.number("retry-after"), 7u);
  EXPECT_EQ(got.result.response.number("x-kind"), std::nullopt);
  EXPECT_EQ(got.body, "gone");
}

// What is sent is what was asked for: nothing about the machine, the user or the session.
TEST(HttpClient, SendsNoHeaderOfItsOwn) {
  TestServer server([](const ServedRequest&) { return reply(200, "Set-Cookie: a=b\r\n", ""); });
  HttpClient client("rotor/test", "", nullptr);
  (void)fetch(client, {server.address() + "/", false, {"X-Mine: 1"}, 5});
  (void)fetch(client, {server.address() + "/", true, {}, 5});
  const std::vector<ServedRequest> requests = server.requests();
  ASSERT_EQ(requests.size(), 2u);
  const std::string host = server.address().substr(7);
  EXPECT_EQ(requests[0].headers,
            (std::map<std::string, std::string>{
                {"Host", host}, {"User-Agent", "rotor/test"}, {"Accept", "*/*"}, {"X-Mine", "1"}}));
  EXPECT_EQ(requests[1].headers,
            (std::map<std::string, std::string>{
                {"Host", host}, {"User-Agent", "rotor/test"}, {"Accept", "*/*"}}));
  EXPECT_EQ(requests[1].method, "HEAD");
}

TEST(HttpClient, ATruncatedBodyMayBeTriedAgain) {
  TestServer server([](const ServedRequest&) {
    return std::string("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  });
  HttpClient client("rotor/test", "", nullptr);
  const Fetched got = fetch(client, {server.address(), false, {}, 5});
  EXPECT_EQ(got.result.status.code(), Code::kNetworkError);
  EXPECT_TRUE(got.result.transient);
  EXPECT_EQ(got.body, "half");
}

TEST(HttpClient, ASilentServerIsGivenUp) {
  TestServer server([](const ServedRequest&) {
    std::this_thread::sleep_for(std::chrono::seconds(4));
    return std::string();
  });
  HttpClient client("rotor/test", "", nullptr);
  const auto start = std::chrono::steady_clock::now();
  const Fetched got = fetch(client, {server.address(), false, {}, 1});
  EXPECT_EQ(got.result.status.code(), Code::kNetworkError);
  EXPECT_TRUE(got.result.transient);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(3900));
}

TEST(HttpClient, NobodyThereIsFinal) {
  HttpClient client("rotor/test", "", nullptr);
  const Fetched got = fetch(client, {"http://127.0.0.1:1/", false, {}, 5});
  EXPECT_EQ(got.result.status.code(), Code::kNetworkError);
  EXPECT_FALSE(got.result.transient);
  EXPECT_NE(got.result.status.message().find("127.0.0.1:1"), std::string::npos);
  EXPECT_EQ(fetch(client, {"file:///etc/hostname", false, {}, 5}).result.status.code(),
            Code::kNetworkError);
}

TEST(HttpClient, TheReceiverMayEndIt) {
  TestServer server([](const ServedRequest&) { return reply(200, "", "0123456789"); });
  HttpClient client("rotor/test", "", nullptr);
  const HttpResult result =
      client.send({server.address(), false, {}, 5}, [](const HttpResponse& head, auto) {
        EXPECT_EQ(head.status, 200);
        return io_error("disk full");
      });
  EXPECT_EQ(result.status.code(), Code::kIoError);
  EXPECT_FALSE(result.transient);
}

TEST(HttpClient, Cancelled) {
  TestServer server([](const ServedRequest&) { return reply(200, "", "0123456789"); });
  CancelFlag flag;
  flag.cancel();
  HttpClient client("rotor/test", "", &flag);
  EXPECT_EQ(fetch(client, {server.address(), false, {}, 5}).result.status.code(), Code::kCancelled);
}

}  // namespace
}  // namespace rotor
