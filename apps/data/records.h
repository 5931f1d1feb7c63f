// Documents of records in JSON: one a line (JSON Lines), or the elements of one list.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lookback {

// Documents, one behind another.
struct Documents {
  std::string text;
  std::vector<std::int64_t> ends;  // the byte behind each; empty: the text is one
};

// Whether a file of this name holds records: .jsonl, .ndjson and .json.
bool holds_records(std::string_view path);

// Of each record what stands under `field`, and a line break behind it. Empty lines are left out.
// Throws Error, naming `path`, line and column (of bytes, from 1), where a record is no JSON
// object, lacks the field or has something else than text there.
// `lines_before`: of lines, how many of the file come before this part of it.
Documents read_records(std::string_view text, const std::string& path, const std::string& field,
                       std::int64_t lines_before = 0);

}  // namespace lookback
