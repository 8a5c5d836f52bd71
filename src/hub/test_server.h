// SPDX-License-Identifier: Apache-2.0
// An HTTP server in this process for tests: each connection brings one request, and gets the bytes that
// a function makes of it, whatever they are. Test code.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace rotor::test {

struct ServedRequest {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  // names as sent

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

// A response with its length. `headers`: whole lines, each ending in "\r\n".
inline std::string reply(int status, const std::string& headers, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) + " x\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
}

class TestServer {
 public:
  using Handler = std::function<std::string(const ServedRequest&)>;

  explicit TestServer(Handler handler) : handler_(std::move(handler)) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 16), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    address_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~TestServer() {
    stop_ = true;
    thread_.join();
    ::close(socket_);
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  const std::string& address() const { return address_; }

  std::vector<ServedRequest> requests() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    while (!stop_) {
      pollfd waiting = {socket_, POLLIN, 0};
      if (::poll(&waiting, 1, 10) != 1) {
        continue;
      }
      const int connection = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      const ServedRequest request = read_request(connection);
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        requests_.push_back(request);
      }
      const std::string answer = handler_(request);
      for (size_t sent = 0; sent < answer.size();) {
        const ssize_t count =
            ::send(connection, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
        if (count <= 0) {
          break;
        }
        sent += static_cast<size_t>(count);
      }
      ::close(connection);
    }
  }

  static ServedRequest read_request(int connection) {
    std::string text;
    char buffer[4096];
    while (text.find("\r\n\r\n") == std::string::npos) {
      const ssize_t count = ::recv(connection, buffer, sizeof buffer, 0);
      if (count <= 0) {
        break;
      }
      text.append(buffer, static_cast<size_t>(count));
    }
    ServedRequest request;
    request.method = text.substr(0, text.find(' '));
    const size_t target = request.method.size() + 1;
    request.target = text.substr(target, text.find(' ', target) - target);
    for (size_t line = text.find("\r\n") + 2; text.compare(line, 2, "\r\n") != 0;) {
      const size_t end = text.find("\r\n", line);
      const size_t colon = text.find(": ", line);
      if (end == std::string::npos || colon == std::string::npos) {
        break;
      }
      request.headers[text.substr(line, colon - line)] = text.substr(colon + 2, end - colon - 2);
      line = end + 2;
    }
    return request;
  }

  Handler handler_;
  int socket_ = -1;
  std::string address_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<ServedRequest> requests_;
  std::thread thread_;
};

}  // namespace rotor::test
