// Lines of records (JSON Lines), a part at a time: for files larger than memory.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "apps/data/records.h"

namespace lookback {

inline constexpr std::size_t record_part_bytes = std::size_t{64} << 20;

// Whether a file, by its name and its first byte, holds records one a line, and not compressed.
bool holds_lines_of_records(const std::string& path);

struct RecordPart {
  Documents documents;
  std::size_t begin = 0, end = 0;  // bytes of the file
};

// Calls body with the records of such a file in order, those of about `part_bytes` at a time; a
// line is never cut. Throws Error as read_records() does.
void each_part_of_records(const std::string& path, const std::string& field,
                          const std::function<void(const RecordPart&)>& body,
                          std::size_t part_bytes = record_part_bytes);

}  // namespace lookback
