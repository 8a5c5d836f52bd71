// SPDX-License-Identifier: Apache-2.0
// Text whose every byte knows whether it came from the chat template or from the input that the
// template was rendered with. All string work of the interpreter is done by copying ranges, so a
// byte never changes its origin on the way to the prompt. Values; not for concurrent writing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rotor {

// A run of bytes of one origin.
struct Span {
  size_t length = 0;
  bool from_template = false;

  bool operator==(const Span&) const = default;
};

// What a chat template renders to. The lengths of `spans` add up to text.size(); no span is empty
// and neighbours differ. Only bytes from the template may become special tokens.
struct RenderedText {
  std::string text;
  std::vector<Span> spans;
};

namespace jinja {

// Valid UTF-8 with origins.
class Text {
 public:
  Text() = default;
  Text(std::string_view bytes, bool from_template) { append(bytes, from_template); }

  std::string_view bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  const std::vector<Span>& spans() const { return spans_; }

  void append(std::string_view bytes, bool from_template);
  void append(const Text& other);

  // The bytes [begin, end). REQUIRES: begin <= end <= size(), both between characters.
  Text slice(size_t begin, size_t end) const;

  RenderedText release() && { return {std::move(bytes_), std::move(spans_)}; }

 private:
  std::string bytes_;
  std::vector<Span> spans_;
};

// Walks forward through a Text that outlives it, copying or skipping.
class TextReader {
 public:
  explicit TextReader(const Text& text) : text_(text) {}

  size_t position() const { return position_; }
  bool at_end() const { return position_ == text_.size(); }
  // The origin of the next byte. REQUIRES: !at_end().
  bool from_template() const { return text_.spans()[span_].from_template; }

  // REQUIRES: position() + length <= text.size().
  void skip(size_t length) { advance(length, nullptr); }
  void copy(size_t length, Text& out) { advance(length, &out); }
  // The same, up to byte `end` of the text. REQUIRES: position() <= end <= text.size().
  void skip_to(size_t end) { advance(end - position_, nullptr); }
  void copy_to(size_t end, Text& out) { advance(end - position_, &out); }

 private:
  void advance(size_t length, Text* out);

  const Text& text_;
  size_t position_ = 0;
  size_t span_ = 0;       // index of the span that holds position_
  size_t span_used_ = 0;  // bytes of that span already passed
};

}  // namespace jinja
}  // namespace rotor
