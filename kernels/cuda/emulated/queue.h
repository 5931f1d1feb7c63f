// What is queued on the emulated GPU: it runs at once, or is kept while a recording is made
// (runtime/recorded_work.h).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace lookback::device::emulated {

using Queued = std::function<void()>;

void submit(Queued work);

// What work() submits; none of it has run.
std::vector<Queued> recorded(const std::function<void()>& work);
bool is_recording();

// For its lifetime: a GPU that is lost in the middle. When so many submitted works have run,
// nothing runs any more, and who waits for the GPU or copies hears of it, as of a real one.
class LoseDeviceAfter {
 public:
  explicit LoseDeviceAfter(std::int64_t works);
  ~LoseDeviceAfter();
  LoseDeviceAfter(const LoseDeviceAfter&) = delete;
  LoseDeviceAfter& operator=(const LoseDeviceAfter&) = delete;
};

// For its lifetime: a GPU whose memory does not suffice for recordings, as it shows at one of three
// moments: when the recorded work asks for memory, when the recording is made of what was recorded,
// when it is to run.
enum class RecordingStage { allocation, completion, replay };
class NoMemoryForRecordings {
 public:
  explicit NoMemoryForRecordings(RecordingStage stage);
  ~NoMemoryForRecordings();
  NoMemoryForRecordings(const NoMemoryForRecordings&) = delete;
  NoMemoryForRecordings& operator=(const NoMemoryForRecordings&) = delete;
};
// Throws OutOfMemory in CUDA's words where that is how it shows.
void expect_memory_for_recording(RecordingStage stage);

// Runs the work, unless the GPU is lost.
void run(const Queued& work);
// Throws Error in CUDA's words where the GPU is lost.
void throw_if_lost();

}  // namespace lookback::device::emulated
