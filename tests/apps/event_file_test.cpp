// TensorBoard's events files, read back.
#include "apps/train/event_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>

#include "tests/apps/event_reader.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::MatchesRegex;

TEST(EventReader, KnowsTheChecksumsOfRfc3720) {
  std::string rising, falling;
  for (int i = 0; i < 32; ++i) {
    rising += static_cast<char>(i);
    falling += static_cast<char>(31 - i);
  }
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(crc32c(rising), 0x46dd794eU);
  EXPECT_EQ(crc32c(falling), 0x113fdb5cU);
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

TEST(EventFile, HoldsWhatItWasGiven) {
  const TemporaryDirectory folder;
  const double before = now();
  {
    EventFile file(folder.path(), 7);
    file.append(300, {{"train/loss", 0.1}, {std::string(200, 'n'), -1e300}});
    file.append(std::int64_t{1} << 40, {});
  }
  const auto files = event_files(folder.path());
  ASSERT_EQ(files.size(), 1U);
  EXPECT_THAT(files[0].filename().string(),
              MatchesRegex("events\\.out\\.tfevents\\.[0-9]{10}\\..+\\.[0-9]+"));
  const auto events = read_events(files[0]);
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[0].file_version, "brain.Event:2");
  EXPECT_TRUE(events[1].starts);
  EXPECT_EQ(events[1].step, 7);
  EXPECT_EQ(events[2].step, 300);
  ASSERT_EQ(events[2].scalars.size(), 2U);
  EXPECT_EQ(events[2].scalars[0].tag, "train/loss");
  EXPECT_EQ(events[2].scalars[0].value, 0.1F);
  EXPECT_EQ(events[2].scalars[1].tag, std::string(200, 'n'));
  EXPECT_EQ(events[2].scalars[1].value, -std::numeric_limits<float>::infinity());
  EXPECT_EQ(events[3].step, std::int64_t{1} << 40);
  for (const auto& event : events) {
    EXPECT_GE(event.wall_time, before);
    EXPECT_LE(event.wall_time, now());
  }
}

TEST(EventFile, ANewOneIsReadLast) {
  const TemporaryDirectory folder;
  write_text(folder.path() / "events.out.tfevents.9999999990.z.1", "");  // a clock that was ahead
  for (const std::int64_t step : {1, 2, 3}) {
    EventFile(folder.path(), step).append(step, {{"step", static_cast<double>(step)}});
  }
  EXPECT_EQ(event_files(folder.path()).size(), 4U);
  const auto joined = joined_events(folder.path());
  ASSERT_EQ(joined.size(), 3U);
  for (std::int64_t i = 0; i < 3; ++i) EXPECT_EQ(joined[static_cast<std::size_t>(i)].step, i + 1);
}

// Tag and value, as an events file is to have them, of a line of metrics.jsonl.
std::map<std::string, float> scalars_of(const json& line) {
  const std::map<std::string, std::string> tags = {{"loss", "train/loss"},
                                                   {"accuracy", "train/accuracy"},
                                                   {"grad_norm", "train/grad_norm"},
                                                   {"learning_rate", "train/learning_rate"},
                                                   {"tokens_per_second", "train/tokens_per_second"},
                                                   {"validation_loss", "validation/loss"},
                                                   {"validation_accuracy", "validation/accuracy"},
                                                   {"floor", "validation/floor"}};
  std::map<std::string, float> scalars;
  for (const auto& [key, tag] : tags) {
    if (line.contains(key)) scalars[tag] = line.at(key).get<float>();
  }
  const auto learned = line.value("learned", json::object());
  for (const auto& [name, values] : learned.items()) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      scalars["learned/" + name + "/" + std::to_string(i)] = values[i].get<float>();
    }
  }
  return scalars;
}

void expect_events_of_metrics(const fs::path& run) {
  const auto lines = SmallRun::metrics(run);
  const auto events = joined_events(run);
  ASSERT_EQ(events.size(), lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(events[i].step, lines[i].at("step").get<std::int64_t>());
    std::map<std::string, float> scalars;
    for (const auto& [tag, value] : events[i].scalars) scalars[tag] = value;
    EXPECT_EQ(scalars, scalars_of(lines[i])) << lines[i];
    EXPECT_EQ(events[i].scalars.size(), scalars.size());
  }
}

TEST(TrainEvents, AreTheNumbersOfMetricsJsonl) {
  const SmallRun small;
  const auto result = small.train({"--preset=method3.2", "--data=builtin:markov", "--eval-steps=4",
                                   "--eval-batches=1", "--logging-steps=3"});
  ASSERT_EQ(result.code, 0) << result.err;
  const auto last = scalars_of(SmallRun::metrics(small.run()).back());
  EXPECT_TRUE(last.contains("validation/floor"));
  EXPECT_TRUE(last.contains("learned/model.layers.1.modified_residual_mlp.layer_weights/0"));
  expect_events_of_metrics(small.run());
}

TEST(TrainEvents, AResumedRunBeginsAnewFromItsCheckpoint) {
  const SmallRun small;
  // The evaluations of steps 3 and 6 lie before the checkpoint of step 6, but after the last line
  // about training that counts, which is that of step 0: none.
  ASSERT_EQ(
      small.train({"--max-steps=12", "--logging-steps=7", "--eval-steps=3", "--save-steps=6"}).code,
      0);
  fs::remove_all(fs::path(small.run()) / "checkpoint-12");
  ASSERT_EQ(run_lookback({"train", "--resume", "--output-dir", small.run(), "--quiet"}).code, 0);
  EXPECT_EQ(event_files(small.run()).size(), 2U);
  EXPECT_EQ(SmallRun::metrics(small.run()).size(), 6U);
  expect_events_of_metrics(small.run());
  ASSERT_EQ(small.train({"--overwrite"}).code, 0);
  EXPECT_EQ(event_files(small.run()).size(), 1U);
  expect_events_of_metrics(small.run());
}

}  // namespace
}  // namespace lookback::tests
