#include "apps/inspect/write_report.h"

#include "apps/inspect/inspect_tensors.h"
#include "runtime/check.h"

namespace lookback {

namespace fs = std::filesystem;

void make_folder(const fs::path& folder, std::string_view operation) {
  std::error_code problem;
  if (fs::exists(folder, problem) && !fs::is_directory(folder, problem)) {
    fail(operation, "{}: is not a folder", folder.string());
  }
  fs::create_directories(folder, problem);
  if (problem) {
    fail(operation, "{}: cannot be made: {}", folder.string(), problem.message());
  }
}

void write_report(const fs::path& folder, const Inspection& inspection, const InspectedModel& model,
                  const Tokenizer& tokenizer) {
  make_folder(folder);
  const auto page = inspect_report(inspection, model, tokenizer);
  write_inspection(folder / "inspect.safetensors", inspection);
  page.write(folder / "report.html");
}

}  // namespace lookback
