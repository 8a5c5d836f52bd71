// SPDX-License-Identifier: Apache-2.0
#include "hub/ca_bundle.h"

#include <unistd.h>

namespace rotor {
namespace {

constexpr const char* kBundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Ubuntu, Arch, Alpine, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // Fedora, Red Hat
    "/etc/pki/tls/certs/ca-bundle.crt",                   // older of these
    "/var/lib/ca-certificates/ca-bundle.pem",             // SUSE
    "/etc/ssl/ca-bundle.pem",                             // older ones
    "/etc/ssl/cert.pem",                                  // Alpine without ca-certificates
};

}  // namespace

std::string find_ca_bundle(const std::function<bool(const char* path)>& readable) {
  for (const char* path : kBundles) {
    if (readable(path)) {
      return path;
    }
  }
  return std::string();
}

std::string find_ca_bundle() {
  return find_ca_bundle([](const char* path) { return access(path, R_OK) == 0; });
}

}  // namespace rotor
