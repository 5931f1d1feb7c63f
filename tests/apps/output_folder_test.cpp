#include "apps/train/output_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>
#include <string>

#include "apps/train/append_file.h"
#include "runtime/check.h"
#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using tests::read_text;
using tests::TemporaryDirectory;
using tests::write_text;

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    names.insert(fs::relative(entry.path(), folder).string());
  }
  return names;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void write_run(const fs::path& folder, const std::string& text) {
  for (const auto* name : {"config.json", "model.safetensors"}) write_text(folder / name, text);
}

TEST(OutputFolder, MakesFoldersAndFillsThem) {
  const TemporaryDirectory folder;
  OutputFolder output(folder.path() / "a" / "b", ExistingRun::refused);
  EXPECT_FALSE(fs::exists(folder.path() / "a"));
  output.begin([](const fs::path& staging) { write_run(staging, "new"); });
  EXPECT_EQ(names_in(output.path()), (std::set<std::string>{"config.json", "model.safetensors"}));
  EXPECT_TRUE(holds_run(output.path()));
}

TEST(OutputFolder, RefusesARunButNotOtherFiles) {
  const TemporaryDirectory folder;
  write_text(folder.path() / "notes.txt", "mine");
  EXPECT_FALSE(holds_run(folder.path()));
  EXPECT_EQ(error_of([&] { OutputFolder(folder.path(), ExistingRun::refused); }), "");
  fs::create_directory(folder.path() / "checkpoint-3");
  EXPECT_THAT(error_of([&] { OutputFolder(folder.path(), ExistingRun::refused); }),
              testing::HasSubstr("holds a run already"));
  EXPECT_EQ(error_of([&] { OutputFolder(folder.path(), ExistingRun::replaced); }), "");
  EXPECT_THAT(error_of([&] { OutputFolder(folder.path() / "notes.txt", ExistingRun::refused); }),
              testing::HasSubstr("is not a folder"));
}

TEST(OutputFolder, ReplacesOnlyWhatBelongsToTheRun) {
  const TemporaryDirectory folder;
  write_run(folder.path(), "old");
  write_text(folder.path() / "metrics.jsonl", "old");
  write_text(folder.path() / "events.out.tfevents.1700000000.host.1", "old");
  write_text(folder.path() / "notes.txt", "mine");
  fs::create_directory(folder.path() / "checkpoint-3");
  write_text(folder.path() / "checkpoint-3" / "model.safetensors", "old");
  OutputFolder(folder.path(), ExistingRun::replaced).begin([](const fs::path& staging) {
    write_run(staging, "new");
  });
  EXPECT_EQ(names_in(folder.path()),
            (std::set<std::string>{"config.json", "model.safetensors", "notes.txt"}));
  EXPECT_EQ(read_text(folder.path() / "model.safetensors"), "new");
}

TEST(OutputFolder, AFailedStartLeavesEverythingAsItWas) {
  const TemporaryDirectory folder;
  const auto fail_half_way = [](const fs::path& staging) {
    write_text(staging / "config.json", "new");
    fail("test", "disk full");
  };
  const auto fresh = folder.path() / "x" / "y";
  EXPECT_NE(error_of([&] { OutputFolder(fresh, ExistingRun::refused).begin(fail_half_way); }), "");
  EXPECT_TRUE(fs::is_empty(folder.path()));

  write_run(folder.path(), "old");
  EXPECT_NE(
      error_of([&] { OutputFolder(folder.path(), ExistingRun::replaced).begin(fail_half_way); }),
      "");
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"config.json", "model.safetensors"}));
  EXPECT_EQ(read_text(folder.path() / "config.json"), "old");
}

TEST(OutputFolder, TwoCannotTrainIntoOne) {
  const TemporaryDirectory folder;
  const auto run = folder.path() / "run";
  const auto second = [&] { return error_of([&] { OutputFolder(run, ExistingRun::replaced); }); };
  {
    OutputFolder output(run, ExistingRun::refused);
    output.begin([](const fs::path& staging) { write_run(staging, "new"); });
    EXPECT_THAT(second(), testing::HasSubstr("run: another lookback is training into this folder"));
  }
  EXPECT_EQ(second(), "");
}

TEST(OutputFolder, SaysAtOnceWhyAFolderCannotBeWritten) {
  const TemporaryDirectory folder;
  write_text(folder.path() / "file", "");
  const auto error = [](const fs::path& path) {
    return error_of([&] { OutputFolder(path, ExistingRun::refused); });
  };
  EXPECT_THAT(error(folder.path() / "file" / "run"),
              testing::HasSubstr("file/run: cannot be written: Not a directory"));
  EXPECT_EQ(error(folder.path() / "a" / "b" / ""), "");
  const auto closed = folder.path() / "closed";
  fs::create_directory(closed);
  fs::permissions(closed, fs::perms::owner_read);
  if (geteuid() != 0) {  // nothing is closed to root
    EXPECT_THAT(error(closed / "run"), testing::HasSubstr("Permission denied"));
  }
  fs::permissions(closed, fs::perms::owner_all);
}

TEST(AppendFile, GoesOnBehindTheEnd) {
  const TemporaryDirectory folder;
  const auto path = folder.path() / "metrics.jsonl";
  { AppendFile(path).append("{\"step\":1}\n"); }
  { AppendFile(path).append("{\"step\":2}\n"); }
  EXPECT_EQ(read_text(path), "{\"step\":1}\n{\"step\":2}\n");
  EXPECT_THROW(AppendFile(folder.path()), Error);
}

}  // namespace
}  // namespace lookback
