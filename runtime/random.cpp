#include "runtime/random.h"

#include "runtime/check.h"

namespace lookback {

RandomStream::RandomStream(std::uint64_t seed, std::uint64_t stream, std::uint64_t first_counter)
    : philox_{seed, stream}, counter_(first_counter) {}

std::uint32_t RandomStream::next_u32() {
  if (used_ == 4) {
    const PhiloxBlock block = philox_.block(counter_++);
    for (std::size_t i = 0; i < 4; ++i) words_[i] = block.word[i];
    used_ = 0;
  }
  return words_[static_cast<std::size_t>(used_++)];
}

std::uint64_t RandomStream::next_u64() {
  const std::uint64_t low = next_u32();
  return low | static_cast<std::uint64_t>(next_u32()) << 32;
}

std::uint64_t RandomStream::below(std::uint64_t bound) {
  const Check check{"random"};
  check(bound > 0, "below(0): there is no number in [0, 0)");
  __extension__ using Wide = unsigned __int128;
  Wide product = Wide{next_u64()} * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t surplus = (0 - bound) % bound;  // 2^64 mod bound
    while (static_cast<std::uint64_t>(product) < surplus) product = Wide{next_u64()} * bound;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

namespace {

inline void fill(std::span<double> values, std::uint64_t seed, std::uint64_t stream,
                 std::uint64_t first_index) {
  std::size_t i = 0;
  if (first_index % 2 == 1 && !values.empty()) values[i++] = normal_at(seed, stream, first_index);
  for (; i + 2 <= values.size(); i += 2) {
    const PhiloxBlock block = Philox{seed, stream}.block((first_index + i) / 2);
    values[i] = normal_from_bits(block.pair(0));
    values[i + 1] = normal_from_bits(block.pair(1));
  }
  if (i < values.size()) values[i] = normal_at(seed, stream, first_index + i);
}

#if defined(__x86_64__) && !defined(__FMA__)
// Without this, std::fma is a call into libm for each of the thirty terms.
__attribute__((target("fma"), flatten)) void fill_fused(std::span<double> values,
                                                        std::uint64_t seed, std::uint64_t stream,
                                                        std::uint64_t first_index) {
  fill(values, seed, stream, first_index);
}
#endif

}  // namespace

void fill_normal(std::span<double> values, std::uint64_t seed, std::uint64_t stream,
                 std::uint64_t first_index) {
#if defined(__x86_64__) && !defined(__FMA__)
  if (__builtin_cpu_supports("fma")) return fill_fused(values, seed, stream, first_index);
#endif
  fill(values, seed, stream, first_index);
}

}  // namespace lookback
