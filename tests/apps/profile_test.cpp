// Where the time of a step goes: the rows, the trace, and the two commands that write them.
#include "apps/profile/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

TimedCall call(const std::string& name, const std::string& scope, double start, double seconds,
               double flops = 0, double bytes = 0) {
  return {.name = name,
          .shape = "(2, 3)",
          .scope = scope,
          .start = start,
          .seconds = seconds,
          .flops = flops,
          .bytes = bytes};
}

TEST(Profile, AddsUpCallsOfAllLayersOverTheSteps) {
  const std::vector<std::vector<TimedCall>> steps = {
      {call("matmul", "model.layers.0.mlp", 0, 1, 10, 4),
       call("matmul", "model.layers.11.mlp", 1, 2, 10, 4), call("matmul", "lm_head", 3, 8, 5, 6)},
      {call("matmul", "model.layers.0.mlp", 0, 3, 10, 4), call("fill", "", 3, 1)}};
  const auto rows = profile_rows(steps);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].scope, "lm_head");
  EXPECT_EQ(rows[0].seconds, 4) << "the mean of a step that has it and one that has not";
  EXPECT_EQ(rows[1].scope, "model.layers.*.mlp");
  EXPECT_EQ(rows[1].calls, 1.5);
  EXPECT_EQ(rows[1].seconds, 3);
  EXPECT_EQ(rows[1].flops, 15);
  EXPECT_EQ(rows[1].bytes, 6);
  EXPECT_EQ(rows[2].scope, "");
}

TEST(Profile, IsHeldAgainstTheNearerLimit) {
  const MachineLimits limits{.gflops = 10, .gbps = 1};
  EXPECT_DOUBLE_EQ(of_limit({.seconds = 2, .flops = 10e9, .bytes = 1e9}, limits), 0.5);
  EXPECT_DOUBLE_EQ(of_limit({.seconds = 2, .flops = 15e9, .bytes = 1e9}, limits), 0.75);
  EXPECT_EQ(of_limit({.seconds = 0, .flops = 1, .bytes = 1}, limits), 0);
}

// Names of events with what they span, in microseconds.
std::vector<std::string> spans(const nlohmann::ordered_json& trace, const std::string& category) {
  std::vector<std::string> found;
  for (const auto& event : trace.at("traceEvents")) {
    if (event.at("cat") != category) continue;
    EXPECT_EQ(event.at("ph"), "X");
    found.push_back(fmt::format("{} {}+{}", event.at("name").get<std::string>(),
                                event.at("ts").get<double>(), event.at("dur").get<double>()));
  }
  return found;
}

TEST(Profile, TraceHasModulesAroundTheirCalls) {
  const auto trace = chrome_trace(std::vector<std::vector<TimedCall>>{
      {call("a", "model.layers.0.mlp", 0, 1e-6), call("b", "model.layers.0", 1e-6, 1e-6),
       call("c", "model.layers.1.mlp", 3e-6, 2e-6)},
      {call("d", "", 0, 1e-6)}});
  EXPECT_THAT(spans(trace, "kernel"), ElementsAre("a 0+1", "b 1+1", "c 3+2", "d 5+1"));
  // A module ends where a call comes that is not its own.
  EXPECT_THAT(spans(trace, "module"), UnorderedElementsAre("mlp 0+1", "0 0+3", "mlp 3+2", "1 3+2",
                                                           "layers 0+5", "model 0+5"));
}

// The time of a step of one layer is in its rows, but for what lies before its first kernel.
TEST(ProfileProgram, BenchTrain) {
  const SmallRun small;
  const auto trace = small.path() / "trace.json";
  const auto result = run_lookback({"bench", "train", "--profile", "--trace", trace, "--config",
                                    small.config(), "--block-size=16", "--steps=2", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  double products = 0, seconds = 0;
  const auto printed = SmallRun::json(result);
  for (const auto& row : printed.at("profile")) {
    EXPECT_GT(row.at("calls"), 0);
    EXPECT_GE(row.at("of_limit"), 0);
    seconds += row.at("seconds").get<double>();
    if (row.at("name") == "matmul_forward" && row.at("scope") == "model.layers.*.mlp")
      products += row.at("flops").get<double>();
  }
  EXPECT_GT(seconds, 0);
  // Of gate_proj and up_proj in two layers, forward and the gradients of x and of the weight: 64
  // tokens, 16 wide, 32 inside.
  EXPECT_EQ(products, 2 * 6 * 2 * 64 * 16 * 32);
  const auto events = nlohmann::json::parse(read_text(trace)).at("traceEvents");
  EXPECT_GT(events.size(), 100U);
}

TEST(ProfileProgram, RefusesWhatGoesWithNothing) {
  const SmallRun small;
  expect_error(run_lookback({"bench", "gemm", "--profile"}), 2, "bench train");
  expect_error(run_lookback({"bench", "train", "--trace", "t.json"}), 2, "--profile");
  expect_error(run_lookback({"bench", "train", "--profile", "--config", small.config(), "--trace",
                             small.path() / "none" / "t.json"}),
               1, "t.json");
}

TEST(ProfileProgram, TrainTimesSomeSteps) {
  const SmallRun small;
  const auto plain = small.train();
  ASSERT_EQ(plain.code, 0) << plain.err;
  const auto weights = read_text(std::filesystem::path(small.run()) / "model.safetensors");
  const auto result = small.train({"--profile-steps=2:3", "--overwrite"});
  ASSERT_EQ(result.code, 0) << result.err;
  const std::filesystem::path run = small.run();
  EXPECT_EQ(read_text(run / "model.safetensors"), weights) << "looking on changes no bits";
  const auto rows = nlohmann::json::parse(read_text(run / "profile.json"));
  std::map<std::string, double> calls;
  for (const auto& row : rows) calls[row.at("name")] += row.at("calls").get<double>();
  EXPECT_EQ(calls.at("linear_cross_entropy_forward"), 1) << "of a step";
  EXPECT_FALSE(nlohmann::json::parse(read_text(run / "trace.json")).at("traceEvents").empty());
  // A run that replaces it takes its files away.
  ASSERT_EQ(small.train({"--overwrite"}).code, 0);
  EXPECT_FALSE(std::filesystem::exists(run / "profile.json"));
}

TEST(ProfileProgram, TrainWritesStepsThatEndWithTheRun) {
  const SmallRun small;
  ASSERT_EQ(small.train({"--profile-steps=6:900"}).code, 0);
  EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(small.run()) / "profile.json"));
}

TEST(ProfileProgram, TrainRefusesWhatIsNoRange) {
  const SmallRun small;
  for (const auto* range : {"3", "0:2", "5:4", "a:b", "1:2:3", "1:", ":2", "-1:2", "1: 2"}) {
    expect_error(small.train({std::string("--profile-steps=") + range}), 2, "10:12");
    EXPECT_FALSE(std::filesystem::exists(small.run()));
  }
}

}  // namespace
}  // namespace lookback::tests
