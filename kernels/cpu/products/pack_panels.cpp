#include <algorithm>
#include <cstring>

#include "kernels/cpu/products/float_panels.h"
#include "kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/products/pack_panels.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/products/panel_vectors-inl.h"
#include "kernels/cpu/simd_elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
using namespace products::HWY_NAMESPACE;  // NOLINT(google-build-using-namespace)

// What the elements of panels are. Numbers, as f32:
template <class Type>
struct Numbers {
  using T = Type;
  static constexpr std::int64_t of_element = 1;

  static float element(const T* from, std::int64_t /*left*/) { return static_cast<float>(*from); }
  // Elements of one row of a matrix.
  HWY_INLINE static void copy_row(const T* from, std::int64_t count, float* to) {
    std::int64_t i = 0;
#if HWY_MAX_BYTES >= 32
    for (; i + lanes <= count; i += lanes) {
      store_floats(simd::HWY_NAMESPACE::load(FloatTag(), from + i), to + i);
    }
#endif
    for (; i < count; ++i) to[i] = static_cast<float>(from[i]);
  }
  // An element of each of `count` columns, whose first number lies in row p of k.
  HWY_INLINE static void copy_across(const Matrix<T>& x, std::int64_t p, std::int64_t /*k*/,
                                     std::int64_t column, std::int64_t count, float* to) {
    copy_row(x.data + p * x.stride + column, count, to);
  }
#if HWY_MAX_BYTES >= 32
  HWY_INLINE static hn::Vec<Four> load_four(const float* from) { return hn::LoadU(Four(), from); }
  HWY_INLINE static hn::Vec<Four> load_four(const BFloat16* from) {
    return simd::HWY_NAMESPACE::load(Four(), from);
  }
#endif
};

// Two neighbors along k in bf16, the first in the lower half; beside a last one, 0.
struct Pairs {
  using T = BFloat16;
  static constexpr std::int64_t of_element = 2;

  static float element(const T* from, std::int64_t left) {
    return pair_of(from[0], left > 1 ? from[1] : T{});
  }
  HWY_INLINE static void copy_row(const T* from, std::int64_t count, float* to) {
    std::memcpy(to, from, static_cast<std::size_t>(count / 2 * 2) * sizeof(T));
    if (count % 2 != 0) to[count / 2] = pair_of(from[count - 1], T{});
  }
  HWY_INLINE static void copy_across(const Matrix<T>& x, std::int64_t p, std::int64_t k,
                                     std::int64_t column, std::int64_t count, float* to) {
    const T* first = x.data + p * x.stride + column;
    if (p + 1 == k) {
      for (std::int64_t j = 0; j < count; ++j) to[j] = pair_of(first[j], T{});
    } else {
      const T* second = first + x.stride;
      for (std::int64_t j = 0; j < count; ++j) to[j] = pair_of(first[j], second[j]);
    }
  }
#if HWY_MAX_BYTES >= 32
  HWY_INLINE static hn::Vec<Four> load_four(const T* from) { return load_sixteen_bytes(from); }
#endif
};

template <class Elements>
constexpr std::int64_t depth_of(std::int64_t k) {
  return (k + Elements::of_element - 1) / Elements::of_element;
}

template <class Elements, class T>
LeftPanels pack_left_rows(const Matrix<T>& a, std::int64_t m, std::int64_t k, float* to) {
  const auto stride = left_row_stride(depth_of<Elements>(k));
  for (std::int64_t i = 0; i < m; ++i) {
    Elements::copy_row(a.data + i * a.stride, k, to + i * stride);
  }
  return {.data = to, .panel_step = panel_rows * stride, .row_step = stride, .depth_step = 1};
}

template <class Elements, class T>
LeftPanels pack_left_columns(const Matrix<T>& a, std::int64_t m, std::int64_t k, float* to) {
  const auto panel_step = panel_rows * depth_of<Elements>(k);
  for (std::int64_t i = 0; i < m; i += panel_rows) {
    float* row = to + i / panel_rows * panel_step;
    const auto rows = std::min<std::int64_t>(panel_rows, m - i);
    for (std::int64_t p = 0; p < k; p += Elements::of_element, row += panel_rows) {
      if (rows == panel_rows) {  // a number that the compiler knows
        Elements::copy_across(a, p, k, i, panel_rows, row);
      } else {
        Elements::copy_across(a, p, k, i, rows, row);
      }
    }
  }
  return {.data = to, .panel_step = panel_step, .row_step = 1, .depth_step = panel_rows};
}

template <class Elements, class T>
LeftPanels pack_left_as(const Matrix<T>& a, std::int64_t m, std::int64_t k, float* to) {
  return a.layout == Layout::as_is ? pack_left_rows<Elements>(a, m, k, to)
                                   : pack_left_columns<Elements>(a, m, k, to);
}

// Several panels side by side: then whole lines of the cache and few pages are read in turn.
template <class Elements, class T>
void pack_right_rows(const Matrix<T>& b, std::int64_t k, std::int64_t n, float* to) {
  constexpr std::int64_t group = 4 * panel_columns;
  const auto panel_step = panel_columns * depth_of<Elements>(k);
  for (std::int64_t first = 0; first < n; first += group) {
    const auto last = std::min(n, first + group);
    float* const row_of_first = to + first / panel_columns * panel_step;
    for (std::int64_t p = 0; p < k; p += Elements::of_element) {
      float* row = row_of_first + p / Elements::of_element * panel_columns;
      std::int64_t j = first;
      for (; j + panel_columns <= last; j += panel_columns, row += panel_step) {
        Elements::copy_across(b, p, k, j, panel_columns, row);
      }
      if (j == last) continue;
      Elements::copy_across(b, p, k, j, last - j, row);
      std::fill(row + last - j, row + panel_columns, 0.0F);
    }
  }
}

// Eight columns of a panel from as many rows of b (or from fewer): no more lines of the cache at
// once than it holds where rows lie a power of two apart.
template <class Elements, class T>
HWY_INLINE void pack_rows_as_columns(const T* from, std::int64_t stride, std::int64_t columns,
                                     std::int64_t k, float* to) {
  constexpr auto of_element = Elements::of_element;
  std::int64_t p = 0;
#if HWY_MAX_BYTES >= 32
  if (columns == block_columns) {
    constexpr auto of_block = block_depth * of_element;
    for (; p + of_block <= k; p += of_block, to += block_depth * panel_columns) {
      const auto column = [&](std::int64_t j)
                              HWY_ATTR { return Elements::load_four(from + j * stride + p); };
      const auto block = transposed(column);
      for (std::int64_t q = 0; q < block_depth; ++q) {
        hn::StoreU(block.of[q], Columns(), to + q * panel_columns);
      }
    }
  }
#endif
  for (; p < k; p += of_element, to += panel_columns) {
    for (std::int64_t j = 0; j < columns; ++j) {
      to[j] = Elements::element(from + j * stride + p, k - p);
    }
  }
}

template <class Elements, class T>
void pack_right_columns(const Matrix<T>& b, std::int64_t k, std::int64_t n, float* to) {
  constexpr std::int64_t group = 8;
  const auto panel_step = panel_columns * depth_of<Elements>(k);
  for (std::int64_t j = 0; j < n; j += panel_columns, to += panel_step) {
    const auto columns = std::min<std::int64_t>(panel_columns, n - j);
    if (columns < panel_columns) std::fill_n(to, panel_step, 0.0F);
    for (std::int64_t first = 0; first < columns; first += group) {
      pack_rows_as_columns<Elements>(b.data + (j + first) * b.stride, b.stride,
                                     std::min(group, columns - first), k, to + first);
    }
  }
}

template <class Elements, class T>
RightPanels pack_right_as(const Matrix<T>& b, std::int64_t k, std::int64_t n, float* to) {
  if (b.layout == Layout::as_is) {
    pack_right_rows<Elements>(b, k, n, to);
  } else {
    pack_right_columns<Elements>(b, k, n, to);
  }
  return {
      .data = to, .panel_step = panel_columns * depth_of<Elements>(k), .depth_step = panel_columns};
}

LeftPanels pack_left_f32(const Matrix<float>& a, std::int64_t m, std::int64_t k, float* to) {
  return pack_left_as<Numbers<float>>(a, m, k, to);
}
LeftPanels pack_left_bf16(const Matrix<BFloat16>& a, std::int64_t m, std::int64_t k, float* to) {
  return multiplies_pairs() ? pack_left_as<Pairs>(a, m, k, to)
                            : pack_left_as<Numbers<BFloat16>>(a, m, k, to);
}
RightPanels pack_right_f32(const Matrix<float>& b, std::int64_t k, std::int64_t n, float* to) {
  return pack_right_as<Numbers<float>>(b, k, n, to);
}
RightPanels pack_right_bf16(const Matrix<BFloat16>& b, std::int64_t k, std::int64_t n, float* to) {
  return multiplies_pairs() ? pack_right_as<Pairs>(b, k, n, to)
                            : pack_right_as<Numbers<BFloat16>>(b, k, n, to);
}

}  // namespace HWY_NAMESPACE
}  // namespace
}  // namespace lookback::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lookback::kernels {
namespace {
HWY_EXPORT(pack_left_f32);
HWY_EXPORT(pack_left_bf16);
HWY_EXPORT(pack_right_f32);
HWY_EXPORT(pack_right_bf16);

std::int64_t rounded_up(std::int64_t count, std::int64_t step) {
  return (count + step - 1) / step * step;
}
}  // namespace

LeftPanels pack_left(const Matrix<float>& a, std::int64_t m, std::int64_t k, float* to) {
  return HWY_DYNAMIC_DISPATCH(pack_left_f32)(a, m, k, to);
}
LeftPanels pack_left(const Matrix<BFloat16>& a, std::int64_t m, std::int64_t k, float* to) {
  return HWY_DYNAMIC_DISPATCH(pack_left_bf16)(a, m, k, to);
}
RightPanels pack_right(const Matrix<float>& b, std::int64_t k, std::int64_t n, float* to) {
  return HWY_DYNAMIC_DISPATCH(pack_right_f32)(b, k, n, to);
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
