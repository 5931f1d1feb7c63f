// Checkpoints that are written while the run goes on.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <utility>

#include "apps/model/machine_memory.h"
#include "apps/train/checkpoint.h"

namespace lookback {

// The run waits while the tensors of a checkpoint are copied; a thread of its own writes the copy.
// Where memory has no room for it (that of model and moments once more, and as much again), the run
// waits until the tensors themselves are written. One checkpoint is written at a time.
class CheckpointSaver {
 public:
  using FreeMemory = std::function<std::optional<std::int64_t>()>;  // in bytes; none: unknown
  // The work folder outlives this object. `limit`: save_checkpoint()'s.
  CheckpointSaver(
      const WorkFolder& work, std::int64_t limit,
      FreeMemory free_memory = [] { return available_bytes(); })
      : work_(work), limit_(limit), free_memory_(std::move(free_memory)) {}
  // Waits. What goes wrong then is a warning: whoever wants to know has called wait().
  ~CheckpointSaver();
  CheckpointSaver(const CheckpointSaver&) = delete;
  CheckpointSaver& operator=(const CheckpointSaver&) = delete;

  // Begins to write a checkpoint. After a wait(), as each of these functions throws what went wrong
  // with the one before.
  void save(CheckpointContents checkpoint);
  // Throws where the one that was begun has failed meanwhile; does not wait.
  void look();
  // Returns when it is on the disk.
  void wait();

  // How long the caller has waited in these functions.
  double seconds_waited() const { return seconds_waited_; }

 private:
  const WorkFolder& work_;
  std::int64_t limit_;
  FreeMemory free_memory_;
  double seconds_waited_ = 0;
  std::future<void> writing_;
};

}  // namespace lookback
