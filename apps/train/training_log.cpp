#include "apps/train/training_log.h"

#include <nlohmann/json.hpp>

namespace lookback {
namespace {

using Json = nlohmann::ordered_json;

double rate(std::int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
}

}  // namespace

TrainingLog::TrainingLog(const Console& console, TrainerState& state, std::int64_t steps_of_run)
    : state_(state), total_steps_(steps_of_run), progress_(console, steps_of_run) {}

void TrainingLog::add_seconds(double seconds) {
  state_.seconds += seconds;
  state_.unlogged.seconds += seconds;
}

void TrainingLog::add_step(const StepMeasures& measures) {
  auto& unlogged = state_.unlogged;
  unlogged.loss += measures.loss;
  if (measures.auxiliary_loss) {
    unlogged.auxiliary_loss = unlogged.auxiliary_loss.value_or(0) + *measures.auxiliary_loss;
  }
  ++unlogged.steps;
  unlogged.tokens += measures.tokens;
  unlogged.targets += measures.targets;
  unlogged.correct += measures.correct;
  last_step_ = measures;
}

void TrainingLog::show_progress() {
  const double left = state_.seconds / static_cast<double>(state_.step) *
                      static_cast<double>(total_steps_ - state_.step);
  progress_.show(state_.step,
                 fmt::format("step {}/{}  loss {:.4f}  {:.0f} tokens/s", state_.step, total_steps_,
                             last_step_.loss, tokens_per_second()),
                 left);
}

void TrainingLog::write_steps(double learning_rate, RunLog::Line kind) {
  const auto& unlogged = state_.unlogged;
  const double tokens_per_second = rate(unlogged.tokens, unlogged.seconds);
  const auto steps = static_cast<double>(unlogged.steps);
  logged_.loss = unlogged.loss / steps;
  Json line{{"step", state_.step}, {"loss", logged_.loss}};
  if (unlogged.auxiliary_loss) line["auxiliary_loss"] = *unlogged.auxiliary_loss / steps;
  line.update({{"accuracy", rate(unlogged.correct, static_cast<double>(unlogged.targets))},
               {"grad_norm", last_step_.grad_norm},
               {"learning_rate", learning_rate},
               {"tokens", state_.tokens},
               {"tokens_per_second", tokens_per_second},
               {"seconds", state_.seconds}});
  files_->append(line, kind);
  progress_.plain_line(fmt::format("step {}/{}  loss {:.4f}  {:.0f} tokens/s", state_.step,
                                   total_steps_, logged_.loss, tokens_per_second));
  // The line of an interrupt is one that a whole run does not have: who goes on counts anew.
  if (kind == RunLog::Line::standing) state_.unlogged = {};
}

void TrainingLog::write_evaluation(const Evaluation& evaluation, const Json& learned,
                                   std::int64_t peak_bytes) {
  Json line{{"step", state_.step},
            {"validation_loss", evaluation.loss},
            {"validation_accuracy", evaluation.accuracy}};
  auto text =
      fmt::format("step {}/{}  validation loss {:.4f}", state_.step, total_steps_, evaluation.loss);
  if (evaluation.floor) {
    line["floor"] = *evaluation.floor;
    line["floor_error"] = *evaluation.floor_error;
    text += fmt::format(", floor {:.4f}", *evaluation.floor);
  }
  if (!learned.empty()) line["learned"] = learned;
  line["peak_bytes"] = peak_bytes;
  files_->append(line);
  progress_.line(text);
  logged_.evaluation = evaluation;
}

double TrainingLog::tokens_per_second() const { return rate(state_.tokens, state_.seconds); }

}  // namespace lookback
