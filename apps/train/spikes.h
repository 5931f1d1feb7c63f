// Steps of training that look wrong: a loss or a gradient that is not finite, or one that is far
// above those of the steps before.
//
// For the loss and for the norm of the gradient, each by itself, with x_i of the last N = 128 steps
// that counted, m their median and s = 1.4826 median |x_i - m| (of normal numbers the standard
// deviation):
//   bound = m + max(10 s, a)      a = 0.5 nats for the loss, 9 m for the norm
// Medians, for a mean and a standard deviation grow with each spike until the next one is none. Ten
// of s, for both have long tails. At least a, for s is nearly 0 where numbers hardly move. As long
// as fewer than 64 steps have counted, only what is not finite is a spike.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lookback {

struct StepMeasures;  // accumulate_gradients.h

// What is done about a spike: it is said; the run ends; the update of that step is left out; the
// weights and moments of an earlier checkpoint take the place of those at hand.
enum class OnSpike { warn, stop, skip, back };
// "warn", "stop", "skip", "back"
std::string_view name_of(OnSpike kind);

// What a run remembers of its steps for the next one.
struct SpikeHistory {
  std::vector<double> losses, grad_norms;  // of the last N that counted, oldest first
  std::int64_t steps_since_spike = 0;
  bool any_spike = false;
  // Updates left out since N steps on end were without a spike.
  std::int64_t left_out_lately = 0;
  std::int64_t left_out = 0;  // in the whole run: so many updates fewer than steps has AdamW made

  bool last_was_spike() const { return any_spike && steps_since_spike == 0; }
};

struct Spike {
  static constexpr std::string_view loss = "loss", norm = "gradient norm";

  std::string_view what;        // loss, norm
  double value = 0, bound = 0;  // no bound where the value is not finite
  bool is_finite() const;
};

// None: the step looks right.
std::optional<Spike> spike_in(const StepMeasures& measures, const SpikeHistory& history);

// "the loss is not finite"; "the loss is 9.1, more than 4.2, the bound from the 128 steps before"
std::string in_words(const Spike& spike, const SpikeHistory& history);

// Whether so many updates were left out that another one would hide what is wrong: ten.
bool is_used_up(const SpikeHistory& history);

// A step that counts, spike or not, has been met; its numbers are finite.
void add_step(SpikeHistory& history, const StepMeasures& measures, bool is_spike);
// The update of a step was left out, with its numbers.
void add_left_out(SpikeHistory& history);

}  // namespace lookback
