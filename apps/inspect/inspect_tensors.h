// An inspection as named tensors in one safetensors file. docs/inspecting-gradients.md lists them.
#pragma once

#include <filesystem>

#include "apps/inspect/inspection.h"

namespace lookback {

// The file appears whole or not at all.
void write_inspection(const std::filesystem::path& path, const Inspection& inspection);

}  // namespace lookback
