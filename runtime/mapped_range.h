// Which file lies where in memory: for the signal (SIGBUS) that comes where a mapped file has been
// cut short, or its disk fails.
#pragma once

#include <cstddef>
#include <string>

namespace lookback {

// For its lifetime [start, start + bytes) is known to be the file that `problem`, one line, names.
class MappedRange {
 public:
  MappedRange(const void* start, std::size_t bytes, std::string problem);
  ~MappedRange();
  MappedRange(const MappedRange&) = delete;
  MappedRange& operator=(const MappedRange&) = delete;

 private:
  std::string text_;
  std::size_t place_;  // in the table
};

// What is to be said of an address that cannot be read; null: no known file lies there. Safe in a
// signal handler.
const char* problem_of_mapped(const void* address);

}  // namespace lookback
