#include "apps/data/bare_tokens.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "runtime/check.h"

namespace lookback {
namespace {

constexpr std::size_t block_bytes = 4096, sampled_blocks = 64;
constexpr std::size_t group = 4;  // 16-bit numbers: an int64

// 16-bit numbers of whole groups.
std::vector<std::uint16_t> sample_of(const InputFile& file) {
  const auto bytes = file.size() / (2 * group) * (2 * group);
  std::vector<std::uint16_t> numbers;
  const auto add = [&](std::size_t begin, std::size_t count) {
    const auto size = numbers.size();
    numbers.resize(size + count / 2);
    file.read(begin, std::as_writable_bytes(std::span(numbers).subspan(size)));
  };
  if (bytes <= block_bytes * sampled_blocks) {
    add(0, bytes);
    return numbers;
  }
  const auto last = (bytes - block_bytes) / block_bytes;
  for (std::size_t i = 0; i < sampled_blocks; ++i)
    add(last * i / (sampled_blocks - 1) * block_bytes, block_bytes);
  return numbers;
}

template <class Token>
std::string first_tokens(const InputFile& file) {
  constexpr std::size_t most = 4;
  std::vector<Token> tokens(std::min(most, file.size() / sizeof(Token)));
  file.read(0, std::as_writable_bytes(std::span(tokens)));
  return fmt::format("{}", fmt::join(tokens, " "));
}

// Of the numbers at each place of their group, how many are above a bound.
using Counts = std::array<std::int64_t, group>;
Counts above(const std::vector<std::uint16_t>& numbers, std::uint16_t bound) {
  constexpr std::uint16_t negative = 0xFFFF, small_negative = 0xFF00;
  Counts counts{};
  for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) {
    // -1 and -100 stand for padding.
    const bool padding = numbers[i + 1] == negative && numbers[i] >= small_negative;
    if (padding || (numbers[i] == negative && numbers[i + 1] == negative)) continue;
    counts[i % group] += numbers[i] > bound ? 1 : 0;
    counts[(i + 1) % group] += numbers[i + 1] > bound ? 1 : 0;
  }
  return counts;
}

// Chance alone, at even odds, does so once in 2^16.
bool nearly_all(std::int64_t at_one_place, std::int64_t at_the_other) {
  constexpr std::int64_t enough = 16, hundredth = 100;
  return at_one_place >= enough && at_the_other * hundredth <= at_one_place;
}

[[noreturn]] void refuse_wide(const InputFile& file, std::string_view type, int bytes,
                              const std::string& wide, std::uint16_t bound) {
  fail("data",
       "{}: {} 0{}, as where a token has {} bytes: --bin-dtype {} reads "
       "{} .., --bin-dtype uint16 {} ..: say which",
       file.path(),
       bytes == 4 ? "every second of its 16-bit numbers is"
                  : "three of four of its 16-bit numbers are",
       bound == 0 ? "" : fmt::format(" to {}", bound), bytes, type, wide,
       first_tokens<std::uint16_t>(file));
}

// The upper 16 bits of 3e-5 to 500,000, of either sign, in 32 and in 64 bits, stand at the last
// place of a group: of tokens, or of what was never tokens.
void check_integers(const InputFile& file, const std::vector<std::uint16_t>& numbers) {
  constexpr std::uint16_t least = 0x3800, most = 0x4900, without_sign = 0x7FFF;
  Counts real{}, other{};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto size = numbers[i] & without_sign;
    const bool is_real = least <= size && size <= most;
    real[i % group] += is_real ? 1 : 0;
    other[i % group] += is_real || numbers[i] == 0 ? 0 : 1;
  }
  if (!nearly_all(real[group - 1], other[group - 1]) || 2 * real[0] > real[group - 1]) return;
  fail(
      "data",
      "{}: looks like floating-point numbers: array.astype('<u4').tofile('FILE.bin') writes tokens "
      "that --bin-dtype uint32 reads; --bin-dtype uint16 reads {} .. as it stands",
      file.path(), first_tokens<std::uint16_t>(file));
}

// The highest byte first.
void check_order(const InputFile& file, const std::vector<std::uint16_t>& numbers) {
  const auto high = std::ranges::count_if(numbers, [](unsigned n) { return n >> 8 != 0; });
  const auto low = std::ranges::count_if(numbers, [](unsigned n) { return (n & 0xFF) != 0; });
  if (!nearly_all(high, low)) return;
  fail("data",
       "{}: the first of every two bytes is 0, as where the highest byte comes first (big-endian): "
       "array.astype('<u2').tofile('FILE.bin') writes the lowest first; --bin-dtype uint16 reads "
       "{} .. as it stands",
       file.path(), first_tokens<std::uint16_t>(file));
}

}  // namespace

void check_is_uint16(const InputFile& file) {
  // The upper half of a token, of vocabularies up to a million, is at most this.
  constexpr std::array<std::uint16_t, 5> bounds = {0, 1, 2, 3, 15};
  constexpr std::size_t width = 2;
  const auto numbers = sample_of(file);
  check_order(file, numbers);
  check_integers(file, numbers);
  for (const auto bound : bounds) {
    const auto [first, second, third, fourth] = above(numbers, bound);
    const bool whole_groups = file.size() % (width * group) == 0;
    if (whole_groups && nearly_all(first, second) && nearly_all(first, third + fourth))
      refuse_wide(file, "int64", 8, first_tokens<std::int64_t>(file), bound);
    const bool whole_pairs = file.size() % (width * 2) == 0;
    if (whole_pairs && nearly_all(first + third, second + fourth))
      refuse_wide(file, "uint32", 4, first_tokens<std::uint32_t>(file), bound);
    if (whole_pairs && nearly_all(second + fourth, first + third)) {
      fail("data",
           "{}: of its 16-bit numbers the first of every two is hardly ever above {}, as in wide "
           "numbers with the highest byte first (big-endian): "
           "array.astype('<u4').tofile('FILE.bin') writes tokens that --bin-dtype uint32 reads",
           file.path(), bound);
    }
  }
}

}  // namespace lookback
