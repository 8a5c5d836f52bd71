// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_download.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/file.h"
#include "hub/blob_hash.h"
#include "hub/hub_api.h"
#include "hub/hub_cache.h"
#include "hub/hub_files.h"
#include "hub/incomplete_file.h"

namespace rotor {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDownloads = 2;  // of content that turns out wrong
constexpr uint64_t kSpareBytes = uint64_t{16} << 20;  // that should stay free on the disk

// A file of the repository on its way.
struct RemoteFile {
  std::string name;
  HubFileInfo info;   // empty when it is in the cache already
  bool cached = false;
  bool downloaded = false;
};

uint64_t saturating_sum(uint64_t a, uint64_t b) { return a + b < a ? UINT64_MAX : a + b; }

uint64_t file_bytes(const std::string& path) {
  std::error_code error;
  const uintmax_t bytes = fs::file_size(path, error);
  return error ? 0 : bytes;
}

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// Where a part of a file that was asked for from some byte on begins: "bytes 5-9/10" is 5.
std::optional<uint64_t> range_start(const HttpResponse& head) {
  std::string_view range = head.header("content-range");
  if (!range.starts_with("bytes ")) {
    return std::nullopt;
  }
  range.remove_prefix(6);
  uint64_t start = 0;
  const auto [end, error] = std::from_chars(range.data(), range.data() + range.size(), start);
  return error == std::errc() ? std::optional(start) : std::nullopt;
}

class Pull {
 public:
  Pull(const HubName& name, const HubSettings& settings, const PullOptions& options)
      : name_(name),
        settings_(settings),
        options_(options),
        cache_(settings.cache),
        client_(settings, options.cancel, [this](const std::string& text) { note(text); }) {}

  Result<PulledModel> run() {
    const std::string revision =
        name_.revision.empty() ? std::string(kMainRevision) : name_.revision;
    ROTOR_ASSIGN(const std::string json, client_.model_info(name_.repo, revision));
    ROTOR_ASSIGN(const HubModelInfo repository, parse_model_info(json, name_.repo));
    commit_ = repository.commit;
    const Result<HubFileChoice> choice = choose_hub_files(repository.files, name_.file);
    if (!choice.ok()) {
      return Status(choice.status()).with_context(name_.text());
    }
    ROTOR_TRY(look_up(choice->files));
    ROTOR_TRY(check_space());
    for (RemoteFile& file : files_) {
      if (!file.cached) {
        ROTOR_TRY(fetch(file));
      }
    }
    const Status marked = cache_.write_ref(name_.repo, revision, commit_);
    const bool all_cached = std::all_of(files_.begin(), files_.end(),
                                        [](const RemoteFile& file) { return file.cached; });
    if (!marked.ok() && !all_cached) {  // a cache that cannot be written may be used as it is
      return marked;
    }
    return result(*choice);
  }

 private:
  void note(const std::string& text) const {
    if (options_.note) {
      options_.note(text);
    }
  }

  std::string snapshot_path(const std::string& file) const {
    return cache_.snapshot_folder(name_.repo, commit_) + "/" + file;
  }

  // Which files are here, and what the hub says of the others.
  Status look_up(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      RemoteFile file;
      file.name = name;
      file.cached = exists(snapshot_path(name));
      if (!file.cached) {
        ROTOR_ASSIGN(file.info, client_.file_info(name_.repo, commit_, name));
        total_ = saturating_sum(total_, file.info.size.value_or(0));
      }
      files_.push_back(std::move(file));
    }
    return {};
  }

  Status check_space() const {
    uint64_t needed = 0;
    for (const RemoteFile& file : files_) {
      const std::string blob = cache_.blob(name_.repo, file.info.etag);
      if (!file.cached && !exists(blob)) {
        const uint64_t size = file.info.size.value_or(0);
        needed = saturating_sum(needed, size - std::min(size, file_bytes(blob + ".incomplete")));
      }
    }
    if (needed == 0) {
      return {};
    }
    ROTOR_TRY(make_folders(cache_.repo_folder(name_.repo)));
    std::error_code error;
    const fs::space_info space = fs::space(cache_.repo_folder(name_.repo), error);
    if (!error && space.available < saturating_sum(needed, kSpareBytes)) {
      return io_error(cache_.root() + ": " + name_.text() + " needs " + std::to_string(needed) +
                      " bytes more, the disk has " + std::to_string(space.available) +
                      " free; HF_HUB_CACHE chooses another folder");
    }
    return {};
  }

  // Brings one file into the cache, unless another process does so meanwhile.
  Status fetch(RemoteFile& file) {
    const std::string blob = cache_.blob(name_.repo, file.info.etag);
    ROTOR_TRY(make_folders(fs::path(blob).parent_path()));
    ROTOR_ASSIGN(const HubLock lock,
                 HubLock::take(cache_.lock_folder(name_.repo) + "/" + file.info.etag + ".lock",
                               options_.cancel, [&] {
                                 note("waiting for another process that downloads " + file.name);
                               }));
    if (exists(snapshot_path(file.name))) {
      done_ += file.info.size.value_or(0);
      return {};
    }
    const bool fresh = !exists(blob);
    if (fresh) {
      ROTOR_TRY(download(file, blob));
      file.downloaded = true;
    } else {
      done_ += file.info.size.value_or(0);
    }
    return cache_.show_blob(name_.repo, commit_, file.name, file.info.etag, settings_.symlinks,
                            fresh);
  }

  // Receives a blob, checks it and puts it in its place. What was received before is gone on with,
  // because the check at the end tells whether it fits.
  Status download(const RemoteFile& file, const std::string& blob) {
    ROTOR_ASSIGN(IncompleteFile part, IncompleteFile::open(blob + ".incomplete"));
    const BlobHash kind = blob_hash_of(file.info.etag);
    const std::optional<uint64_t> size = file.info.size;
    if (kind == BlobHash::kNone || !size || part.size() > *size) {
      ROTOR_TRY(part.restart());
    }
    std::string found;
    for (int downloads = 0; downloads < kMaxDownloads; ++downloads) {
      ROTOR_TRY(receive(file, part));
      if (kind == BlobHash::kNone) {
        return part.finish(blob);
      }
      ROTOR_ASSIGN(found, hash_file(part.path(), kind, options_.cancel));
      if (found == file.info.etag) {
        return part.finish(blob);
      }
      if (downloads + 1 < kMaxDownloads) {
        note(file.name + ": the content is damaged; downloading it again");
      }
      ROTOR_TRY(part.restart());
    }
    part.discard();
    return Status(Code::kVerificationFailed,
                  name_.repo + ":" + file.name + ": expected " +
                      (kind == BlobHash::kSha256 ? "SHA-256 " : "git blob ") + file.info.etag +
                      ", received " + found + "; nothing of it was kept");
  }

  // Appends what is missing.
  Status receive(const RemoteFile& file, IncompleteFile& part) {
    const uint64_t before = done_;
    const std::optional<uint64_t> size = file.info.size;
    bool begun = false;  // of the current try
    const auto take = [&](const HttpResponse& head, std::span<const std::byte> bytes) -> Status {
      if (!std::exchange(begun, true) && range_start(head) != part.size()) {
        if (head.status == 206) {
          return format_error(file.name + ": the server sends other bytes than it was asked for");
        }
        ROTOR_TRY(part.restart());
      }
      if (size && bytes.size() > *size - std::min(*size, part.size())) {
        return format_error(file.name + ": the server sends more than the " + std::to_string(*size) +
                            " bytes that it announced");
      }
      ROTOR_TRY(part.append(bytes));
      show(file.name, before + part.size());
      return {};
    };
    const auto offset = [&] {
      begun = false;
      return size ? part.size() : 0;
    };
    while (!size || part.size() < *size) {
      if (!size) {
        ROTOR_TRY(part.restart());
      }
      const uint64_t had = part.size();
      const HttpResult result = client_.get_file(name_.repo, commit_, file.name, offset, take);
      const Code code = result.status.code();
      if ((code == Code::kNetworkError || code == Code::kCancelled) && part.size() > 0) {
        return Status(code,
                      result.status.message() + "; " + std::to_string(part.size()) +
                          " bytes are kept, the same command goes on with them");
      }
      ROTOR_TRY(result.status);
      if (result.response.status == 416) {
        return format_error(file.name + ": the server has no bytes after " +
                            std::to_string(part.size()) + ", but announced " +
                            std::to_string(size.value_or(0)));
      }
      if (!size) {
        break;
      }
      if (part.size() <= had) {
        return Status(Code::kNetworkError, file.name + ": the server ends the file at byte " +
                                               std::to_string(part.size()) + ", but announced " +
                                               std::to_string(*size));
      }
    }
    done_ = before + part.size();
    return {};
  }

  void show(const std::string& name, uint64_t done) const {
    if (options_.progress) {
      const uint64_t total = std::max(total_, done + 1);  // the end is not reached before the check
      options_.progress(name, std::min(done, total), total);
    }
  }

  PulledModel result(const HubFileChoice& choice) const {
    if (options_.progress) {
      options_.progress("", 1, 1);
    }
    PulledModel out;
    out.commit = commit_;
    out.path = cache_.snapshot_folder(name_.repo, commit_) +
               (choice.model.empty() ? "" : "/" + choice.model);
    for (const RemoteFile& file : files_) {
      out.files.push_back({file.name, file_bytes(snapshot_path(file.name)), file.downloaded});
    }
    return out;
  }

  const HubName& name_;
  const HubSettings& settings_;
  const PullOptions& options_;
  const HubCache cache_;
  HubClient client_;
  std::string commit_;
  std::vector<RemoteFile> files_;
  uint64_t total_ = 0;  // bytes of what is not in the cache
  uint64_t done_ = 0;   // bytes of the files that are whole
};

}  // namespace

Result<PulledModel> pull_model(const HubName& name, const HubSettings& settings,
                               const PullOptions& options) {
  if (settings.offline) {
    return Status(Code::kNetworkError, name.text() + ": not downloaded, because HF_HUB_OFFLINE is set");
  }
  return Pull(name, settings, options).run();
}

}  // namespace rotor
