#include "nn/initialize.h"

#include "kernels/fill.h"
#include "kernels/normal_fill.h"
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

}  // namespace

void initialize(const std::vector<NamedParameter>& parameters, double standard_deviation,
                std::uint64_t seed) {
  for (const auto& parameter : parameters) {
    const auto& tensor = parameter.tensor;
    const auto& initial = parameter.initial;
    if (initial.kind == Initial::Kind::constant) {
      kernels::fill(tensor.backend(), {.y = tensor, .value = initial.value});
    } else {
      const auto stream = stream_of(RandomUse::parameters, hash_of(parameter.name));
      kernels::normal_fill(
          tensor.backend(),
          {.y = tensor, .standard_deviation = standard_deviation, .seed = seed, .stream = stream});
    }
    tensor.storage()->bump_version();
  }
}

}  // namespace lookback
