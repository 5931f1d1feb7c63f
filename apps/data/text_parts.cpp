#include "apps/data/text_parts.h"

#include <algorithm>
#include <span>

#include "runtime/input_file.h"

namespace lookback {

void each_part_of_text(const std::string& path, const Tokenizer& tokenizer,
                       const std::function<void(const TextPart&)>& body, std::size_t part_bytes) {
  const InputFile file(path, "data");
  std::string text;  // what is left of the last part, and more
  for (std::size_t first_byte = 0, done = 0; done < file.size();) {
    // Twice as much where nothing could be cut, so that all is looked at a few times at most.
    const auto more = std::min(std::max(part_bytes, text.size()), file.size() - done);
    text.resize(text.size() + more);
    file.read(done, std::as_writable_bytes(std::span(text).last(more)));
    done += more;
    const bool is_last = done == file.size();
    const auto end = is_last ? text.size() : tokenizer.last_cut(text).value_or(0);
    if (end == 0) continue;
    body({.text = std::string_view(text).substr(0, end),
          .first_byte = first_byte,
          .is_last = is_last});
    first_byte += end;
    text.erase(0, end);
  }
}

void each_part_in_memory(std::string_view text, const Tokenizer& tokenizer,
                         const std::function<void(const TextPart&)>& body, std::size_t part_bytes) {
  for (std::size_t first_byte = 0, length = 0; first_byte < text.size();) {
    length = std::min(length + std::max(part_bytes, length), text.size() - first_byte);
    const auto part = text.substr(first_byte, length);
    const bool is_last = first_byte + length == text.size();
    const auto end = is_last ? length : tokenizer.last_cut(part).value_or(0);
    if (end == 0) continue;
    body({.text = part.substr(0, end), .first_byte = first_byte, .is_last = is_last});
    first_byte += end;
    length = 0;
  }
}

}  // namespace lookback
