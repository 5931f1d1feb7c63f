// The one way to a matrix product on a GPU: strided batches through cuBLAS (toolkit/products.cpp).
#pragma once

#include <cstdint>
#include <string>

#include "runtime/dtype.h"

namespace lookback::kernels {

// An [rows, columns] matrix per entry of the batch. One of the steps is 1, or its dimension is at
// most 1; numbers in elements.
struct ProductOperand {
  const void* data = nullptr;
  std::int64_t row_step = 0, column_step = 0;
  std::int64_t batch_step = 0;  // 0: the same for all
};

//   y[i] = alpha a[i] b[i] + keep y[i],  i < batch
// a [M, K], b [K, N], y [M, N], column_step 1 in y. K = 0: y = keep y. keep 0: what y held is not
// read. Operands f32, f64 or bf16; y of their dtype, or f32 for bf16 ones. Sums in f32
// or f64. The same bits each time, for one GPU and one library.
struct Product {
  ProductOperand a, b;
  void* y = nullptr;
  std::int64_t y_row_step = 0, y_batch_step = 0;
  std::int64_t m = 0, n = 0, k = 0, batch = 1;
  DType operands = DType::f32, result = DType::f32;
  double alpha = 1, keep = 0;
};

void multiply_on_gpu(const Product& product);

// What multiplies: "cuBLAS 13.1.0 (/usr/local/cuda/lib64/libcublas.so.13)". Throws Error where it
// is not to be found.
std::string product_library();

}  // namespace lookback::kernels
