// TensorBoard's events file: scalars by step, in TensorFlow's record format
// (tensorflow/core/lib/io/record_writer.h) around its Event messages
// (tensorflow/core/util/event.proto), of which a run needs four fields.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "apps/train/append_file.h"

namespace lookback {

// Whether a file bears the name of an events file: events.out.tfevents.SECONDS.HOST.PID, seconds
// since 1970. TensorBoard joins those of a folder in name order.
bool is_event_file(const std::filesystem::path& path);

class EventFile {
 public:
  // Begins a file in `folder` behind those that are there. It says that a run starts at first_step:
  // for TensorBoard what the files before it hold of that step and of later ones is void. That
  // there is such a file outlasts a power cut. Throws Error when it cannot be written.
  EventFile(const std::filesystem::path& folder, std::int64_t first_step);

  using Scalar = std::pair<std::string, double>;  // a tag and its value, kept as float32
  // Whole as soon as it is written; on a full disk as AppendFile.
  void append(std::int64_t step, const std::vector<Scalar>& scalars);
  // As AppendFile.
  void sync() { file_.sync(); }

 private:
  AppendFile file_;
};

}  // namespace lookback
