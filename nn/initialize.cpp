#include "nn/initialize.h"

#include "kernels/copy.h"
#include "kernels/fill.h"
#include "kernels/normal_fill.h"
#include "runtime/random.h"
#include "runtime/transfer.h"

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
  for (const auto& [name, tensor, initial] : parameters) {
    switch (initial.kind) {
      case Initial::Kind::constant:
        kernels::fill(tensor.backend(), {.y = tensor, .value = initial.value});
        break;
      case Initial::Kind::given: {
        const auto values = to_device(from_values(initial.values, tensor.shape()), tensor.device());
        kernels::copy_forward(tensor.backend(), {.x = values, .y = tensor});
        break;
      }
      case Initial::Kind::normal:
      case Initial::Kind::own_normal: {
        const bool own = initial.kind == Initial::Kind::own_normal;
        kernels::normal_fill(tensor.backend(),
                             {.y = tensor,
                              .standard_deviation = own ? initial.value : standard_deviation,
                              .seed = seed,
                              .stream = stream_of(RandomUse::parameters, hash_of(name))});
      }
    }
    tensor.storage()->bump_version();
  }
}

}  // namespace lookback
