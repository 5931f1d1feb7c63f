#include "apps/train/train_options.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/cli/exit_code.h"
#include "apps/data/batch_rows.h"
#include "apps/model/dtype_choice.h"

namespace lookback {

namespace {

constexpr IntegerRule micro_steps_rule{.min = 1, .max = max_micro_steps};
constexpr IntegerRule timeout_rule{.min = 1, .max = 7 * 24 * 3600};

}  // namespace

void TrainOptions::declare(Flags& flags) {
  flags.add("config", config, "FILE|DIR|NAME",
            "the model: a config.json, a folder with one, or smoke, tiny, 124m");
  flags.add("preset", presets, "NAME", "a variant laid over the config (`lookback presets`)");
  flags.add("fault", fault, "NAME", "a known mistake: see `lookback presets --faults`");
  flags.add("init-from", init_from, "DIR", "start from the weights of a model folder");
  flags.add(
      "data", data, "SPEC",
      "builtin:stories|uniform|markov|fixed, a text, JSONL, a .bin or .npy of tokens, a folder "
      "or glob; several with weights: a.txt:0.7 b.jsonl:0.3");
  flags.add("validation-data", validation_data, "SPEC",
            "without it: the last 5 % of texts and tokens, fresh built-in data");
  flags.add("tokenizer", tokenizer, "bytes|FILE",
            "for text and .bin: FILE.model (SentencePiece) or FILE.json (BPE, Unigram); without it "
            "that of --init-from, or bytes; built-in data bring their own words");
  data_flags.declare(flags);
  flags.add("batch-size", batch_size, at_least_one, "sequences per micro-step");
  flags.add("gradient-accumulation-steps", gradient_accumulation_steps, micro_steps_rule,
            "micro-steps per step");
  flags.add("gradient-lanes", gradient_lanes, micro_steps_rule,
            "sums of equally many micro-steps each, joined two by two: the same bits at every "
            "number of ranks that divides them (docs/several-machines.md); without it the number "
            "of ranks at the first start");
  flags
      .add("collective-timeout", collective_timeout, timeout_rule,
           "seconds that a rank waits for another one before the run ends")
      .not_saved_to_options();
  flags.add("block-size", block_size, at_least_one, "tokens of a training sequence, less one");
  flags.add_choice("data-order", data_order, {DataOrder::drawn, DataOrder::shuffled},
                   "of files: drawn: a sequence begins anywhere; shuffled: each window once per "
                   "epoch, in an order of (seed, epoch)");
  flags.add_toggle("no-cross-document-attention", no_cross_document_attention,
                   "documents of one row do not see each other, and each begins at position 0");
  flags.add("max-steps", max_steps, at_least_one, "optimizer steps; wins over --epochs");
  flags.add("epochs", epochs, at_least_one, "passes over the training data");
  flags.add("learning-rate", learning_rate, non_negative, "its peak");
  flags.add_choice("lr-scheduler-type", lr_scheduler_type,
                   {ScheduleKind::cosine, ScheduleKind::linear, ScheduleKind::constant,
                    ScheduleKind::warmup_stable_decay},
                   "after warming up");
  flags.add("warmup-steps", warmup_steps, at_least_zero, "wins over --warmup-ratio");
  flags.add("warmup-ratio", warmup_ratio, zero_to_one, "share of the steps to warm up");
  flags.add("min-learning-rate-ratio", min_learning_rate_ratio, zero_to_one,
            "where the schedule ends, of the peak");
  flags.add("decay-steps", decay_steps, at_least_one,
            "of warmup_stable_decay: the last steps, in which the rate falls as a cosine; without "
            "it a fifth of the run");
  flags.add("weight-decay", weight_decay, non_negative,
            "decoupled; parameters of two or more dimensions");
  flags.add("adam-beta1", adam_beta1, below_one, "decay of the first moment");
  flags.add("adam-beta2", adam_beta2, below_one, "decay of the second moment");
  flags.add("adam-epsilon", adam_epsilon, positive, "added to the root of the second moment");
  flags.add("max-grad-norm", max_grad_norm, non_negative,
            "a larger gradient is clipped to it; 0: no clipping");
  flags.add_choice("dtype", dtype, floating_dtypes, "number format");
  add_attention_storage_flag(flags, attention_storage);
  flags.add_toggle("gradient-checkpointing", gradient_checkpointing,
                   "keeps each layer's inputs alone and runs it again in backward");
  flags.add_toggle("no-cuda-graphs", no_cuda_graphs,
                   "queues each kernel of a GPU's step by itself: the same bits, slower");
  flags.add("eval-steps", eval_steps, at_least_one,
            "steps between evaluations; without it a tenth of the run");
  flags.add("eval-batches", eval_batches, at_least_one,
            "batches of an evaluation; the last one is larger");
  flags.add("logging-steps", logging_steps, at_least_one,
            "steps between lines of metrics.jsonl and TensorBoard's events");
  flags.add("save-steps", save_steps, at_least_one,
            "steps between checkpoints; without it one at the end");
  flags.add("save-total-limit", save_total_limit, at_least_one,
            "checkpoints that are kept, the newest");
  flags.add_toggle("load-best-model-at-end", load_best_model_at_end,
                   "the model at the end is that of the checkpoint with the lowest validation "
                   "loss, which is kept beside the newest; --save-steps is then --eval-steps, or a "
                   "multiple of it");
  flags.add_choice("on-spike", on_spike,
                   {OnSpike::warn, OnSpike::stop, OnSpike::skip, OnSpike::back},
                   "a loss or gradient far above those before: say so; end the run; leave that "
                   "update out; go back to the last checkpoint's weights. One that is not finite "
                   "ends the run with warn and stop");
  flags.add("inspect-every", inspect_every, at_least_one,
            "steps between looks at the start of the validation data, as `lookback inspect` takes "
            "them: OUTPUT_DIR/inspect/step-N; without it none");
  flags
      .add(
          "profile-steps", profile_steps, "A:B",
          "times every operation of steps A to B: OUTPUT_DIR/profile.json by module, trace.json on "
          "a line of time; a GPU's steps are then queued as with --no-cuda-graphs")
      .not_saved_to_options();
  flags.add("output-dir", output_dir, "DIR", "where the model and everything about the run goes");
  flags
      .add_toggle("resume", resume,
                  "goes on from the newest whole checkpoint in --output-dir, with that run's "
                  "settings; flags may change how long and how often (--max-steps, --save-steps), "
                  "--device and --threads")
      .not_saved_to_options();
  flags
      .add_toggle("verify-data", verify_data,
                  "with --resume: compares all of the data with those of the run, not a sample")
      .not_saved_to_options();
  flags.add_toggle("overwrite", overwrite, "replaces a run that --output-dir holds")
      .not_saved_to_options();
  flags.add("options", options_file, "FILE.toml", "values of flags; those on the command line win")
      .not_saved_to_options();
  flags
      .add("sweep", sweep, "FILE.toml",
           "trains every combination of the values that it lists for flags, each in a folder of "
           "its own in --output-dir")
      .not_saved_to_options();
  flags
      .add("sweep-jobs", sweep_jobs, at_least_one,
           "of a sweep: runs at once, which share the threads out; without it 1")
      .not_saved_to_options();
}

AdamWOptions adamw_options(const TrainOptions& options) {
  return {.beta1 = options.adam_beta1,
          .beta2 = options.adam_beta2,
          .epsilon = options.adam_epsilon,
          .weight_decay = options.weight_decay};
}

StepLanes lanes_of(const TrainOptions& options) {
  const StepLanes lanes{.lanes = options.gradient_lanes.value_or(1),
                        .micro_batches = options.gradient_accumulation_steps};
  if (lanes.micro_batches % lanes.lanes != 0) {
    usage_error(
        "--gradient-accumulation-steps {}: must be a multiple of --gradient-lanes {}: it counts "
        "the micro-steps of a step over all ranks, as 8 for 4 steps on each of 2",
        lanes.micro_batches, lanes.lanes);
  }
  return lanes;
}

void resolve_steps(TrainOptions& options, std::optional<std::int64_t> training_tokens) {
  if (!options.max_steps) {
    if (!training_tokens) {
      usage_error("--max-steps is missing: {} has no end, so it has no epochs either",
                  options.data);
    }
    // In floating point the product cannot overflow; a step of 2^53 tokens is one step an epoch.
    const double step_tokens = static_cast<double>(options.block_size) *
                               static_cast<double>(options.batch_size) *
                               static_cast<double>(options.gradient_accumulation_steps);
    const double epoch =
        std::max(1.0, std::floor(static_cast<double>(*training_tokens - 1) / step_tokens));
    const double steps = epoch * static_cast<double>(options.epochs);
    if (steps > static_cast<double>(max_step_count)) {
      usage_error("--epochs {}: {:.0f} steps are more than {}", options.epochs, steps,
                  max_step_count);
    }
    options.max_steps = static_cast<std::int64_t>(steps);
  }
  const auto steps = *options.max_steps;
  if (!options.warmup_steps) {
    options.warmup_steps =
        static_cast<std::int64_t>(std::ceil(options.warmup_ratio * static_cast<double>(steps)));
  }
  const bool stays = options.lr_scheduler_type == ScheduleKind::warmup_stable_decay;
  if (stays && !options.decay_steps) options.decay_steps = std::max<std::int64_t>(1, steps / 5);
  if (!stays && options.decay_steps) {
    usage_error("--decay-steps goes with --lr-scheduler-type warmup_stable_decay, and not with {}",
                name_of(options.lr_scheduler_type));
  }
  if (!options.eval_steps) options.eval_steps = std::max<std::int64_t>(1, steps / 10);
  if (options.on_spike == OnSpike::back && !options.save_steps) {
    usage_error(
        "--on-spike back goes back to a checkpoint: --save-steps must say how often one is "
        "written");
  }
  if (!options.save_steps) {
    options.save_steps = options.load_best_model_at_end ? *options.eval_steps : steps;
  }
  if (options.load_best_model_at_end && *options.save_steps % *options.eval_steps != 0) {
    usage_error(
        "--save-steps {} must be a multiple of --eval-steps {}, so that each checkpoint has "
        "the loss that --load-best-model-at-end chooses by",
        *options.save_steps, *options.eval_steps);
  }
}

void check_batch(std::int64_t batch_size, std::int64_t block_size) {
  constexpr auto max_tokens = std::int64_t{1} << 40;  // few enough to be counted in bytes
  if (batch_size > max_tokens / block_size) {
    usage_error("--batch-size {} x --block-size {}: must be at most {} tokens", batch_size,
                block_size, max_tokens);
  }
}

}  // namespace lookback
