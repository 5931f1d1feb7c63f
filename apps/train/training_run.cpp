#include "apps/train/training_run.h"

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/cli/error_message.h"
#include "apps/train/non_finite.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/to_vector.h"
#include "nn/schedule.h"

namespace lookback {
namespace {

using Json = nlohmann::ordered_json;

Schedule schedule_of(const TrainOptions& options) {
  return {.kind = options.lr_scheduler_type,
          .peak = options.learning_rate,
          .warmup_steps = *options.warmup_steps,
          .total_steps = *options.max_steps,
          .minimum_ratio = options.min_learning_rate_ratio};
}

ForwardOptions forward_options_of(const TrainOptions& options, const Llama& llama) {
  return training_pass(
      options.attention_storage, llama, options.batch_size, options.block_size,
      options.gradient_checkpointing ? Activations::recomputed : Activations::kept);
}

// The micro-batches of step `step` (from 0).
std::vector<TokenBatch> micro_batches(const TokenData& data, const TrainOptions& options,
                                      std::int64_t step) {
  std::vector<TokenBatch> batches;
  for (std::int64_t i = 0; i < options.gradient_accumulation_steps; ++i) {
    batches.push_back(
        data.training->training_batch(step, i, options.batch_size, options.block_size));
  }
  return batches;
}

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

TrainingRun::TrainingRun(const Llama& model, const TokenData& token_data,
                         const TrainOptions& train_options, OutputFolder& output_folder,
                         const Session& session)
    : llama(model),
      data(token_data),
      options(train_options),
      forward(forward_options_of(train_options, model)),
      optimizer(optimized_parameters(model), adamw_options(train_options)),
      step(model, optimizer, forward, options.max_grad_norm,
           options.no_cuda_graphs ? Repetition::queued : Repetition::captured),
      state{.seed = session.seed},
      pending(session.device),
      log(session.console, state, total_steps()),
      folder(output_folder, model, token_data, train_options, session) {}

std::vector<std::string> TrainingRun::resume(const ResumedRun& run) {
  const Check check{"resume"};
  const auto& before = run.state;
  if (before.step > total_steps()) {
    usage_error("--max-steps {}: the run has done {} already ({}): must be at least that",
                total_steps(), before.step, run.checkpoint.path.string());
  }
  check(before.seed == state.seed, "{} was trained with seed {}, its run with {}: must be the same",
        run.checkpoint.path.string(), before.seed, state.seed);
  const auto earlier = folder.resume(run);
  log.resume(earlier);
  state = before;
  resumed = &run;
  if (!before.ties || earlier.known_by == before.ties->metrics) return {};
  const auto lines = before.ties->metrics.count;
  return {fmt::format(
      "{}: of the {} lines that the run had written by step {}, {}; the run goes on behind those "
      "that are there",
      (folder.path() / "metrics.jsonl").string(), lines, before.step,
      earlier.known_by.count == lines ? "some are not as they were"
                                      : fmt::format("{} are there", earlier.known_by.count))};
}

TrainingSummary TrainingRun::run() {
  try {
    // One that was killed after its last step had old checkpoints left to remove.
    if (resumed != nullptr && state.step == total_steps())
      folder.remove_old_checkpoints(state.step);
    train();
  } catch (const NonFiniteError&) {
    throw;
  } catch (const std::exception& error) {
    // Whatever happened, a full disk or a GPU that is gone: what is saved is saved.
    if (!log.is_open()) throw;
    throw Error(folder.with_resume_command(message_of(error)));
  }
  return {.ended_by = state.step < total_steps() ? interrupt->signal() : 0,
          .steps = state.step,
          .loss = log.written().loss,
          .evaluation = log.written().evaluation,
          .tokens_per_second = log.tokens_per_second()};
}

void TrainingRun::train() {
  CheckpointWatch checkpoint_wish;
  bool interrupted = false;
  while (state.step < total_steps() && !interrupted) {
    take_step();
    interrupted = interrupt->requested() && state.step < total_steps();
    const bool asked_for_checkpoint = checkpoint_wish.take();
    const bool logs = at_multiple_of(options.logging_steps);
    const bool evaluates = at_multiple_of(*options.eval_steps);
    const bool inspects = options.inspect_every && state.step % *options.inspect_every == 0;
    const bool saves = at_multiple_of(*options.save_steps) || interrupted || asked_for_checkpoint;
    if (logs || evaluates || inspects || saves) read_steps();
    if (logs || interrupted) {
      log.write_steps(learning_rate(state.step - 1),
                      logs ? RunLog::Line::standing : RunLog::Line::of_interrupt);
    }
    if (evaluates) evaluate_model();
    // Before the checkpoint: a run that is killed in between then writes this report once more, and
    // not never.
    if (inspects) write_report();
    if (saves) folder.save_checkpoint(optimizer, state, log);
    if (asked_for_checkpoint) {
      log.say(fmt::format("checkpoint-{} is written, as a signal asked for", state.step));
    }
  }
  if (interrupted) folder.save_model();
}

void TrainingRun::take_step() {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  auto batches = micro_batches(data, options, state.step);
  const double rate = learning_rate(state.step);
  if (state.step == first_step()) {
    const auto begin_run = [&](const StepResults& results) { begin(results, batches); };
    state.tokens += step.take(batches, rate, begin_run).tokens;
  } else {
    const bool said_before = !step.why_not_captured().empty();
    const auto results = step.take(batches, rate);
    if (!said_before && !step.why_not_captured().empty()) {
      log.say(
          fmt::format("step {}: queued kernel by kernel from here on, as with "
                      "--no-cuda-graphs: no room for a capture: {}",
                      state.step + 1, step.why_not_captured()));
    }
    state.tokens += results.tokens;
    pending.add({results, std::move(batches), state.step});
    if (!pending.on_gpu()) read_steps();
  }
  ++state.step;
  log.add_seconds(std::chrono::duration<double>(Clock::now() - start).count());
  log.show_progress();
}

// The first step is waited for before it changes a weight, so that what cannot even start leaves
// nothing behind.
void TrainingRun::begin(const StepResults& first_results, const std::vector<TokenBatch>& batches) {
  pending.add({first_results, batches, state.step});
  read_steps();
  interrupt.emplace();
  folder.begin(log.written());
  log.open(folder.path());
}

void TrainingRun::read_steps() {
  log.add_seconds(pending.read([&](const PendingStep& each, const StepMeasures& measures) {
    if (!measures.finite()) stop(each, measures);
    log.add_step(measures);
  }));
}

void TrainingRun::stop(const PendingStep& broken, const StepMeasures& measures) {
  const bool loss_is_finite = std::isfinite(measures.loss);
  const auto where = first_non_finite(llama, broken.batches);
  auto kept = fmt::format("{} keeps the last model that was evaluated", options.output_dir);
  if (broken.step == first_step()) {
    kept = resumed == nullptr ? "nothing was written" : "nothing was changed";
  } else if (loss_is_finite) {
    folder.save_model();
    kept = fmt::format("{} keeps the model before this step", options.output_dir);
  }
  throw NonFiniteError(fmt::format("step {}: the {} is not finite; {}; {}", broken.step + 1,
                                   loss_is_finite ? "gradient norm" : "loss", where, kept));
}

void TrainingRun::evaluate_model() {
  auto plan = whole_evaluation(*data.validation, options.batch_size, options.block_size);
  if (state.step < total_steps()) plan.batches = options.eval_batches;
  const auto evaluation = evaluate(llama, *data.validation, plan, forward);
  if (!std::isfinite(evaluation.loss)) {
    throw NonFiniteError(fmt::format(
        "step {}: the validation loss is not finite; {}; {} keeps the last model whose loss was",
        state.step, first_non_finite(llama, *data.validation, plan), options.output_dir));
  }
  log.write_evaluation(evaluation, learned_numbers(llama));
  folder.save_model();
}

void TrainingRun::write_report() {
  OptimizerView view{.steps_taken = state.step,
                     .options = adamw_options(options),
                     .learning_rate = learning_rate(state.step - 1),
                     .origin = fmt::format("the optimizer after step {}", state.step)};
  for (const auto& [name, first, second] : optimizer.states()) view.moments[name] = {first, second};
  folder.write_report(forward, view);
}

bool TrainingRun::at_multiple_of(std::int64_t interval) const {
  return state.step % interval == 0 || state.step == total_steps();
}

double TrainingRun::learning_rate(std::int64_t of_step) const {
  return learning_rate_at(llama, schedule_of(options), of_step);
}

}  // namespace lookback
