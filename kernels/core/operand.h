// Operands of a kernel: views that say whether they are read or written, and the walk over all
// operands of an argument struct, which lets one piece of code look for NaN, count bytes, or follow
// dependencies in any operation.
#pragma once

#include <concepts>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/view.h"

namespace lookback::kernels {

template <class T>
concept HasView = requires(const T& x) {
  { x.view() } -> std::same_as<TensorView>;
};

struct Operand : TensorView {
  Operand() = default;
  explicit Operand(const TensorView& view) : TensorView(view) {}
  bool present() const { return data != nullptr; }
  int rank() const { return sizes.rank(); }
  std::int64_t size(int dim) const { return sizes[dim]; }
  std::int64_t stride(int dim) const { return strides[dim]; }
  std::int64_t numel() const { return sizes.numel(); }
};

// Read only.
struct In : Operand {
  In() = default;
  template <HasView T>
  In(const T& tensor) : Operand(tensor.view()) {}  // NOLINT(google-explicit-constructor)
  template <class T>
  const T* as() const {
    return static_cast<const T*>(data);
  }
};

// Written whole; what it held before does not matter.
struct Out : Operand {
  Out() = default;
  template <HasView T>
  Out(const T& tensor) : Operand(tensor.view()) {}  // NOLINT(google-explicit-constructor)
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

// Read and written: sums are added to it.
struct InOut : Out {
  using Out::Out;
};

using InList = std::vector<In>;
using OutList = std::vector<Out>;
using InOutList = std::vector<InOut>;

namespace detail {

struct AnyField {
  template <class T>
  operator T() const;  // NOLINT(google-explicit-constructor)
};

template <class Arguments, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
  return requires { Arguments{(static_cast<void>(I), AnyField{})...}; };
}

template <class Arguments, std::size_t count = 24>
constexpr std::size_t field_count() {
  static_assert(count > 0, "an argument struct must be an aggregate of at most 24 fields");
  if constexpr (takes<Arguments>(std::make_index_sequence<count>{})) {
    return count;
  } else {
    return field_count<Arguments, count - 1>();
  }
}

// The fields of an aggregate as a tuple of references.
template <class Arguments>
auto fields_of(const Arguments& arguments) {  // NOLINT(readability-function-size): one case each
  constexpr auto count = field_count<Arguments>();
  if constexpr (count == 1) {
    const auto& [f0] = arguments;
    return std::tie(f0);
  } else if constexpr (count == 2) {
    const auto& [f0, f1] = arguments;
    return std::tie(f0, f1);
  } else if constexpr (count == 3) {
    const auto& [f0, f1, f2] = arguments;
    return std::tie(f0, f1, f2);
  } else if constexpr (count == 4) {
    const auto& [f0, f1, f2, f3] = arguments;
    return std::tie(f0, f1, f2, f3);
  } else if constexpr (count == 5) {
    const auto& [f0, f1, f2, f3, f4] = arguments;
    return std::tie(f0, f1, f2, f3, f4);
  } else if constexpr (count == 6) {
    const auto& [f0, f1, f2, f3, f4, f5] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5);
  } else if constexpr (count == 7) {
    const auto& [f0, f1, f2, f3, f4, f5, f6] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6);
  } else if constexpr (count == 8) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7);
  } else if constexpr (count == 9) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8);
  } else if constexpr (count == 10) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9);
  } else if constexpr (count == 11) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10);
  } else if constexpr (count == 12) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11);
  } else if constexpr (count == 13) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12);
  } else if constexpr (count == 14) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13);
  } else if constexpr (count == 15) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14);
  } else if constexpr (count == 16) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15);
  } else if constexpr (count == 17) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16] =
        arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16);
  } else if constexpr (count == 18) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17] =
        arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17);
  } else if constexpr (count == 19) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                 f18] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                    f18);
  } else if constexpr (count == 20) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                 f18, f19] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                    f18, f19);
  } else if constexpr (count == 21) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                 f18, f19, f20] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                    f18, f19, f20);
  } else if constexpr (count == 22) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                 f18, f19, f20, f21] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                    f18, f19, f20, f21);
  } else if constexpr (count == 23) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                 f18, f19, f20, f21, f22] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                    f18, f19, f20, f21, f22);
  } else if constexpr (count == 24) {
    const auto& [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                 f18, f19, f20, f21, f22, f23] = arguments;
    return std::tie(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17,
                    f18, f19, f20, f21, f22, f23);
  }
}

}  // namespace detail

// visit(operand) for every In, Out and InOut of the struct that is present, lists and values with
// operands of their own included, in the order of the fields.
template <class Arguments, class Visitor>
void for_each_operand(const Arguments& arguments, const Visitor& visit) {
  const auto visit_field = [&]<class Field>(const Field& field) {
    if constexpr (std::derived_from<Field, Operand>) {
      if (field.present()) visit(field);
    } else if constexpr (std::same_as<Field, InList> || std::same_as<Field, OutList> ||
                         std::same_as<Field, InOutList>) {
      for (const auto& operand : field) {
        if (operand.present()) visit(operand);
      }
    } else if constexpr (requires { field.visit_operands(visit); }) {
      field.visit_operands(visit);  // a value that holds operands: a mask
    }
  };
  std::apply([&](const auto&... field) { (visit_field(field), ...); },
             detail::fields_of(arguments));
}

}  // namespace lookback::kernels
