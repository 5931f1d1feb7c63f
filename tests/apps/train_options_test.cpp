#include "apps/train/train_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/cli/exit_code.h"
#include "apps/cli/progress.h"

namespace lookback {
namespace {

TEST(TrainOptions, AnEpochIsWholeSteps) {
  TrainOptions options;  // batch size 8, T 256
  resolve_steps(options, 1 + 2048 * 57 + 2047);
  EXPECT_EQ(options.max_steps, 57);
  EXPECT_EQ(options.eval_steps, 5);
  EXPECT_EQ(options.save_steps, 57);
  EXPECT_EQ(options.warmup_steps, 0);

  TrainOptions short_data{.epochs = 3};
  resolve_steps(short_data, 300);
  EXPECT_EQ(short_data.max_steps, 3);
  EXPECT_EQ(short_data.eval_steps, 1);

  TrainOptions accumulated{.gradient_accumulation_steps = 2, .epochs = 2};
  resolve_steps(accumulated, 1 + 4096 * 10);
  EXPECT_EQ(accumulated.max_steps, 20);
}

TEST(TrainOptions, StepsWinOverShares) {
  TrainOptions options{.max_steps = 401, .epochs = 9, .warmup_ratio = 0.1};
  resolve_steps(options, std::nullopt);
  EXPECT_EQ(options.max_steps, 401);
  EXPECT_EQ(options.warmup_steps, 41) << "ceil(0.1 x 401)";
  EXPECT_EQ(options.eval_steps, 40);
  TrainOptions given{
      .max_steps = 401, .warmup_steps = 7, .warmup_ratio = 0.1, .eval_steps = 3, .save_steps = 5};
  resolve_steps(given, std::nullopt);
  EXPECT_EQ(given.warmup_steps, 7);
  EXPECT_EQ(given.eval_steps, 3);
  EXPECT_EQ(given.save_steps, 5);
}

TEST(TrainOptions, EndlessDataNeedSteps) {
  TrainOptions options{.data = "builtin:stories"};
  EXPECT_THROW(resolve_steps(options, std::nullopt), UsageError);
}

TEST(Progress, TellsDurationsAndShares) {
  EXPECT_EQ(duration_text(7.4), "0:07");
  EXPECT_EQ(duration_text(754), "12:34");
  EXPECT_EQ(duration_text(10800), "3:00:00");
  EXPECT_EQ(duration_text(-1), "0:00");
  EXPECT_EQ(rough_duration_text(0), "about 0 seconds");
  EXPECT_EQ(rough_duration_text(179), "about 179 seconds");
  EXPECT_EQ(rough_duration_text(754), "about 13 minutes");
  EXPECT_EQ(rough_duration_text(10800), "about 3 hours");
  EXPECT_EQ(rough_duration_text(5 * 86400), "about 5 days");
  EXPECT_EQ(bar_text(0, 4, "x", 80), "[>               ]   0%  x");
  EXPECT_EQ(bar_text(3, 4, "x", 80), "[============>   ]  75%  x");
  EXPECT_EQ(bar_text(4, 4, "x", 80), "[================] 100%  x");
  EXPECT_EQ(bar_text(4, 4, "x", 11).size(), 10U);
}

}  // namespace
}  // namespace lookback
