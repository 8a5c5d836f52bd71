// SPDX-License-Identifier: Apache-2.0
// How the hub is reached and where its files are kept, by the environment variables that the tools of
// Hugging Face share. docs/hub.md lists them.
#pragma once

#include <rotor/status.h>

#include <functional>
#include <string>

namespace rotor {

struct HubSettings {
  std::string cache;           // folder of models--org--name/...
  std::string endpoint;        // "https://huggingface.co", no slash at the end
  std::string token;           // sent to the endpoint only; empty: none
  std::string ca_file;         // certificates of authorities; empty: the system's
  std::string user_agent = "rotor";
  unsigned metadata_seconds = 10;  // without a byte, of a question about files
  unsigned download_seconds = 10;  // without a byte, of a file
  double first_pause = 0.5;    // seconds before a request is tried again; doubles each time
  bool offline = false;
  bool symlinks = true;        // whether snapshots may link to blobs
};

// The value of an environment variable, or null.
using EnvironmentLookup = std::function<const char*(const char* name)>;

// kInvalidArgument where a variable makes no sense, never showing a token.
Result<HubSettings> hub_settings(const EnvironmentLookup& environment);
Result<HubSettings> hub_settings();  // of this process

}  // namespace rotor
