#include "kernels/normal_fill.h"

#include <array>
#include <span>

#include "runtime/parallel.h"
#include "runtime/random.h"

namespace lookback::kernels {
namespace {

template <class T>
void fill_with_normal(const NormalFill& a) {
  constexpr std::int64_t chunk = 4096;
  auto* values = a.y.as<T>();
  parallel_for(a.y.numel(), chunk, [&](std::int64_t begin, std::int64_t end) {
    std::array<double, chunk> draws;
    const std::span<double> part(draws.data(), static_cast<std::size_t>(end - begin));
    fill_normal(part, a.seed, a.stream, static_cast<std::uint64_t>(begin));
    for (std::size_t i = 0; i < part.size(); ++i) {
      values[begin + static_cast<std::int64_t>(i)] = static_cast<T>(a.standard_deviation * part[i]);
    }
  });
}

void update(const NormalFill& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) { fill_with_normal<T>(a); });
}

const Registration registered{normal_fill, Backend::cpu, update};

}  // namespace
}  // namespace lookback::kernels
