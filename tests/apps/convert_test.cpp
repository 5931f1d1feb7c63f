// lookback convert, through the program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nn/llama/config_file.h"
#include "runtime/safetensors.h"
#include "tests/apps/small_run.h"
#include "tests/autograd/op_case.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ConvertProgram : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(small_.train({"--max-steps=2"}).code, 0); }

  ProgramResult convert(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"convert", small_.run(), "--output-dir", out().string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lookback(arguments);
  }
  fs::path out() const { return small_.path() / "out"; }
  std::map<std::string, std::vector<double>> weights(const fs::path& folder) const {
    const auto file = SafetensorsFile::open(folder / "model.safetensors");
    std::map<std::string, std::vector<double>> all;
    for (const auto& name : file.names())
      all[name] = lookback::testing::to_doubles(file.load(name));
    return all;
  }

  SmallRun small_;  // two key and value heads of width 4
};

TEST_F(ConvertProgram, PoolsKeyAndValueHeadsAndKeepsAllElse) {
  for (const std::string init : {"mean", "first"}) {
    const auto result = convert({"--num-key-value-heads=1", "--key-value-init", init, "--json"});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(SmallRun::json(result)["num_key_value_heads"], 1);
    auto config = read_llama_config(out());
    EXPECT_EQ(config.num_key_value_heads, 1);
    config.num_key_value_heads = 2;
    EXPECT_EQ(config, read_llama_config(small_.run()));
    const auto before = weights(small_.run()), after = weights(out());
    ASSERT_EQ(before.size(), after.size());
    for (const auto& [name, values] : after) {
      const auto& old = before.at(name);
      if (name.find("k_proj") == name.npos && name.find("v_proj") == name.npos) {
        EXPECT_EQ(values, old) << name;
        continue;
      }
      ASSERT_EQ(2 * values.size(), old.size()) << name;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const auto mean = static_cast<float>((old[i] + old[i + values.size()]) / 2);
        EXPECT_EQ(values[i], init == "mean" ? mean : old[i]) << name;
      }
    }
    EXPECT_TRUE(exists(out() / "lookback-checksums.json"));
    EXPECT_FALSE(exists(out() / ".lookback"));
    fs::remove_all(out());
  }
}

TEST_F(ConvertProgram, WhatItMakesIsTrainedOn) {
  ASSERT_EQ(convert({"--num-key-value-heads=1"}).code, 0);
  const auto evaluated = run_lookback({"eval", out().string(), "--data", small_.text(), "--json"});
  ASSERT_EQ(evaluated.code, 0) << evaluated.err;
  EXPECT_EQ(evaluated.err.find("checksums"), std::string::npos) << evaluated.err;
  const auto next = (small_.path() / "next").string();
  const auto trained =
      run_lookback({"train", "--init-from", out().string(), "--data", small_.text(),
                    "--max-steps=3", "--block-size=16", "--output-dir", next, "--quiet"});
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(read_llama_config(next).num_key_value_heads, 1);
}

TEST_F(ConvertProgram, RefusesWhatCannotBe) {
  expect_error(convert({"--num-key-value-heads=3"}), 2,
               "--num-key-value-heads 3: must divide num_key_value_heads, 2");
  expect_error(convert({"--num-key-value-heads=1", "--key-value-init=last"}), 2,
               "must be one of mean, first");
  EXPECT_FALSE(exists(out()));
  expect_error(run_lookback({"convert", small_.run(), "--num-key-value-heads=1"}), 2,
               "--output-dir is missing");
  expect_error(run_lookback({"convert", (small_.path() / "absent").string(),
                             "--num-key-value-heads=1", "--output-dir", out().string()}),
               1, "absent");
  fs::create_directory(out());
  write_text(out() / "notes.txt", "mine");
  expect_error(convert({"--num-key-value-heads=1"}), 1, "is there already: choose a new folder");
  EXPECT_EQ(read_text(out() / "notes.txt"), "mine");
  expect_error(run_lookback({"convert", small_.run(), "--num-key-value-heads=1", "--output-dir",
                             small_.run()}),
               1, "is there already");
  fs::remove_all(out());
  // A weight that was changed since it was written.
  auto bytes = read_text(fs::path(small_.run()) / "model.safetensors");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_text(fs::path(small_.run()) / "model.safetensors", bytes);
  expect_error(convert({"--num-key-value-heads=1"}), 1, "is not as ");
  EXPECT_FALSE(exists(out()));
}

TEST_F(ConvertProgram, RefusesTypesWithoutSuchHeads) {
  ASSERT_EQ(small_.train({"--preset=mla", "--overwrite"}).code, 0);
  expect_error(convert({"--num-key-value-heads=2"}), 2, "layer 0 has attention mla: only key and");
  EXPECT_FALSE(exists(out()));
}

// Full or without the right: nothing of it is there.
TEST_F(ConvertProgram, IsWholeOrNotAtAll) {
  const auto result = run_lookback(
      {"convert", small_.run(), "--num-key-value-heads=1", "--output-dir", out().string()},
      {.largest_file_bytes = 4096});
  EXPECT_EQ(result.code, 1);
  EXPECT_FALSE(exists(out()));
}

}  // namespace
}  // namespace lookback::tests
