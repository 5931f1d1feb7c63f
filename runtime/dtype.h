// Element types, and the C++ type that holds one element of each.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <type_traits>

#include "runtime/host_device.h"

namespace lookback {

enum class DType : std::uint8_t { f32, f64, bf16, i64, u8 };

// The upper half of a binary32; conversion rounds to nearest, ties to even; NaN stays NaN.
struct BFloat16 {
  std::uint16_t bits = 0;

  BFloat16() = default;
  LOOKBACK_HOST_DEVICE explicit BFloat16(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const bool nan = (word & 0x7fffffffU) > 0x7f800000U;
    const std::uint32_t rounded = word + 0x7fffU + ((word >> 16) & 1U);
    bits = static_cast<std::uint16_t>(nan ? (word >> 16) | 0x40U : rounded >> 16);
  }
  LOOKBACK_HOST_DEVICE explicit BFloat16(double value) : BFloat16(static_cast<float>(value)) {}
  LOOKBACK_HOST_DEVICE explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  LOOKBACK_HOST_DEVICE explicit operator double() const {
    return static_cast<double>(static_cast<float>(*this));
  }
};

template <class T>
inline constexpr bool is_element_type = false;
template <class T>
inline constexpr DType dtype_of = DType::u8;

#define LOOKBACK_ELEMENT_TYPE(type, value)            \
  template <>                                         \
  inline constexpr bool is_element_type<type> = true; \
  template <>                                         \
  inline constexpr DType dtype_of<type> = DType::value;
LOOKBACK_ELEMENT_TYPE(float, f32)
LOOKBACK_ELEMENT_TYPE(double, f64)
LOOKBACK_ELEMENT_TYPE(BFloat16, bf16)
LOOKBACK_ELEMENT_TYPE(std::int64_t, i64)
LOOKBACK_ELEMENT_TYPE(std::uint8_t, u8)
#undef LOOKBACK_ELEMENT_TYPE

constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return 4;
    case DType::f64: return 8;
    case DType::bf16: return 2;
    case DType::i64: return 8;
    case DType::u8: return 1;
  }
  return 0;
}

constexpr bool is_floating(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f64 || dtype == DType::bf16;
}

// "float32", "float64", "bfloat16", "int64", "uint8": the names users write.
std::string_view name_of(DType dtype);

// The type sums are kept in: f32 for f32 and bf16, f64 for f64, i64 for the integers.
constexpr DType accumulator_of(DType dtype) {
  if (dtype == DType::bf16) return DType::f32;
  return dtype == DType::u8 ? DType::i64 : dtype;
}
template <class T>
using Accumulator =
    std::conditional_t<std::is_same_v<T, BFloat16>, float,
                       std::conditional_t<std::is_same_v<T, std::uint8_t>, std::int64_t, T>>;

// Smallest e with 1 + e != 1 in this type.
constexpr double epsilon_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return 1.1920928955078125e-7;
    case DType::f64: return 2.220446049250313e-16;
    case DType::bf16: return 7.8125e-3;
    default: return 0;
  }
}

template <class T>
struct TypeTag {
  using type = T;
};

// visit(TypeTag<float|double|BFloat16>{}) for the three floating types; throws std::logic_error for
// others, which the operations' own checks have excluded by then.
template <class Visitor>
decltype(auto) visit_floating(DType dtype, Visitor&& visit) {
  switch (dtype) {
    case DType::f32: return visit(TypeTag<float>{});
    case DType::f64: return visit(TypeTag<double>{});
    case DType::bf16: return visit(TypeTag<BFloat16>{});
    default: throw std::logic_error("visit_floating: not a floating type");
  }
}

// visit(TypeTag<X>{}, TypeTag<Y>{}) for operations whose result may be rounded: Y is X, or BFloat16
// where X is float. Throws std::logic_error for other pairs.
template <class Visitor>
decltype(auto) visit_rounded(DType x, DType y, Visitor&& visit) {
  return visit_floating(x, [&]<class X>(TypeTag<X> tag) {
    if constexpr (std::is_same_v<X, float>) {
      if (y == DType::bf16) return visit(tag, TypeTag<BFloat16>{});
    }
    if (x != y) throw std::logic_error("visit_rounded: no such pair of types");
    return visit(tag, tag);
  });
}
// Whether there is such a pair.
constexpr bool may_be_rounded(DType x, DType y) {
  return x == y || (x == DType::f32 && y == DType::bf16);
}

template <class Visitor>
decltype(auto) visit_any(DType dtype, Visitor&& visit) {
  switch (dtype) {
    case DType::i64: return visit(TypeTag<std::int64_t>{});
    case DType::u8: return visit(TypeTag<std::uint8_t>{});
    default: return visit_floating(dtype, visit);
  }
}

}  // namespace lookback
