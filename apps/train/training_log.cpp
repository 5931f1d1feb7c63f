#include "apps/train/training_log.h"

#include <nlohmann/json.hpp>

#include "apps/cli/size_text.h"
#include "apps/train/peak_memory.h"

namespace lookback {
namespace {

using Json = nlohmann::ordered_json;

double rate(std::int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
}

}  // namespace

TrainingLog::TrainingLog(const Console& console, TrainerState& state, std::int64_t steps_of_run)
    : state_(state), total_steps_(steps_of_run), progress_(console, steps_of_run) {}

void TrainingLog::append(const Json& line, RunLog::Line kind) {
  if (files_) files_->append(line, kind);
}

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

void TrainingLog::add_left_out_step(const StepMeasures& measures) {
  ++state_.unlogged.steps;
  ++state_.unlogged.left_out;
  state_.unlogged.tokens += measures.tokens;
}

void TrainingLog::show_progress() {
  const double left = state_.seconds / static_cast<double>(state_.step) *
                      static_cast<double>(total_steps_ - state_.step);
  progress_.show(state_.step,
                 fmt::format("step {}/{}  loss {:.4f}  {:.0f} tokens/s", state_.step, total_steps_,
                             last_step_.loss, tokens_per_second()),
                 left, size_text(peak_bytes_here()));
}

void TrainingLog::note_time_left() {
  constexpr std::int64_t least_steps = 5;
  constexpr double least_seconds = 2, least_left = 10;
  if (time_left_is_said_) return;
  if (!measured_from_) {
    measured_from_ = Measured{state_.step, state_.tokens, state_.seconds};
    return;
  }
  const auto steps = state_.step - measured_from_->step;
  const auto seconds = state_.seconds - measured_from_->seconds;
  if (steps < least_steps || seconds < least_seconds) return;
  time_left_is_said_ = true;
  const auto steps_left = total_steps_ - state_.step;
  const auto left = seconds / static_cast<double>(steps) * static_cast<double>(steps_left);
  if (left < least_left) return;
  say(
      fmt::format("{} for the remaining {} steps at {:.0f} tokens/s; evaluations and checkpoints "
                  "come on top",
                  rough_duration_text(left), steps_left,
                  rate(state_.tokens - measured_from_->tokens, seconds)));
}

void TrainingLog::write_steps(double learning_rate, RunLog::Line kind) {
  const auto& unlogged = state_.unlogged;
  if (unlogged.steps == unlogged.left_out) return;
  const double tokens_per_second = rate(unlogged.tokens, unlogged.seconds);
  const auto steps = static_cast<double>(unlogged.steps - unlogged.left_out);
  const auto& norms =
      state_.spikes.grad_norms;  // of the last step that counts, also of a resumed run
  logged_.loss = unlogged.loss / steps;
  Json line{{"step", state_.step}, {"loss", logged_.loss}};
  if (unlogged.auxiliary_loss) line["auxiliary_loss"] = *unlogged.auxiliary_loss / steps;
  line.update({{"accuracy", rate(unlogged.correct, static_cast<double>(unlogged.targets))},
               {"grad_norm", norms.empty() ? last_step_.grad_norm : norms.back()},
               {"learning_rate", learning_rate},
               {"tokens", state_.tokens},
               {"tokens_per_second", tokens_per_second},
               {"seconds", state_.seconds}});
  append(line, kind);
  progress_.plain_line(fmt::format("step {}/{}  loss {:.4f}  {:.0f} tokens/s", state_.step,
                                   total_steps_, logged_.loss, tokens_per_second));
  // The line of an interrupt is one that a whole run does not have: who goes on counts anew.
  if (kind == RunLog::Line::standing) state_.unlogged = {};
}

void TrainingLog::write_evaluation(const Evaluation& evaluation, const Json& learned,
                                   std::optional<std::int64_t> best_step) {
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
  if (best_step) {
    line["best_step"] = *best_step;
    text += fmt::format(", of the model after step {}", *best_step);
  }
  if (!learned.empty()) line["learned"] = learned;
  line["peak_bytes"] = peak_bytes_here();
  append(line);
  progress_.line(text);
  logged_.evaluation = evaluation;
}

void TrainingLog::write_spike(std::int64_t step, const Json& spike, RunLog::Line kind) {
  append({{"step", step}, {"spike", spike}}, kind);
}

double TrainingLog::tokens_per_second() const { return rate(state_.tokens, state_.seconds); }

}  // namespace lookback
