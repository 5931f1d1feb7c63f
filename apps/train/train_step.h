// A step of training: forward and backward of every micro-batch, clipping, AdamW. Training is
//
//   for (std::int64_t step = 0; step < total_steps; ++step) {
//     std::int64_t targets = 0;
//     for (const auto& batch : micro_batches(step)) {         // drawn by (seed, step): no state
//       const auto loss = llama.loss(batch.ids, batch.targets);
//       backward(loss.loss_sum);                              // adds to the parameters' gradients
//       targets += batch.scored();
//     }
//     adamw.begin_step(schedule.learning_rate(step), 1.0 / targets);  // of the mean loss
//     adamw.update(max_norm, gradient_norm_tensor(parameters));       // clips, moves the weights
//     clear_gradients(parameters);
//   }
//
// accumulate_gradients.cpp is the inner loop, TrainStep::queue() the step around it, and
// TrainingRun::train() the outer loop with what happens between steps. What else stands here keeps
// a GPU busy: the host waits for no number of a step, and from the second step on the GPU launches
// the step that was captured (a CUDA graph), where there is memory for that.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/train/accumulate_gradients.h"
#include "apps/train/token_tensors.h"
#include "autograd/rounded_weights.h"
#include "nn/adamw.h"
#include "runtime/allocator.h"
#include "runtime/captured_work.h"

namespace lookback {

// Whether a device that queues its kernels captures the step once and launches that from then on.
enum class Repetition { captured, queued };

// What becomes of a step whose gradients are there: one that is left out changes neither weights
// nor moments.
enum class Update { made, left_out };
using BeforeUpdate = std::function<Update(const StepResults&)>;

class TrainStep {
 public:
  // The arguments outlive it. Faults of a model are always queued: they ask for numbers on the way;
  // and so are steps of several ranks, which wait for each other.
  TrainStep(const Llama& model, AdamW& optimizer, const ForwardOptions& forward, double max_norm,
            Repetition how = Repetition::captured, const StepLanes& lanes = {});

  // Queues the step and does not wait for a GPU: its numbers are there when they have been read.
  // A norm that is not finite leaves the weights as they are, in this step and all later ones.
  // With `before_update`, which is called when the gradients are queued, a step is never captured,
  // nor is the first one; from then on steps whose batches have the shapes of the captured one are
  // launched.
  StepResults take(const std::vector<TokenBatch>& batches, double learning_rate,
                   const BeforeUpdate& before_update = {});

  bool is_captured() const { return captured_ != nullptr; }
  // Why steps are queued though they were to be captured: memory did not suffice, in the words of
  // OutOfMemory. Empty otherwise.
  const std::string& why_not_captured() const { return no_capture_; }

 private:
  bool fill_inputs(const std::vector<TokenBatch>& batches);
  StepResults queue(const std::vector<TokenBatch>& batches, double learning_rate,
                    const BeforeUpdate& before_update);
  void queue_update(const StepResults& results);
  void try_to_capture(const std::vector<TokenBatch>& batches);
  bool launch();
  void continue_queued(const OutOfMemory& error);

  const Llama& llama_;
  AdamW& optimizer_;
  const ForwardOptions forward_;
  const double max_norm_;
  const StepLanes lanes_;
  const std::vector<NamedParameter> parameters_;
  RoundedWeights rounded_;  // of the parameters
  bool may_capture_;
  std::vector<TokenTensors> inputs_;  // where each step finds its micro-batches
  // The norm of the gradients, and not finite from the first step on where it was not: no later
  // step then changes the weights, though the host has not read the norm yet.
  Tensor norm_so_far_;
  bool warm_ = false;  // a step has been queued: what is made at first use is there
  std::unique_ptr<CapturedWork> captured_;
  Tensor captured_numbers_;  // what the captured step writes
  std::string no_capture_;
};

}  // namespace lookback
