#include "kernels/top_k.h"

#include <algorithm>
#include <numeric>

#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

// Whether the entry at place i comes before that at place j. Every two places have an order, so
// that there is one answer.
template <class T>
bool comes_first(const T* row, std::int64_t i, std::int64_t j) {
  using Sum = Accumulator<T>;
  const auto a = static_cast<Sum>(row[i]), b = static_cast<Sum>(row[j]);
  const bool a_is_nan = a != a, b_is_nan = b != b;
  if (a_is_nan != b_is_nan) return a_is_nan;
  if (!a_is_nan && a != b) return a > b;
  return i < j;
}

template <class T>
void choose(const TopKArgs& a, std::int64_t begin, std::int64_t end) {
  const auto n = a.x.size(1), k = a.index.size(1);
  std::vector<std::int64_t> places(static_cast<std::size_t>(n));
  for (auto r = begin; r < end; ++r) {
    const T* row = a.x.as<T>() + r * a.x.stride(0);
    std::iota(places.begin(), places.end(), 0);
    std::partial_sort(places.begin(), places.begin() + k, places.end(),
                      [&](auto i, auto j) { return comes_first(row, i, j); });
    T* chosen = a.chosen.as<T>() + r * n;
    std::fill(chosen, chosen + n, T(0.0F));
    for (std::int64_t j = 0; j < k; ++j) {
      const auto place = places[static_cast<std::size_t>(j)];
      a.index.as<std::int64_t>()[r * k + j] = place;
      chosen[place] = T(1.0F);
    }
  }
}

void forward(const TopKArgs& a) {
  const auto rows_at_once = std::max<std::int64_t>(1, (1 << 12) / a.x.size(1));
  visit_floating(a.x.dtype, [&]<class T>(TypeTag<T>) {
    parallel_for(a.x.size(0), rows_at_once,
                 [&](std::int64_t begin, std::int64_t end) { choose<T>(a, begin, end); });
  });
}

const Registration registered{top_k_forward, Backend::cpu, forward};

}  // namespace
}  // namespace lookback::kernels
