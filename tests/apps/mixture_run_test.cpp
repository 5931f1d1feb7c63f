// Runs of models with routers: what is told of their auxiliary loss, and that activation
// recomputation does not change it (micro-batches: accumulate_gradients_test.cpp).
#include <gtest/gtest.h>

#include "apps/train/trainer_state.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

using Json = nlohmann::json;

// The lines about steps, without what measures time.
std::vector<Json> step_lines(const SmallRun& small, const std::vector<std::string>& flags) {
  auto all = flags;
  all.insert(all.begin(), {"--overwrite", "--threads=1", "--dtype=float64", "--logging-steps=2"});
  const auto result = small.train(all);
  EXPECT_EQ(result.code, 0) << result.err;
  std::vector<Json> lines;
  for (auto line : SmallRun::metrics(small.run())) {
    if (!line.contains("loss")) {
      EXPECT_FALSE(line.contains("auxiliary_loss"));
      continue;
    }
    line.erase("seconds");
    line.erase("tokens_per_second");
    lines.push_back(line);
  }
  return lines;
}

TEST(MixtureRun, TellsOfTheAuxiliaryLossBesideTheLoss) {
  const SmallRun small;
  for (const auto& line : step_lines(small, {"--preset=llama"})) {
    EXPECT_FALSE(line.contains("auxiliary_loss"));
  }
  for (const std::string preset : {"moh", "moa"}) {
    const auto lines = step_lines(small, {"--preset=" + preset});
    ASSERT_EQ(lines.size(), 3U);
    for (const auto& line : lines) {
      // Fresh routers use all they choose from about alike: a balance of 2, times 0.01, and for moa
      // 0.001 times (ln 4)^2.
      EXPECT_NEAR(line.at("auxiliary_loss").get<double>(), preset == "moh" ? 0.02 : 0.0219, 2e-3);
      EXPECT_NEAR(line.at("loss").get<double>(), 5.5, 0.1);  // the cross entropy alone: ln 256
    }
  }
}

TEST(MixtureRun, IsTheSameWithActivationsRunAgain) {
  const SmallRun small;
  for (const std::string preset : {"moh", "moa"}) {
    for (const std::string method : {"llama", "method1"}) {
      std::vector<std::string> flags{"--preset=" + method, "--preset=" + preset};
      const auto kept = step_lines(small, flags);
      flags.emplace_back("--gradient-checkpointing");
      EXPECT_EQ(step_lines(small, flags), kept) << preset << method;
    }
  }
}

TEST(MixtureRun, KeepsWhatNoLineTellsAboutYet) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "trainer_state.json";
  for (const auto sum : {std::optional<double>(), std::optional(0.0625)}) {
    TrainerState state{.step = 3};
    state.unlogged = {.loss = 1, .auxiliary_loss = sum, .steps = 3};
    state.ties = CheckpointTies{.config = "{}"};
    write_text(path, to_json(state));
    EXPECT_EQ(read_trainer_state(path).unlogged.auxiliary_loss, sum);
  }
}

}  // namespace
}  // namespace lookback::tests
