// Operands as the products of a GPU take them, and views of scratch as operands.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/core/operand.h"
#include "kernels/cuda/device/products.h"

namespace lookback::kernels {

// The last two dimensions of x.
inline ProductOperand product_operand(const Operand& x) {
  return {.data = x.data, .row_step = x.stride(-2), .column_step = x.stride(-1)};
}

// The address so many elements further on.
inline void* advanced(const void* data, DType dtype, std::int64_t elements) {
  return const_cast<std::byte*>(static_cast<const std::byte*>(data)) +
         elements * static_cast<std::int64_t>(size_of(dtype));
}

// What In and Out are made from, where no tensor is at hand.
struct DeviceView {
  TensorView of;
  TensorView view() const { return of; }
};
inline DeviceView view_of(const Operand& x) { return {x}; }
inline DeviceView dense_view(void* data, DType dtype, const Shape& sizes) {
  return {{.data = data,
           .dtype = dtype,
           .backend = Backend::cuda,
           .sizes = sizes,
           .strides = contiguous_strides(sizes)}};
}

}  // namespace lookback::kernels
