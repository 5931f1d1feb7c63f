#include "apps/data/window_order.h"

#include "runtime/check.h"
#include "runtime/philox.h"

namespace lookback {

std::string_view name_of(DataOrder order) {
  return order == DataOrder::drawn ? "drawn" : "shuffled";
}

std::uint64_t permuted(std::uint64_t index, std::uint64_t size, std::uint64_t seed,
                       std::uint64_t stream) {
  const Check check{"data"};
  check(index < size && size <= std::uint64_t{1} << 62, "place {} of a permutation of {}", index,
        size);
  constexpr std::uint64_t rounds = 6;
  unsigned half_bits = 1;
  while (std::uint64_t{1} << 2 * half_bits < size) ++half_bits;
  const auto mask = (std::uint64_t{1} << half_bits) - 1;
  const Philox philox{.seed = seed, .stream = stream};
  do {
    auto left = index >> half_bits, right = index & mask;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      const auto mixed = left ^ (philox.block(round << 32 | right).pair(0) & mask);
      left = right;
      right = mixed;
    }
    index = left << half_bits | right;
  } while (index >= size);
  return index;
}

}  // namespace lookback
