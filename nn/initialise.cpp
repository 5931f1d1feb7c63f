#include "nn/initialise.h"

#include <array>

#include "kernels/fill.h"
#include "runtime/parallel.h"
#include "runtime/random.h"

namespace lookback {
namespace {

// FNV-1a (Fowler, Noll & Vo), 64 bits.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char letter : text) {
    hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3u;
  }
  return hash;
}

template <class T>
void fill_with_normal(const Tensor& x, double standard_deviation, std::uint64_t seed,
                      std::uint64_t stream) {
  constexpr std::int64_t chunk = 4096;
  auto* values = x.data<T>();
  parallel_for(x.numel(), chunk, [&](std::int64_t begin, std::int64_t end) {
    std::array<double, chunk> draws;
    const std::span<double> part(draws.data(), static_cast<std::size_t>(end - begin));
    fill_normal(part, seed, stream, static_cast<std::uint64_t>(begin));
    for (std::size_t i = 0; i < part.size(); ++i) {
      values[begin + static_cast<std::int64_t>(i)] = static_cast<T>(standard_deviation * part[i]);
    }
  });
}

}  // namespace

void initialise(const std::vector<NamedParameter>& parameters, double standard_deviation,
                std::uint64_t seed) {
  for (const auto& parameter : parameters) {
    const auto& tensor = parameter.tensor;
    const auto& initial = parameter.initial;
    if (initial.kind == Initial::Kind::constant) {
      kernels::fill(tensor.backend(), {.y = tensor, .value = initial.value});
    } else {
      const auto stream = stream_of(RandomUse::parameters, hash_of(parameter.name));
      visit_floating(tensor.dtype(), [&]<class T>(TypeTag<T>) {
        fill_with_normal<T>(tensor, standard_deviation, seed, stream);
      });
    }
    tensor.storage()->bump_version();
  }
}

}  // namespace lookback
