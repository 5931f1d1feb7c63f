#include "apps/train/training_run.h"

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/cli/error_message.h"
#include "apps/train/non_finite.h"
#include "apps/train/ranks.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/copy_of.h"
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
                         OutputFolder* output_folder, const Session& session)
    : llama_(model),
      data_(data),
      options_(options),
      forward_(forward_options_of(options, model)),
      ranks_(*session.ranks),
      exchange_(ranks_.size() == 1
                    ? nullptr
                    : std::make_unique<GradientExchange>(ranks_, optimized_parameters(model))),
      trainer_(model, options_, forward_, exchange_.get()),
      state_{.seed = session.seed},
      pending_(session.device),
      log_(session.console, state_, total_steps()),
      folder_(output_folder, model, data, options, session),
      profile_(is_first(ranks_) ? read_step_range(options.profile_steps) : StepRange{}, model) {
  if (exchange_ != nullptr) exchange_->take_weights_of_first();
}

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
  if (!options_.load_best_model_at_end) state_.best.reset();
  if (options_.on_spike != OnSpike::back) {
    state_.way_back.reset();
  } else if (!state_.way_back) {
    state_.way_back = state_.step;
  }
  if (!folder_.is_here() || !before.ties || earlier.known_by == before.ties->metrics) return {};
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
    if (resumed_ != nullptr && state_.step == total_steps()) folder_.remove_old_checkpoints(state_);
    train();
  } catch (const NonFiniteError&) {
    throw;
  } catch (const PeerEnded&) {
    throw;
  } catch (const PeerLost& error) {
    throw PeerLost(error.rank(), log_.is_open() ? folder_.with_resume_command(error.what())
                                                : std::string(error.what()));
  } catch (const std::exception& error) {
    // Whatever happened, a full disk or a GPU that is gone: what is saved is saved.
    if (!log_.is_open()) throw;
    throw Error(folder_.with_resume_command(message_of(error)));
  }
  return {.ended_by = ended_by_,
          .steps = state_.step,
          .loss = log_.written().loss,
          .evaluation = log_.written().evaluation,
          .tokens_per_second = log_.tokens_per_second(),
          .checkpoint_seconds = folder_.checkpoint_seconds(),
          .best = state_.step < total_steps() ? std::nullopt : state_.best};
}

void TrainingRun::train() {
  CheckpointWatch checkpoint_wish;
  bool interrupted = false;
  while (state_.step < total_steps() && !interrupted) {
    profile_.run(state_.step + 1, [this] { take_step(); });
    const auto wishes =
        agreed(ranks_, {.end = interrupt_->signal(), .checkpoint = checkpoint_wish.take()});
    interrupted = wishes.end != 0 && state_.step < total_steps();
    if (interrupted) ended_by_ = wishes.end;
    const bool asked_for_checkpoint = wishes.checkpoint;
    const bool logs = at_multiple_of(options_.logging_steps);
    const bool evaluates = at_multiple_of(*options_.eval_steps);
    const bool inspects = options_.inspect_every && state_.step % *options_.inspect_every == 0;
    const bool saves_in_turn = at_multiple_of(*options_.save_steps);
    const bool saves = saves_in_turn || interrupted || asked_for_checkpoint;
    if (logs || evaluates || inspects || saves) read_steps();
    if (pending_.empty()) log_.note_time_left();
    const bool ends = interrupted || state_.step == total_steps();
    if (profile_.has_steps() && (ends || !profile_.times(state_.step + 1)))
      log_.say(profile_.write(folder_.path()));
    if (logs || interrupted) {
      log_.write_steps(trainer_.learning_rate(state_.step - 1),
                       logs ? RunLog::Line::standing : RunLog::Line::of_interrupt);
    }
    if (evaluates) evaluate_model();
    // Before the checkpoint: a run that is killed in between then writes this report once more, and
    // not never.
    if (inspects) write_report();
    // Not to one that a signal asked for: a run that goes on would go back to another one than a
    // run that was never interrupted.
    if (saves_in_turn && options_.on_spike == OnSpike::back) state_.way_back = state_.step;
    folder_.look_after_checkpoint();
    if (saves) begin_checkpoint();
    if (asked_for_checkpoint) {
      folder_.finish_checkpoint();
      log_.say(fmt::format("checkpoint-{} is written, as a signal asked for", state_.step));
    }
  }
  if (interrupted) folder_.save_model();
  folder_.finish_checkpoint();
}

void TrainingRun::take_step() {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  ranks_.set_context(fmt::format("step {}", state_.step + 1));
  auto batches = trainer_.micro_batches(*data_.training, state_.step);
  const bool first = state_.step == first_step();
  if (first || looks_first()) {
    const auto look = [&](const StepResults& results) {
      const PendingStep step{results, batches, state_.step};
      return first ? begin(step) : take_in(step, results.read());
    };
    state_.tokens += trainer_.take(state_.step, batches, look).tokens;
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
  state_.spikes.left_out = state_.step - trainer_.adamw().steps_taken();
  log_.add_seconds(std::chrono::duration<double>(Clock::now() - start).count());
  log_.show_progress();
}

// The first step is waited for before it changes a weight, so that what cannot even start leaves
// nothing behind.
Update TrainingRun::begin(const PendingStep& first) {
  const auto measures = first.results.read();
  const auto spike = spike_of(measures);
  if (spike && ends_run(*spike)) stop(*spike, first);
  interrupt_.emplace();
  folder_.begin(log_.written());
  if (folder_.is_here()) log_.open(folder_.path());
  return take_in(first, measures);
}

void TrainingRun::read_steps() {
  log_.add_seconds(pending_.read([&](const PendingStep& each, const StepMeasures& measures) {
    static_cast<void>(take_in(each, measures));
  }));
}

Update TrainingRun::take_in(const PendingStep& step, const StepMeasures& measures) {
  if (const auto spike = spike_of(measures)) return meet_spike(*spike, step, measures);
  log_.add_step(measures);
  add_step(state_.spikes, measures, false);
  return Update::made;
}

void TrainingRun::evaluate_model() {
  auto whole = whole_evaluation(*data_.validation, options_.batch_size, options_.block_size);
  whole.documents_apart = options_.no_cross_document_attention;
  auto part = whole;
  part.batches = options_.eval_batches;
  const bool last = state_.step == total_steps();
  const bool chooses = options_.load_best_model_at_end && at_multiple_of(*options_.save_steps);
  // The last model is held against the earlier ones on the rows that those were measured on.
  const auto evaluation = evaluated(last && !chooses ? whole : part);
  if (chooses && (!state_.best || evaluation.loss < state_.best->loss))
    state_.best = BestModel{state_.step, evaluation.loss};
  if (chooses && last) return end_with_best_model(whole);
  log_.write_evaluation(evaluation, learned_numbers(llama_));
  folder_.save_model();
}

Evaluation TrainingRun::evaluated(const EvaluationPlan& plan) const {
  const auto evaluation = evaluate(llama_, *data_.validation, plan, forward_, &ranks_);
  if (std::isfinite(evaluation.loss)) return evaluation;
  if (!is_first(ranks_)) throw NonFiniteError("the validation loss is not finite");  // 0 says more
  throw NonFiniteError(fmt::format(
      "step {}: the validation loss is not finite; {}; {} keeps the last model whose loss was",
      state_.step, first_non_finite(llama_, *data_.validation, plan), options_.output_dir));
}

// The folder's model is then the best one; the checkpoint that follows is of the last step, as the
// run goes on from there when it is made longer.
void TrainingRun::end_with_best_model(const EvaluationPlan& plan) {
  const NoGrad no_grad;
  const auto best = state_.best->step;
  std::vector<Tensor> of_last_step;
  if (best != state_.step) {
    for (const auto& parameter : llama_.parameters())
      of_last_step.push_back(copy_of(parameter.tensor));
    load_checkpoint_weights(best);
  }
  log_.write_evaluation(evaluated(plan), learned_numbers(llama_), best);
  folder_.save_model();
  for (std::size_t i = 0; i < of_last_step.size(); ++i)
    copy_into(of_last_step[i], llama_.parameters()[i].tensor);
}

void TrainingRun::begin_checkpoint() {
  check_same_weights(ranks_, llama_, state_.step);
  folder_.begin_checkpoint(trainer_.whole_moments(), trainer_.adamw().steps_taken(), state_, log_);
}

void TrainingRun::load_checkpoint_weights(std::int64_t step) {
  folder_.finish_checkpoint();
  folder_.load_checkpoint_weights(step);
  if (exchange_ != nullptr) exchange_->take_weights_of_first();
}

void TrainingRun::write_report() {
  OptimizerView view{.steps_taken = trainer_.adamw().steps_taken(),
                     .options = adamw_options(options_),
                     .learning_rate = trainer_.learning_rate(state_.step - 1),
                     .origin = fmt::format("the optimizer after step {}", state_.step)};
  for (const auto& [name, first, second] : trainer_.whole_moments())
    view.moments[name] = {first, second};
  folder_.write_report(state_.step, forward_, view);
}

bool TrainingRun::at_multiple_of(std::int64_t interval) const {
  return state_.step % interval == 0 || state_.step == total_steps();
}

}  // namespace lookback
