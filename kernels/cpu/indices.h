// Integers that pick rows: every one is checked before any is used.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "kernels/core/operand.h"

namespace lookback::kernels {

// Throws Error naming the first of `indices` (i64, contiguous) that is not in [0, limit) and not
// `ignored`: "[embedding] id 5 at (1, 2) of (2, 3) must be in [0, 5)".
void check_indices(std::string_view operation, std::string_view what, const In& indices,
                   std::int64_t limit, std::optional<std::int64_t> ignored = std::nullopt);

}  // namespace lookback::kernels
