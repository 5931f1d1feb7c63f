// A run's data are nothing that the run itself writes.
#pragma once

#include <string>
#include <string_view>

namespace lookback {

// Throws UsageError where the SPEC of a flag (apps/data/open.h) names the output folder, or a file
// in it that the run would write or replace: what was trained on could not be read again.
void check_data_apart(std::string_view flag, const std::string& spec,
                      const std::string& output_dir);

}  // namespace lookback
