// What a run does about a step that looks wrong.
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/cli/console.h"
#include "apps/train/non_finite.h"
#include "apps/train/ranks.h"
#include "apps/train/resume.h"
#include "apps/train/row_places.h"
#include "apps/train/run_entries.h"
#include "apps/train/training_run.h"

namespace lookback {
namespace {

// JSON has no word for what is not finite.
nlohmann::ordered_json number_or_word(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

std::string what_follows(const std::string& done, bool is_last_told) {
  if (done == "skip") return "the update of this step is left out";
  if (done != "warn") return fmt::format("the run goes {}, and on behind this step", done);
  return is_last_told ? "the run goes on, and metrics.jsonl alone has more of these"
                      : "the run goes on";
}

}  // namespace

std::optional<Spike> TrainingRun::spike_of(const StepMeasures& measures) const {
  auto spike = spike_in(measures, state_.spikes);
  const bool is_clipped =
      spike && spike->is_finite() && spike->what == Spike::norm && options_.max_grad_norm > 0;
  return is_clipped && options_.on_spike == OnSpike::warn ? std::nullopt : spike;
}

bool TrainingRun::ends_run(const Spike& spike) const {
  switch (options_.on_spike) {
    case OnSpike::warn: return !spike.is_finite();
    case OnSpike::stop: return true;
    case OnSpike::skip:
    case OnSpike::back:
      // The first step of all: no batch is to blame for what a fresh model makes of it.
      if (state_.step == 0 || is_used_up(state_.spikes)) return true;
      return options_.on_spike == OnSpike::back && !state_.way_back;
  }
  return true;
}

Update TrainingRun::meet_spike(const Spike& spike, const PendingStep& step,
                               const StepMeasures& measures) {
  if (ends_run(spike)) stop(spike, step);
  if (options_.on_spike != OnSpike::warn) {
    leave_out(spike, step, measures);
    return Update::left_out;
  }
  // One line for steps that follow each other.
  if (!state_.spikes.last_was_spike()) write_spike(spike, step.step, "warn");
  log_.add_step(measures);
  add_step(state_.spikes, measures, true);
  return Update::made;
}

void TrainingRun::leave_out(const Spike& spike, const PendingStep& step,
                            const StepMeasures& measures) {
  if (options_.on_spike == OnSpike::skip) {
    write_spike(spike, step.step, "skip");
  } else {
    const auto checkpoint = *state_.way_back;
    load_checkpoint_weights(checkpoint);
    const auto found = folder_.checkpoint(checkpoint);
    auto before = state_of_first(ranks_, [&] { return load_trainer_state(found); });
    trainer_.load_moments(found, before.spikes.left_out);
    write_spike(spike, step.step, fmt::format("back to {}", checkpoint_name(checkpoint)));
    state_.spikes.losses = std::move(before.spikes.losses);
    state_.spikes.grad_norms = std::move(before.spikes.grad_norms);
  }
  log_.add_left_out_step(measures);
  add_left_out(state_.spikes);
}

void TrainingRun::write_spike(const Spike& spike, std::int64_t step, const std::string& done,
                              RunLog::Line kind) {
  const auto places = places_of_step(*data_.training, options_, step);
  nlohmann::ordered_json details{{"of", spike.what}, {"value", number_or_word(spike.value)}};
  if (spike.is_finite()) details["bound"] = spike.bound;
  details["done"] = done;
  details["rows"] = to_json(places);
  log_.write_spike(step + 1, details, kind);
  if (kind != RunLog::Line::standing) return;  // an error says the same
  constexpr int most_told = 5;
  if (done == "warn" && spikes_told_ == most_told) return;
  ++spikes_told_;
  print_warning(fmt::format("step {}: {}; {}; {}", step + 1, in_words(spike, state_.spikes),
                            what_follows(done, spikes_told_ == most_told), in_words(places)));
}

void TrainingRun::stop(const Spike& spike, const PendingStep& broken) {
  auto text = fmt::format("step {}: {}", broken.step + 1, in_words(spike, state_.spikes));
  if (!spike.is_finite() && is_first(ranks_))
    text += "; " + first_non_finite(llama_, broken.batches);
  if (is_used_up(state_.spikes)) {
    text += fmt::format("; {} updates were left out lately, so that no single batch is to blame",
                        state_.spikes.left_out_lately);
  } else if (options_.on_spike == OnSpike::back && !state_.way_back && broken.step > 0) {
    text += "; there is no checkpoint yet to go back to (--save-steps)";
  }
  text += "; " + keep_good_model(spike, broken);
  if (log_.is_open()) write_spike(spike, broken.step, "stop", RunLog::Line::of_interrupt);
  const auto places = places_of_step(*data_.training, options_, broken.step);
  throw NonFiniteError(fmt::format("{}; {}", text, in_words(places)));
}

std::string TrainingRun::keep_good_model(const Spike& spike, const PendingStep& broken) {
  if (broken.step == first_step())
    return resumed_ == nullptr ? "nothing was written" : "nothing was changed";
  if (!spike.is_finite() && spike.what == "loss")
    return fmt::format("{} keeps the last model that was evaluated", options_.output_dir);
  folder_.save_model();
  if (!looks_first())
    return fmt::format("{} keeps the model before this step", options_.output_dir);
  begin_checkpoint();
  folder_.finish_checkpoint();
  return fmt::format(
      "{} keeps the model and {} before this step; `{} --on-spike skip` goes on "
      "behind it",
      options_.output_dir, checkpoint_name(state_.step), resume_command(options_.output_dir));
}

}  // namespace lookback
