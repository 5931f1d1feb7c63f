// The files that a SPEC names.
#pragma once

#include <string>
#include <vector>

namespace lookback {

// The files of a SPEC that is not built in.
struct DataFiles {
  // In name order: a file, those in a folder (hidden ones and sub-folders left out), or those that
  // a glob matches. Where names say train and validation (split_names.h), those for training.
  std::vector<std::string> training;
  std::vector<std::string> validation = {};  // empty: no name says so
  // What must be said of how the names were taken; empty: nothing.
  std::string note = {};
};

// Throws Error where there is no file.
DataFiles data_files(const std::string& spec);

// All files that data_files() has to be read, those for training first; of a mixture those of its
// sources, one after the other.
std::vector<std::string> files_of(const std::string& spec);

}  // namespace lookback
