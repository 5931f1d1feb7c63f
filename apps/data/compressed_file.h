// Files that gzip or zstd compressed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "runtime/input_file.h"

namespace lookback {

enum class Compression { none, gzip, zstd };

// By its name: .gz and .zst.
Compression compression_of(std::string_view path);

// All that a file holds, decompressed: also where it is several archives, one behind another.
// `told` hears how many of the file's bytes have been read, part by part. Throws Error for a file
// that is not what its name says, is cut short or damaged.
std::string decompressed(const InputFile& file, Compression compression,
                         const std::function<void(std::int64_t)>& told = {});

}  // namespace lookback
