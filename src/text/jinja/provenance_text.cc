// SPDX-License-Identifier: Apache-2.0
// Appending and walking text with origins.
#include "text/jinja/provenance_text.h"

#include <algorithm>

namespace rotor::jinja {

void Text::append(std::string_view bytes, bool from_template) {
  if (bytes.empty()) {
    return;
  }
  bytes_.append(bytes);
  if (!spans_.empty() && spans_.back().from_template == from_template) {
    spans_.back().length += bytes.size();
    return;
  }
  spans_.push_back({bytes.size(), from_template});
}

void Text::append(const Text& other) { TextReader(other).copy(other.size(), *this); }

Text Text::slice(size_t begin, size_t end) const {
  Text out;
  TextReader reader(*this);
  reader.skip_to(begin);
  reader.copy_to(end, out);
  return out;
}

void TextReader::advance(size_t length, Text* out) {
  while (length > 0) {
    const Span& span = text_.spans()[span_];
    const size_t taken = std::min(length, span.length - span_used_);
    if (out != nullptr) {
      out->append(text_.bytes().substr(position_, taken), span.from_template);
    }
    position_ += taken;
    span_used_ += taken;
    length -= taken;
    if (span_used_ == span.length) {
      ++span_;
      span_used_ = 0;
    }
  }
}

}  // namespace rotor::jinja
