#include "apps/train/event_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <boost/crc.hpp>
#include <charconv>
#include <chrono>
#include <limits>
#include <string_view>

#include "apps/folder/folder_entries.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view name_prefix = "events.out.tfevents.";

// A message of protocol buffers: its fields, one behind the other.
class Message {
 public:
  void number(int field, std::uint64_t value) {
    key(field, varint);
    put_varint(value);
  }
  void real(int field, double value) {
    key(field, eight_bytes);
    bytes_ += little_endian(std::bit_cast<std::uint64_t>(value));
  }
  void real(int field, float value) {
    key(field, four_bytes);
    bytes_ += little_endian(std::bit_cast<std::uint32_t>(value));
  }
  void text(int field, std::string_view value) {
    key(field, counted_bytes);
    put_varint(value.size());
    bytes_ += value;
  }
  void message(int field, const Message& value) { text(field, value.bytes_); }
  std::string record() const;

 private:
  enum WireType { varint = 0, eight_bytes = 1, counted_bytes = 2, four_bytes = 5 };

  void key(int field, WireType type) { put_varint(static_cast<std::uint64_t>(field << 3 | type)); }
  void put_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  template <class Number>
  static std::string little_endian(Number value) {
    static_assert(std::endian::native == std::endian::little);
    const auto raw = std::bit_cast<std::array<char, sizeof value>>(value);
    return {raw.data(), raw.size()};
  }
  static std::uint32_t checksum(std::string_view data);

  std::string bytes_;
};

// CRC-32C (Castagnoli), rotated and shifted as TensorFlow does, so that the checksum of data that
// hold checksums is as good as any.
std::uint32_t Message::checksum(std::string_view data) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(data.data(), data.size());
  return std::rotr(static_cast<std::uint32_t>(crc.checksum()), 15) + 0xa282ead8U;
}

std::string Message::record() const {
  const auto length = little_endian(std::uint64_t{bytes_.size()});
  return length + little_endian(checksum(length)) + bytes_ + little_endian(checksum(bytes_));
}

// The numbers of fields, as event.proto and summary.proto have them.
struct Event : Message {
  explicit Event(std::int64_t step) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    real(1, std::chrono::duration<double>(now).count());
    number(2, static_cast<std::uint64_t>(step));
  }
  void file_version(std::string_view version) { text(3, version); }
  void summary(const Message& values) { message(5, values); }
  void session_log(const Message& log) { message(7, log); }
};

std::string beginning(std::int64_t first_step) {
  constexpr std::uint64_t start = 1;
  Event version(0), session(first_step);
  version.file_version("brain.Event:2");
  Message log;
  log.number(1, start);
  session.session_log(log);
  return version.record() + session.record();
}

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "host";
}

// A name behind all others, also of a run that ended within this second, or of a clock that was
// ahead.
fs::path new_path(const fs::path& folder) {
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
                     std::chrono::system_clock::now().time_since_epoch())
                     .count();
  constexpr auto last_second = std::numeric_limits<std::int64_t>::max();
  for (const auto& name : names_in(folder)) {
    if (!is_event_file(name)) continue;
    const auto digits = name.substr(name_prefix.size());
    std::int64_t other = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), other);
    seconds = std::max(seconds, std::min(other, last_second - 1) + 1);
  }
  return folder / fmt::format("{}{:010}.{}.{}", name_prefix, seconds, host_name(), getpid());
}

}  // namespace

bool is_event_file(const fs::path& path) {
  return path.filename().string().starts_with(name_prefix);
}

EventFile::EventFile(const fs::path& folder, std::int64_t first_step) : file_(new_path(folder)) {
  file_.append(beginning(first_step));
  sync_folder(folder);
}

void EventFile::append(std::int64_t step, const std::vector<Scalar>& scalars) {
  Message summary;
  for (const auto& [tag, number] : scalars) {
    Message value;
    value.text(1, tag);
    value.real(2, static_cast<float>(number));
    summary.message(1, value);
  }
  Event event(step);
  event.summary(summary);
  file_.append(event.record());
}

}  // namespace lookback
