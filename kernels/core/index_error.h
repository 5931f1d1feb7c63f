// What every backend says of an integer that picks nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "runtime/shape.h"

namespace lookback::kernels {

// Throws Error: "[embedding] id 5 at (1, 2) of (2, 3) must be in [0, 5)". `position`: the place of
// the index among those of shape `sizes`, row-major.
[[noreturn]] void fail_index(std::string_view operation, std::string_view what, std::int64_t index,
                             std::int64_t position, const Shape& sizes, std::int64_t limit,
                             std::optional<std::int64_t> ignored);

}  // namespace lookback::kernels
