#include "kernels/cuda/emulated/queue.h"

#include <utility>

namespace lookback::device::emulated {
namespace {

std::vector<Queued>* recording = nullptr;

}  // namespace

void submit(Queued work) {
  if (recording != nullptr) {
    recording->push_back(std::move(work));
  } else {
    work();
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

bool is_recording() { return recording != nullptr; }

}  // namespace lookback::device::emulated
