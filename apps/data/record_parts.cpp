#include "apps/data/record_parts.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "runtime/check.h"
#include "runtime/input_file.h"

namespace lookback {

bool holds_lines_of_records(const std::string& path) {
  if (!path.ends_with(".jsonl") && !path.ends_with(".ndjson")) return false;
  const InputFile file(path, "data");
  std::array<char, 4096> start{};
  const auto bytes = std::span(start).first(std::min(start.size(), file.size()));
  file.read(0, std::as_writable_bytes(bytes));
  const std::string_view text(bytes.data(), bytes.size());
  const auto first = text.find('{');
  return first != text.npos && text.substr(0, first).find('[') == text.npos;
}

void each_part_of_records(const std::string& path, const std::string& field,
                          const std::function<void(const RecordPart&)>& body,
                          std::size_t part_bytes) {
  const InputFile file(path, "data");
  const Check check{"data"};
  check(file.size() > 0, "{}: is empty", path);
  std::string text;  // what is left of the last part, and more
  std::int64_t lines = 0;
  for (std::size_t done = 0; done < file.size();) {
    const auto more = std::min(part_bytes, file.size() - done);
    text.resize(text.size() + more);
    file.read(done, std::as_writable_bytes(std::span(text).last(more)));
    done += more;
    const auto end = done < file.size() ? text.rfind('\n') + 1 : text.size();  // 0: none is whole
    if (end == 0) continue;
    const auto part = std::string_view(text).substr(0, end);
    const auto begin = done - text.size();
    const RecordPart records{read_records(part, path, field, lines), begin, begin + end};
    if (!records.documents.ends.empty()) body(records);
    lines += std::ranges::count(part, '\n');
    text.erase(0, end);
  }
}

}  // namespace lookback
