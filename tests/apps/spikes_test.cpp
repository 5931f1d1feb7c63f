// The bounds that a step is held against, by their formulas.
#include "apps/train/spikes.h"

#include <gtest/gtest.h>

#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/train/accumulate_gradients.h"

namespace lookback::tests {
namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

// So many steps, with these losses and norms in turn.
SpikeHistory after(int steps, std::pair<double, double> losses, std::pair<double, double> norms) {
  SpikeHistory history;
  for (int i = 0; i < steps; ++i) {
    const bool even = i % 2 == 0;
    add_step(history,
             {.loss = even ? losses.first : losses.second,
              .grad_norm = even ? norms.first : norms.second},
             false);
  }
  return history;
}

std::string_view spike_of(double loss, double norm, const SpikeHistory& history) {
  const auto spike = spike_in({.loss = loss, .grad_norm = norm}, history);
  return spike ? spike->what : "none";
}

TEST(Spikes, LieAboveTheMedianByTenDeviations) {
  // Median 2 and 20, median distance 1 and 15.
  const auto history = after(100, {1, 3}, {5, 35});
  const auto above_loss = 2 + 10 * 1.4826, above_norm = 20 + 150 * 1.4826;
  EXPECT_EQ(spike_of(above_loss - 1e-9, above_norm - 1e-9, history), "none");
  EXPECT_EQ(spike_of(above_loss + 1e-9, 20, history), "loss");
  EXPECT_EQ(spike_of(2, above_norm + 1e-9, history), "gradient norm");
  const auto spike = spike_in({.loss = 17, .grad_norm = 1}, history);
  EXPECT_DOUBLE_EQ(spike.value().bound, above_loss);
  EXPECT_EQ(in_words(*spike, history),
            "the loss is 17, more than 16.83, the bound from the 100 steps before");
}

TEST(Spikes, OfNumbersThatHardlyMoveRiseByHalfANatOrToTenTimesTheNorm) {
  const auto history = after(64, {2, 2}, {1, 1});
  EXPECT_EQ(spike_of(2.499, 9.999, history), "none");
  EXPECT_EQ(spike_of(2.501, 1, history), "loss");
  EXPECT_EQ(spike_of(2, 10.001, history), "gradient norm");
}

TEST(Spikes, BeforeThereAreStepsEnoughAreOnlyWhatIsNotFinite) {
  const auto history = after(63, {2, 2}, {1, 1});
  EXPECT_EQ(spike_of(1e30, 1e30, history), "none");
  for (const auto& few : {SpikeHistory(), history}) {
    EXPECT_EQ(spike_of(not_a_number, 1, few), "loss");
    EXPECT_EQ(spike_of(infinity, not_a_number, few), "loss");
    EXPECT_EQ(spike_of(1, infinity, few), "gradient norm");
  }
  EXPECT_EQ(in_words(*spike_in({.loss = not_a_number}, history), history),
            "the loss is not finite");
}

TEST(Spikes, AreHeldAgainstTheLast128StepsAndNotMovedByAFewSpikes) {
  auto history = after(300, {9, 9}, {1, 1});
  for (int i = 0; i < 128; ++i) add_step(history, {.loss = 2, .grad_norm = 1}, false);
  EXPECT_EQ(history.losses, std::vector<double>(128, 2));
  for (int i = 0; i < 60; ++i) add_step(history, {.loss = 50, .grad_norm = 1}, true);
  EXPECT_EQ(spike_of(2.6, 1, history), "loss");
  for (int i = 0; i < 10; ++i) add_step(history, {.loss = 50, .grad_norm = 1}, true);
  EXPECT_EQ(spike_of(50, 1, history), "none") << "more than half of them: how things are now";
}

TEST(Spikes, MayBeLeftOutTenTimesAndAgainAfter128StepsWithoutOne) {
  auto history = after(128, {2, 2}, {1, 1});
  const auto steps = [&](int count) {
    for (int i = 0; i < count; ++i) add_step(history, {.loss = 2, .grad_norm = 1}, false);
  };
  for (int i = 0; i < 9; ++i) {
    add_left_out(history);
    steps(127);
  }
  EXPECT_FALSE(is_used_up(history));
  add_left_out(history);
  EXPECT_TRUE(is_used_up(history));
  EXPECT_TRUE(history.last_was_spike());
  steps(127);
  EXPECT_TRUE(is_used_up(history));
  EXPECT_FALSE(history.last_was_spike());
  steps(1);
  EXPECT_FALSE(is_used_up(history));
}

}  // namespace
}  // namespace lookback::tests
