// lookback report, as it is called.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/apps/small_run.h"
#include "tests/apps/written_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

TEST(ReportProgram, ItsNumbersAreThoseOfTheRun) {
  const SmallRun small;
  const auto trained = small.train({"--json"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const auto summary = SmallRun::json(trained);
  const auto out = small.path() / "out", table = small.path() / "metrics.csv";
  const auto result =
      run_lookback({"report", small.run(), "--output-dir", out, "--csv", table, "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto told = SmallRun::json(result);
  const auto run = told.at("runs").at(0);
  EXPECT_EQ(run.at("name"), "run");
  EXPECT_EQ(run.at("state"), "ended");
  EXPECT_EQ(run.at("step"), summary.at("steps"));
  EXPECT_EQ(run.at("max_steps"), summary.at("steps"));
  for (const auto* key : {"loss", "validation_loss", "validation_accuracy", "parameters"})
    EXPECT_EQ(run.at(key), summary.at(key)) << key;
  EXPECT_NEAR(run.at("tokens_per_second").get<double>(),
              summary.at("tokens_per_second").get<double>(), 1e-6);
  EXPECT_GT(run.at("peak_bytes").get<double>(), 1e6);
  EXPECT_LE(run.at("peak_bytes"), summary.at("peak_bytes"));
  // The file has the curves as well.
  const auto file = json::parse(read_text(out / "report.json"));
  std::vector<double> evaluations;
  for (const auto& line : SmallRun::metrics(small.run())) {
    if (line.contains("validation_loss")) evaluations.push_back(line.at("validation_loss"));
  }
  EXPECT_EQ(file.at("runs").at(0).at("curves").at("validation_loss").at("value"), evaluations);
  EXPECT_THAT(read_text(out / "report.html"), HasSubstr("<html"));
  EXPECT_THAT(read_text(table), testing::StartsWith("run,step,loss,"));
}

TEST(ReportProgram, RefusesInOneLine) {
  const TemporaryDirectory folder;
  const auto run = folder.path() / "run", out = folder.path() / "out";
  ended_run(2).write(run);
  expect_error(run_lookback({"report", run}), 2, "--output-dir is missing");
  expect_error(run_lookback({"report", "--output-dir", out}), 2, "DIR is missing");
  expect_error(run_lookback({"report", folder.path() / "none", "--output-dir", out}), 1,
               "there is no such folder");
  write_text(folder.path() / "file", "");
  expect_error(run_lookback({"report", run, "--output-dir", folder.path() / "file"}), 1,
               "is not a folder");
  EXPECT_FALSE(fs::exists(out));
}

TEST(ReportProgram, ThirtyRunsHaveNamesAndStrokesOfTheirOwn) {
  const TemporaryDirectory folder;
  for (int i = 0; i < 30; ++i)
    ended_run(2 + 0.01 * i).write(folder.path() / "sweep" / ("lr=" + std::to_string(i)));
  const auto out = folder.path() / "out";
  const auto result =
      run_lookback({"report", folder.path() / "sweep", "--output-dir", out, "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto told = SmallRun::json(result);
  std::set<std::string> names;
  for (const auto& run : told.at("runs")) names.insert(run.at("name").get<std::string>());
  EXPECT_EQ(names.size(), 30U);
  EXPECT_EQ(told.at("best"), "lr=0");
  EXPECT_LT(fs::file_size(out / "report.html"), 600'000U);
}

}  // namespace
}  // namespace lookback::tests
