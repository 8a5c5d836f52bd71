// SPDX-License-Identifier: Apache-2.0
#include "hub/web_address.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

namespace rotor {
namespace {

using Address = std::unique_ptr<CURLU, void (*)(CURLU*)>;

Address make_address() { return Address(curl_url(), &curl_url_cleanup); }

bool set(const Address& address, const std::string& url, unsigned flags) {
  return address != nullptr &&
         curl_url_set(address.get(), CURLUPART_URL, url.c_str(), flags) == CURLUE_OK;
}

std::string part(const Address& address, CURLUPart which, unsigned flags) {
  char* text = nullptr;
  if (curl_url_get(address.get(), which, &text, flags) != CURLUE_OK) {
    return "";
  }
  std::string out = text;
  curl_free(text);
  return out;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

bool is_web(const Address& address) {
  const std::string scheme = lower(part(address, CURLUPART_SCHEME, 0));
  return scheme == "https" || scheme == "http";
}

}  // namespace

std::string url_origin(const std::string& url) {
  const Address address = make_address();
  if (!set(address, url, 0) || !is_web(address)) {
    return "";
  }
  const std::string port = part(address, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
  return lower(part(address, CURLUPART_SCHEME, 0) + "://" + part(address, CURLUPART_HOST, 0)) +
         (port.empty() ? "" : ":" + port);
}

std::string resolve_url(const std::string& base, const std::string& location) {
  const Address address = make_address();
  const bool found = set(address, base, 0) && set(address, location, CURLU_URLENCODE);
  return found && is_web(address) ? part(address, CURLUPART_URL, 0) : "";
}

std::string percent_encode(std::string_view text, bool keep_slashes) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slashes);
    if (plain) {
      out += c;
      continue;
    }
    out += '%';
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

}  // namespace rotor
