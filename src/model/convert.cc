// SPDX-License-Identifier: Apache-2.0
#include "model/convert.h"

#include <filesystem>

#include "model/gguf_export.h"
#include "model/hf_export.h"
#include "model/rotor_export.h"

namespace rotor {

std::string_view convert_target_name(ConvertTarget target) {
  switch (target) {
    case ConvertTarget::kRotor: return "rotor";
    case ConvertTarget::kGguf: return "gguf";
    case ConvertTarget::kHuggingFace: return "hf";
  }
  return "unknown";
}

std::optional<ConvertTarget> parse_convert_target(std::string_view name) {
  for (const ConvertTarget target :
       {ConvertTarget::kRotor, ConvertTarget::kGguf, ConvertTarget::kHuggingFace}) {
    if (convert_target_name(target) == name) {
      return target;
    }
  }
  return std::nullopt;
}

Result<ConvertTarget> convert_target_of(const std::string& path) {
  std::error_code ignored;
  if (path.ends_with('/') || std::filesystem::is_directory(path, ignored)) {
    return ConvertTarget::kHuggingFace;
  }
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension == ".safetensors") {
    return invalid_argument(path + ": a Hugging Face model is a folder; give its name and a '/', or "
                            "choose a name that ends in .rotor or .gguf");
  }
  return extension == ".gguf" ? ConvertTarget::kGguf : ConvertTarget::kRotor;
}

Result<ConvertResult> convert_model(const ModelSource& source, const std::string& path,
                                    const ConvertOptions& options, ThreadPool& pool,
                                    const ProgressCallback& progress, const CancelFlag* cancel) {
  if (has_float_matrices(source)) {
    return unsupported(source.path + ": its matrices are floats, not trits: there is nothing to pack, and "
                       "it runs as it is");
  }
  switch (options.target) {
    case ConvertTarget::kRotor: return convert_to_rotor(source, path, pool, progress, cancel);
    case ConvertTarget::kGguf:
      return convert_to_gguf(source, path,
                             options.gguf_weights.value_or(default_gguf_weights(source)),
                             options.allow_rounding, pool, progress, cancel);
    case ConvertTarget::kHuggingFace:
      return convert_to_hf(source, path, kHfShardBytes, pool, progress, cancel);
  }
  return internal_error("unknown container");
}

}  // namespace rotor
