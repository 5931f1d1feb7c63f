#include "apps/train/checkpoint_saver.h"

#include <chrono>
#include <exception>

#include "apps/cli/console.h"
#include "apps/cli/error_message.h"
#include "apps/folder/unfinished.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/copy_of.h"
#include "runtime/parallel.h"
#include "runtime/signals_held_back.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

class AddedSeconds {
 public:
  explicit AddedSeconds(double& sum) : sum_(sum) {}
  ~AddedSeconds() { sum_ += std::chrono::duration<double>(Clock::now() - begin_).count(); }
  AddedSeconds(const AddedSeconds&) = delete;
  AddedSeconds& operator=(const AddedSeconds&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double& sum_;
  Clock::time_point begin_ = Clock::now();
};

std::int64_t bytes_of(const NamedTensors& tensors) {
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors)
    bytes += tensor.numel() * static_cast<std::int64_t>(size_of(tensor.dtype()));
  return bytes;
}

// In memory of the host that no step writes to.
void copy_all(NamedTensors& tensors) {
  const NoGrad no_grad;
  for (auto& [name, tensor] : tensors)
    tensor = tensor.device() == cpu_device ? copy_of(tensor) : on_host(tensor);
}

}  // namespace

CheckpointSaver::~CheckpointSaver() {
  try {
    wait();
  } catch (const std::exception& error) {
    print_warning(message_of(error));
  }
}

void CheckpointSaver::save(CheckpointContents checkpoint) {
  wait();
  const AddedSeconds waited(seconds_waited_);
  const auto copied = bytes_of(checkpoint.model.weights) + bytes_of(checkpoint.moments);
  if (const auto free = free_memory_(); free && 2 * copied > *free)
    return save_checkpoint(work_, checkpoint, limit_);
  copy_all(checkpoint.model.weights);
  copy_all(checkpoint.moments);
  const SignalsHeldBack held_back;
  writing_ = std::async(std::launch::async, [this, contents = std::move(checkpoint)] {
    const UnendedSteps steps;  // nothing goes that becomes part of a checkpoint
    set_num_threads(1);        // of this thread's own work: the others belong to the training
    save_checkpoint(work_, contents, limit_);
  });
}

void CheckpointSaver::look() {
  if (writing_.valid() && writing_.wait_for(std::chrono::seconds(0)) == std::future_status::ready)
    wait();
}

void CheckpointSaver::wait() {
  const AddedSeconds waited(seconds_waited_);
  if (writing_.valid()) writing_.get();
}

}  // namespace lookback
