#include "apps/train/training_run.h"

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/cli/error_message.h"
#include "apps/train/non_finite.h"
#include "apps/train/peak_memory.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/to_vector.h"

namespace lookback {
namespace {

using Json = nlohmann::ordered_json;

// The numbers that learned weights and scales come to, by name.
Json learned_numbers(const Llama& llama) {
  const NoGrad no_grad;
  auto learned = Json::object();
  for (const auto& named : llama.effective_values()) {
    learned[named.first] = to_vector(named.second);
  }
  return learned;
}

}  // namespace

TrainingRun::TrainingRun(const Llama& model, const TokenData& data, const TrainOptions& options,
                         OutputFolder& output_folder, const Session& session)
    : llama_(model),
      data_(data),
      options_(options),
      forward_(forward_options_of(options, model)),
      trainer_(model, options_, forward_),
      state_{.seed = session.seed},
      pending_(session.device),
      log_(session.console, state_, total_steps()),
      folder_(output_folder, model, data, options, session) {}

std::vector<std::string> TrainingRun::resume(const ResumedRun& run) {
  const Check check{"resume"};
  const auto& before = run.state;
  if (before.step > total_steps()) {
    usage_error("--max-steps {}: the run has done {} already ({}): must be at least that",
                total_steps(), before.step, run.checkpoint.path.string());
  }
  check(before.seed == state_.seed,
        "{} was trained with seed {}, its run with {}: must be the same",
        run.checkpoint.path.string(), before.seed, state_.seed);
  const auto earlier = folder_.resume(run);
  log_.resume(earlier);
  state_ = before;
  resumed_ = &run;
  if (!before.ties || earlier.known_by == before.ties->metrics) return {};
  const auto lines = before.ties->metrics.count;
  return {fmt::format(
      "{}: of the {} lines that the run had written by step {}, {}; the run goes on behind those "
      "that are there",
      (folder_.path() / "metrics.jsonl").string(), lines, before.step,
      earlier.known_by.count == lines ? "some are not as they were"
                                      : fmt::format("{} are there", earlier.known_by.count))};
}

TrainingSummary TrainingRun::run() {
  try {
    // One that was killed after its last step had old checkpoints left to remove.
    if (resumed_ != nullptr && state_.step == total_steps())
      folder_.remove_old_checkpoints(state_.step);
    train();
  } catch (const NonFiniteError&) {
    throw;
  } catch (const std::exception& error) {
    // Whatever happened, a full disk or a GPU that is gone: what is saved is saved.
    if (!log_.is_open()) throw;
    throw Error(folder_.with_resume_command(message_of(error)));
  }
  return {.ended_by = state_.step < total_steps() ? interrupt_->signal() : 0,
          .steps = state_.step,
          .loss = log_.written().loss,
          .evaluation = log_.written().evaluation,
          .tokens_per_second = log_.tokens_per_second()};
}

void TrainingRun::train() {
  CheckpointWatch checkpoint_wish;
  bool interrupted = false;
  while (state_.step < total_steps() && !interrupted) {
    take_step();
    interrupted = interrupt_->requested() && state_.step < total_steps();
    const bool asked_for_checkpoint = checkpoint_wish.take();
    const bool logs = at_multiple_of(options_.logging_steps);
    const bool evaluates = at_multiple_of(*options_.eval_steps);
    const bool inspects = options_.inspect_every && state_.step % *options_.inspect_every == 0;
    const bool saves = at_multiple_of(*options_.save_steps) || interrupted || asked_for_checkpoint;
    if (logs || evaluates || inspects || saves) read_steps();
    if (logs || interrupted) {
      log_.write_steps(trainer_.learning_rate(state_.step - 1),
                       logs ? RunLog::Line::standing : RunLog::Line::of_interrupt);
    }
    if (evaluates) evaluate_model();
    // Before the checkpoint: a run that is killed in between then writes this report once more, and
    // not never.
    if (inspects) write_report();
    if (saves) folder_.save_checkpoint(trainer_.adamw(), state_, log_);
    if (asked_for_checkpoint) {
      log_.say(fmt::format("checkpoint-{} is written, as a signal asked for", state_.step));
    }
  }
  if (interrupted) folder_.save_model();
}

void TrainingRun::take_step() {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  auto batches = trainer_.micro_batches(*data_.training, state_.step);
  if (state_.step == first_step()) {
    const auto begin_run = [&](const StepResults& results) { begin(results, batches); };
    state_.tokens += trainer_.take(state_.step, batches, begin_run).tokens;
  } else {
    const bool said_before = !trainer_.why_not_captured().empty();
    const auto results = trainer_.take(state_.step, batches);
    if (!said_before && !trainer_.why_not_captured().empty()) {
      log_.say(
          fmt::format("step {}: queued kernel by kernel from here on, as with "
                      "--no-cuda-graphs: no room for a capture: {}",
                      state_.step + 1, trainer_.why_not_captured()));
    }
    state_.tokens += results.tokens;
    pending_.add({results, std::move(batches), state_.step});
    if (!pending_.on_gpu()) read_steps();
  }
  ++state_.step;
  log_.add_seconds(std::chrono::duration<double>(Clock::now() - start).count());
  log_.show_progress();
}

// The first step is waited for before it changes a weight, so that what cannot even start leaves
// nothing behind.
void TrainingRun::begin(const StepResults& first_results, const std::vector<TokenBatch>& batches) {
  pending_.add({first_results, batches, state_.step});
  read_steps();
  interrupt_.emplace();
  folder_.begin(log_.written());
  log_.open(folder_.path());
}

void TrainingRun::read_steps() {
  log_.add_seconds(pending_.read([&](const PendingStep& each, const StepMeasures& measures) {
    if (!measures.finite()) stop(each, measures);
    log_.add_step(measures);
  }));
}

void TrainingRun::stop(const PendingStep& broken, const StepMeasures& measures) {
  const bool loss_is_finite = std::isfinite(measures.loss);
  const auto where = first_non_finite(llama_, broken.batches);
  auto kept = fmt::format("{} keeps the last model that was evaluated", options_.output_dir);
  if (broken.step == first_step()) {
    kept = resumed_ == nullptr ? "nothing was written" : "nothing was changed";
  } else if (loss_is_finite) {
    folder_.save_model();
    kept = fmt::format("{} keeps the model before this step", options_.output_dir);
  }
  throw NonFiniteError(fmt::format("step {}: the {} is not finite; {}; {}", broken.step + 1,
                                   loss_is_finite ? "gradient norm" : "loss", where, kept));
}

void TrainingRun::evaluate_model() {
  auto plan = whole_evaluation(*data_.validation, options_.batch_size, options_.block_size);
  if (state_.step < total_steps()) plan.batches = options_.eval_batches;
  const auto evaluation = evaluate(llama_, *data_.validation, plan, forward_);
  if (!std::isfinite(evaluation.loss)) {
    throw NonFiniteError(fmt::format(
        "step {}: the validation loss is not finite; {}; {} keeps the last model whose loss was",
        state_.step, first_non_finite(llama_, *data_.validation, plan), options_.output_dir));
  }
  log_.write_evaluation(evaluation, learned_numbers(llama_), peak_bytes_on(default_device()));
  folder_.save_model();
}

void TrainingRun::write_report() {
  OptimizerView view{.steps_taken = state_.step,
                     .options = adamw_options(options_),
                     .learning_rate = trainer_.learning_rate(state_.step - 1),
                     .origin = fmt::format("the optimizer after step {}", state_.step)};
  for (const auto& [name, first, second] : trainer_.adamw().states())
    view.moments[name] = {first, second};
  folder_.write_report(forward_, view);
}

bool TrainingRun::at_multiple_of(std::int64_t interval) const {
  return state_.step % interval == 0 || state_.step == total_steps();
}

}  // namespace lookback
