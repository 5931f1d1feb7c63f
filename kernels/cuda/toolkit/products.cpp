// Matrix products by cuBLAS. It counts in columns: the row-major y = a b is its y^T = b^T a^T.
#include "kernels/cuda/device/products.h"

#include <algorithm>
#include <optional>

#include "kernels/cuda/device/plain_product.h"
#include "kernels/cuda/device/stream.h"
#include "kernels/cuda/toolkit/cublas.h"
#include "kernels/cuda/toolkit/cuda_check.h"
#include "runtime/float_products.h"

namespace lookback::kernels {
namespace {

cublasHandle_t handle() {
  static const auto made = [] {
    constexpr std::size_t workspace_bytes = std::size_t{32} << 20;
    const auto& cublas = Cublas::opened();
    void* workspace = nullptr;
    check_cuda("cudaMalloc", cudaMalloc(&workspace, workspace_bytes));
    return cublas.make_handle(static_cast<cudaStream_t>(device::compute_stream()), workspace,
                              workspace_bytes);
  }();
  return made;
}

// How cuBLAS reads an operand: transposed or not, and the step from column to column.
struct Layout {
  cublasOperation_t operation;
  int step;
};

// It counts in 32 bits.
bool is_countable(std::int64_t number) { return number <= INT32_MAX; }

// None: it cannot, one dimension's step being smaller than the other dimension.
std::optional<Layout> layout_of(const ProductOperand& x, std::int64_t rows, std::int64_t columns) {
  const auto fits = [](std::int64_t step, std::int64_t length, std::int64_t lines) {
    return lines <= 1 || (step >= std::max<std::int64_t>(length, 1) && is_countable(step));
  };
  const auto step_of = [](std::int64_t step, std::int64_t length, std::int64_t lines) {
    return static_cast<int>(lines <= 1 ? std::max<std::int64_t>(length, 1) : step);
  };
  if ((x.column_step == 1 || columns <= 1) && fits(x.row_step, columns, rows)) {
    return Layout{CUBLAS_OP_N, step_of(x.row_step, columns, rows)};
  }
  if ((x.row_step == 1 || rows <= 1) && fits(x.column_step, rows, columns)) {
    return Layout{CUBLAS_OP_T, step_of(x.column_step, rows, columns)};
  }
  return std::nullopt;
}

cudaDataType type_of(DType dtype) {
  switch (dtype) {
    case DType::f64: return CUDA_R_64F;
    case DType::bf16: return CUDA_R_16BF;
    default: return CUDA_R_32F;
  }
}

cublasComputeType_t sums_of(DType operands) {
  if (operands == DType::f64) return CUBLAS_COMPUTE_64F;
  const bool rounds = operands == DType::f32 && float_products() == FloatProducts::tf32;
  return rounds ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

}  // namespace

void multiply_on_gpu(const Product& p) {
  if (p.m == 0 || p.n == 0 || p.batch == 0) return;
  const auto a = layout_of(p.a, p.m, p.k), b = layout_of(p.b, p.k, p.n);
  bool countable = is_countable(p.y_row_step);
  for (const auto size : {p.m, p.n, p.k, p.batch}) countable = countable && is_countable(size);
  if (p.k == 0 || !a || !b || p.y_row_step < p.n || !countable) {
    plain_product(p);
    return;
  }
  const bool is_double = p.operands == DType::f64;
  const float alpha = static_cast<float>(p.alpha), keep = static_cast<float>(p.keep);
  const void* alpha_at = is_double ? static_cast<const void*>(&p.alpha) : &alpha;
  const void* keep_at = is_double ? static_cast<const void*>(&p.keep) : &keep;
  const auto& cublas = Cublas::opened();
  cublas.check(cublas.multiply(
      handle(), b->operation, a->operation, static_cast<int>(p.n), static_cast<int>(p.m),
      static_cast<int>(p.k), alpha_at, p.b.data, type_of(p.operands), b->step, p.b.batch_step,
      p.a.data, type_of(p.operands), a->step, p.a.batch_step, keep_at, p.y, type_of(p.result),
      static_cast<int>(std::max(p.y_row_step, p.n)), p.y_batch_step, static_cast<int>(p.batch),
      sums_of(p.operands), CUBLAS_GEMM_DEFAULT));
}

std::string product_library() { return Cublas::opened().description(); }

}  // namespace lookback::kernels
