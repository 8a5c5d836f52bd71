// SPDX-License-Identifier: Apache-2.0
// One HTTP exchange at a time, by libcurl: no redirects followed, no cookies, no stored passwords, and
// no header but those given. Proxies as the environment says (HTTPS_PROXY, NO_PROXY).
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"

namespace rotor {

struct HttpRequest {
  std::string url;
  bool head = false;
  std::vector<std::string> headers;  // "Name: value"
  unsigned stall_seconds = 10;       // to connect, and without a byte
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case; of several the last

  // Empty when absent.
  std::string_view header(std::string_view name) const;
  // A header that is a number; nullopt when it is absent or none.
  std::optional<uint64_t> number(std::string_view name) const;
};

struct HttpResult {
  Status status;           // ok when a whole response came, whatever it says
  bool transient = false;  // of a failure: the same request may work later
  HttpResponse response;
};

// Takes a part of the body; the head is complete. A failure ends the exchange with that status.
using BodySink = std::function<Status(const HttpResponse& head, std::span<const std::byte> bytes)>;

// Keeps its connection from one exchange to the next. One thread at a time.
class HttpClient {
 public:
  // `cancel` may be null; it must outlive the client. `ca_file`: empty for the system's.
  HttpClient(std::string user_agent, std::string ca_file, const CancelFlag* cancel);
  HttpClient(HttpClient&&) noexcept;
  ~HttpClient();

  // kNetworkError says which host and why; kCancelled; or what the sink returned.
  HttpResult send(const HttpRequest& request, const BodySink& sink);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rotor
