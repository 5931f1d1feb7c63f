#include "kernels/cpu/indices.h"

#include "kernels/core/index_error.h"

namespace lookback::kernels {

void check_indices(std::string_view operation, std::string_view what, const In& indices,
                   std::int64_t limit, std::optional<std::int64_t> ignored) {
  const auto* index = indices.as<std::int64_t>();
  const std::int64_t count = indices.numel();
  for (std::int64_t i = 0; i < count; ++i) {
    if ((index[i] >= 0 && index[i] < limit) || index[i] == ignored) continue;
    fail_index(operation, what, index[i], i, indices.sizes, limit, ignored);
  }
}

}  // namespace lookback::kernels
