// Reads TensorBoard's events files by the rules of TensorFlow's record format and of protocol
// buffers, with nothing of the program's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lookback::tests {

std::uint32_t crc32c(std::string_view data);  // bit by bit

struct Event {
  double wall_time = 0;
  std::int64_t step = 0;
  std::string file_version = {};
  bool starts = false;  // a SessionLog of status START
  struct Scalar {
    std::string tag;
    float value;
  };
  std::vector<Scalar> scalars = {};
};

// Throws std::runtime_error for a wrong length, checksum or field.
std::vector<Event> read_events(const std::filesystem::path& file);

std::vector<std::filesystem::path> event_files(const std::filesystem::path& run);  // by name

// The events with scalars of all files of a run, as TensorBoard joins them: a START of step s voids
// all before it of steps s and later. A file that a power cut damaged is read up to there.
std::vector<Event> joined_events(const std::filesystem::path& run);

}  // namespace lookback::tests
