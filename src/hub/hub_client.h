// SPDX-License-Identifier: Apache-2.0
// What is asked of the hub: a repository's files, the name and size of one file's content, and the
// content. Redirects are followed here, because the token goes to the hub alone; so are tries after a
// failure that may pass.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/progress.h"
#include "hub/http_client.h"
#include "hub/hub_settings.h"

namespace rotor {

// The content of a file, as the hub describes it.
struct HubFileInfo {
  std::string etag;              // safe as a file name; a hash as of blob_hash.h, for the hub's own
  std::optional<uint64_t> size;  // what the server says: believed as far as bytes come
};

// A short sentence for the user, while something goes on.
using HubNote = std::function<void(const std::string&)>;

class HubClient {
 public:
  // The settings and the flag, which may be null, must outlive the client.
  HubClient(const HubSettings& settings, const CancelFlag* cancel, HubNote note);

  // The JSON text about a revision. kNotFound: no such repository or revision. kNetworkError: it is
  // gated or private, or the network fails.
  Result<std::string> model_info(const std::string& repo, const std::string& revision);

  Result<HubFileInfo> file_info(const std::string& repo, const std::string& commit,
                                const std::string& file);

  // Sends a file's bytes from `offset()` on, which is asked before each try, to `sink`, whose `head`
  // has status 200 (the bytes begin at 0) or 206 (Content-Range says where). Returns the end of the
  // last try: status 416 when `offset()` is not below the size.
  HttpResult get_file(const std::string& repo, const std::string& commit, const std::string& file,
                      const std::function<uint64_t()>& offset, const BodySink& sink);

 private:
  HttpResult exchange(HttpRequest request, const BodySink& sink);
  HttpResult with_tries(const std::function<HttpResult()>& attempt,
                        const std::function<uint64_t()>& received);
  Status pause(double seconds);
  std::string file_url(const std::string& repo, const std::string& commit,
                       const std::string& file) const;
  Status refusal(const HttpResult& result, const std::string& what) const;

  const HubSettings& settings_;
  const CancelFlag* cancel_;
  HubNote note_;
  HttpClient http_;
};

}  // namespace rotor
