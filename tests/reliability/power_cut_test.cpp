// The machine goes down at any moment of a run, and the disk has lost what was not synced.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <stdexcept>

#include "apps/folder/replacement.h"
#include "apps/train/checkpoint.h"
#include "apps/train/output_folder.h"
#include "apps/train/run_entries.h"
#include "runtime/check.h"
#include "tests/apps/run_files.h"
#include "tests/apps/small_run.h"
#include "tests/reliability/power_cuts.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using Fate = DiskModel::Fate;

TEST(DiskModel, KeepsWhatWasSyncedAndLosesAnyOfTheRest) {
  using Kind = SystemCall::Kind;
  const std::vector<SystemCall> calls = {
      {.kind = Kind::make_folder, .path = "/r/d"},
      {.kind = Kind::open, .path = "/r/d/a", .creates = true},
      {.kind = Kind::write, .path = "/r/d/a", .bytes = "1234"},
      {.kind = Kind::write, .path = "/r/d/a", .offset = 4, .bytes = "5678"},
      {.kind = Kind::sync, .path = "/r/d/a"},
      {.kind = Kind::rename, .path = "/r/b", .from = "/r/d/a"},
      {.kind = Kind::sync, .path = "/r"},
      {.kind = Kind::remove, .path = "/r/old"},
  };
  const Tree before = {{"old", std::make_shared<const std::string>("old")}};
  const DiskModel disk(before, "/r", calls);
  ASSERT_EQ(disk.changes(), 6U);
  EXPECT_EQ(disk.open_at(4).size(), 4U) << "nothing is synced before the fourth change";
  EXPECT_EQ(*disk.after_cut(4, {Fate::kept, Fate::kept, Fate::lost, Fate::half}).at("d/a"),
            std::string("\0\0\0\0"
                        "56",
                        6));
  EXPECT_EQ(disk.after_cut(4, {Fate::lost, Fate::kept, Fate::kept, Fate::kept}).size(), 1U);
  EXPECT_EQ(disk.open_at(5).size(), 3U) << "the folders and the rename";
  EXPECT_EQ(disk.after_cut(5, {Fate::kept, Fate::lost, Fate::lost}).size(), 2U);
  // The rename lasts, whether or not the file had its first name on the disk.
  const auto last = disk.after_cut(6, {Fate::lost, Fate::kept});
  EXPECT_EQ(last.size(), 2U);
  EXPECT_TRUE(last.contains("d/")) << "its own folder was synced";
  EXPECT_EQ(*last.at("b"), "12345678");
  EXPECT_EQ(disk.after_kill(6).size(), 2U);
  EXPECT_EQ(disk.named("b"), 4U);
  EXPECT_EQ(disk.next_write("d/a", 3), 3U);
  EXPECT_EQ(disk.next_write("d/a", 4), 6U);
}

std::string content(const Tree& tree, const std::string& path) {
  const auto found = tree.find(path);
  return found == tree.end() || !found->second ? std::string() : *found->second;
}

// The files below a folder.
Tree below(const Tree& tree, const std::string& folder) {
  Tree files;
  for (const auto& [path, bytes] : tree) {
    if (bytes && path.starts_with(folder)) files[path] = bytes;
  }
  return files;
}

bool same(const Tree& a, const Tree& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.first == y.first &&
           (x.second == y.second || (x.second && y.second && *x.second == *y.second));
  });
}

// Without what the work folder holds: only a replacement uses it.
Tree visible(const Tree& tree) {
  Tree rest;
  for (const auto& [path, bytes] : tree) {
    if (!path.starts_with(".lookback/")) rest[path] = bytes;
  }
  return rest;
}

class PowerCut : public testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "AddressSanitizer wants to be loaded before everything else";
#endif
  }

  // Trains, and records it.
  DiskModel recorded(const Tree& before, std::vector<std::string> more) const {
    const auto record = small_.path() / "record";
    fs::remove(record);
    more.insert(more.begin(), {"--save-steps=2", "--logging-steps=1", "--eval-steps=3",
                               "--eval-batches=1", "--inspect-every=4", "--threads=1"});
    const auto result = small_.train(more, {.in_child = recorded_below(small_.run(), record)});
    EXPECT_EQ(result.code, 0) << result.err;
    return {before, small_.run(), read_calls(record)};
  }

  // How many power cuts left different things; tests/reliability.sh tells it.
  static void record_count(std::size_t count) {
    RecordProperty("power_cuts", static_cast<int>(count));
  }

  SmallRun small_;
};

// What a run that went on behind a checkpoint must keep of it, for ever.
struct Saved {
  Tree files;                   // of the checkpoint, by path in the run
  std::string metrics, events;  // all that was written by its step
  std::size_t promised_from;    // a moment from which it cannot be lost
};

std::string events_of(const Tree& tree) {
  std::string all;
  for (const auto& [path, bytes] : tree) {
    if (bytes && path.starts_with("events.out.tfevents.")) all += *bytes;
  }
  return all;
}

// The first lines of metrics.jsonl: those up to a step.
std::string lines_up_to(const std::string& metrics, std::int64_t step) {
  std::string lines;
  std::istringstream all(metrics);
  for (std::string line; std::getline(all, line);) {
    if (nlohmann::json::parse(line).at("step") <= step) lines += line + "\n";
  }
  return lines;
}

// The moment at which the run writes its first line of a later step; changes(): there is none.
std::size_t end_of_step(const DiskModel& disk, std::int64_t step) {
  for (std::size_t at = 0;; ++at) {
    at = disk.next_write("metrics.jsonl", at);
    if (at == disk.changes()) return at;
    const auto lines = content(disk.after_kill(at + 1), "metrics.jsonl");
    if (lines_up_to(lines, step) != lines) return at;
  }
}

// When a power cut cannot undo this change any more.
std::size_t durable_from(const DiskModel& disk, std::size_t change) {
  auto moment = change + 1;
  while (moment < disk.changes() && std::ranges::count(disk.open_at(moment), change) > 0) ++moment;
  return moment;
}

// A checkpoint is written while the run goes on: it stands for what was written by its step.
Saved saved_at(const DiskModel& disk, std::int64_t step) {
  const auto name = checkpoint_name(step);
  const auto named = disk.named(name);
  const auto by_then = disk.after_kill(end_of_step(disk, step));
  return {.files = below(disk.after_kill(named + 1), name + "/"),
          .metrics = content(by_then, "metrics.jsonl"),
          .events = events_of(by_then),
          .promised_from = durable_from(disk, named)};
}

class CutChecker {
 public:
  CutChecker(std::map<std::int64_t, Saved> saved, Tree whole_run)
      : saved_(std::move(saved)), whole_(std::move(whole_run)) {}

  void operator()(std::size_t moment, const Tree& cut) {
    const auto tree = visible(cut);
    const auto [known, is_new] = newest_.try_emplace(fingerprint(tree), 0);
    if (is_new) known->second = newest_in(tree);
    std::int64_t promised = 0;
    for (const auto& [step, each] : saved_) {
      if (each.promised_from <= moment) promised = step;
    }
    if (known->second < promised) {
      throw std::runtime_error(fmt::format("after change {}: the newest checkpoint is {}, not {}",
                                           moment, known->second, promised));
    }
  }

  std::size_t trees() const { return newest_.size(); }
  // Some of those that hold a checkpoint, each with its own step.
  const std::vector<Tree>& samples() const { return kept_; }

 private:
  // The step of the newest checkpoint; 0: none. Throws where one is not whole, or a line is missing
  // that was written before it.
  std::int64_t newest_in(const Tree& tree) {
    const auto root = maker_.make(tree);
    for (const auto& name : run_entries(root)) {
      const auto step = step_of_checkpoint(name);
      if (!step) continue;
      if (!same(below(tree, name + "/"), saved_.at(*step).files)) {
        throw std::runtime_error(name + " is not whole");
      }
    }
    const auto found = newest_checkpoint(root);
    if (!found) return 0;
    const auto& there = saved_.at(found->step);
    if (!content(tree, "metrics.jsonl").starts_with(there.metrics)) {
      throw std::runtime_error("lines before a checkpoint are lost");
    }
    if (!events_of(tree).starts_with(there.events)) {
      throw std::runtime_error("events before a checkpoint are lost");
    }
    if (found->step >= 4 &&
        !same(below(tree, "inspect/step-4/"), below(whole_, "inspect/step-4/"))) {
      throw std::runtime_error("a look before a checkpoint is lost");
    }
    if (newest_.size() % 97 == 0) kept_.push_back(tree);
    return found->step;
  }

  std::map<std::int64_t, Saved> saved_;
  Tree whole_;
  std::map<std::size_t, std::int64_t> newest_;
  std::vector<Tree> kept_;
  TreeMaker maker_;
};

RunFiles files_without_page(const fs::path& run) {
  auto files = run_files(run);
  files["inspect/step-4/report.html"].clear();  // holds the run's name and its times
  return files;
}

TEST_F(PowerCut, WhatARunWasBehindIsThere) {
  const auto disk = recorded({}, {"--save-total-limit=1"});
  const auto whole = tree_of(small_.run());
  ASSERT_TRUE(same(disk.after_kill(disk.changes()), whole)) << "the record is what happened";
  std::map<std::int64_t, Saved> saved;
  for (const auto step : {2, 4, 6}) saved[step] = saved_at(disk, step);
  // Nothing older goes before.
  for (const auto step : {2, 4}) {
    EXPECT_LE(saved[step + 2].promised_from,
              disk.named(fmt::format(".lookback/{}-removed-0", checkpoint_name(step))) + 1);
  }
  CutChecker check(saved, whole);
  ASSERT_NO_THROW(for_each_power_cut(disk, std::ref(check)));
  EXPECT_GT(check.trees(), 300U);
  record_count(check.trees());

  // From there the run goes on, and ends as it did.
  const auto expected = files_without_page(small_.run());
  TreeMaker maker;
  ASSERT_GE(check.samples().size(), 3U);
  for (const auto& tree : check.samples()) {
    const auto cut = small_.path() / "cut";
    fs::remove_all(cut);
    fs::copy(maker.make(tree), cut, fs::copy_options::recursive);
    const auto result = run_lookback({"train", "--resume", "--quiet", "--output-dir", cut});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(differing_files(files_without_page(cut), expected), "");
  }
}

TEST_F(PowerCut, AResumedRunKeepsWhatItWentOnFrom) {
  static_cast<void>(recorded({}, {"--save-total-limit=9"}));
  fs::remove_all(fs::path(small_.run()) / "checkpoint-6");
  const auto before = tree_of(small_.run());
  const auto lines = lines_up_to(content(before, "metrics.jsonl"), 4);
  const auto disk = recorded(before, {"--resume", "--save-total-limit=1"});
  std::map<std::int64_t, Saved> saved;
  for (const auto step : {2, 4}) {
    saved[step] = {.files = below(before, checkpoint_name(step) + "/"),
                   .metrics = step == 4 ? lines : "",
                   .events = {},
                   .promised_from = step == 4 ? 0 : SIZE_MAX};
  }
  saved[6] = saved_at(disk, 6);
  CutChecker check(saved, tree_of(small_.run()));
  ASSERT_NO_THROW(for_each_power_cut(disk, std::ref(check)));
  EXPECT_GT(check.trees(), 100U);
  record_count(check.trees());
}

TEST_F(PowerCut, AReplacedRunIsThereOrTheNewOne) {
  ASSERT_EQ(small_.train({"--seed=9", "--save-steps=3"}).code, 0);
  write_text(fs::path(small_.run()) / "notes.txt", "mine");
  const auto old = tree_of(small_.run());
  const auto disk = recorded(old, {"--overwrite"});
  const auto now = tree_of(small_.run());
  const auto is_new = [&](const Tree& tree) {
    const auto first = Tree{{"options.toml", now.at("options.toml")},
                            {"config.json", now.at("config.json")},
                            {"notes.txt", old.at("notes.txt")}};
    for (const auto& [path, bytes] : first) {
      if (content(tree, path) != *bytes) return false;
    }
    if (content(tree, "model.safetensors").size() != now.at("model.safetensors")->size())
      return false;
    return std::ranges::none_of(tree, [&](const auto& entry) {
      return old.contains(entry.first) && !now.contains(entry.first);
    });
  };
  TreeMaker maker;
  std::map<std::size_t, bool> seen;
  std::size_t halves = 0;
  for_each_power_cut(disk, [&](std::size_t moment, const Tree& tree) {
    if (!seen.emplace(fingerprint(tree), true).second) return;
    const auto root = maker.make(tree);
    if (is_half_replaced(root)) {
      // Once: it waits for the end of what may be going on.
      if (halves++ == 0) {
        EXPECT_THROW(refuse_half_replaced(root), Error);
      }
    } else {
      ASSERT_TRUE(same(visible(tree), old) || is_new(tree)) << "after change " << moment;
    }
    try {
      const OutputFolder owner(root, ExistingRun::resumed);
    } catch (const Error& error) {
      FAIL() << "after change " << moment << ": " << error.what();
    }
    const auto after = tree_of(root);
    ASSERT_TRUE(same(after, old) || is_new(after)) << "put back after change " << moment;
    ASSERT_FALSE(after.contains(".lookback/")) << "after change " << moment;
  });
  EXPECT_GT(halves, 20U);
  record_count(seen.size());
}

// At the end of a run, behind an error, and for who only reads.
TEST_F(PowerCut, AWorkFolderThatCannotBeReadEndsNoRunWithASignal) {
  const std::string mark = ":24:.lookback/README";  // too many open files
  bool was_read = false;
  for (int time = 1; time <= 8; ++time) {
    fs::remove_all(small_.run());
    const auto result = small_.train(
        {}, {.in_child = failing_below(small_.run(), fmt::format("open:{}{}", time, mark))});
    SCOPED_TRACE(fmt::format("the {}. opening fails: {}", time, result.err));
    ASSERT_TRUE(result.code == 0 || result.code == 1);
    EXPECT_LE(std::ranges::count(result.err, '\n'), 1);
    was_read = was_read || !result.err.empty();
    EXPECT_EQ(small_.train({"--overwrite"}).code, 0);
    EXPECT_FALSE(fs::exists(fs::path(small_.run()) / ".lookback"));
  }
  EXPECT_TRUE(was_read);
}

}  // namespace
}  // namespace lookback::tests
