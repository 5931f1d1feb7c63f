// From operand views to the pointers, strides and layouts of a Gemm.
#pragma once

#include "kernels/core/operand.h"
#include "kernels/cpu/gemm_arguments.h"

namespace lookback::kernels {

// Fills in how the matrix of x's last two dimensions lies in memory (in_place() in
// kernels/matmul.h).
template <class T>
void place(const In& x, const T*& data, std::int64_t& stride, Layout& layout) {
  data = x.as<T>();
  const bool rows = x.stride(-1) == 1 || x.size(-1) <= 1;
  layout = rows && (x.stride(-1) == 1 || x.stride(-2) != 1) ? Layout::as_is : Layout::transposed;
  stride = layout == Layout::as_is ? x.stride(-2) : x.stride(-1);
}

}  // namespace lookback::kernels
