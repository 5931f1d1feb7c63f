#include "kernels/cuda/emulated/queue.h"

#include <optional>
#include <utility>

#include "runtime/allocator.h"
#include "runtime/check.h"

namespace lookback::device::emulated {
namespace {

std::vector<Queued>* recording = nullptr;
std::optional<std::int64_t> works_left;  // none: the GPU stays
std::optional<RecordingStage> stage_without_memory;

bool is_lost() { return works_left && *works_left == 0; }

}  // namespace

void submit(Queued work) {
  if (recording != nullptr) {
    recording->push_back(std::move(work));
  } else {
    run(work);
  }
}

std::vector<Queued> recorded(const std::function<void()>& work) {
  std::vector<Queued> result;
  recording = &result;
  try {
    work();
  } catch (...) {
    recording = nullptr;
    throw;
  }
  recording = nullptr;
  return result;
}

LoseDeviceAfter::LoseDeviceAfter(std::int64_t works) { works_left = works; }
LoseDeviceAfter::~LoseDeviceAfter() { works_left.reset(); }

NoMemoryForRecordings::NoMemoryForRecordings(RecordingStage stage) { stage_without_memory = stage; }
NoMemoryForRecordings::~NoMemoryForRecordings() { stage_without_memory.reset(); }

void expect_memory_for_recording(RecordingStage stage) {
  if (stage_without_memory != stage) return;
  const char* call = stage == RecordingStage::allocation   ? "cudaMalloc"
                     : stage == RecordingStage::completion ? "cudaGraphInstantiate"
                                                           : "cudaGraphLaunch";
  throw OutOfMemory(fmt::format("[memory] out of memory: {}: out of memory", call));
}

void run(const Queued& work) {
  if (is_lost()) return;
  if (works_left) --*works_left;
  work();
}

void throw_if_lost() {
  if (!is_lost()) return;
  fail("cuda", "cudaStreamSynchronize: unspecified launch failure (cudaErrorLaunchFailure)");
}

bool is_recording() { return recording != nullptr; }

}  // namespace lookback::device::emulated
