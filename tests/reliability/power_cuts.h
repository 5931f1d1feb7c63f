// Many power cuts of one recorded run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <unordered_map>

#include "tests/paths.h"
#include "tests/reliability/disk_model.h"

namespace lookback::tests {

// Makes trees real, quickly: files of the same bytes are links to one. What is checked there may
// rename and remove them, not write into them.
class TreeMaker {
 public:
  // A folder that holds the tree; gone with the next call.
  std::filesystem::path make(const Tree& tree);

 private:
  TemporaryDirectory store_{folder_in_memory()};
  std::unordered_map<std::string, std::filesystem::path> files_;  // by bytes
};

// The same number for the same tree.
std::size_t fingerprint(const Tree& tree);

// Calls `check` with a moment and what may be there after a power cut then: for every moment, and
// for every subset of the open changes where they are few; where they are many for all and none,
// for those that lack one of the newest or have but one of them, and for some at random, always the
// same. A tree comes once for each moment.
void for_each_power_cut(const DiskModel& disk,
                        const std::function<void(std::size_t, const Tree&)>& check);

}  // namespace lookback::tests
