// metrics.jsonl as the curves of a report.
#pragma once

#include <filesystem>

#include "apps/inspect/run_history.h"

namespace lookback {

// Of a run's folder, or of a checkpoint in one; empty for a folder that no run made. Lines that are
// none of a run's are left out (metrics_lines.h).
RunHistory read_run_history(const std::filesystem::path& directory);

}  // namespace lookback
