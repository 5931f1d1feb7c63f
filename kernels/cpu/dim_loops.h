// Loops over contiguous views around one of their dimensions.
#pragma once

#include <algorithm>

#include "kernels/core/dim_blocks.h"
#include "runtime/parallel.h"

namespace lookback::kernels {

// body(o, begin, end) for every o < outer and stretches [begin, end) of [0, inner), on all threads;
// `work` elements along the dimension for each. No two bodies meet in an element of any slice.
template <class Body>
void for_each_stretch(std::int64_t outer, std::int64_t inner, std::int64_t work, const Body& body) {
  constexpr std::int64_t width = 512;
  const std::int64_t stretches = (inner + width - 1) / width;
  const std::int64_t stretch_work = std::max<std::int64_t>(1, work * std::min(inner, width));
  const std::int64_t chunk = std::max<std::int64_t>(1, (1 << 14) / stretch_work);
  parallel_for(outer * stretches, chunk, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t s = first; s < last; ++s) {
      const std::int64_t begin = s % stretches * width;
      body(s / stretches, begin, std::min(inner, begin + width));
    }
  });
}

}  // namespace lookback::kernels
