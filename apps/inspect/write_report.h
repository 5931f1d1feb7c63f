// The two files of a report on a model.
#pragma once

#include <filesystem>

#include "apps/inspect/inspect_report.h"

namespace lookback {

// FOLDER/inspect.safetensors and FOLDER/report.html, each whole or not at all, the page last. The
// folder is made where it is missing.
void write_report(const std::filesystem::path& folder, const Inspection& inspection,
                  const InspectedModel& model, const Tokenizer& tokenizer);

}  // namespace lookback
