#include "kernels/global_norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/tensor_list.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

// Eight running sums: a fixed order that the compiler can keep in vector registers.
template <class T>
double sum_of_squares(const T* x, std::int64_t count) {
  constexpr std::int64_t lanes = 8;
  double partial[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      const auto value = static_cast<double>(x[i + lane]);
      partial[lane] += value * value;
    }
  }
  for (; i < count; ++i) {
    const auto value = static_cast<double>(x[i]);
    partial[i % lanes] += value * value;
  }
  double total = 0;
  for (const double value : partial) total += value;
  return total;
}

void update(const GlobalNorm& a) {
  const auto chunks = chunks_of(a.tensors, list_chunk_elements);
  const auto count = static_cast<std::int64_t>(chunks.size());
  const double squares = parallel_sum<double>(count, 1, [&](std::int64_t begin, std::int64_t end) {
    double total = 0;
    for (auto c = begin; c < end; ++c) {
      const auto& chunk = chunks[static_cast<std::size_t>(c)];
      const auto& x = a.tensors[chunk.tensor];
      total += visit_floating(x.dtype, [&]<class T>(TypeTag<T>) {
        return sum_of_squares(x.template as<T>() + chunk.begin, chunk.end - chunk.begin);
      });
    }
    return total;
  });
  *a.y.as<double>() = std::sqrt(squares);
}

const Registration registered{global_norm, Backend::cpu, update};

}  // namespace
}  // namespace lookback::kernels
