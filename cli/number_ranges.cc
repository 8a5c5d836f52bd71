// SPDX-License-Identifier: Apache-2.0
#include "number_ranges.h"

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "repeated_option.h"

namespace rotor::cli {
namespace {

// Reads one list from left to right.
class RangeReader {
 public:
  RangeReader(const std::string& names, const std::string& text, size_t least, size_t most)
      : names_(names), text_(text), rest_(text), least_(least), most_(most) {}

  std::vector<size_t> read() {
    std::vector<size_t> numbers;
    add_item(numbers);
    while (!rest_.empty()) {
      if (!take(',')) {
        fail(fmt::format("expected a comma or a range after \"{}\"",
                         std::string_view(text_).substr(0, text_.size() - rest_.size())));
      }
      add_item(numbers);
    }
    return numbers;
  }

 private:
  void add_item(std::vector<size_t>& numbers) {
    const size_t first = number(least_, most_);
    if (!take('-')) {
      add(numbers, first, first, 1);
      return;
    }
    const size_t last = number(least_, most_);
    if (last < first) {
      fail(fmt::format("expected a range that grows, got {}-{}", first, last));
    }
    if (take('*')) {
      const size_t factor = number(2, most_);
      if (first == 0) {
        fail("expected a range that ends, got 0 times a factor");
      }
      for (size_t value = first; value <= last; value *= factor) {  // `most_` is far below 2^32
        add(numbers, value, value, 1);
      }
      return;
    }
    add(numbers, first, last, take('+') ? number(1, most_) : 1);
  }

  void add(std::vector<size_t>& numbers, size_t first, size_t last, size_t step) {
    const size_t count = (last - first) / step + 1;
    if (count > kMostNumbers || numbers.size() + count > kMostNumbers) {
      fail(fmt::format("expected at most {} numbers", kMostNumbers));
    }
    for (size_t i = 0; i < count; ++i) {
      numbers.push_back(first + i * step);
    }
  }

  size_t number(size_t least, size_t most) {
    size_t value = 0;
    const auto [next, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc() || value < least || value > most) {
      fail(fmt::format("expected a number from {} to {}, got \"{}\"", least, most,
                       rest_.substr(0, rest_.find_first_of(",-+*", 1))));
    }
    rest_.remove_prefix(static_cast<size_t>(next - rest_.data()));
    return value;
  }

  bool take(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw CLI::ValidationError(names_, fmt::format("{} in \"{}\"", what, text_));
  }

  const std::string& names_;
  const std::string& text_;
  std::string_view rest_;
  size_t least_;
  size_t most_;
};

CLI::Option* add_lists(CLI::App& app, const std::string& names, const CLI::callback_t& read,
                       const std::string& description, const std::string& type) {
  return app.add_option(names, read, description)
      ->type_name(type)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

}  // namespace

std::vector<size_t> parse_ranges(const std::string& names, const std::string& text, size_t least,
                                 size_t most) {
  return RangeReader(names, text, least, most).read();
}

CLI::Option* add_ranges(CLI::App& app, const std::string& names, std::vector<size_t>& out,
                        const std::string& description, size_t least, size_t most) {
  const auto read = [&out, names, least, most](const std::vector<std::string>& texts) {
    out.clear();
    for (const std::string& text : texts) {
      const std::vector<size_t> numbers = parse_ranges(names, text, least, most);
      out.insert(out.end(), numbers.begin(), numbers.end());
    }
    return true;
  };
  return add_lists(app, names, read, description, "N,N-M,...");
}

CLI::Option* add_pairs(CLI::App& app, const std::string& names, std::vector<NumberPair>& out,
                       const std::string& description, size_t least, size_t most) {
  const auto read = [&out, names, least, most](const std::vector<std::string>& texts) {
    out.clear();
    for (const std::string& text : texts) {
      const std::vector<uint64_t> pair = parse_numbers(names, text, least, most);
      if (pair.size() != 2) {
        throw CLI::ValidationError(names, fmt::format("expected two numbers, got \"{}\"", text));
      }
      out.push_back({pair[0], pair[1]});
    }
    return true;
  };
  return add_lists(app, names, read, description, "P,N");
}

CLI::Option* add_names(CLI::App& app, const std::string& names, std::vector<std::string>& out,
                       const std::string& description, const std::vector<std::string>& known) {
  const auto read = [&out, names, known](const std::vector<std::string>& texts) {
    out.clear();
    for (std::string_view text : texts) {
      while (true) {
        const std::string name(text.substr(0, text.find(',')));
        if (std::find(known.begin(), known.end(), name) == known.end()) {
          throw CLI::ValidationError(
              names, fmt::format("expected {}, got \"{}\"", fmt::join(known, ", "), name));
        }
        out.push_back(name);
        if (name.size() == text.size()) {
          break;
        }
        text.remove_prefix(name.size() + 1);
      }
    }
    return true;
  };
  return add_lists(app, names, read, description, fmt::format("{}", fmt::join(known, "|")));
}

}  // namespace rotor::cli
