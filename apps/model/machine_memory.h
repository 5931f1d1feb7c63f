// How much memory a process can have here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace lookback {

// Bytes: what the operating system says is available, with swap, or what the control group of this
// process may still take, where that is less. None: neither says. `root` is / but in tests.
std::optional<std::int64_t> available_bytes(const std::filesystem::path& root = "/");

}  // namespace lookback
