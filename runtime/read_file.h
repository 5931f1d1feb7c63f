// A small file from outside, whole.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace lookback {

// All bytes of a file (or a pipe; not of a device, which may never end). Throws Error `[operation]
// path: cannot be read: the reason`.
std::string read_file(const std::filesystem::path& path, std::string_view operation);

}  // namespace lookback
