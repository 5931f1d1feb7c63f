#include "kernels/cpu/indices.h"

#include "runtime/check.h"

namespace lookback::kernels {
namespace {

Shape coordinates_of(std::int64_t index, const Shape& sizes) {
  auto coordinates = Shape::filled(sizes.rank(), 0);
  for (int dim = sizes.rank() - 1; dim >= 0; --dim) {
    coordinates[dim] = index % sizes[dim];
    index /= sizes[dim];
  }
  return coordinates;
}

}  // namespace

void check_indices(std::string_view operation, std::string_view what, const In& indices,
                   std::int64_t limit, std::optional<std::int64_t> ignored) {
  const auto* index = indices.as<std::int64_t>();
  const std::int64_t count = indices.numel();
  for (std::int64_t i = 0; i < count; ++i) {
    if ((index[i] >= 0 && index[i] < limit) || index[i] == ignored) continue;
    const auto place = coordinates_of(i, indices.sizes);
    if (ignored) {
      fail(operation, "{} {} at {} of {} must be in [0, {}), or {} to be ignored", what, index[i],
           place, indices.sizes, limit, *ignored);
    }
    fail(operation, "{} {} at {} of {} must be in [0, {})", what, index[i], place, indices.sizes,
         limit);
  }
}

}  // namespace lookback::kernels
