// cat, by copies: what the backends share.
#pragma once

#include "kernels/cat.h"
#include "kernels/copy.h"

namespace lookback::kernels {

inline void copy_parts(Backend backend, const CatForwardArgs& a) {
  Out part = a.y;
  std::int64_t begin = 0;
  for (const auto& x : a.x) {
    part.sizes = x.sizes;
    part.data = static_cast<char*>(a.y.data) +
                static_cast<std::size_t>(begin * a.y.stride(a.dim)) * size_of(a.y.dtype);
    copy_forward.at(backend)({.x = x, .y = part});
    begin += x.size(a.dim);
  }
}

}  // namespace lookback::kernels
