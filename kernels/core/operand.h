// Operands of a kernel: views that say whether they are read or written, and the walk over all
// operands of an argument struct, which lets one piece of code look for NaN, count bytes, or follow
// dependencies in any operation.
#pragma once

#include <concepts>
#include <tuple>
#include <vector>

#include "kernels/core/fields_of.h"
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
  std::apply([&](const auto&... field) { (visit_field(field), ...); }, fields_of(arguments));
}

}  // namespace lookback::kernels
