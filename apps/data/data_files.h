// The files that a SPEC names.
#pragma once

#include <string>
#include <vector>

namespace lookback {

// The files of a SPEC that is not built in, in name order: a file, those in a folder (hidden ones
// and sub-folders left out), or those that a glob matches. Throws Error where there is none.
std::vector<std::string> files_of(const std::string& spec);

}  // namespace lookback
