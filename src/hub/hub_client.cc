// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_client.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <thread>
#include <utility>

#include "hub/web_address.h"

namespace rotor {
namespace {

constexpr int kMaxRedirects = 10;
constexpr int kMaxTries = 5;               // without a byte in between
constexpr double kLongestBackoff = 16.0;   // seconds
constexpr double kLongestWait = 120.0;     // seconds that a server may ask for
constexpr size_t kMaxInfo = size_t{64} << 20;
constexpr size_t kMaxEtag = 128;

bool is_redirect(const HttpResponse& response) {
  return response.status >= 300 && response.status < 400 && response.status != 304 &&
         !response.header("location").empty();
}

bool is_transient(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
         status == 504;
}

// Retry-After: seconds, or a date; nullopt when it is neither.
std::optional<double> retry_after(const HttpResponse& response) {
  if (const std::optional<uint64_t> seconds = response.number("retry-after")) {
    return static_cast<double>(*seconds);
  }
  std::tm date{};
  const std::string text(response.header("retry-after"));
  if (text.empty() || strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date) == nullptr) {
    return std::nullopt;
  }
  return std::max(0.0, std::difftime(timegm(&date), std::time(nullptr)));
}

// Without the marks of a header: W/"abc" is abc. Empty when it cannot name a file.
std::string clean_etag(std::string_view text) {
  if (text.starts_with("W/")) {
    text.remove_prefix(2);
  }
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  const auto legal = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  const bool usable = !text.empty() && text.size() <= kMaxEtag && text.front() != '.' &&
                      std::all_of(text.begin(), text.end(), legal);
  return usable ? std::string(text) : std::string();
}

// What a server wrote, fit for a line of a terminal.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, 300));
  std::replace_if(out.begin(), out.end(), [](char c) { return c < ' ' || c == 127; }, ' ');
  return out;
}

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, seconds < 10 ? "%.2g s" : "%.0f s", seconds);
  return text;
}

}  // namespace

HubClient::HubClient(const HubSettings& settings, const CancelFlag* cancel, HubNote note)
    : settings_(settings),
      cancel_(cancel),
      note_(std::move(note)),
      http_(settings.user_agent, settings.ca_file, cancel) {}

Result<std::string> HubClient::model_info(const std::string& repo, const std::string& revision) {
  HttpRequest request;
  request.url = settings_.endpoint + "/api/models/" + repo + "/revision/" +
                percent_encode(revision, false);
  request.stall_seconds = settings_.metadata_seconds;
  std::string text;
  const HttpResult result = with_tries(
      [&] {
        text.clear();
        return exchange(request, [&](const HttpResponse&, std::span<const std::byte> bytes) {
          if (text.size() + bytes.size() > kMaxInfo) {
            return format_error(request.url + ": sends more than " + std::to_string(kMaxInfo) +
                                " bytes");
          }
          text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
          return Status();
        });
      },
      [] { return uint64_t{0}; });
  ROTOR_TRY(refusal(result, repo + "@" + revision));
  return text;
}

Result<HubFileInfo> HubClient::file_info(const std::string& repo, const std::string& commit,
                                         const std::string& file) {
  HttpRequest request;
  request.url = file_url(repo, commit, file);
  request.head = true;
  request.stall_seconds = settings_.metadata_seconds;
  const auto ignore = [](const HttpResponse&, std::span<const std::byte>) { return Status(); };
  const HttpResult result =
      with_tries([&] { return exchange(request, ignore); }, [] { return uint64_t{0}; });
  const HttpResponse& head = result.response;
  if (!result.status.ok() || !is_redirect(head)) {  // a redirect to other hosts tells enough
    ROTOR_TRY(refusal(result, repo + ":" + file));
  }
  const std::string_view linked = head.header("x-linked-etag");
  HubFileInfo info;
  info.etag = clean_etag(linked.empty() ? head.header("etag") : linked);
  if (info.etag.empty()) {
    return format_error(request.url + ": the answer has no usable entity tag, '" +
                        printable(head.header("etag")) + "'");
  }
  const std::string_view source = head.header("x-repo-commit");
  if (!source.empty() && source != commit) {
    return format_error(request.url + ": asked for commit " + commit + ", got " + printable(source));
  }
  info.size = head.number("x-linked-size");
  if (!info.size && !is_redirect(head)) {
    info.size = head.number("content-length");
  }
  return info;
}

HttpResult HubClient::get_file(const std::string& repo, const std::string& commit,
                               const std::string& file, const std::function<uint64_t()>& offset,
                               const BodySink& sink) {
  HttpResult result = with_tries(
      [&] {
        HttpRequest request;
        request.url = file_url(repo, commit, file);
        request.stall_seconds = settings_.download_seconds;
        if (offset() > 0) {
          request.headers.push_back("Range: bytes=" + std::to_string(offset()) + "-");
        }
        return exchange(std::move(request), sink);
      },
      offset);
  if (result.response.status != 416) {
    result.status = refusal(result, repo + ":" + file);
  }
  return result;
}

// One request, through its redirects. A HEAD request stops where it is sent to another host: what the
// hub knows of the file stands in that answer.
HttpResult HubClient::exchange(HttpRequest request, const BodySink& sink) {
  const std::string hub = url_origin(settings_.endpoint);
  const std::vector<std::string> headers = request.headers;
  for (int hops = 0; hops <= kMaxRedirects; ++hops) {
    request.headers = headers;
    request.headers.emplace_back("Accept-Encoding: identity");
    if (!settings_.token.empty() && url_origin(request.url) == hub) {
      request.headers.push_back("Authorization: Bearer " + settings_.token);
    }
    HttpResult result =
        http_.send(request, [&](const HttpResponse& head, std::span<const std::byte> bytes) {
          return head.status == 200 || head.status == 206 ? sink(head, bytes) : Status();
        });
    if (!result.status.ok() || !is_redirect(result.response)) {
      return result;
    }
    const std::string target =
        resolve_url(request.url, std::string(result.response.header("location")));
    const std::string origin = url_origin(target);
    if (request.head && origin != url_origin(request.url)) {
      return result;
    }
    if (origin.empty()) {
      result.status = Status(Code::kNetworkError, url_origin(request.url) +
                                                      ": redirects to what is no web address");
      return result;
    }
    if (hub.starts_with("https:") && !origin.starts_with("https:")) {
      result.status = Status(Code::kNetworkError, url_origin(request.url) +
                                                      ": redirects to an address without TLS");
      return result;
    }
    request.url = target;
  }
  return {Status(Code::kNetworkError, hub + ": more than " + std::to_string(kMaxRedirects) +
                                          " redirects"),
          false,
          {}};
}

// Tries again what may pass, a little later each time. A try that brought bytes counts as none.
HttpResult HubClient::with_tries(const std::function<HttpResult()>& attempt,
                                 const std::function<uint64_t()>& received) {
  int tries = 0;
  double backoff = settings_.first_pause;
  while (true) {
    const uint64_t before = received();
    HttpResult result = attempt();
    const bool again =
        result.status.ok() ? is_transient(result.response.status) : result.transient;
    if (received() > before) {
      tries = 0;
      backoff = settings_.first_pause;
    }
    if (!again || ++tries >= kMaxTries) {
      return result;
    }
    const double wait = retry_after(result.response).value_or(backoff);
    if (wait > kLongestWait) {
      return result;
    }
    const std::string reason = result.status.ok()
                                   ? "status " + std::to_string(result.response.status)
                                   : result.status.message();
    note_(reason + "; trying again in " + seconds_text(wait));
    const Status paused = pause(wait);
    if (!paused.ok()) {
      result.status = paused;
      return result;
    }
    backoff = std::min(2 * backoff, kLongestBackoff);
  }
}

Status HubClient::pause(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    if (cancel_ != nullptr && cancel_->cancelled()) {
      return Status(Code::kCancelled, "interrupted");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return {};
}

std::string HubClient::file_url(const std::string& repo, const std::string& commit,
                                const std::string& file) const {
  return settings_.endpoint + "/" + repo + "/resolve/" + commit + "/" + percent_encode(file, true);
}

// Why a request was not answered with 200 or 206; ok when it was.
Status HubClient::refusal(const HttpResult& result, const std::string& what) const {
  if (!result.status.ok()) {
    return result.status;
  }
  const HttpResponse& response = result.response;
  if (response.status == 200 || response.status == 206) {
    return {};
  }
  const std::string_view code = response.header("x-error-code");
  const std::string login = settings_.token.empty() ? "set HF_TOKEN to an access token"
                                                    : "the token that is set gives no access";
  const std::string repo = what.substr(0, what.find_first_of("@:"));
  if (code == "GatedRepo") {
    return Status(Code::kNetworkError, what + ": is gated: accept its terms at " +
                                           settings_.endpoint + "/" + repo + " and " + login);
  }
  if (response.status == 404 && code == "RevisionNotFound") {
    return not_found(what + ": the repository has no such revision");
  }
  if (response.status == 404 && code == "EntryNotFound") {
    return not_found(what + ": the repository has no such file");
  }
  if (response.status == 404 || code == "RepoNotFound") {  // the hub hides private ones behind 401
    return not_found(repo + ": no such repository at " + settings_.endpoint +
                     "; if it is private, " + login);
  }
  if (response.status == 401 || response.status == 403) {
    return Status(Code::kNetworkError, what + ": access refused (status " +
                                           std::to_string(response.status) + "); " + login);
  }
  std::string text = what + ": " + settings_.endpoint + " answers with status " +
                     std::to_string(response.status);
  if (const std::optional<double> wait = retry_after(response)) {
    text += ", to be asked again in " + seconds_text(*wait);
  }
  const std::string said = printable(response.header("x-error-message"));
  return Status(Code::kNetworkError, text + (said.empty() ? "" : ": " + said));
}

}  // namespace rotor
