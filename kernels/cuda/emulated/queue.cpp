#include "kernels/cuda/emulated/queue.h"

#include <optional>
#include <utility>

#include "runtime/allocator.h"
#include "runtime/check.h"

namespace lookback::device::emulated {
namespace {

std::vector<Queued>* capture = nullptr;
std::optional<std::int64_t> works_counted;  // none: they run
std::optional<std::int64_t> works_left;  // none: the GPU stays
std::optional<CaptureStage> stage_without_memory;

bool is_lost() { return works_left && *works_left == 0; }

}  // namespace

void submit(Queued work) {
  if (works_counted) {
    ++*works_counted;
  } else if (capture != nullptr) {
    capture->push_back(std::move(work));
  } else {
    run(work);
  }
}

std::vector<Queued> captured(const std::function<void()>& work) {
  std::vector<Queued> result;
  capture = &result;
  try {
    work();
  } catch (...) {
    capture = nullptr;
    throw;
  }
  capture = nullptr;
  return result;
}

CountInPlace::CountInPlace() { works_counted = 0; }
CountInPlace::~CountInPlace() { works_counted.reset(); }
std::int64_t CountInPlace::works() const { return *works_counted; }

LoseDeviceAfter::LoseDeviceAfter(std::int64_t works) { works_left = works; }
LoseDeviceAfter::~LoseDeviceAfter() { works_left.reset(); }

NoMemoryForCaptures::NoMemoryForCaptures(CaptureStage stage) { stage_without_memory = stage; }
NoMemoryForCaptures::~NoMemoryForCaptures() { stage_without_memory.reset(); }

void expect_memory_for_capture(CaptureStage stage) {
  if (stage_without_memory != stage) return;
  const char* call = stage == CaptureStage::allocation   ? "cudaMalloc"
                     : stage == CaptureStage::completion ? "cudaGraphInstantiate"
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

bool is_capturing() { return capture != nullptr; }

}  // namespace lookback::device::emulated
