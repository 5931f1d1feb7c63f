#include "apps/folder/report_folder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "apps/folder/folder_entries.h"
#include "apps/folder/unfinished.h"
#include "runtime/system_files.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr std::array names_of_reports = {"report.html.", "report.json.", "inspect.safetensors."};

// One that cannot be read may still be written.
void remove_left_temporaries(const fs::path& folder) {
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(folder, unreadable)) {
    const auto name = entry.path().filename().string();
    const auto process = process_of_temporary(name);
    if (!process || !has_ended(*process)) continue;
    const auto is_of_it = [&](const char* report) { return name.starts_with(report); };
    if (std::ranges::any_of(names_of_reports, is_of_it))
      static_cast<void>(remove_path(entry.path()));
  }
}

}  // namespace

ReportFolder::ReportFolder(const fs::path& folder) {
  if (!made_.make(folder)) refuse_to_write(folder, ENOENT);
  remove_left_temporaries(folder);
}

}  // namespace lookback
