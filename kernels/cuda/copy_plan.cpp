#include "kernels/cuda/copy_plan.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <numeric>

#include "kernels/core/loop_nest.h"
#include "kernels/cuda/device/pack.h"

namespace lookback::kernels {
namespace {

using Dimension = TilePlan::Dimension;

// A GPU reads and writes memory in sectors of 32 bytes: steps of at most half of one are small.
constexpr std::int64_t sector_bytes = 32;
// Shorter dimensions would leave most of a tile empty.
constexpr std::int64_t min_size = 8;

std::int64_t bytes(std::int64_t step, DType dtype) {
  return std::abs(step) * static_cast<std::int64_t>(size_of(dtype));
}
bool is_small(std::int64_t step, DType dtype) {
  return step != 0 && 2 * bytes(step, dtype) <= sector_bytes;
}

// The dimension, but the last, that x has its smallest steps in; -1 where none would do.
int closest_of_x(const LoopNest<2>& loops, DType dtype) {
  int closest = -1;
  for (int dim = 0; dim < loops.sizes.rank() - 1; ++dim) {
    const auto step = loops.strides[1][dim];
    if (!is_small(step, dtype) || loops.sizes[dim] < min_size) continue;
    if (closest < 0 || std::abs(step) < std::abs(loops.strides[1][closest])) closest = dim;
  }
  return closest;
}

}  // namespace

CopyForwardArgs in_memory_order(const CopyForwardArgs& copy) {
  const int rank = copy.y.rank();
  const auto x_strides = broadcast_strides(copy.x, copy.y.sizes);
  std::array<int, Shape::max_rank> order{};
  const auto end = order.begin() + rank;
  std::iota(order.begin(), end, 0);
  std::stable_sort(order.begin(), end, [&](int a, int b) {
    return std::abs(copy.y.stride(a)) > std::abs(copy.y.stride(b));
  });
  auto ordered = copy;
  ordered.x.sizes = ordered.y.sizes;
  ordered.x.strides = x_strides;
  for (int dim = 0; dim < rank; ++dim) {
    const int from = order[static_cast<std::size_t>(dim)];
    ordered.x.sizes[dim] = ordered.y.sizes[dim] = copy.y.size(from);
    ordered.y.strides[dim] = copy.y.stride(from);
    ordered.x.strides[dim] = x_strides[from];
  }
  return ordered;
}

std::optional<TilePlan> tile_plan(const CopyForwardArgs& copy) {
  const auto& [x, y] = copy;
  const LoopNest<2> loops(y.sizes, {y.strides, x.strides});
  const int last = loops.sizes.rank() - 1;
  const auto dimension = [&](int dim) {
    return Dimension{loops.sizes[dim], loops.strides[0][dim], loops.strides[1][dim]};
  };
  const auto along_y = dimension(last);
  const int closest = closest_of_x(loops, x.dtype);
  if (closest < 0 || along_y.size < min_size || !is_small(along_y.y_step, y.dtype) ||
      bytes(along_y.x_step, x.dtype) < sector_bytes) {
    return std::nullopt;
  }
  TilePlan plan{.along_x = dimension(closest), .along_y = along_y, .batch = {}};
  for (int dim = 0; dim < last; ++dim) {
    if (dim == closest) continue;
    auto& batch = plan.batch;
    batch.sizes[batch.rank] = loops.sizes[dim];
    for (std::size_t view = 0; view < 2; ++view) {
      batch.steps[view][batch.rank] = loops.strides[view][dim];
    }
    ++batch.rank;
    plan.batches *= loops.sizes[dim];
  }
  return plan;
}

bool TilePlan::takes_packs(int width, const CopyForwardArgs& copy) const {
  const auto fits = [&](const Operand& view, std::int64_t step, std::int64_t other, int which) {
    const auto alignment = pack_alignment(size_of(view.dtype), width);
    if (step != 1 || other % width != 0 ||
        reinterpret_cast<std::uintptr_t>(view.data) % alignment != 0) {
      return false;
    }
    return std::all_of(batch.steps[which], batch.steps[which] + batch.rank,
                       [=](std::int64_t s) { return s % width == 0; });
  };
  return fits(copy.y, along_y.y_step, along_x.y_step, 0) &&
         fits(copy.x, along_x.x_step, along_y.x_step, 1);
}

}  // namespace lookback::kernels
