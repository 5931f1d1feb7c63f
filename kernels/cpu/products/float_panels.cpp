#include "kernels/cpu/products/float_panels.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/products/float_panels.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd_elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

// Every x86-64 has vectors of four numbers, which Highway leaves aside here (simd_targets.h).
using Floats = float __attribute__((vector_size(16)));
constexpr std::int64_t lanes = 4;

HWY_INLINE Floats zeros() { return Floats{}; }
HWY_INLINE Floats all_of(float x) { return Floats{x, x, x, x}; }
HWY_INLINE Floats load_floats(const float* from) {
  Floats v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}
HWY_INLINE void store_floats(Floats v, float* to) { std::memcpy(to, &v, sizeof(v)); }
HWY_INLINE Floats multiply_add(Floats x, Floats y, Floats sum) { return x * y + sum; }

#else

using FloatTag = hn::ScalableTag<float>;
using Floats = hn::Vec<FloatTag>;
constexpr std::int64_t lanes = hn::MaxLanes(FloatTag());

HWY_INLINE Floats zeros() { return hn::Zero(FloatTag()); }
HWY_INLINE Floats all_of(float x) { return hn::Set(FloatTag(), x); }
HWY_INLINE Floats load_floats(const float* from) { return hn::LoadU(FloatTag(), from); }
HWY_INLINE void store_floats(Floats v, float* to) { hn::StoreU(v, FloatTag(), to); }
HWY_INLINE Floats multiply_add(Floats x, Floats y, Floats sum) { return hn::MulAdd(x, y, sum); }

#endif

// As many sums as leave registers for a row of b and an element of a: 12 of 16, or 28 of 32.
constexpr int panel_rows = lanes == 16 ? 14 : 6;
constexpr int panel_columns = 2 * lanes;
static_assert(whole_rows % panel_rows == 0 && most_panel_rows >= panel_rows);
static_assert(most_panel_columns % panel_columns == 0);

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

// together: elements of a column of op(a) lie side by side, else those of a row.
template <int rows, bool together>
void multiply_corner(const PanelProduct& p, const Corner& corner) {
  const auto row_step = together ? 1 : p.a.row_step;
  const auto depth_step = together ? p.a.depth_step : 1;
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
      first[r] = multiply_add(x, b_first, first[r]);
      second[r] = multiply_add(x, b_second, second[r]);
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
template <bool together, int... fewer>
constexpr std::array<MultiplyCorner, sizeof...(fewer)> corners(
    std::integer_sequence<int, fewer...> /*of one row, of two ..*/) {
  return {multiply_corner<fewer + 1, together>...};
}

void multiply(const PanelProduct& p) {
  static constexpr auto of_rows = corners<false>(std::make_integer_sequence<int, panel_rows>());
  static constexpr auto of_columns = corners<true>(std::make_integer_sequence<int, panel_rows>());
  const auto& corner_of = p.a.row_step == 1 ? of_columns : of_rows;
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

// to[0 .. count) = from[0 .. count), as float.
template <class T>
HWY_INLINE void copy_numbers(const T* from, std::int64_t count, float* to) {
  std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; i + lanes <= count; i += lanes) {
    store_floats(simd::HWY_NAMESPACE::load(FloatTag(), from + i), to + i);
  }
#endif
  for (; i < count; ++i) to[i] = static_cast<float>(from[i]);
}

template <class T>
LeftPanels pack_left_rows(const Matrix<T>& a, std::int64_t m, std::int64_t k, float* to) {
  const auto stride = left_row_stride(k);
  for (std::int64_t i = 0; i < m; ++i) copy_numbers(a.data + i * a.stride, k, to + i * stride);
  return {.data = to, .panel_step = panel_rows * stride, .row_step = stride, .depth_step = 1};
}

// to[0 .. panel_rows) = from[0 .. panel_rows).
HWY_INLINE void copy_panel_row(const float* from, float* to) {
  std::memcpy(to, from, panel_rows * sizeof(float));
}
HWY_INLINE void copy_panel_row(const BFloat16* from, float* to) {
  for (int i = 0; i < panel_rows; ++i) to[i] = static_cast<float>(from[i]);
}

template <class T>
LeftPanels pack_left_columns(const Matrix<T>& a, std::int64_t m, std::int64_t k, float* to) {
  const auto panel_step = panel_rows * k;
  for (std::int64_t i = 0; i < m; i += panel_rows) {
    const auto rows = std::min<std::int64_t>(panel_rows, m - i);
    float* panel = to + i / panel_rows * panel_step;
    for (std::int64_t p = 0; p < k; ++p) {
      const T* from = a.data + p * a.stride + i;
      if (rows == panel_rows) {
        copy_panel_row(from, panel + p * panel_rows);
      } else {
        for (std::int64_t r = 0; r < rows; ++r)
          panel[p * panel_rows + r] = static_cast<float>(from[r]);
      }
    }
  }
  return {.data = to, .panel_step = panel_step, .row_step = 1, .depth_step = panel_rows};
}

template <class T>
LeftPanels pack_left_any(const Matrix<T>& a, std::int64_t m, std::int64_t k, float* to) {
  return a.layout == Layout::as_is ? pack_left_rows(a, m, k, to) : pack_left_columns(a, m, k, to);
}

// Several panels side by side: then whole lines of the cache and few pages are read in turn.
template <class T>
void pack_right_rows(const Matrix<T>& b, std::int64_t k, std::int64_t n, float* to) {
  constexpr std::int64_t group = 4 * panel_columns;
  for (std::int64_t first = 0; first < n; first += group) {
    const auto last = std::min(n, first + group);
    const auto whole = first + (last - first) / panel_columns * panel_columns;
    for (std::int64_t p = 0; p < k; ++p) {
      const T* from = b.data + p * b.stride;
      float* row = to + first * k + p * panel_columns;
      std::int64_t j = first;
      for (; j < whole; j += panel_columns, row += panel_columns * k) {
        copy_numbers(from + j, panel_columns, row);
      }
      if (j == last) continue;
      copy_numbers(from + j, last - j, row);
      std::fill(row + last - j, row + panel_columns, 0.0F);
    }
  }
}

#if HWY_TARGET != HWY_SCALAR
// Blocks of four elements of each of eight columns, transposed.
constexpr std::int64_t block_columns = 8;
constexpr std::int64_t block_depth = 4;
using Columns = hn::CappedTag<float, block_columns>;

HWY_INLINE hn::Vec<hn::Half<Columns>> load_four(const float* from) {
  return hn::LoadU(hn::Half<Columns>(), from);
}
HWY_INLINE hn::Vec<hn::Half<Columns>> load_four(const BFloat16* from) {
  return simd::HWY_NAMESPACE::load(hn::Half<Columns>(), from);
}

template <class T>
HWY_INLINE hn::Vec<Columns> load_two(const T* from, std::int64_t stride) {
  return hn::Combine(Columns(), load_four(from + 4 * stride), load_four(from));
}

template <class T>
HWY_INLINE void transpose_block(const T* from, std::int64_t stride, float* to) {
  constexpr std::int64_t step = panel_columns;
  const Columns d;
  const hn::Repartition<double, Columns> pairs;
  const auto x0 = load_two(from, stride);
  const auto x1 = load_two(from + stride, stride);
  const auto x2 = load_two(from + 2 * stride, stride);
  const auto x3 = load_two(from + 3 * stride, stride);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, x0, x1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, x2, x3));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, x0, x1));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, x2, x3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)), d, to);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), d, to + step);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), d, to + 2 * step);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), d, to + 3 * step);
}
#endif

// Eight columns of a panel from as many rows of b (or from fewer): no more lines of the cache at
// once than it holds where rows lie a power of two apart.
template <class T>
HWY_INLINE void pack_rows_as_columns(const T* from, std::int64_t stride, std::int64_t columns,
                                     std::int64_t k, float* to) {
  std::int64_t p = 0;
#if HWY_TARGET != HWY_SCALAR
  if (columns == block_columns) {
    for (; p + block_depth <= k; p += block_depth) {
      transpose_block(from + p, stride, to + p * panel_columns);
    }
  }
#endif
  for (; p < k; ++p) {
    for (std::int64_t j = 0; j < columns; ++j) {
      to[p * panel_columns + j] = static_cast<float>(from[j * stride + p]);
    }
  }
}

template <class T>
void pack_right_columns(const Matrix<T>& b, std::int64_t k, std::int64_t n, float* to) {
  constexpr std::int64_t group = 8;
  for (std::int64_t j = 0; j < n; j += panel_columns, to += panel_columns * k) {
    const auto columns = std::min<std::int64_t>(panel_columns, n - j);
    if (columns < panel_columns) std::fill_n(to, panel_columns * k, 0.0F);
    for (std::int64_t first = 0; first < columns; first += group) {
      pack_rows_as_columns(b.data + (j + first) * b.stride, b.stride,
                           std::min(group, columns - first), k, to + first);
    }
  }
}

template <class T>
RightPanels pack_right_any(const Matrix<T>& b, std::int64_t k, std::int64_t n, float* to) {
  if (b.layout == Layout::as_is) {
    pack_right_rows(b, k, n, to);
  } else {
    pack_right_columns(b, k, n, to);
  }
  return {.data = to, .panel_step = panel_columns * k, .depth_step = panel_columns};
}

LeftPanels pack_left_float(const Matrix<float>& a, std::int64_t m, std::int64_t k, float* to) {
  return pack_left_any(a, m, k, to);
}
LeftPanels pack_left_bf16(const Matrix<BFloat16>& a, std::int64_t m, std::int64_t k, float* to) {
  return pack_left_any(a, m, k, to);
}
RightPanels pack_right_float(const Matrix<float>& b, std::int64_t k, std::int64_t n, float* to) {
  return pack_right_any(b, k, n, to);
}
RightPanels pack_right_bf16(const Matrix<BFloat16>& b, std::int64_t k, std::int64_t n, float* to) {
  return pack_right_any(b, k, n, to);
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
HWY_EXPORT(pack_left_float);
HWY_EXPORT(pack_left_bf16);
HWY_EXPORT(pack_right_float);
HWY_EXPORT(pack_right_bf16);

std::int64_t rounded_up(std::int64_t count, std::int64_t step) {
  return (count + step - 1) / step * step;
}
}  // namespace

PanelSizes float_panel_sizes() { return HWY_DYNAMIC_DISPATCH(panel_sizes)(); }
void multiply_panels(const PanelProduct& p) { HWY_DYNAMIC_DISPATCH(multiply)(p); }

LeftPanels pack_left(const Matrix<float>& a, std::int64_t m, std::int64_t k, float* to) {
  return HWY_DYNAMIC_DISPATCH(pack_left_float)(a, m, k, to);
}
LeftPanels pack_left(const Matrix<BFloat16>& a, std::int64_t m, std::int64_t k, float* to) {
  return HWY_DYNAMIC_DISPATCH(pack_left_bf16)(a, m, k, to);
}
RightPanels pack_right(const Matrix<float>& b, std::int64_t k, std::int64_t n, float* to) {
  return HWY_DYNAMIC_DISPATCH(pack_right_float)(b, k, n, to);
}
RightPanels pack_right(const Matrix<BFloat16>& b, std::int64_t k, std::int64_t n, float* to) {
  return HWY_DYNAMIC_DISPATCH(pack_right_bf16)(b, k, n, to);
}

// Not a power of two: the rows spread over the cache.
std::int64_t left_row_stride(std::int64_t k) {
  constexpr std::int64_t padding = 16;
  return k + padding;
}
std::int64_t left_panels_size(std::int64_t m, std::int64_t k) {
  return rounded_up(m, whole_rows) * left_row_stride(k);
}
std::int64_t right_panels_size(std::int64_t k, std::int64_t n) {
  return rounded_up(n, most_panel_columns) * k;
}

}  // namespace lookback::kernels
#endif
