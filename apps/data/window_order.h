// Where the rows of training begin, in tokens that have places.
#pragma once

#include <cstdint>
#include <string_view>

namespace lookback {

enum class DataOrder {
  drawn,     // each row anywhere, whatever rows were before: some tokens are seen often, some never
  shuffled,  // every window once in each epoch, in an order that depends on (seed, epoch) alone
};
std::string_view name_of(DataOrder order);  // "drawn", "shuffled"

struct WindowOrder {
  DataOrder order = DataOrder::drawn;
  // Of shuffled: rows of one step, B x accumulation, so that the order does not depend on how a
  // step's rows are cut.
  std::int64_t rows_of_step = 1;
};

// The place of `index` in a permutation of 0 .. size - 1 that (seed, stream) choose: a Feistel
// network over the next power of four, walked until it comes back below `size` (Black and Rogaway
// 2002, "Ciphers with arbitrary finite domains"). Holds no table. index < size <= 2^62.
std::uint64_t permuted(std::uint64_t index, std::uint64_t size, std::uint64_t seed,
                       std::uint64_t stream);

}  // namespace lookback
