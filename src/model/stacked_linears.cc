// SPDX-License-Identifier: Apache-2.0
#include "model/stacked_linears.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace rotor {
namespace {

// Calls use(part, begin, end, items before) for the parts that [begin, end) of equal runs of `run` meets.
template <typename Use>
Status for_each_part(size_t begin, size_t end, size_t run, const Use& use) {
  for (size_t at = begin; at < end;) {
    const size_t part = at / run;
    const size_t stop = std::min(end, (part + 1) * run);
    ROTOR_TRY(use(part, at - part * run, stop - part * run, at - begin));
    at = stop;
  }
  return {};
}

class StackedTrits final : public TritReader {
 public:
  explicit StackedTrits(std::vector<std::unique_ptr<TritReader>> parts)
      : TritReader(parts.size() * parts[0]->rows(), parts[0]->cols()), parts_(std::move(parts)) {}

  Status read(size_t begin, size_t end, int8_t* trits) const override {
    return for_each_part(begin, end, blocks(), [&](size_t part, size_t first, size_t last, size_t before) {
      return parts_[part]->read(first, last, trits + before * kTileRows * cols());
    });
  }

  Status pack(size_t begin, size_t end, TernaryFormat format, uint8_t* out) const override {
    const size_t bytes = row_block_bytes(format, cols());
    return for_each_part(begin, end, blocks(), [&](size_t part, size_t first, size_t last, size_t before) {
      return parts_[part]->pack(first, last, format, out + before * bytes);
    });
  }

 private:
  size_t blocks() const { return row_blocks(parts_[0]->rows()); }

  std::vector<std::unique_ptr<TritReader>> parts_;
};

class StackedGroupScales final : public GroupScaleReader {
 public:
  StackedGroupScales(std::vector<std::unique_ptr<GroupScaleReader>> parts, size_t blocks, size_t groups)
      : parts_(std::move(parts)), blocks_(blocks), groups_(groups) {}

  Status read(size_t begin, size_t end, float* scales) const override {
    return for_each_part(begin, end, blocks_, [&](size_t part, size_t first, size_t last, size_t before) {
      return parts_[part]->read(first, last, scales + before * kTileRows * groups_);
    });
  }

 private:
  std::vector<std::unique_ptr<GroupScaleReader>> parts_;
  size_t blocks_;  // of a part
  size_t groups_;  // of a row
};

class StackedRows final : public FloatReader {
 public:
  StackedRows(std::vector<std::unique_ptr<FloatReader>> parts, size_t rows, size_t row_bytes)
      : parts_(std::move(parts)), rows_(rows), row_bytes_(row_bytes) {}

  Status read(size_t begin, size_t end, std::byte* out) const override {
    return for_each_part(begin, end, rows_, [&](size_t part, size_t first, size_t last, size_t before) {
      return parts_[part]->read(first, last, out + before * row_bytes_);
    });
  }

 private:
  std::vector<std::unique_ptr<FloatReader>> parts_;
  size_t rows_;  // of a part
  size_t row_bytes_;
};

Status stack_floats(std::vector<LinearSource>& parts, LinearSource& out) {
  const FloatSource& first = *parts[0].floats;
  std::vector<std::unique_ptr<FloatReader>> readers;
  for (LinearSource& part : parts) {
    if (part.floats->type != first.type) {
      return unsupported("tensor '" + part.tensor + "' has another type than '" + parts[0].tensor +
                         "': experts in floats of several types are not supported");
    }
    readers.push_back(std::move(part.floats->reader));
  }
  out.floats = FloatSource{out.tensor, first.type, parts.size() * first.rows, first.cols, nullptr};
  out.floats->reader = std::make_unique<StackedRows>(std::move(readers), first.rows,
                                                     float_row_bytes(first.type, first.cols));
  return {};
}

// One scale a row; a part with a single one has it in each.
void stack_row_scales(const std::vector<LinearSource>& parts, TernaryScale& out) {
  out.granularity = TernaryScale::Granularity::kRow;
  for (const LinearSource& part : parts) {
    const std::vector<float>& values = part.scale.values;
    if (part.scale.granularity == TernaryScale::Granularity::kRow) {
      out.values.insert(out.values.end(), values.begin(), values.end());
    } else {
      out.values.insert(out.values.end(), part.trits->rows(), values[0]);
    }
  }
}

}  // namespace

Result<LinearSource> stack_linears(std::string tensor, std::vector<LinearSource> parts) {
  LinearSource out{std::move(tensor), parts[0].layout, nullptr, {}};
  if (parts[0].floats) {
    ROTOR_TRY(stack_floats(parts, out));
    return out;
  }
  const TernaryScale& first = parts[0].scale;
  for (const LinearSource& part : parts) {
    out.off_by_one += part.off_by_one;
    if (part.scale.grouped() != first.grouped() || !(part.scale.group == first.group)) {
      return unsupported("tensor '" + part.tensor + "' has " + scale_rule_text(part.scale) + ", '" +
                         parts[0].tensor + "' " + scale_rule_text(first) +
                         ": experts with scales of different kinds are not supported");
    }
  }
  if (!first.grouped()) {
    stack_row_scales(parts, out.scale);
  } else {
    out.scale.granularity = first.granularity;
    out.scale.group = first.group;
    std::vector<std::unique_ptr<GroupScaleReader>> readers;
    for (LinearSource& part : parts) {
      readers.push_back(std::move(part.group_scales));
    }
    out.group_scales = std::make_unique<StackedGroupScales>(
        std::move(readers), row_blocks(parts[0].trits->rows()),
        first.group.groups(parts[0].trits->cols()));
  }
  std::vector<std::unique_ptr<TritReader>> readers;
  for (LinearSource& part : parts) {
    readers.push_back(std::move(part.trits));
  }
  out.trits = std::make_unique<StackedTrits>(std::move(readers));
  return out;
}

}  // namespace rotor
