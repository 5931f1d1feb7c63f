// The tokens of a text that is cut into parts, on all threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace lookback {

// encode(begin, end) of the parts that end at `ends`, one behind the other; the first begins at 0.
// Where several throw, what the first of them throws.
std::vector<std::int64_t> encode_parts(
    std::span<const std::size_t> ends,
    const std::function<std::vector<std::int64_t>(std::size_t begin, std::size_t end)>& encode);

}  // namespace lookback
