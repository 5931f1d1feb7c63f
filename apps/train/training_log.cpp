#include "apps/train/training_log.h"

#include <nlohmann/json.hpp>

namespace lookback {
namespace {

using Json = nlohmann::ordered_json;

double rate(std::int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
}

}  // namespace

TrainingLog::TrainingLog(const Console& console, TrainerState& trainer_state,
                         std::int64_t steps_of_run)
    : state(trainer_state), total_steps(steps_of_run), progress(console, steps_of_run) {}

void TrainingLog::add_seconds(double seconds) {
  state.seconds += seconds;
  state.unlogged.seconds += seconds;
}

void TrainingLog::add_step(const StepMeasures& measures) {
  auto& unlogged = state.unlogged;
  unlogged.loss += measures.loss;
  ++unlogged.steps;
  unlogged.tokens += measures.tokens;
  unlogged.targets += measures.targets;
  unlogged.correct += measures.correct;
  last_step = measures;
}

void TrainingLog::show_progress() {
  const double left = state.seconds / static_cast<double>(state.step) *
                      static_cast<double>(total_steps - state.step);
  progress.show(state.step,
                fmt::format("step {}/{}  loss {:.4f}  {:.0f} tokens/s", state.step, total_steps,
                            last_step.loss, tokens_per_second()),
                left);
}

void TrainingLog::write_steps(double learning_rate, RunLog::Line kind) {
  const auto& unlogged = state.unlogged;
  const double tokens_per_second = rate(unlogged.tokens, unlogged.seconds);
  logged.loss = unlogged.loss / static_cast<double>(unlogged.steps);
  files->append({{"step", state.step},
                 {"loss", logged.loss},
                 {"accuracy", rate(unlogged.correct, static_cast<double>(unlogged.targets))},
                 {"grad_norm", last_step.grad_norm},
                 {"learning_rate", learning_rate},
                 {"tokens", state.tokens},
                 {"tokens_per_second", tokens_per_second},
                 {"seconds", state.seconds}},
                kind);
  progress.plain_line(fmt::format("step {}/{}  loss {:.4f}  {:.0f} tokens/s", state.step,
                                  total_steps, logged.loss, tokens_per_second));
  // The line of an interrupt is one that a whole run does not have: who goes on counts anew.
  if (kind == RunLog::Line::standing) state.unlogged = {};
}

void TrainingLog::write_evaluation(const Evaluation& evaluation, const Json& learned) {
  Json line{{"step", state.step},
            {"validation_loss", evaluation.loss},
            {"validation_accuracy", evaluation.accuracy}};
  auto text =
      fmt::format("step {}/{}  validation loss {:.4f}", state.step, total_steps, evaluation.loss);
  if (evaluation.floor) {
    line["floor"] = *evaluation.floor;
    line["floor_error"] = *evaluation.floor_error;
    text += fmt::format(", floor {:.4f}", *evaluation.floor);
  }
  if (!learned.empty()) line["learned"] = learned;
  files->append(line);
  progress.line(text);
  logged.evaluation = evaluation;
}

double TrainingLog::tokens_per_second() const { return rate(state.tokens, state.seconds); }

}  // namespace lookback
