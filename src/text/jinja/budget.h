// SPDX-License-Identifier: Apache-2.0
// What one rendering may cost. Work is counted in steps, and every operation on n bytes or n
// elements pays for n before it starts, so a rendering that stays within its budget also stays
// within a fraction of a second and a bounded amount of memory, whatever the template does.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace rotor {

struct RenderLimits {
  uint64_t max_steps = 1'000'000;
  size_t max_output = size_t{16} << 20;       // bytes of the rendered text
  uint64_t max_memory = uint64_t{128} << 20;  // bytes of all values ever made, freed ones included
  int64_t max_range = 65'536;                 // elements of one range()
  int max_call_depth = 64;                    // macro calls inside macro calls
};

namespace jinja {

class Budget {
 public:
  explicit Budget(const RenderLimits& limits) : limits_(limits) {}

  const RenderLimits& limits() const { return limits_; }

  // One syntax node evaluated or one element visited is a step.
  Status step(uint64_t count = 1) {
    steps_ += count;
    return steps_ <= limits_.max_steps ? Status() : no_steps_left();
  }

  // About to look at `bytes` of text with the machine's wide instructions.
  Status scan(size_t bytes) { return step(bytes / 64); }
  // About to work through `bytes` of text character by character.
  Status transform(size_t bytes) { return step(bytes / 16); }
  // About to make a value of `bytes`.
  Status allocate(size_t bytes) {
    memory_ += bytes;
    return memory_ <= limits_.max_memory ? step(1 + bytes / 256) : no_memory_left();
  }

 private:
  Status no_steps_left() const {
    return format_error("rendering takes more than " + std::to_string(limits_.max_steps) +
                        " steps; the template loops too long");
  }
  Status no_memory_left() const {
    return format_error("rendering makes values of more than " +
                        std::to_string(limits_.max_memory) + " bytes in all");
  }

  RenderLimits limits_;
  uint64_t steps_ = 0;
  uint64_t memory_ = 0;
};

}  // namespace jinja
}  // namespace rotor
