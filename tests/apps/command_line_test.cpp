// The command line as a whole: what every subcommand takes and refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/program_run.h"

namespace lookback::tests {
namespace {

using testing::HasSubstr;

TEST(CommandLine, HelpAndVersion) {
  const auto help = run_lookback({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("\n  presets  "));
  EXPECT_THAT(run_lookback({"--version"}).out, testing::MatchesRegex("lookback [0-9.]+\n"));
  const auto presets = run_lookback({"presets", "--json", "--help"});
  EXPECT_EQ(presets.code, 0);
  for (const auto* flag : {"--help", "--device", "--threads", "--seed", "--json", "--quiet"}) {
    EXPECT_THAT(presets.out, HasSubstr(flag));
  }
}

TEST(CommandLine, NamesTheNearest) {
  expect_error(run_lookback({}), 2, "which subcommand?");
  expect_error(run_lookback({"preset"}), 2, "unknown subcommand preset: the nearest is presets");
  expect_error(run_lookback({"presets", "--fautls"}), 2,
               "unknown flag --fautls: the nearest is --faults");
  expect_error(run_lookback({"presets", "-q"}), 2, "unknown flag -q");
  expect_error(run_lookback({"presets", "llama"}), 2, "unexpected argument llama");
  expect_error(run_lookback({"--json", "presets"}), 2,
               "--json before the subcommand: flags stand behind it");
}

TEST(CommandLine, RefusesValuesWithTheRule) {
  for (const auto* value :
       {"0", "-1", "nan", "1.5", "", "1e3", "0x2", "2000", "99999999999999999999"}) {
    expect_error(run_lookback({"presets", "--threads", value}), 2,
                 "must be an integer from 1 to 1024");
  }
  expect_error(run_lookback({"presets", "--seed=-1"}), 2,
               "--seed -1: must be an integer of at least 0");
  expect_error(run_lookback({"presets", "--seed=9223372036854775808"}), 2,
               "must be an integer of at least 0 that 64 bits can hold");
  expect_error(run_lookback({"presets", "--seed"}), 2, "--seed needs a value (N)");
  expect_error(run_lookback({"presets", "--seed", "--json"}), 2, "--seed needs a value (N)");
  expect_error(run_lookback({"presets", "--json=maybe"}), 2, "--json");
  expect_error(run_lookback({"presets", "--device", "gpu"}), 2,
               "must be auto, cpu, cuda or cuda:N");
}

TEST(CommandLine, DashesUnderscoresAndEqualsSigns) {
  EXPECT_EQ(run_lookback({"presets", "--seed=3", "--threads", "1", "--device=cpu", "--quiet"}).code,
            0);
  EXPECT_EQ(run_lookback({"presets", "--seed", "x", "--seed", "3"}).code, 0);  // the last one wins
}

TEST(CommandLine, Presets) {
  EXPECT_THAT(run_lookback({"presets"}).out, testing::StartsWith("llama  "));
  EXPECT_THAT(run_lookback({"presets", "--faults"}).out, testing::HasSubstr("\nunmasked  "));
  const auto json = nlohmann::json::parse(run_lookback({"presets", "--json"}).out);
  EXPECT_EQ(json.at("presets").at(0).at("name"), "llama");
  EXPECT_EQ(json.at("presets").at(0).at("config"), nlohmann::json::object());
  EXPECT_TRUE(json.at("faults").is_array());
}

TEST(CommandLine, AFullStdoutIsAnError) {
  const auto result = run_lookback({"presets"}, {.largest_file_bytes = 0});
  EXPECT_EQ(result.code, 1);
}

}  // namespace
}  // namespace lookback::tests
