// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_inventory.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>

#include "hub/hub_files.h"

namespace rotor {
namespace {

namespace fs = std::filesystem;

uint64_t file_bytes(const std::string& path) {
  std::error_code error;
  const uintmax_t bytes = fs::file_size(path, error);
  return error ? 0 : bytes;
}

uint64_t total_bytes(const std::string& folder, const std::vector<std::string>& files) {
  uint64_t bytes = 0;
  for (const std::string& file : files) {
    bytes += file_bytes(folder + "/" + file);
  }
  return bytes;
}

// The blob of this repository that a snapshot file links to; empty when it is a file of its own, or a
// link to anywhere else.
std::string blob_shown(const HubCache& cache, const std::string& repo, const std::string& path) {
  std::error_code error;
  const fs::path link = fs::read_symlink(path, error);
  if (error) {
    return "";
  }
  const fs::path target = (fs::path(path).parent_path() / link).lexically_normal();
  const fs::path blobs = fs::path(cache.repo_folder(repo) + "/blobs").lexically_normal();
  return target.parent_path() == blobs ? target.string() : "";
}

// Every link or file below a snapshot, also links to nothing.
std::vector<std::string> snapshot_entries(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code unreadable;
    if (!fs::is_directory(entry->symlink_status(unreadable))) {
      out.push_back(entry->path().string());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

// The folders of the snapshot that hold nothing but what goes, innermost first.
std::vector<std::string> emptied_folders(const std::string& snapshot,
                                         const std::set<std::string>& going) {
  std::set<std::string> folders = {snapshot};
  std::set<std::string> kept;
  for (const std::string& path : snapshot_entries(snapshot)) {
    for (fs::path folder = fs::path(path).parent_path(); folder.string().size() >= snapshot.size();
         folder = folder.parent_path()) {
      folders.insert(folder);
      if (!going.contains(path)) {
        kept.insert(folder);
      }
    }
  }
  std::vector<std::string> out;
  std::set_difference(folders.begin(), folders.end(), kept.begin(), kept.end(),
                      std::back_inserter(out));
  std::reverse(out.begin(), out.end());  // longer names stand behind their prefixes
  return out;
}

Result<HubRemoval> plan_whole_repo(const HubCache& cache, const std::string& repo) {
  HubRemoval removal;
  removal.repo = repo;
  removal.whole_repo = true;
  removal.snapshots = cache.commits(repo);
  removal.folders = {cache.repo_folder(repo), cache.lock_folder(repo)};
  for (const std::string& path : snapshot_entries(cache.repo_folder(repo))) {
    std::error_code error;
    if (fs::is_regular_file(fs::symlink_status(path, error))) {
      removal.freed_bytes += file_bytes(path);
    }
  }
  return removal;
}

}  // namespace

std::optional<CachedModel> find_cached_model(const HubCache& cache, const HubName& name,
                                             bool offline) {
  const std::string revision = name.revision.empty() ? std::string(kMainRevision) : name.revision;
  const std::optional<std::string> commit = cache.find_commit(name.repo, revision);
  if (!commit) {
    return std::nullopt;
  }
  const Result<HubFileChoice> choice =
      choose_hub_files(cache.files(name.repo, *commit), name.file);
  if (!choice.ok() || (!choice->has_tokenizer && !offline)) {
    return std::nullopt;
  }
  CachedModel model{name, *commit, cache.refs(name.repo, *commit), "", 0};
  const std::string folder = cache.snapshot_folder(name.repo, *commit);
  model.path = folder + (choice->model.empty() ? "" : "/" + choice->model);
  model.bytes = total_bytes(folder, choice->files);
  return model;
}

std::vector<CachedModel> list_cached_models(const HubCache& cache) {
  std::vector<CachedModel> out;
  for (const std::string& repo : cache.repos()) {
    for (const std::string& commit : cache.commits(repo)) {
      const std::vector<std::string> refs = cache.refs(repo, commit);
      const bool is_main = std::find(refs.begin(), refs.end(), kMainRevision) != refs.end();
      const std::string revision = is_main ? "" : refs.empty() ? commit : refs.front();
      const std::vector<std::string> models = hub_models_among(cache.files(repo, commit));
      for (const std::string& file : models) {
        const HubName name{repo, revision, models.size() == 1 ? "" : file};
        std::optional<CachedModel> model = find_cached_model(cache, name, true);
        if (model && (!file.empty() || model->path == cache.snapshot_folder(repo, commit))) {
          out.push_back(*std::move(model));  // a .rotor file hides the folder that it lies in
        }
      }
    }
  }
  return out;
}

Result<HubRemoval> plan_removal(const HubCache& cache, const HubName& name) {
  const std::vector<std::string> commits = cache.commits(name.repo);
  std::error_code error;
  if (name.revision.empty() && name.file.empty() &&
      fs::is_directory(cache.repo_folder(name.repo), error)) {
    return plan_whole_repo(cache, name.repo);
  }
  const std::string revision = name.revision.empty() ? std::string(kMainRevision) : name.revision;
  const std::optional<std::string> commit = cache.find_commit(name.repo, revision);
  if (!commit) {
    return not_found(name.text() + ": is not in " + cache.root());
  }
  const std::string snapshot = cache.snapshot_folder(name.repo, *commit);
  std::vector<std::string> entries = snapshot_entries(snapshot);
  if (!name.file.empty()) {
    ROTOR_ASSIGN(const HubFileChoice choice,
                 choose_hub_files(cache.files(name.repo, *commit), name.file));
    std::erase_if(entries, [&](const std::string& path) {
      return std::find(choice.files.begin(), choice.files.end(),
                       path.substr(snapshot.size() + 1)) == choice.files.end();
    });
  }
  HubRemoval removal;
  removal.repo = name.repo;
  const std::set<std::string> going(entries.begin(), entries.end());
  std::set<std::string> freed;
  for (const std::string& path : entries) {
    const std::string blob = blob_shown(cache, name.repo, path);
    if (!blob.empty()) {
      freed.insert(blob);
    } else if (fs::is_regular_file(fs::symlink_status(path, error))) {
      removal.freed_bytes += file_bytes(path);
    }
  }
  for (const std::string& other : commits) {
    for (const std::string& path : snapshot_entries(cache.snapshot_folder(name.repo, other))) {
      if (!going.contains(path)) {
        freed.erase(blob_shown(cache, name.repo, path));
      }
    }
  }
  removal.folders = emptied_folders(snapshot, going);
  if (!removal.folders.empty() && removal.folders.back() == snapshot) {
    removal.snapshots = {*commit};
    for (const std::string& ref : cache.refs(name.repo, *commit)) {
      removal.paths.push_back(cache.repo_folder(name.repo) + "/refs/" + ref);
    }
    // The list of its files that huggingface_hub keeps.
    removal.paths.push_back(cache.repo_folder(name.repo) + "/trees/" + *commit + ".json");
  }
  removal.paths.insert(removal.paths.end(), entries.begin(), entries.end());
  for (const std::string& blob : freed) {
    removal.freed_bytes += file_bytes(blob);
    removal.paths.push_back(blob);
  }
  return removal;
}

Status remove_cached(const HubRemoval& removal) {
  const auto failed = [](const std::string& path, const std::error_code& error) {
    return io_error(path + ": cannot remove: " + error.message());
  };
  std::error_code error;
  for (const std::string& path : removal.paths) {
    fs::remove(path, error);
    if (error) {
      return failed(path, error);
    }
  }
  for (const std::string& folder : removal.folders) {
    if (removal.whole_repo) {
      fs::remove_all(folder, error);
    } else {
      fs::remove(folder, error);
    }
    if (error) {
      return failed(folder, error);
    }
  }
  return {};
}

}  // namespace rotor
