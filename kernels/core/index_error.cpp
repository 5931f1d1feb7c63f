#include "kernels/core/index_error.h"

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

void fail_index(std::string_view operation, std::string_view what, std::int64_t index,
                std::int64_t position, const Shape& sizes, std::int64_t limit,
                std::optional<std::int64_t> ignored) {
  const auto place = coordinates_of(position, sizes);
  if (ignored) {
    fail(operation, "{} {} at {} of {} must be in [0, {}), or {} to be ignored", what, index, place,
         sizes, limit, *ignored);
  }
  fail(operation, "{} {} at {} of {} must be in [0, {})", what, index, place, sizes, limit);
}

}  // namespace lookback::kernels
