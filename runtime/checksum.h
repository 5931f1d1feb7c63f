// Checksums by which damaged and exchanged bytes are found: XXH3 in its form of 64 bits
// (https://xxhash.com), of which `xxhsum -H3` is the program. One that differs has other bytes; of
// other bytes one in 2^64 has the same. They do not protect against deliberate changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lookback {

struct Checksum {
  std::uint64_t bits = 0;
  friend bool operator==(const Checksum&, const Checksum&) = default;
  friend auto operator<=>(const Checksum&, const Checksum&) = default;
};

// 16 hexadecimal digits.
std::string to_string(Checksum checksum);
// Throws Error for text that is not as to_string() writes it.
Checksum parse_checksum(std::string_view text);

Checksum checksum_of(std::span<const std::byte> bytes);
inline Checksum checksum_of(std::string_view text) {
  return checksum_of(std::as_bytes(std::span(text)));
}

// Of bytes that come in pieces: however they were cut, it is the checksum of the whole.
class RunningChecksum {
 public:
  RunningChecksum();
  ~RunningChecksum();
  RunningChecksum(RunningChecksum&&) noexcept;
  RunningChecksum& operator=(RunningChecksum&&) noexcept;

  void add(std::span<const std::byte> bytes);
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  Checksum value() const;  // of all that was added so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lookback
