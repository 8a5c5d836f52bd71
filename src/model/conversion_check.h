// SPDX-License-Identifier: Apache-2.0
// Whether what a conversion wrote is the model that it read: the written files are opened by the reader
// that everybody opens them with, before they get their name.
#pragma once

#include <rotor/status.h>

#include <string>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "model/model_source.h"

namespace rotor {

// What a conversion was allowed to change.
struct AllowedRounding {
  double scales = 0.0;  // each by this part of it
  bool rope = false;    // rope_theta and the numbers of rotary scaling, to binary32
};

// kVerificationFailed, naming what differs, unless `written` has the sizes and flags of `source`, its
// norms, embedding and head, its end tokens, trits with the checksum `trits_sha256`, and its scales.
// Names and containers may differ.
Status check_conversion(const ModelSource& source, const ModelSource& written,
                        const std::string& trits_sha256, const AllowedRounding& allowed,
                        ThreadPool& pool,
                        const ProgressCallback& progress, const CancelFlag* cancel);

}  // namespace rotor
