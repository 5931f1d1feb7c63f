#include "runtime/checksum.h"

#include <charconv>

#include "runtime/check.h"
#include "runtime/json.h"

// The library's functions become part of this file.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace lookback {

std::string to_string(Checksum checksum) { return fmt::format("{:016x}", checksum.bits); }

Checksum parse_checksum(std::string_view text) {
  Checksum checksum;
  const auto* end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, checksum.bits, 16);
  if (problem != std::errc{} || stop != end || to_string(checksum) != text) {
    fail("checksum", "{}: must be 16 hexadecimal digits", in_quotes(text));
  }
  return checksum;
}

Checksum checksum_of(std::span<const std::byte> bytes) {
  return {XXH3_64bits(bytes.data(), bytes.size())};
}

struct RunningChecksum::State {
  XXH3_state_t sum;
};

RunningChecksum::RunningChecksum() : state_(std::make_unique<State>()) {
  XXH3_64bits_reset(&state_->sum);
}

RunningChecksum::~RunningChecksum() = default;
RunningChecksum::RunningChecksum(RunningChecksum&&) noexcept = default;
RunningChecksum& RunningChecksum::operator=(RunningChecksum&&) noexcept = default;

void RunningChecksum::add(std::span<const std::byte> bytes) {
  XXH3_64bits_update(&state_->sum, bytes.data(), bytes.size());
}

Checksum RunningChecksum::value() const { return {XXH3_64bits_digest(&state_->sum)}; }

}  // namespace lookback
