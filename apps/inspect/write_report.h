// The two files of a report on a model.
#pragma once

#include <filesystem>
#include <string_view>

#include "apps/inspect/inspect_report.h"

namespace lookback {

// Makes the folder where it is missing. Throws Error, in the name of the operation, where that
// cannot be, or something that is no folder stands in its place.
void make_folder(const std::filesystem::path& folder, std::string_view operation = "inspect");

// FOLDER/inspect.safetensors and FOLDER/report.html, each whole or not at all, the page last. The
// folder is made where it is missing.
void write_report(const std::filesystem::path& folder, const Inspection& inspection,
                  const InspectedModel& model, const Tokenizer& tokenizer);

}  // namespace lookback
