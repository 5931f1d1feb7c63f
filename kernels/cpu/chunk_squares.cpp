#include "kernels/chunk_squares.h"

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

void sum_chunks(const ChunkSquares& a) {
  const auto chunks = chunks_of(a.tensors, chunk_elements(Backend::cpu));
  auto* y = a.y.as<double>();
  parallel_for(
      static_cast<std::int64_t>(chunks.size()), 1, [&](std::int64_t begin, std::int64_t end) {
        for (auto c = begin; c < end; ++c) {
          const auto& chunk = chunks[static_cast<std::size_t>(c)];
          const auto& x = a.tensors[chunk.tensor];
          y[c] = visit_floating(x.dtype, [&]<class T>(TypeTag<T>) {
            return sum_of_squares(x.template as<T>() + chunk.begin, chunk.end - chunk.begin);
          });
        }
      });
}

void root(const RootOfSum& a) {
  const auto* squares = a.squares.as<double>();
  double total = 0;
  for (std::int64_t c = 0; c < a.squares.numel(); ++c) total += squares[c];
  *a.y.as<double>() = std::sqrt(total);
}

const Registration chunks_registered{chunk_squares, Backend::cpu, sum_chunks};
const Registration root_registered{root_of_sum, Backend::cpu, root};

}  // namespace
}  // namespace lookback::kernels
