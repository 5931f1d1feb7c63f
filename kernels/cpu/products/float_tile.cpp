#include "kernels/cpu/products/float_tile.h"

#include <array>
#include <type_traits>
#include <vector>

#include "kernels/core/tile_size.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/products/few_rows.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

// A block of op(a) stays in the second-level cache while the panels of a block of op(b), one after
// the other in the first, pass over it.
constexpr std::int64_t most_depth = 256;
constexpr std::int64_t block_rows = 6 * whole_rows;
constexpr std::int64_t block_columns = 16 * most_panel_columns;
const TileSize depth_of_block{Backend::cpu, most_depth}, rows_of_block{Backend::cpu, block_rows},
    columns_of_block{Backend::cpu, block_columns};

// Scratch of this thread, kept.
enum class Use : std::uint8_t { left, right, shared_left, shared_right, count };
float* scratch(Use use, std::int64_t numbers) {
  thread_local std::array<std::vector<float>, static_cast<std::size_t>(Use::count)> kept;
  auto& block = kept[static_cast<std::size_t>(use)];
  if (block.size() < static_cast<std::size_t>(numbers)) {
    block.resize(static_cast<std::size_t>(numbers));
  }
  return block.data();
}

template <class T>
Matrix<T> from(const Matrix<T>& x, std::int64_t row, std::int64_t column) {
  return {operand_at(x.data, x.stride, x.layout, row, column), x.stride, x.layout};
}
template <class T>
Matrix<T> left_of(const Gemm<T, float>& p) {
  return {p.a, p.a_stride, p.a_layout};
}
template <class T>
Matrix<T> right_of(const Gemm<T, float>& p) {
  return {p.b, p.b_stride, p.b_layout};
}

LeftPanels in_place(const Matrix<float>& a) {
  const auto rows = float_panel_sizes().rows;
  if (a.layout == Layout::transposed) return {a.data, rows, 1, a.stride};
  return {a.data, rows * a.stride, a.stride, 1};
}

// Whether so few columns pass over op(a) that a copy of it would not pay.
template <class T>
bool left_stays_in_tile(const Gemm<T, float>& p) {
  constexpr std::int64_t few_columns = 96;
  return std::is_same_v<T, float> && (p.a_layout == Layout::as_is || p.n < few_columns);
}
// The same of op(b), whose rows must lie as the registers take them, in whole panels.
template <class T>
bool right_stays(const Gemm<T, float>& p) {
  return std::is_same_v<T, float> && p.b_layout == Layout::as_is &&
         p.m <= float_panel_sizes().rows && p.n % float_panel_sizes().columns == 0;
}

// Part of a tile: rows from `row`, columns from `column`, a block of k from `k`.
struct Block {
  std::int64_t row, rows, column, columns, k, depth;
};

template <class T>
LeftPanels left_panels(const FloatTile<T>& tile, const Block& block) {
  if (tile.a != nullptr) return tile.a->block(tile.row + block.row, block.k);
  const auto a = from(left_of(tile.product), block.row, block.k);
  if constexpr (std::is_same_v<T, float>) {
    if (left_stays_in_tile(tile.product)) return in_place(a);
  }
  return pack_left(a, block.rows, block.depth,
                   scratch(Use::left, left_panels_size(block_rows, most_depth)));
}

template <class T>
RightPanels right_panels(const FloatTile<T>& tile, const Block& block) {
  if (tile.b != nullptr) return tile.b->block(block.k, tile.column + block.column);
  const auto b = from(right_of(tile.product), block.k, block.column);
  if constexpr (std::is_same_v<T, float>) {
    if (right_stays(tile.product)) return {b.data, float_panel_sizes().columns, b.stride};
  }
  return pack_right(b, block.depth, block.columns,
                    scratch(Use::right, right_panels_size(most_depth, block_columns)));
}

// The columns of a product of few rows that need no panels: b is read where it lies. Returns how
// many there are.
template <class T>
std::int64_t multiply_few_rows(Gemm<T, float> p) {
  if (p.m >= enough_rows_for_panels || !few_rows_are_fused()) return 0;
  p.n = p.n / few_rows_columns * few_rows_columns;
  if (p.n == 0) return 0;
  if (p.a_layout == Layout::transposed) {
    thread_local std::vector<T> rows;
    rows.resize(static_cast<std::size_t>(p.m * p.k));
    for (std::int64_t i = 0; i < p.m; ++i) {
      for (std::int64_t q = 0; q < p.k; ++q) {
        rows[static_cast<std::size_t>(i * p.k + q)] = p.a[q * p.a_stride + i];
      }
    }
    p.a = rows.data();
    p.a_stride = p.k;
    p.a_layout = Layout::as_is;
  }
  few_rows_in_blocks(p);
  return p.n;
}

template <class T>
void multiply_blocks(const FloatTile<T>& tile) {
  const auto& p = tile.product;
  Block block{};
  auto into = p.into;
  for (block.k = 0; block.k < p.k; block.k += tile.depth, into = Into::sum) {
    block.depth = std::min(tile.depth, p.k - block.k);
    for (block.column = 0; block.column < p.n; block.column += block_columns) {
      block.columns = std::min(block_columns, p.n - block.column);
      const auto b = right_panels(tile, block);
      for (block.row = 0; block.row < p.m; block.row += block_rows) {
        block.rows = std::min(block_rows, p.m - block.row);
        multiply_panels({.m = block.rows,
                         .n = block.columns,
                         .k = panel_depth<T>(block.depth),
                         .a = left_panels(tile, block),
                         .b = b,
                         .c = p.c + block.row * p.c_stride + block.column,
                         .c_stride = p.c_stride,
                         .into = into,
                         .alpha = static_cast<float>(p.alpha),
                         .pairs = std::is_same_v<T, BFloat16> && multiplies_pairs()});
      }
    }
  }
}

// Calls body(k0, first) on all threads: k in parts of `depth`, and `count` rows or columns in parts
// of `size`.
template <class Body>
void for_each_part(std::int64_t k, std::int64_t depth, std::int64_t count, std::int64_t size,
                   const Body& body) {
  const auto groups = ceil_div(count, size);
  parallel_for(ceil_div(k, depth) * groups, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i) body(i / groups * depth, i % groups * size);
  });
}

template <class T>
void multiply(FloatTile<T> tile) {
  static_cast<void>(product_isa());  // throws where LOOKBACK_ISA names no set that there is
  auto& p = tile.product;
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0) {
    for (std::int64_t i = 0; p.into == Into::overwrite && i < p.m; ++i) {
      std::fill_n(p.c + i * p.c_stride, p.n, 0.0F);
    }
    return;
  }
  if (tile.a == nullptr && tile.b == nullptr) {
    const auto done = multiply_few_rows(p);
    p.n -= done;
    p.b = operand_at(p.b, p.b_stride, p.b_layout, 0, done);
    p.c += done;
  }
  if (p.n > 0) multiply_blocks(tile);
}

}  // namespace

template <>
std::int64_t piece_depth<float>(std::int64_t k) {
  const auto blocks = std::max<std::int64_t>(1, ceil_div(k, most_depth));
  constexpr std::int64_t step = 8;
  return round_up(ceil_div(k, blocks), step);
}

template <>
TileSteps tile_steps<float>() {
  const auto panel = float_panel_sizes();
  return {panel.rows, panel.columns};
}

template <class T>
PackedLeft::PackedLeft(const Matrix<T>& a, std::int64_t m, std::int64_t k, std::int64_t depth)
    : rows_(a.layout == Layout::as_is),
      m_(m),
      k_(panel_depth<T>(k)),
      depth_(panel_depth<T>(depth)),
      of_element_(k == k_ ? 1 : 2) {
  data_ = scratch(Use::shared_left, left_panels_size(m, k));
  if (rows_) {
    const auto stride = left_row_stride(k_);
    parallel_for(m, whole_rows, [&](std::int64_t begin, std::int64_t end) {
      pack_left(from(a, begin, 0), end - begin, k, data_ + begin * stride);
    });
    return;
  }
  for_each_part(k, depth, m, block_rows, [&](std::int64_t k0, std::int64_t row) {
    pack_left(from(a, row, k0), std::min(block_rows, m - row), std::min(depth, k - k0),
              const_cast<float*>(block(row, k0).data));
  });
}

LeftPanels PackedLeft::block(std::int64_t row, std::int64_t k) const {
  const auto panel = float_panel_sizes().rows;
  const auto k0 = k / of_element_;
  if (rows_) {
    const auto stride = left_row_stride(k_);
    return {data_ + row * stride + k0, panel * stride, stride, 1};
  }
  const auto depth = std::min(depth_, k_ - k0);
  return {data_ + k0 * round_up(m_, panel) + row * depth, panel * depth, 1, panel};
}

template <class T>
PackedRight::PackedRight(const Matrix<T>& b, std::int64_t k, std::int64_t n, std::int64_t depth)
    : k_(panel_depth<T>(k)), n_(n), depth_(panel_depth<T>(depth)), of_element_(k == k_ ? 1 : 2) {
  data_ = scratch(Use::shared_right, right_panels_size(k, n));
  constexpr std::int64_t columns = block_columns / 4;
  for_each_part(k, depth, n, columns, [&](std::int64_t k0, std::int64_t column) {
    pack_right(from(b, k0, column), std::min(depth, k - k0), std::min(columns, n - column),
               const_cast<float*>(block(k0, column).data));
  });
}

RightPanels PackedRight::block(std::int64_t k, std::int64_t column) const {
  const auto panel = float_panel_sizes().columns;
  const auto k0 = k / of_element_;
  const auto depth = std::min(depth_, k_ - k0);
  return {data_ + k0 * round_up(n_, panel) + column * depth, panel * depth, panel};
}

template PackedLeft::PackedLeft(const Matrix<float>&, std::int64_t, std::int64_t, std::int64_t);
template PackedLeft::PackedLeft(const Matrix<BFloat16>&, std::int64_t, std::int64_t, std::int64_t);
template PackedRight::PackedRight(const Matrix<float>&, std::int64_t, std::int64_t, std::int64_t);
template PackedRight::PackedRight(const Matrix<BFloat16>&, std::int64_t, std::int64_t,
                                  std::int64_t);

void multiply_tile(const FloatTile<float>& tile) { multiply(tile); }
void multiply_tile(const FloatTile<BFloat16>& tile) { multiply(tile); }

void tile_product(const Gemm<float>& p) { multiply_tile({p, piece_depth<float>(p.k)}); }
void tile_product(const Gemm<BFloat16, float>& p) { multiply_tile({p, piece_depth<float>(p.k)}); }

}  // namespace lookback::kernels
