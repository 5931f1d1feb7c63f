#include "kernels/sum_of_products.h"

#include "kernels/copy.h"
#include "kernels/cuda/device/product_views.h"
#include "kernels/cuda/device/products.h"

namespace lookback::kernels {
namespace {

// A bf16 result is rounded once: with more than one addend the sum is kept in f32.
bool sums_apart(const SumOfProductsForwardArgs& a) {
  return a.y.dtype == DType::bf16 && (a.a.size() > 1 || a.bias.present());
}

void add_up(const SumOfProductsForwardArgs& a, const Out& y) {
  const bool starts = a.bias.present();
  if (starts) copy_forward(Backend::cuda, {.x = a.bias, .y = view_of(y)});
  for (std::size_t i = 0; i < a.a.size(); ++i) {
    multiply_on_gpu({.a = product_operand(a.a[i]),
                     .b = product_operand(a.b[i]),
                     .y = y.data,
                     .y_row_step = y.stride(-2),
                     .m = y.size(-2),
                     .n = y.size(-1),
                     .k = a.a[i].size(-1),
                     .operands = a.a[i].dtype,
                     .result = y.dtype,
                     .alpha = a.alpha,
                     .keep = starts || i > 0 ? 1.0 : 0.0});
  }
}

void forward(const SumOfProductsForwardArgs& a) {
  if (!sums_apart(a)) return add_up(a, a.y);
  const auto sums = dense_view(a.workspace.data, DType::f32, a.y.sizes);
  add_up(a, sums);
  copy_forward(Backend::cuda, {.x = sums, .y = view_of(a.y)});
}

std::size_t workspace_bytes(const SumOfProductsForwardArgs& a) {
  return sums_apart(a) ? static_cast<std::size_t>(a.y.numel()) * sizeof(float) : 0;
}

const Registration registered{sum_of_products_forward, Backend::cuda, forward, workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
