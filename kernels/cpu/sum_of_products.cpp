#include "kernels/sum_of_products.h"

#include <vector>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_operand.h"

namespace lookback::kernels {
namespace {

template <class T, class Result>
void multiply(const SumOfProductsForwardArgs& arguments) {
  const auto& y = arguments.y;
  std::vector<Gemm<T, Result>> products;
  for (std::size_t i = 0; i < arguments.a.size(); ++i) {
    Gemm<T, Result> p{.m = y.size(0),
                      .n = y.size(1),
                      .k = arguments.a[i].size(1),
                      .c = y.as<Result>(),
                      .c_stride = y.stride(0),
                      .alpha = arguments.alpha};
    place(arguments.a[i], p.a, p.a_stride, p.a_layout);
    place(arguments.b[i], p.b, p.b_stride, p.b_layout);
    products.push_back(p);
  }
  gemm_sum<T, Result>(products, arguments.bias.present() ? arguments.bias.as<Result>() : nullptr);
}

void forward(const SumOfProductsForwardArgs& arguments) {
  visit_floating(arguments.a[0].dtype, [&]<class T>(TypeTag<T>) {
    if (arguments.y.dtype == arguments.a[0].dtype) {
      multiply<T, T>(arguments);
    } else {
      multiply<T, Accumulator<T>>(arguments);
    }
  });
}

const Registration registered{sum_of_products_forward, Backend::cpu, forward};

}  // namespace
}  // namespace lookback::kernels
