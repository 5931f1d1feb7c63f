#include "runtime/mapped_range.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <utility>

namespace lookback {
namespace {

// A table of atomics: a handler may wait for no lock. Files that find no place in it are not named.
struct Entry {
  std::atomic<const char*> problem = nullptr;  // null: free, or not filled in yet
  std::atomic<std::uintptr_t> begin = 0, end = 0;
  std::atomic<bool> taken = false;
};
std::array<Entry, 64> table;
static_assert(std::atomic<const char*>::is_always_lock_free &&
              std::atomic<std::uintptr_t>::is_always_lock_free);

}  // namespace

MappedRange::MappedRange(const void* start, std::size_t bytes, std::string problem)
    : text_(std::move(problem)), place_(table.size()) {
  std::ranges::replace_if(
      text_, [](unsigned char c) { return c < 0x20; }, ' ');  // of a path
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].taken.exchange(true)) continue;
    place_ = i;
    table[i].begin = reinterpret_cast<std::uintptr_t>(start);
    table[i].end = table[i].begin + bytes;
    table[i].problem = text_.c_str();
    return;
  }
}

MappedRange::~MappedRange() {
  if (place_ == table.size()) return;
  table[place_].problem = nullptr;
  table[place_].taken = false;
}

const char* problem_of_mapped(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  for (const auto& entry : table) {
    const char* const problem = entry.problem;
    if (problem != nullptr && entry.begin <= at && at < entry.end) return problem;
  }
  return nullptr;
}

}  // namespace lookback
