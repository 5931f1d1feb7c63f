#include "kernels/cpu/gemm.h"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/cpu/gemm_pieces.h"
#include "kernels/cpu/products/few_rows.h"
#include "kernels/cpu/products/shared_product.h"
#include "kernels/cpu/products/tiles.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

// Large tiles cost least (each packs its operands afresh), but there must be enough of them for
// many threads, none so small that starting it costs more than its work.
constexpr std::int64_t enough_tiles = 8;
constexpr std::int64_t min_tile_rows = 64;
constexpr std::int64_t min_tile_columns = 128;

// A few rows of a, and b as it lies: b is read once, best in whole rows.
template <class T, class Result>
bool reads_rows_of_b(const Gemm<T, Result>& p) {
  return !std::is_same_v<T, double> && p.m < enough_rows_for_panels && p.b_layout == Layout::as_is;
}

template <class T, class Result>
Tiling choose_tiling(const Gemm<T, Result>& p, std::int64_t k, std::int64_t products) {
  constexpr std::int64_t widest = 1 << 15;
  const auto steps = tile_steps<Accumulator<T>>();
  const auto [m, n] = std::pair{p.m, p.n};
  Tiling tile{std::min(largest_tile.rows, round_up(m, steps.rows)),
              std::min(reads_rows_of_b(p) ? widest : largest_tile.columns, n)};
  while (products * ceil_div(m, tile.rows) * ceil_div(n, tile.columns) < enough_tiles &&
         tile.rows * tile.columns * k >= 2 * min_tile_work) {
    const bool rows_can = tile.rows >= 2 * min_tile_rows;
    const bool columns_can = tile.columns >= 2 * min_tile_columns;
    if (!rows_can && !columns_can) break;
    if (columns_can && (!rows_can || tile.columns > tile.rows)) {
      tile.columns = round_up(ceil_div(tile.columns, 2), steps.columns);
    } else {
      tile.rows = round_up(ceil_div(tile.rows, 2), steps.rows);
    }
  }
  return tile;
}

// A small output with much to sum is also cut along k, where its pieces' sums fit into this many
// numbers.
constexpr std::int64_t min_split_depth = 4096;
constexpr std::int64_t min_split_depth_of_rows = 1024;
constexpr std::int64_t max_split_numbers = 1 << 20;

// One tile of a result: the sum of `count` products, `product(i)` of them, added in order.
template <class T, class Result, class Products>
void sum_of_products(const Gemm<T, Result>& tile, std::size_t count, const Products& product,
                     const Result* row = nullptr) {
  TileSums<T, Result> sums(tile);
  for (std::size_t i = 0; i < count; ++i) tile_product(sums.next(product(i)));
  sums.finish(row);
}

// The whole of k in one go, cut along m and n.
template <class T, class Result>
void tiled(const Gemm<T, Result>& p, std::span<const ProductOffsets> offsets, std::int64_t terms) {
  const auto results = static_cast<std::int64_t>(offsets.size()) / terms;
  if (p.m == 0 || p.n == 0 || results == 0) return;
  const auto tiling = choose_tiling(p, p.k * terms, results);
  auto of_all_terms = p;  // whose work it is
  of_all_terms.k *= terms;
  for_each_tile(results, of_all_terms, tiling,
                [&](std::int64_t result, std::int64_t row, std::int64_t column) {
                  const auto* first = &offsets[static_cast<std::size_t>(result * terms)];
                  auto tile = tile_of(p, tiling, row, column);
                  tile.c += first->c;
                  sum_of_products(tile, static_cast<std::size_t>(terms), [&](std::size_t i) {
                    auto term = tile;
                    term.a += first[i].a;
                    term.b += first[i].b;
                    return term;
                  });
                });
}

// c (+)= the sum of the parts, in the order in which sum_of_products adds them.
template <class Sum, class Result>
void add_parts(const Gemm<Sum, Result>& p, std::span<const Sum> parts) {
  constexpr bool in_place = std::is_same_v<Result, Sum>;
  const auto outputs = static_cast<std::size_t>(p.m * p.n);
  parallel_for(p.m, std::max<std::int64_t>(1, 4096 / p.n),
               [&](std::int64_t begin, std::int64_t end) {
                 for (auto i = begin; i < end; ++i) {
                   for (std::int64_t j = 0; j < p.n; ++j) {
                     Result& c = p.c[i * p.c_stride + j];
                     const bool adds = p.into == Into::sum;
                     Sum sum = in_place && adds ? static_cast<Sum>(c) : Sum{0};
                     for (auto at = static_cast<std::size_t>(i * p.n + j); at < parts.size();
                          at += outputs) {
                       sum += parts[at];
                     }
                     if (!in_place && adds) sum += static_cast<Sum>(c);
                     c = static_cast<Result>(sum);
                   }
                 }
               });
}

// The pieces of k side by side, then their sum in order: the bits of a product that is not split.
template <class T, class Result>
void split_along_k(const Gemm<T, Result>& p) {
  using Sum = Accumulator<T>;
  const auto depth = piece_depth<Accumulator<T>>(p.k);
  const auto whole_pieces = static_cast<std::size_t>(p.k / depth);
  const auto pieces = ceil_div(p.k, depth);
  std::vector<Sum> sums(static_cast<std::size_t>(pieces * p.m * p.n));
  std::vector<ProductOffsets> offsets;
  for (std::int64_t piece = 0; piece < pieces; ++piece) {
    offsets.push_back({.a = operand_at(p.a, p.a_stride, p.a_layout, 0, piece * depth) - p.a,
                       .b = operand_at(p.b, p.b_stride, p.b_layout, piece * depth, 0) - p.b,
                       .c = piece * p.m * p.n});
  }
  Gemm<T, Sum> part{.m = p.m,
                    .n = p.n,
                    .k = depth,
                    .a = p.a,
                    .a_stride = p.a_stride,
                    .a_layout = p.a_layout,
                    .b = p.b,
                    .b_stride = p.b_stride,
                    .b_layout = p.b_layout,
                    .c = sums.data(),
                    .c_stride = p.n};
  const auto all = std::span<const ProductOffsets>(offsets);
  tiled(part, all.first(whole_pieces), 1);
  part.k = p.k % depth;
  tiled(part, all.subspan(whole_pieces), 1);
  add_parts<Sum, Result>({.m = p.m, .n = p.n, .c = p.c, .c_stride = p.c_stride, .into = p.into},
                         sums);
}

// With too few tiles for many threads. A scale other than 1 is rounded together with the addition,
// which the pieces' own sums could not repeat.
template <class T, class Result>
bool worth_splitting(const Gemm<T, Result>& p) {
  const bool in_rows = reads_rows_of_b(p);
  const auto min_depth = in_rows ? min_split_depth_of_rows : min_split_depth;
  if (p.m == 0 || p.n == 0 || p.k < min_depth || p.alpha != 1) return false;
  if (p.m * p.n > max_split_numbers / ceil_div(p.k, piece_depth<Accumulator<T>>(p.k))) return false;
  if (in_rows) return p.m * p.n * p.k >= 2 * min_tile_work;
  const auto tile = choose_tiling(p, p.k, 1);
  return ceil_div(p.m, tile.rows) * ceil_div(p.n, tile.columns) < enough_tiles / 2;
}

}  // namespace

void tile_product(const Gemm<BFloat16, BFloat16>& p) {
  for (std::int64_t row = 0; row < p.m; row += largest_tile.rows) {
    for (std::int64_t column = 0; column < p.n; column += largest_tile.columns) {
      const auto part = tile_of(p, largest_tile, row, column);
      sum_of_products(part, 1, [&](std::size_t) { return part; });
    }
  }
}

template <class T, class Result>
void gemm(const Gemm<T, Result>& p) {
  if (worth_splitting(p)) return split_along_k(p);
  if constexpr (!std::is_same_v<T, double>) {
    if (multiply_sharing(p)) return;
  }
  const ProductOffsets only;
  tiled(p, {&only, 1}, 1);
}

// What is added tile by tile may as well be added product by product.
template <class T>
void one_after_the_other(std::span<const Gemm<T, float>> products) {
  auto into = products[0].into;
  for (auto product : products) {
    product.into = std::exchange(into, Into::sum);
    gemm(product);
  }
}

template <class T, class Result>
void gemm_batch(const Gemm<T, Result>& product, std::span<const ProductOffsets> offsets,
                std::int64_t terms) {
  tiled(product, offsets, terms);
}

template <class T, class Result>
void gemm_sum(std::span<const Gemm<T, Result>> products, const Result* row) {
  if constexpr (std::is_same_v<Result, float>) {
    if (row == nullptr) return one_after_the_other(products);
  }
  auto all = products[0];
  if (all.m == 0 || all.n == 0) return;
  all.k = 0;
  for (const auto& product : products) all.k += product.k;
  const auto tiling = choose_tiling(all, all.k, 1);
  for_each_tile(1, all, tiling, [&](std::int64_t, std::int64_t at, std::int64_t column) {
    sum_of_products(
        tile_of(all, tiling, at, column), products.size(),
        [&](std::size_t i) { return tile_of(products[i], tiling, at, column); },
        row == nullptr ? nullptr : row + column);
  });
}

#define LOOKBACK_INSTANTIATE(T, Result)                                                            \
  template void gemm(const Gemm<T, Result>&);                                                      \
  template void gemm_batch(const Gemm<T, Result>&, std::span<const ProductOffsets>, std::int64_t); \
  template void gemm_sum(std::span<const Gemm<T, Result>>, const Result*);
LOOKBACK_INSTANTIATE(float, float)
LOOKBACK_INSTANTIATE(double, double)
LOOKBACK_INSTANTIATE(BFloat16, float)
LOOKBACK_INSTANTIATE(BFloat16, BFloat16)
#undef LOOKBACK_INSTANTIATE

}  // namespace lookback::kernels
