// SPDX-License-Identifier: Apache-2.0
// Addresses as libcurl reads them: what decides whether a token may be sent must see the host that
// the connection will go to.
#pragma once

#include <string>
#include <string_view>

namespace rotor {

// "https://host:port" of an address in lower case, the usual port left out; empty when libcurl would
// not take the address.
std::string url_origin(const std::string& url);

// The address that a Location header means, seen from `base`; empty when it means none, or one that
// is neither http nor https.
std::string resolve_url(const std::string& base, const std::string& location);

// For a part of an address: every byte but letters, digits and "-._~" as %XX; '/' stays with
// `keep_slashes`.
std::string percent_encode(std::string_view text, bool keep_slashes);

}  // namespace rotor
