#include "kernels/cpu/products/float_panels.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/products/float_panels.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/products/panel_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
using namespace products::HWY_NAMESPACE;  // NOLINT(google-build-using-namespace)

PanelSizes panel_sizes() { return {panel_rows, panel_columns}; }

// Where the sums of some rows of a panel and all columns of another go.
struct Corner {
  const float* a;
  const float* b;
  float* c;
  std::int64_t columns;  // of c, at most panel_columns
};

HWY_INLINE void add_to_row(const PanelProduct& p, Floats first, Floats second, float* c) {
  const auto alpha = all_of(p.alpha);
  const bool adds = p.into == Into::sum;
  store_floats(multiply_add(alpha, first, adds ? load_floats(c) : zeros()), c);
  c += lanes;
  store_floats(multiply_add(alpha, second, adds ? load_floats(c) : zeros()), c);
}

template <bool pairs>
HWY_INLINE Floats add_product(Floats x, Floats y, Floats sum) {
  return pairs ? add_pairs(x, y, sum) : multiply_add(x, y, sum);
}

// How the elements of op(a) lie, and what they are.
enum class Left : std::uint8_t { rows, columns, pairs_in_rows, pairs_in_columns };
constexpr std::size_t kinds_of_left = 4;

template <int rows, Left left>
void multiply_corner(const PanelProduct& p, const Corner& corner) {
  constexpr bool in_columns = left == Left::columns || left == Left::pairs_in_columns;
  constexpr bool pairs = left == Left::pairs_in_rows || left == Left::pairs_in_columns;
  const auto row_step = in_columns ? 1 : p.a.row_step;
  const auto depth_step = in_columns ? p.a.depth_step : 1;
  const float* a = corner.a;
  const float* b = corner.b;
  Floats first[rows], second[rows];
  for (int r = 0; r < rows; ++r) {
    first[r] = second[r] = zeros();
    __builtin_prefetch(corner.c + r * p.c_stride, 1);
  }
  for (std::int64_t q = 0; q < p.k; ++q) {
    const auto b_first = load_floats(b);
    const auto b_second = load_floats(b + lanes);
    for (int r = 0; r < rows; ++r) {
      const auto x = all_of(a[r * row_step]);
      first[r] = add_product<pairs>(x, b_first, first[r]);
      second[r] = add_product<pairs>(x, b_second, second[r]);
    }
    a += depth_step;
    b += p.b.depth_step;
  }
  if (corner.columns == panel_columns) {
    for (int r = 0; r < rows; ++r) add_to_row(p, first[r], second[r], corner.c + r * p.c_stride);
    return;
  }
  float row[panel_columns] = {};
  for (int r = 0; r < rows; ++r) {
    float* c = corner.c + r * p.c_stride;
    if (p.into == Into::sum) std::copy_n(c, corner.columns, row);
    add_to_row(p, first[r], second[r], row);
    std::copy_n(row, corner.columns, c);
  }
}

using MultiplyCorner = void (*)(const PanelProduct&, const Corner&);
using Corners = std::array<MultiplyCorner, panel_rows>;
template <Left left, int... fewer>
constexpr Corners corners(std::integer_sequence<int, fewer...> /*of one row, of two ..*/) {
  return {multiply_corner<fewer + 1, left>...};
}

void multiply(const PanelProduct& p) {
  static constexpr auto rows_of_each = std::make_integer_sequence<int, panel_rows>();
  static constexpr std::array<Corners, kinds_of_left> all{
      corners<Left::rows>(rows_of_each), corners<Left::columns>(rows_of_each),
      corners<Left::pairs_in_rows>(rows_of_each), corners<Left::pairs_in_columns>(rows_of_each)};
  const auto& corner_of = all[(p.pairs ? 2 : 0) + (p.a.row_step == 1 ? 1 : 0)];
  for (std::int64_t j = 0; j < p.n; j += panel_columns) {
    const float* b = p.b.data + j / panel_columns * p.b.panel_step;
    const auto columns = std::min<std::int64_t>(panel_columns, p.n - j);
    for (std::int64_t i = 0; i < p.m; i += panel_rows) {
      const auto rows = std::min<std::int64_t>(panel_rows, p.m - i);
      const float* a = p.a.data + i / panel_rows * p.a.panel_step;
      corner_of[static_cast<std::size_t>(rows - 1)](p, {a, b, p.c + i * p.c_stride + j, columns});
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace
}  // namespace lookback::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lookback::kernels {
namespace {
HWY_EXPORT(panel_sizes);
HWY_EXPORT(multiply);
}  // namespace

PanelSizes float_panel_sizes() { return HWY_DYNAMIC_DISPATCH(panel_sizes)(); }
void multiply_panels(const PanelProduct& p) { HWY_DYNAMIC_DISPATCH(multiply)(p); }

}  // namespace lookback::kernels
#endif
