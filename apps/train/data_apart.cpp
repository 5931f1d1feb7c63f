#include "apps/train/data_apart.h"

#include <fnmatch.h>

#include <filesystem>
#include <system_error>

#include "apps/cli/exit_code.h"
#include "apps/data/data_mixture.h"
#include "apps/train/run_entries.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

bool matches_a_file_of_run(const std::string& pattern, const fs::path& output_dir) {
  for (const auto& path : example_paths_of_run()) {
    const auto name = (output_dir / path).string();
    if (fnmatch(pattern.c_str(), name.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0) return true;
  }
  return false;
}

}  // namespace

void check_data_apart(std::string_view flag, const std::string& spec,
                      const std::string& output_dir) {
  if (spec.empty() || spec.starts_with("builtin:")) return;
  if (const auto parts = parts_of_mixture(spec); !parts.empty()) {
    for (const auto& part : parts) check_data_apart(flag, part.spec, output_dir);
    return;
  }
  constexpr auto advice = "keep the data, or the run, in another folder";
  std::error_code ignored;
  const auto status = fs::status(spec, ignored);
  if (fs::is_directory(status) && fs::equivalent(spec, output_dir, ignored)) {
    usage_error("{} {}: is the --output-dir, whose files would become part of the data: {}", flag,
                spec, advice);
  }
  if (fs::is_regular_file(status) && is_written_by_run(spec, output_dir)) {
    usage_error("{} {}: is a file that the run in --output-dir writes itself: {}", flag, spec,
                advice);
  }
  if (!fs::exists(status) && matches_a_file_of_run(spec, output_dir)) {
    usage_error("{} {}: matches files that the run in --output-dir writes itself: {}", flag, spec,
                advice);
  }
}

}  // namespace lookback
