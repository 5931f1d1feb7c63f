// The header of a .npy file: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstdint>

#include "apps/data/token_layout.h"

namespace lookback {

// Whether it begins as a .npy does.
bool is_numpy(const InputFile& file);

// Throws Error for a version that is not known, another number of dimensions than one, numbers that
// are no tokens or have their highest byte first, and a size that is not what the header says.
TokenLayout numpy_layout(const InputFile& file);

}  // namespace lookback
