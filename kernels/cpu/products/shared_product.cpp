#include "kernels/cpu/products/shared_product.h"

#include <optional>

#include "kernels/cpu/products/few_rows.h"
#include "kernels/cpu/products/float_tile.h"
#include "kernels/cpu/products/tiles.h"

namespace lookback::kernels {
namespace {

// Operands that several tiles read are packed once, for all of them: then tiles may be small, and
// there are enough to keep every thread at work until the end. A long and narrow result is cut
// along its length only: then each tile packs what no other reads.
Tiling choose_shared_tiling(std::int64_t m, std::int64_t n, std::int64_t k) {
  constexpr Tiling largest{252, 256};
  constexpr Tiling smallest{48, 64};
  constexpr std::int64_t most_tiles = 64;
  constexpr std::int64_t narrow = 2 * largest_tile.rows;
  constexpr std::int64_t min_work = 1 << 20;
  auto tile = largest;
  if (m <= narrow && n >= most_tiles * smallest.columns) tile.rows = m;
  if (n <= narrow && m >= most_tiles * smallest.rows) tile.columns = n;
  while (ceil_div(m, tile.rows) * ceil_div(n, tile.columns) < most_tiles &&
         tile.rows * tile.columns * k >= 2 * min_work) {
    if (tile.columns > tile.rows && tile.columns > smallest.columns) {
      tile.columns /= 2;
    } else if (tile.rows > smallest.rows) {
      tile.rows = ceil_div(tile.rows, 2);
    } else {
      break;
    }
  }
  const auto even = [](std::int64_t count, std::int64_t size, std::int64_t step) {
    return round_up(ceil_div(count, ceil_div(count, size)), step);
  };
  const auto steps = tile_steps<float>();
  return {even(m, tile.rows, steps.rows), even(n, tile.columns, steps.columns)};
}

// A result in bf16 is rounded once, so all of k must be packed for it.
template <class T, class Result>
bool worth_sharing(const Gemm<T, Result>& p) {
  constexpr std::int64_t most_numbers = 1 << 22;
  if (p.m < enough_rows_for_panels || p.n == 0 || p.k == 0) return false;
  if (!std::is_same_v<Result, float> && (p.m + p.n) * p.k > most_numbers) return false;
  const auto tile = choose_shared_tiling(p.m, p.n, p.k);
  return p.m > tile.rows || p.n > tile.columns;
}

// The rows of op(a) that lie as the registers take them are as good as a copy.
template <class T, class Result>
bool left_stays(const Gemm<T, Result>& p) {
  return std::is_same_v<T, float> && p.a_layout == Layout::as_is;
}

// What of a product its tiles share.
struct Shared {
  Tiling tiling;
  std::int64_t depth;
  bool a, b;

  template <class T, class Result>
  explicit Shared(const Gemm<T, Result>& p)
      : tiling(choose_shared_tiling(p.m, p.n, p.k)),
        depth(piece_depth<float>(p.k)),
        a(p.n > tiling.columns && !left_stays(p)),
        b(p.m > tiling.rows) {}
};

template <class T, class Result>
void multiply_range(const Gemm<T, Result>& p, const Shared& shared) {
  std::optional<PackedLeft> a;
  std::optional<PackedRight> b;
  if (shared.a) a.emplace(Matrix<T>{p.a, p.a_stride, p.a_layout}, p.m, p.k, shared.depth);
  if (shared.b) b.emplace(Matrix<T>{p.b, p.b_stride, p.b_layout}, p.k, p.n, shared.depth);
  for_each_tile(1, p, shared.tiling, [&](std::int64_t, std::int64_t row, std::int64_t column) {
    const auto tile = tile_of(p, shared.tiling, row, column);
    TileSums<T, Result> sums(tile);
    multiply_tile(FloatTile<T>{.product = sums.next(tile),
                               .depth = shared.depth,
                               .a = a ? &*a : nullptr,
                               .row = row,
                               .b = b ? &*b : nullptr,
                               .column = column});
    sums.finish();
  });
}

// As much of k at a time as stays in the cache packed; into a bf16 result all of it.
template <class T, class Result>
void multiply_in_ranges(const Gemm<T, Result>& p) {
  constexpr std::int64_t most_numbers = 1 << 20;
  const Shared shared(p);
  const auto numbers = ((shared.a ? p.m : 0) + (shared.b ? p.n : 0)) * shared.depth;
  auto range = p.k;
  if (std::is_same_v<Result, float> && numbers > 0) {
    range = std::max<std::int64_t>(1, most_numbers / numbers) * shared.depth;
  }
  auto part = p;
  for (std::int64_t k = 0; k < p.k; k += range) {
    part.k = std::min(range, p.k - k);
    part.a = operand_at(p.a, p.a_stride, p.a_layout, 0, k);
    part.b = operand_at(p.b, p.b_stride, p.b_layout, k, 0);
    multiply_range(part, shared);
    part.into = Into::sum;
  }
}

}  // namespace

template <class T, class Result>
bool multiply_sharing(const Gemm<T, Result>& p) {
  if (!worth_sharing(p)) return false;
  multiply_in_ranges(p);
  return true;
}

template bool multiply_sharing(const Gemm<float, float>&);
template bool multiply_sharing(const Gemm<BFloat16, float>&);
template bool multiply_sharing(const Gemm<BFloat16, BFloat16>&);

}  // namespace lookback::kernels
