#include "tests/apps/event_reader.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "tests/apps/program_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;

class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}
  bool at_end() const { return rest_.empty(); }
  std::string_view take(std::size_t count) {
    if (count > rest_.size()) throw std::runtime_error("cut off");
    const auto taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  template <class Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return value;
    }
  }
  // The key of the next field: its number and, in the lowest three bits, its type.
  std::uint64_t field() { return varint(); }
  std::string_view counted() { return take(static_cast<std::size_t>(varint())); }

 private:
  std::string_view rest_;
};

constexpr std::uint64_t key(std::uint64_t field, std::uint64_t type) { return field << 3 | type; }

Event::Scalar scalar_of(Cursor value) {
  Event::Scalar scalar{};
  while (!value.at_end()) {
    const auto field = value.field();
    if (field == key(1, 2)) {
      scalar.tag = value.counted();
    } else if (field == key(2, 5)) {
      scalar.value = value.number<float>();
    } else {
      throw std::runtime_error("an unknown field of a value");
    }
  }
  return scalar;
}

Event event_of(Cursor message) {
  Event event;
  while (!message.at_end()) {
    const auto field = message.field();
    if (field == key(1, 1)) {
      event.wall_time = message.number<double>();
    } else if (field == key(2, 0)) {
      event.step = static_cast<std::int64_t>(message.varint());
    } else if (field == key(3, 2)) {
      event.file_version = message.counted();
    } else if (field == key(5, 2)) {
      Cursor summary(message.counted());
      while (!summary.at_end()) {
        if (summary.field() != key(1, 2)) throw std::runtime_error("an unknown field of a summary");
        event.scalars.push_back(scalar_of(Cursor(summary.counted())));
      }
    } else if (field == key(7, 2)) {
      Cursor log(message.counted());
      event.starts = log.field() == key(1, 0) && log.varint() == 1 && log.at_end();
    } else {
      throw std::runtime_error("an unknown field of an event");
    }
  }
  return event;
}

void check_sum(std::string_view data, std::uint32_t masked) {
  const auto sum = crc32c(data);
  if (((sum >> 15 | sum << 17) + 0xa282ead8U) != masked)
    throw std::runtime_error("a wrong checksum");
}

void add_events(const fs::path& file, std::vector<Event>& events) {
  const auto bytes = read_text(file);
  for (Cursor cursor(bytes); !cursor.at_end();) {
    const auto length = cursor.take(8);
    check_sum(length, cursor.number<std::uint32_t>());
    const auto data = cursor.take(static_cast<std::size_t>(Cursor(length).number<std::uint64_t>()));
    check_sum(data, cursor.number<std::uint32_t>());
    events.push_back(event_of(Cursor(data)));
  }
}

}  // namespace

std::uint32_t crc32c(std::string_view data) {
  std::uint32_t sum = 0xffffffffU;
  for (const char c : data) {
    sum ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1U ? 0x82f63b78U : 0U);
  }
  return ~sum;
}

std::vector<Event> read_events(const fs::path& file) {
  std::vector<Event> events;
  add_events(file, events);
  return events;
}

std::vector<fs::path> event_files(const fs::path& run) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(run)) {
    const auto name = entry.path().filename().string();
    if (name.find("tfevents") != std::string::npos) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

std::vector<Event> joined_events(const fs::path& run) {
  std::vector<Event> joined;
  for (const auto& file : event_files(run)) {
    std::vector<Event> events;
    try {
      add_events(file, events);
    } catch (const std::runtime_error&) {
      // What is behind the damage TensorBoard does not read either.
    }
    for (const auto& event : events) {
      if (event.starts) {
        std::erase_if(joined, [&](const Event& earlier) { return earlier.step >= event.step; });
      }
      if (!event.scalars.empty()) joined.push_back(event);
    }
  }
  return joined;
}

}  // namespace lookback::tests
