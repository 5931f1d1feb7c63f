// What `lookback train` is asked to do: the flags of CLI.md with their defaults.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/cli/flags.h"
#include "apps/data/data_flags.h"
#include "apps/model/attention_storage.h"
#include "apps/train/accumulate_gradients.h"
#include "apps/train/spikes.h"
#include "nn/adamw.h"
#include "nn/schedule.h"

namespace lookback {

struct TrainOptions {
  std::string config = {};
  std::vector<std::string> presets = {"llama"};  // laid over the config in order
  std::string fault = {};
  std::string init_from = {};

  std::string data = {}, validation_data = {};
  std::string tokenizer = {};  // empty: the data's own
  DataFlags data_flags = {};
  std::int64_t batch_size = 8;
  std::int64_t gradient_accumulation_steps = 1;
  std::optional<std::int64_t> gradient_lanes = {};  // none: one
  std::int64_t collective_timeout = 120;            // seconds
  std::int64_t block_size = 256;
  DataOrder data_order = DataOrder::drawn;
  bool no_cross_document_attention = false;

  std::optional<std::int64_t> max_steps = {};
  std::int64_t epochs = 1;
  double learning_rate = 1e-3;
  ScheduleKind lr_scheduler_type = ScheduleKind::cosine;
  std::optional<std::int64_t> warmup_steps = {};
  double warmup_ratio = 0;
  double min_learning_rate_ratio = 0;
  std::optional<std::int64_t> decay_steps = {};  // of warmup_stable_decay
  double weight_decay = 0.1;
  double adam_beta1 = 0.9, adam_beta2 = 0.95, adam_epsilon = 1e-8;
  double max_grad_norm = 1.0;
  DType dtype = DType::f32;
  AttentionStorage attention_storage = AttentionStorage::qk;
  bool gradient_checkpointing = false;
  bool no_cuda_graphs = false;

  std::optional<std::int64_t> eval_steps = {};
  std::int64_t eval_batches = 20;
  std::int64_t logging_steps = 10;
  std::optional<std::int64_t> save_steps = {};
  std::int64_t save_total_limit = 3;
  std::optional<std::int64_t> inspect_every = {};
  std::string profile_steps = {};  // "A:B"; empty: none
  bool load_best_model_at_end = false;
  OnSpike on_spike = OnSpike::warn;

  std::string output_dir = "run";
  bool overwrite = false;
  bool resume = false;
  bool verify_data = false;
  std::string options_file = {};
  std::string sweep = {};  // a file; empty: one run
  std::optional<std::int64_t> sweep_jobs = {};

  void declare(Flags& flags);
};

AdamWOptions adamw_options(const TrainOptions& options);

// In how many lanes the gradients of a step are summed. Throws UsageError where its micro-steps
// cannot be dealt out to them evenly.
StepLanes lanes_of(const TrainOptions& options);

// Fills in what was left to the program, from the number of training tokens (none: endless data):
// max_steps, warmup_steps, decay_steps (a fifth of the run), eval_steps, save_steps. S = max_steps
// or epochs x E steps, where an epoch is E = max(1, floor((n - 1) / (T x batch size x
// accumulation))); W = ceil(warmup_ratio x S); evaluations every max(1, floor(S / 10)) steps.
// Where the best model is loaded at the end, a checkpoint stands beside each evaluation, or beside
// every n-th. Throws UsageError for endless data without max_steps, for checkpoints that stand
// beside no evaluation, and where there would be none to go back to.
void resolve_steps(TrainOptions& options, std::optional<std::int64_t> training_tokens);

// Throws UsageError for a batch of more tokens than any machine holds.
void check_batch(std::int64_t batch_size, std::int64_t block_size);

}  // namespace lookback
