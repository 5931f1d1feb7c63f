// metrics.jsonl, read back line by line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace lookback {

struct MetricsLine {
  std::int64_t number = 0;  // of the line in the file, from 1
  std::int64_t step = 0;
  std::string text;
  nlohmann::json values;  // an object
};

// The lines that are objects with a "step", an integer of at least 0. A warning names the first of
// those that are not; but for the last one where it has no line break, which is what a run that was
// killed leaves. Throws Error, `[operation] path: ...`, where the file cannot be read.
std::vector<MetricsLine> read_metrics_lines(const std::filesystem::path& path,
                                            std::string_view operation);

}  // namespace lookback
