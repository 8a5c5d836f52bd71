// SPDX-License-Identifier: Apache-2.0
// Checking a model file from end to end: structure, value ranges, and the checksums a .rotor file
// carries. Names tensor and byte of what is wrong.
#pragma once

#include <rotor/status.h>

#include <string>
#include <vector>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "model/model_source.h"

namespace rotor {

struct VerifyReport {
  std::string container;
  std::string scale_rule;              // scale_rule_text()
  std::string trits_sha256;            // empty where the matrices are floats
  size_t matrices = 0;
  size_t hashes_checked = 0;           // .rotor: tensors compared with their recorded SHA-256
  std::vector<std::string> notes;
  std::vector<std::string> warnings;   // legal but suspicious: all-zero matrices, unusual scales
};

// kFormatError for damage that contradicts the format, kVerificationFailed for a checksum that
// differs.
Result<VerifyReport> verify_model(const std::string& path, const SourceOptions& options,
                                  ThreadPool& pool, const ProgressCallback& progress);

}  // namespace rotor
