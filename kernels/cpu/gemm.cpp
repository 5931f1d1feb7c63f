#include "kernels/cpu/gemm.h"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/core/tile_size.h"
#include "kernels/cpu/few_rows.h"
#include "kernels/cpu/gemm_pieces.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

// The largest tile: what the panels of scratch hold.
constexpr std::int64_t panel_rows = 512;
constexpr std::int64_t panel_columns = widest_tile;
const TileSize panel{Backend::cpu, panel_rows};

// Tiles of the output. Large ones cost least (each packs its panels afresh), but there must be
// enough of them for many threads, none so small that starting it costs more than its work. They
// begin at multiples of rows_at_once and of the column step: then the bits of a number do not
// depend on where its tile begins.
struct Tiling {
  std::int64_t rows = panel_rows;
  std::int64_t columns = panel_columns;
};
constexpr std::int64_t enough_tiles = 8;
constexpr std::int64_t min_tile_rows = 64;
constexpr std::int64_t min_tile_columns = 128;
constexpr std::int64_t min_tile_work = 1 << 18;  // multiply-adds

Tiling choose_tiling(std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t products) {
  const auto column_step = chosen_tile_kernels().column_step;
  Tiling tile;
  tile.rows = std::min(tile.rows, filled_rows(m));
  tile.columns = std::min(tile.columns, n);
  while (products * ceil_div(m, tile.rows) * ceil_div(n, tile.columns) < enough_tiles &&
         tile.rows * tile.columns * k >= 2 * min_tile_work) {
    const bool rows_can = tile.rows >= 2 * min_tile_rows;
    const bool columns_can = tile.columns >= 2 * min_tile_columns;
    if (!rows_can && !columns_can) break;
    if (columns_can && (!rows_can || tile.columns > tile.rows)) {
      tile.columns = round_up(ceil_div(tile.columns, 2), column_step);
    } else {
      tile.rows = filled_rows(ceil_div(tile.rows, 2));
    }
  }
  return tile;
}

// A small output with much to sum is also cut along k, where its pieces' sums fit into this many
// numbers.
constexpr std::int64_t min_split_depth = 4096;
constexpr std::int64_t max_split_numbers = 1 << 20;

// The part of a product that gives c[row .. row + rows, column .. column + columns].
template <class T, class Result>
Gemm<T, Result> tile_of(const Gemm<T, Result>& p, const Tiling& tile, std::int64_t row,
                        std::int64_t column) {
  Gemm<T, Result> part = p;
  part.m = std::min(tile.rows, p.m - row);
  part.n = std::min(tile.columns, p.n - column);
  part.a = operand_at(p.a, p.a_stride, p.a_layout, row, 0);
  part.b = operand_at(p.b, p.b_stride, p.b_layout, 0, column);
  part.c = p.c + row * p.c_stride + column;
  return part;
}

// Panels are gathered piece by piece of k into scratch of this thread (of f32: 1 MiB each) where
// they must be converted, and where Eigen would read them badly: it packs a transposed `a` four
// columns at a time, and a large stride then loses each line of the cache before its next four are
// wanted.
constexpr std::int64_t panel_padding = 16;  // not a power of two: the rows spread over the cache
constexpr std::int64_t far_apart_bytes = 2048;

template <class Sum>
struct Scratch {
  static Sum* a(std::int64_t depth) {
    return block((panel_rows + panel_padding) * (depth + panel_padding), 0);
  }
  static Sum* b(std::int64_t depth) {
    return block((depth + panel_padding) * (panel_columns + panel_padding), 1);
  }
  static Sum* c() { return block(panel_rows * panel_columns, 2); }

 private:
  static Sum* block(std::int64_t numbers, std::size_t which) {
    thread_local std::array<std::vector<Sum>, 3> blocks;
    blocks[which].resize(static_cast<std::size_t>(numbers));
    return blocks[which].data();
  }
};

// Copies op(x)[row .. , column .. ] as it lies in memory, converted; returns the stride it then
// has.
template <class T, class Sum>
std::int64_t gather(const T* x, std::int64_t stride, Layout layout, std::int64_t row,
                    std::int64_t column, std::int64_t rows, std::int64_t columns, Sum* to) {
  const auto* from = operand_at(x, stride, layout, row, column);
  if (layout == Layout::transposed) std::swap(rows, columns);
  const auto to_stride = columns + panel_padding;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      to[r * to_stride + c] = static_cast<Sum>(from[r * stride + c]);
    }
  }
  return to_stride;
}

// The columns of a product of few rows that need no panels: b is read where it lies. Returns how
// many there are.
std::int64_t few_rows_in_place(const Gemm<BFloat16, float>& p) {
  const bool can = p.m < rows_at_once && p.a_layout == Layout::as_is && p.k > 0;
  auto columns = p;
  columns.n = can ? columns_of_few_rows(p.n) : 0;
  if (columns.n > 0) few_rows_in_pieces(columns);
  return columns.n;
}

// A product of at most panel_rows x panel_columns outputs.
template <class T, class Sum>
void block_product(Gemm<T, Sum> p) {
  constexpr bool convert = !std::is_same_v<T, Sum>;
  if constexpr (convert) {
    const auto done = few_rows_in_place(p);
    p.n -= done;
    if (p.n == 0) return;
    p.b = operand_at(p.b, p.b_stride, p.b_layout, 0, done);
    p.c += done;
  } else {
    const bool far_apart = p.a_layout == Layout::transposed &&
                           p.a_stride * static_cast<std::int64_t>(sizeof(T)) >= far_apart_bytes;
    if (!far_apart || p.n == 1) return tile_product(p);
  }
  Gemm<Sum> part{.m = p.m,
                 .n = p.n,
                 .a_layout = p.a_layout,
                 .b_stride = p.b_stride,
                 .b_layout = p.b_layout,
                 .c = p.c,
                 .c_stride = p.c_stride,
                 .into = p.into,
                 .alpha = p.alpha};
  if (p.k == 0) return tile_product(part);
  const auto depth = piece_depth<Sum>(p.k);
  Sum* const a = Scratch<Sum>::a(depth);
  part.a = a;
  for (std::int64_t k = 0; k < p.k; k += depth) {
    part.k = std::min(depth, p.k - k);
    part.a_stride = gather(p.a, p.a_stride, p.a_layout, 0, k, p.m, part.k, a);
    if constexpr (convert) {
      Sum* const b = Scratch<Sum>::b(depth);
      part.b = b;
      part.b_stride = gather(p.b, p.b_stride, p.b_layout, k, 0, part.k, p.n, b);
    } else {
      part.b = operand_at(p.b, p.b_stride, p.b_layout, k, 0);
    }
    tile_product(part);
    part.into = Into::sum;
  }
}

// One tile of a result: the sum of `count` products, `product(i)` of them, added in order; then
// `row`, where there is one, is added to each of its rows. Into a bf16 result the whole sum is
// rounded once.
template <class T, class Result, class Products>
void sum_of_products(const Gemm<T, Result>& tile, std::size_t count, const Products& product,
                     const Result* row = nullptr) {
  using Sum = Accumulator<T>;
  constexpr bool in_place = std::is_same_v<Result, Sum>;
  Sum* sums = nullptr;
  if constexpr (in_place) {
    sums = tile.c;
  } else {
    sums = Scratch<Sum>::c();
  }
  const auto stride = in_place ? tile.c_stride : tile.n;
  auto into = in_place ? tile.into : Into::overwrite;
  for (std::size_t i = 0; i < count; ++i) {
    const Gemm<T, Result> p = product(i);
    block_product(Gemm<T, Sum>{.m = tile.m,
                               .n = tile.n,
                               .k = p.k,
                               .a = p.a,
                               .a_stride = p.a_stride,
                               .a_layout = p.a_layout,
                               .b = p.b,
                               .b_stride = p.b_stride,
                               .b_layout = p.b_layout,
                               .c = sums,
                               .c_stride = stride,
                               .into = into,
                               .alpha = tile.alpha});
    into = Into::sum;
  }
  if (in_place && row == nullptr) return;
  for (std::int64_t i = 0; i < tile.m; ++i) {
    Result* to = tile.c + i * tile.c_stride;
    for (std::int64_t j = 0; j < tile.n; ++j) {
      Sum total = sums[i * stride + j];
      if (row != nullptr) total += static_cast<Sum>(row[j]);
      if (!in_place && tile.into == Into::sum) total += static_cast<Sum>(to[j]);
      to[j] = static_cast<Result>(total);
    }
  }
}

template <class Result>
void bf16_product(const Gemm<BFloat16, Result>& p) {
  const Tiling tile{.rows = panel_rows, .columns = panel_columns};
  for (std::int64_t row = 0; row < p.m; row += tile.rows) {
    for (std::int64_t column = 0; column < p.n; column += tile.columns) {
      const auto part = tile_of(p, tile, row, column);
      sum_of_products(part, 1, [&](std::size_t) { return part; });
    }
  }
}

// Calls body(result, tiling, row, column) for each tile of `results` outputs of m x n, on all
// threads; k: the multiply-adds of one number of an output.
template <class Body>
void for_each_tile(std::int64_t results, std::int64_t m, std::int64_t n, std::int64_t k,
                   const Body& body) {
  if (m == 0 || n == 0 || results == 0) return;
  const auto tile = choose_tiling(m, n, k, results);
  const auto tile_columns = ceil_div(n, tile.columns);
  const auto tiles = ceil_div(m, tile.rows) * tile_columns;
  const auto work = std::max<std::int64_t>(1, tile.rows * tile.columns * k);
  const auto tiles_at_once = std::max<std::int64_t>(1, min_tile_work / work);
  parallel_for(results * tiles, tiles_at_once, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i) {
      body(i / tiles, tile, i % tiles / tile_columns * tile.rows,
           i % tiles % tile_columns * tile.columns);
    }
  });
}

// The whole of k in one go, cut along m and n.
template <class T, class Result>
void tiled(const Gemm<T, Result>& p, std::span<const ProductOffsets> offsets, std::int64_t terms) {
  const auto results = static_cast<std::int64_t>(offsets.size()) / terms;
  for_each_tile(
      results, p.m, p.n, p.k * terms,
      [&](std::int64_t result, const Tiling& tiling, std::int64_t row, std::int64_t column) {
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
  if (p.m == 0 || p.n == 0 || p.k < min_split_depth || p.alpha != 1) return false;
  if (p.m * p.n > max_split_numbers / ceil_div(p.k, piece_depth<Accumulator<T>>(p.k))) return false;
  const auto tile = choose_tiling(p.m, p.n, p.k, 1);
  return ceil_div(p.m, tile.rows) * ceil_div(p.n, tile.columns) < enough_tiles / 2;
}

}  // namespace

void tile_product(const Gemm<BFloat16, float>& product) { bf16_product(product); }
void tile_product(const Gemm<BFloat16, BFloat16>& product) { bf16_product(product); }

template <class T, class Result>
void gemm(const Gemm<T, Result>& p) {
  if (worth_splitting(p)) return split_along_k(p);
  const ProductOffsets only;
  tiled(p, {&only, 1}, 1);
}

template <class T, class Result>
void gemm_batch(const Gemm<T, Result>& product, std::span<const ProductOffsets> offsets,
                std::int64_t terms) {
  tiled(product, offsets, terms);
}

template <class T, class Result>
void gemm_sum(std::span<const Gemm<T, Result>> products, const Result* row) {
  const auto& first = products[0];
  std::int64_t k = 0;
  for (const auto& product : products) k += product.k;
  for_each_tile(1, first.m, first.n, k,
                [&](std::int64_t, const Tiling& tiling, std::int64_t at, std::int64_t column) {
                  sum_of_products(
                      tile_of(first, tiling, at, column), products.size(),
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
