// Sources with weights, and the order in which rows of training are drawn.
#include "apps/data/mixed_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "apps/data/data_mixture.h"
#include "apps/data/open.h"
#include "apps/data/window_order.h"
#include "runtime/check.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

TEST(DataMixture, IsSeveralWordsWithWeights) {
  const auto parts = parts_of_mixture("a.txt:0.7 b/*.jsonl:0.3");
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].spec, "a.txt");
  EXPECT_EQ(parts[1].spec, "b/*.jsonl");
  EXPECT_EQ(parts[1].weight, 0.3);
  EXPECT_EQ(spec_of(parts), "a.txt:0.7 b/*.jsonl:0.3");
  EXPECT_THAT(parts_of_mixture("a.txt:1"), ::testing::SizeIs(1));
  const auto with_spaces = parts_of_mixture("my  old book.txt:2 b.txt:1");
  ASSERT_EQ(with_spaces.size(), 2U);
  EXPECT_EQ(with_spaces[0].spec, "my  old book.txt");
  for (const std::string one : {"a.txt", "my book.txt", "builtin:stories", "a:b.txt", "x:1 y", ""})
    EXPECT_THAT(parts_of_mixture(one), IsEmpty()) << one;
}

TEST(DataMixture, WeightsAndSourcesThatMakeNoSense) {
  const auto refused = [](const std::string& spec, const std::string& text) {
    EXPECT_THAT([&] { parts_of_mixture(spec); }, ThrowsMessage<Error>(HasSubstr(text))) << spec;
  };
  refused("a:0 b:1", "a:0: a weight must be a positive number");
  refused("a:-1 b:1", "must be a positive number");
  refused("a:inf b:1", "must be a positive number");
  refused("a:nan b:1", "must be a positive number");
  refused("a:1 a:2", "a: is named twice");
  refused("builtin:stories:1 b:2", "brings its own words");
}

TEST(DataMixture, WordsOfACommandLineAreJoined) {
  const std::vector<std::string> given = {"--data", "a:1", "b:2", "c:3", "--max-steps", "4"};
  EXPECT_THAT(with_whole_mixtures(given), ElementsAre("--data", "a:1 b:2 c:3", "--max-steps", "4"));
  const std::vector<std::string> other = {"DIR", "--data", "a.txt", "b:2"};
  EXPECT_THAT(with_whole_mixtures(other), ElementsAre("DIR", "--data", "a.txt", "b:2"));
}

// Two texts of bytes, "aaaa.." and "bbbb..", so that a row says where it comes from.
class MixtureOfTwo : public ::testing::Test {
 protected:
  MixtureOfTwo() {
    write_text(path("a.txt"), std::string(2000, 'a'));
    write_text(path("b.txt"), std::string(600, 'b'));
  }
  std::string path(const std::string& name) const { return small.path() / name; }
  std::string spec(const std::string& first, const std::string& second) const {
    return path("a.txt") + ":" + first + " " + path("b.txt") + ":" + second;
  }
  DataOptions options(const std::string& data) const {
    return {.data = data, .seed = 3, .block_size = 16};
  }
  const SmallRun small;
};

TEST_F(MixtureOfTwo, RowsAreDrawnInProportionToTheWeights) {
  const auto data = open_data(options(spec("3", "1")));
  constexpr std::int64_t rows = 4000;
  const auto batch = data.training->training_batch(0, 0, rows, 16);
  std::int64_t of_b = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    const auto first = batch.inputs[row * 16];
    ASSERT_TRUE(first == 'a' || first == 'b');
    for (std::size_t t = 0; t < 16; ++t) ASSERT_EQ(batch.targets[row * 16 + t], first);
    of_b += first == 'b' ? 1 : 0;
  }
  // Five standard deviations of a binomial distribution.
  EXPECT_NEAR(static_cast<double>(of_b), rows / 4.0, 5 * std::sqrt(rows * 0.25 * 0.75));
  EXPECT_EQ(data.training->tokens(), 1900 + 570);
}

// However a step is cut: the contract of every source.
TEST_F(MixtureOfTwo, RowsDoNotDependOnHowAStepIsCut) {
  const auto data = open_data(options(spec("0.5", "0.5")));
  const auto whole = data.training->training_batch(7, 0, 8, 16);
  std::vector<std::int64_t> pieces;
  for (std::int64_t micro_step = 0; micro_step < 4; ++micro_step) {
    const auto piece = data.training->training_batch(7, micro_step, 2, 16);
    pieces.insert(pieces.end(), piece.inputs.begin(), piece.inputs.end());
  }
  EXPECT_EQ(whole.inputs, pieces);
  EXPECT_NE(whole.inputs, data.training->training_batch(8, 0, 8, 16).inputs);
}

TEST_F(MixtureOfTwo, EvaluationGoesThroughOneAfterTheOther) {
  const auto data = open_data(options(spec("1", "9")));
  const auto& validation = *data.validation;
  // 100 bytes of the first and 30 of the second: 7 rows of at most 16 targets, and 2.
  EXPECT_EQ(validation.evaluation_rows(16), 7 + 2);
  const auto batch = validation.evaluation_batch(5, 10, 16);
  ASSERT_EQ(batch.rows, 4);
  EXPECT_EQ(batch.scored(), 16 + 3 + 16 + 13);
  EXPECT_EQ(batch.inputs[0], 'a');
  EXPECT_EQ(batch.inputs[16 * 2], 'b');
  EXPECT_EQ(validation.scored_bytes(), 99 + 29);
  EXPECT_EQ(validation.documents(), 2);
  const auto documents = validation.evaluation_documents(5, 10, 16);
  ASSERT_EQ(documents.size(), 4U * 17);
  EXPECT_EQ(documents.front(), 0);
  EXPECT_EQ(documents.back(), 1);
  EXPECT_THAT(validation.document_name(1), HasSubstr("b.txt"));
}

TEST_F(MixtureOfTwo, TrainsResumesAndEvaluates) {
  const std::vector<std::string> data = {"--data", path("a.txt") + ":0.7", path("b.txt") + ":0.3"};
  const auto run = small.train({data[0], data[1], data[2], "--max-steps", "4", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(SmallRun::json(run_lookback({"eval", small.run(), "--json"}))["loss"],
            SmallRun::json(run)["validation_loss"]);
  EXPECT_EQ(run_lookback({"eval", small.run(), data[0], data[1], data[2], "--json"}).code, 0);
  const auto resume = [&](const std::string& weight) {
    return run_lookback({"train", "--resume", "--output-dir", small.run(), "--max-steps", "6",
                         "--quiet", data[0], path("a.txt") + ":" + weight, data[2]});
  };
  expect_error(resume("0.6"), 2, "a resumed run keeps it");
  EXPECT_EQ(resume("0.7").code, 0);
}

// What is said of one .bin is not lost because the other one says it itself.
TEST_F(MixtureOfTwo, TheTypeOfTokensIsKeptForAResume) {
  const auto tokens = [](int first) {
    std::vector<std::uint32_t> all;
    for (int i = 0; i < 2000; ++i) all.push_back(static_cast<std::uint32_t>(first + i % 50));
    return std::string(reinterpret_cast<const char*>(all.data()), all.size() * sizeof all[0]);
  };
  write_text(path("bare.bin"), tokens(3));
  std::vector<std::int32_t> header(256, 0);
  header[0] = 20240801;
  header[1] = 7;
  header[2] = 2000;
  write_text(path("own.bin"), std::string(reinterpret_cast<const char*>(header.data()),
                                          header.size() * sizeof header[0]) +
                                  tokens(60));
  const auto mixed = path("bare.bin") + ":1 " + path("own.bin") + ":1";
  for (const auto& validation : {std::string(), path("bare.bin")}) {
    std::vector<std::string> flags = {"--data", mixed, "--bin-dtype", "uint32", "--overwrite"};
    if (!validation.empty()) flags.insert(flags.end(), {"--validation-data", validation});
    const auto run = small.train(flags);
    ASSERT_EQ(run.code, 0) << run.err;
    EXPECT_THAT(read_text(small.run() + "/options.toml"), HasSubstr("bin_dtype = \"uint32\""));
    EXPECT_EQ(run_lookback(
                  {"train", "--resume", "--output-dir", small.run(), "--max-steps", "8", "--quiet"})
                  .code,
              0);
  }
}

TEST_F(MixtureOfTwo, WhatCannotBeMixed) {
  expect_error(small.train({"--data", spec("1", "2") + " builtin:stories:1"}), 2,
               "builtin:stories: a built-in source brings its own words");
  expect_error(small.train({"--data", spec("1", "0")}), 2, "a weight must be a positive number");
  expect_error(small.train({"--data", spec("1", "2"), "--data-order", "shuffled"}), 2,
               "--data-order shuffled: goes with one source");
  expect_error(small.train({"--data", path("a.txt") + ":1 " + path("c.txt") + ":1"}), 1, "c.txt");
  EXPECT_FALSE(std::filesystem::exists(small.run()));
}

TEST(WindowOrder, IsAPermutation) {
  for (const std::uint64_t size : {1U, 2U, 3U, 4U, 5U, 17U, 64U, 1000U}) {
    std::set<std::uint64_t> places;
    for (std::uint64_t i = 0; i < size; ++i) {
      const auto place = permuted(i, size, 5, 9);
      EXPECT_LT(place, size);
      places.insert(place);
    }
    EXPECT_EQ(places.size(), size);
  }
  EXPECT_THROW(permuted(4, 4, 0, 0), Error);
  EXPECT_LT(permuted(1, std::uint64_t{1} << 62, 0, 0), std::uint64_t{1} << 62);
}

// Each of 6 orders of three about equally often, and neighbors far from each other.
TEST(WindowOrder, AllOrdersAreAboutEquallyLikely) {
  std::map<std::vector<std::uint64_t>, int> seen;
  for (std::uint64_t stream = 0; stream < 6000; ++stream)
    ++seen[{permuted(0, 3, 1, stream), permuted(1, 3, 1, stream), permuted(2, 3, 1, stream)}];
  ASSERT_EQ(seen.size(), 6U);
  for (const auto& [order, count] : seen) EXPECT_NEAR(count, 1000, 150);
  double distance = 0;
  for (std::uint64_t i = 0; i + 1 < 10000; ++i) {
    distance += std::abs(static_cast<double>(permuted(i, 10000, 2, 3)) -
                         static_cast<double>(permuted(i + 1, 10000, 2, 3)));
  }
  EXPECT_NEAR(distance / 9999, 10000 / 3.0, 150);  // of two numbers drawn evenly: a third
}

// Every window once in an epoch, another order in the next, the same however a step is cut.
TEST_F(MixtureOfTwo, ShuffledSeesEveryWindowOnceAnEpoch) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>('a' + i % 23);
  write_text(path("c.txt"), text);
  auto wanted = options(path("c.txt"));
  wanted.order = {DataOrder::shuffled, 4};
  const auto source = open_data(wanted).training;
  const std::int64_t windows = (950 - 1) / 16;  // 59
  const auto starts_of = [&](std::int64_t first, std::int64_t last) {
    std::vector<std::int64_t> starts;
    for (auto place = first; place < last; ++place)
      starts.push_back(source->training_starts(place / 4, place % 4, 1, 16)->front());
    return starts;
  };
  const auto first = starts_of(0, windows), second = starts_of(windows, 2 * windows);
  for (const auto& epoch : {first, second}) {
    const std::set<std::int64_t> different(epoch.begin(), epoch.end());
    EXPECT_EQ(std::ssize(different), windows);
    EXPECT_EQ(*different.begin(), 0);
    EXPECT_EQ(*different.rbegin(), 16 * (windows - 1));
    for (const auto start : different) EXPECT_EQ(start % 16, 0);
  }
  EXPECT_NE(first, second);
  EXPECT_EQ(source->training_batch(3, 0, 4, 16).inputs[16],
            source->training_batch(3, 1, 1, 16).inputs[0]);
}

TEST_F(MixtureOfTwo, ARunIsShuffledAndResumed) {
  ASSERT_EQ(small
                .train({"--data-order", "shuffled", "--max-steps", "4", "--lr-scheduler-type",
                        "constant"})
                .code,
            0);
  EXPECT_THAT(read_text(small.run() + "/options.toml"), HasSubstr("data_order = \"shuffled\""));
  expect_error(run_lookback({"train", "--resume", "--output-dir", small.run(), "--data-order",
                             "drawn", "--max-steps", "6", "--quiet"}),
               2, "--data-order");
  ASSERT_EQ(run_lookback(
                {"train", "--resume", "--output-dir", small.run(), "--max-steps", "6", "--quiet"})
                .code,
            0);
  const auto resumed = read_text(small.run() + "/model.safetensors");
  ASSERT_EQ(
      small.train({"--data-order", "shuffled", "--lr-scheduler-type", "constant", "--overwrite"})
          .code,
      0);
  EXPECT_TRUE(resumed == read_text(small.run() + "/model.safetensors"));
  expect_error(
      small.train({"--data-order", "shuffled", "--data", "builtin:stories", "--overwrite"}), 2,
      "builtin:stories has no end");
}

}  // namespace
}  // namespace lookback::tests
