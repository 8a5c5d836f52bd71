// SPDX-License-Identifier: Apache-2.0
#include "hub/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "hub/ca_bundle.h"
#include "hub/web_address.h"

namespace rotor {
namespace {

constexpr size_t kMaxHeaders = 200;  // of one response; libcurl limits their bytes
constexpr long kBuffer = 256 * 1024;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
  return out;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first == text.npos
             ? std::string_view()
             : text.substr(first, text.find_last_not_of(" \t\r\n") + 1 - first);
}

// One exchange, as the callbacks of libcurl see it.
struct Exchange {
  const BodySink& sink;
  const CancelFlag* cancel;
  CURL* handle;
  HttpResponse response;
  Status sink_status;
};

bool is_cancelled(const Exchange& exchange) {
  return exchange.cancel != nullptr && exchange.cancel->cancelled();
}

size_t on_header(char* data, size_t size, size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {
    exchange.response = HttpResponse();  // an earlier one was "100 Continue" or a proxy's
    return size * count;
  }
  const size_t colon = line.find(':');
  if (colon != line.npos && exchange.response.headers.size() < kMaxHeaders) {
    exchange.response.headers[lower(line.substr(0, colon))] =
        std::string(trimmed(line.substr(colon + 1)));
  }
  return size * count;
}

size_t on_body(char* data, size_t size, size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (exchange.response.status == 0) {
    long status = 0;
    curl_easy_getinfo(exchange.handle, CURLINFO_RESPONSE_CODE, &status);
    exchange.response.status = static_cast<int>(status);
  }
  if (!is_cancelled(exchange)) {
    exchange.sink_status =
        exchange.sink(exchange.response, std::as_bytes(std::span(data, size * count)));
  }
  return exchange.sink_status.ok() && !is_cancelled(exchange) ? size * count : 0;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return is_cancelled(*static_cast<Exchange*>(user)) ? 1 : 0;  // called about once a second too
}

// Whether the same request may well work a moment later.
bool is_transient(CURLcode code) {
  constexpr std::array kTransient = {
      CURLE_PARTIAL_FILE, CURLE_OPERATION_TIMEDOUT, CURLE_GOT_NOTHING,  CURLE_SEND_ERROR,
      CURLE_RECV_ERROR,   CURLE_HTTP2,              CURLE_HTTP2_STREAM, CURLE_SSL_CONNECT_ERROR};
  return std::find(kTransient.begin(), kTransient.end(), code) != kTransient.end();
}

Status failure(CURLcode code, const Exchange& exchange, const std::string& url, const char* detail) {
  if (is_cancelled(exchange)) {
    return Status(Code::kCancelled, "interrupted");
  }
  if (!exchange.sink_status.ok()) {
    return exchange.sink_status;
  }
  if (code == CURLE_OUT_OF_MEMORY) {
    return out_of_memory("no memory for a network connection");
  }
  const std::string reason = *detail != '\0' ? detail : curl_easy_strerror(code);
  return Status(Code::kNetworkError, url_origin(url) + ": " + reason);
}

bool initialise_curl() {
  static const bool done = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return done;
}

// Empty where libcurl was built for one distribution and knows its certificates.
std::string default_ca_file() {
  const curl_version_info_data* const built = curl_version_info(CURLVERSION_NOW);
  return built->cainfo != nullptr || built->capath != nullptr ? std::string() : find_ca_bundle();
}

}  // namespace

struct HttpClient::State {
  std::string user_agent;
  std::string ca_file;
  const CancelFlag* cancel;
  std::unique_ptr<CURL, void (*)(CURL*)> handle;
};

HttpClient::HttpClient(std::string user_agent, std::string ca_file, const CancelFlag* cancel)
    : state_(new State{std::move(user_agent),
                       ca_file.empty() ? default_ca_file() : std::move(ca_file),
                       cancel,
                       {initialise_curl() ? curl_easy_init() : nullptr, &curl_easy_cleanup}}) {}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

HttpResult HttpClient::send(const HttpRequest& request, const BodySink& sink) {
  CURL* const handle = state_->handle.get();
  if (handle == nullptr) {
    return {internal_error("libcurl cannot be initialised"), false, {}};
  }
  Exchange exchange{sink, state_->cancel, handle, {}, {}};
  std::array<char, CURL_ERROR_SIZE> detail{};
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(nullptr, &curl_slist_free_all);
  for (const std::string& header : request.headers) {
    curl_slist* const longer = curl_slist_append(headers.get(), header.c_str());
    if (longer == nullptr) {
      return {out_of_memory("no memory for a network request"), false, {}};
    }
    (void)headers.release();
    headers.reset(longer);
  }
  curl_easy_reset(handle);  // keeps the connection
  curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(handle, CURLOPT_NOBODY, request.head ? 1L : 0L);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle, CURLOPT_USERAGENT, state_->user_agent.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, static_cast<long>(request.stall_seconds));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);  // bytes a second
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.stall_seconds));
  curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, kBuffer);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail.data());
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, &on_progress);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &exchange);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  if (!state_->ca_file.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, state_->ca_file.c_str());
  }
  const CURLcode code = curl_easy_perform(handle);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, nullptr);  // these end here
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, nullptr);
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  exchange.response.status = static_cast<int>(status);
  if (code == CURLE_OK) {
    return {Status(), false, std::move(exchange.response)};
  }
  const bool transient =
      exchange.sink_status.ok() && !is_cancelled(exchange) && is_transient(code);
  return {failure(code, exchange, request.url, detail.data()), transient,
          std::move(exchange.response)};
}

std::string_view HttpResponse::header(std::string_view name) const {
  const auto found = headers.find(std::string(name));
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::optional<uint64_t> HttpResponse::number(std::string_view name) const {
  const std::string_view text = header(name);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = !text.empty() && error == std::errc() && end == text.data() + text.size();
  return whole ? std::optional(value) : std::nullopt;
}

}  // namespace rotor
