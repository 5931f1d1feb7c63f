#include "nn/schedule.h"

#include <gtest/gtest.h>

#include "runtime/check.h"

namespace lookback {
namespace {

TEST(Schedule, WarmsUpLinearlyFromTheFirstStep) {
  const Schedule schedule{.peak = 2, .warmup_steps = 4, .total_steps = 10};
  EXPECT_DOUBLE_EQ(schedule.learning_rate(0), 0.5);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(3), 2);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(4), 2);
}

TEST(Schedule, CosineEndsAtTheMinimum) {
  const Schedule schedule{.peak = 2, .warmup_steps = 0, .total_steps = 8, .minimum_ratio = 0.1};
  EXPECT_DOUBLE_EQ(schedule.learning_rate(0), 2);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(4), 2 * (0.1 + 0.9 * 0.5));
  EXPECT_DOUBLE_EQ(schedule.learning_rate(8), 2 * 0.1);
}

TEST(Schedule, LinearAndConstant) {
  const Schedule linear{ScheduleKind::linear, 1, 0, 4, 0.2};
  EXPECT_DOUBLE_EQ(linear.learning_rate(2), 0.6);
  const Schedule constant{ScheduleKind::constant, 1, 2, 4, 0};
  EXPECT_DOUBLE_EQ(constant.learning_rate(0), 0.5);
  EXPECT_DOUBLE_EQ(constant.learning_rate(3), 1);
}

TEST(Schedule, StaysAtThePeakUntilItsLastSteps) {
  const Schedule schedule{ScheduleKind::warmup_stable_decay, 2, 4, 20, 0.1, 8};
  EXPECT_DOUBLE_EQ(schedule.learning_rate(1), 1);
  for (const auto step : {4, 11, 12}) EXPECT_DOUBLE_EQ(schedule.learning_rate(step), 2) << step;
  EXPECT_DOUBLE_EQ(schedule.learning_rate(16), 2 * 0.55);
  EXPECT_DOUBLE_EQ(schedule.learning_rate(20), 2 * 0.1);
  // No room to stay: it falls as soon as it has warmed up.
  const Schedule falling{ScheduleKind::warmup_stable_decay, 2, 4, 8, 0, 100};
  EXPECT_DOUBLE_EQ(falling.learning_rate(6), 1);
}

TEST(Schedule, EveryKindHasAName) {
  EXPECT_EQ(name_of(ScheduleKind::cosine), "cosine");
  EXPECT_EQ(name_of(ScheduleKind::linear), "linear");
  EXPECT_EQ(name_of(ScheduleKind::constant), "constant");
  EXPECT_EQ(name_of(ScheduleKind::warmup_stable_decay), "warmup_stable_decay");
}

}  // namespace
}  // namespace lookback
