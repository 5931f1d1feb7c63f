#include "apps/inspect/write_report.h"

#include "apps/folder/report_folder.h"
#include "apps/inspect/inspect_tensors.h"

namespace lookback {

namespace fs = std::filesystem;

void write_report(const fs::path& folder, const Inspection& inspection, const InspectedModel& model,
                  const Tokenizer& tokenizer) {
  const ReportFolder made(folder);
  const auto page = inspect_report(inspection, model, tokenizer);
  write_inspection(folder / "inspect.safetensors", inspection);
  page.write(folder / "report.html");
}

}  // namespace lookback
