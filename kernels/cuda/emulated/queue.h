// What is queued on the emulated GPU: it runs at once, or is kept while a capture is made
// (runtime/captured_work.h).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace lookback::device::emulated {

using Queued = std::function<void()>;

void submit(Queued work);

// What work() submits; none of it has run.
std::vector<Queued> captured(const std::function<void()>& work);
bool is_capturing();

// For its lifetime: what is submitted is counted, and does not run. Copies do.
class CountInPlace {
 public:
  CountInPlace();
  ~CountInPlace();
  CountInPlace(const CountInPlace&) = delete;
  CountInPlace& operator=(const CountInPlace&) = delete;
  std::int64_t works() const;
};

// For its lifetime: a GPU that is lost in the middle. When so many submitted works have run,
// nothing runs any more, and who waits for the GPU or copies hears of it, as of a real one.
class LoseDeviceAfter {
 public:
  explicit LoseDeviceAfter(std::int64_t works);
  ~LoseDeviceAfter();
  LoseDeviceAfter(const LoseDeviceAfter&) = delete;
  LoseDeviceAfter& operator=(const LoseDeviceAfter&) = delete;
};

// For its lifetime: a GPU whose memory does not suffice for captures, as it shows at one of three
// moments: when the captured work asks for memory, when the capture is made of what was captured,
// when it is to run.
enum class CaptureStage { allocation, completion, launch };
class NoMemoryForCaptures {
 public:
  explicit NoMemoryForCaptures(CaptureStage stage);
  ~NoMemoryForCaptures();
  NoMemoryForCaptures(const NoMemoryForCaptures&) = delete;
  NoMemoryForCaptures& operator=(const NoMemoryForCaptures&) = delete;
};
// Throws OutOfMemory in CUDA's words where that is how it shows.
void expect_memory_for_capture(CaptureStage stage);

// Runs the work, unless the GPU is lost.
void run(const Queued& work);
// Throws Error in CUDA's words where the GPU is lost.
void throw_if_lost();

}  // namespace lookback::device::emulated
