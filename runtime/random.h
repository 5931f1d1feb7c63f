// Random numbers of the host: a sequence read off one Philox stream, and who owns which streams.
//
// Nothing here keeps hidden state: a value is a function of (seed, stream, counter), so a resumed
// run, another backend or another number of threads sees the same numbers.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "runtime/philox.h"

namespace lookback {

// What a stream is for: its top eight bits. Streams of different uses never meet.
enum class RandomUse : std::uint8_t {
  parameters = 0,         // index: the parameter's number
  training_data = 1,      // index: the step
  validation_data = 2,    // index: by source
  generation = 3,         // index: by caller
  dropout = 4,            // index: by caller
  diagnosis = 5,          // index: by caller
  fixed_data = 6,         // index: the sequence
  attention_pattern = 7,  // index: (layer, head)
  source_choice = 8,      // index: the step
  data_order = 9,         // index: the epoch
};

// `index` below 2^56.
constexpr std::uint64_t stream_of(RandomUse use, std::uint64_t index) {
  return static_cast<std::uint64_t>(use) << 56 | (index & 0x00FFFFFFFFFFFFFFu);
}

// The numbers of one stream in order, from block `first_counter` on.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::uint64_t stream, std::uint64_t first_counter = 0);

  std::uint32_t next_u32();
  std::uint64_t next_u64();
  // In [0, 1), a multiple of 2^-53.
  double uniform() { return uniform_from_bits(next_u64()); }
  double normal() { return normal_from_bits(next_u64()); }
  // Unbiased in [0, bound) (Lemire 2019: the high half of a product, rejecting the few that would
  // come up once too often). Throws when bound is 0.
  std::uint64_t below(std::uint64_t bound);

 private:
  Philox philox_;
  std::uint64_t counter_;
  std::array<std::uint32_t, 4> words_{};
  int used_ = 4;
};

// values[i] = normal_at(seed, stream, first_index + i), by fused multiply-adds of the machine where
// it has them: the same bits, several times faster than calling normal_at in a loop.
void fill_normal(std::span<double> values, std::uint64_t seed, std::uint64_t stream,
                 std::uint64_t first_index);

}  // namespace lookback
