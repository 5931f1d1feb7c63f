// Files that gzip or zstd compressed.
#pragma once

#include <string>
#include <string_view>

#include "runtime/input_file.h"

namespace lookback {

enum class Compression { none, gzip, zstd };

// By its name: .gz and .zst.
Compression compression_of(std::string_view path);

// All that a file holds, decompressed: also where it is several archives, one behind another.
// Throws Error for a file that is not what its name says, is cut short or damaged.
std::string decompressed(const InputFile& file, Compression compression);

}  // namespace lookback
