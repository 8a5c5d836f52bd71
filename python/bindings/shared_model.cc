// SPDX-License-Identifier: Apache-2.0
#include "shared_model.h"

#include <unistd.h>

#include <atomic>
#include <set>

#include "errors.h"

namespace rotor::python {
namespace {

std::atomic<bool> ending{false};
std::mutex models_mutex;

// Never destroyed: models may outlive static objects.
std::set<SharedModel*>& models() {
  static auto* all = new std::set<SharedModel*>;
  return *all;
}

}  // namespace

SharedModel::SharedModel(LanguageModel model)
    : model_(std::make_unique<LanguageModel>(std::move(model))), process_(getpid()) {
  const std::lock_guard<std::mutex> lock(models_mutex);
  models().insert(this);
}

SharedModel::~SharedModel() {
  if (getpid() != process_) {
    (void)model_.release();  // its threads are in the other process: joining them would never end
    return;
  }
  const std::lock_guard<std::mutex> lock(models_mutex);
  models().erase(this);
}

void SharedModel::check_usable() const {
  const char* reason = nullptr;
  if (getpid() != process_) {
    reason = "the model was opened before this process was forked: open it after the fork";
  }
  for (const auto& [generation, thread] : processors_) {
    if (thread == std::this_thread::get_id()) {
      reason = "a generation that waits for this thread's logits processor has the model: end or close it";
    }
  }
  if (reason != nullptr) {
    PyErr_SetString(PyExc_RuntimeError, reason);
    throw nanobind::python_error();
  }
}

void SharedModel::check_running() {
  if (shutting_down()) {
    throw StatusError(Status(Code::kCancelled, "the interpreter is about to end"));
  }
}

bool SharedModel::shutting_down() { return ending.load(); }

void SharedModel::shut_down() {
  ending.store(true);
  // Daemon threads never leave their frames, so what these refer to is still there when nanobind looks
  // for leaks.
  const auto threads = nanobind::module_::import_("threading").attr("active_count")();
  if (nanobind::cast<int>(threads) > 1) {
    nanobind::set_leak_warnings(false);
  }
  const nanobind::gil_scoped_release released;
  {
    const std::lock_guard<std::mutex> lock(models_mutex);
    for (SharedModel* model : models()) {
      if (getpid() != model->process_) {
        continue;
      }
      while (!model->mutex_.try_lock()) {
        model->cancel();  // again: a call that just begins forgets it
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      model->mutex_.unlock();
    }
  }
  while (Waiters::any()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace rotor::python
