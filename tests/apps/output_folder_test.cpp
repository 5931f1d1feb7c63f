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
  EXPECT_TRUE(fs::is_directory(folder.path() / "a" / "b")) << "it is owned from the start";
  output.begin([](const fs::path& staging) { write_run(staging, "new"); });
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

// A look at the model before belongs to no run after it.
TEST(OutputFolder, ReplacesTheLooksOfARunUnlessThereIsMoreBetweenThem) {
  const TemporaryDirectory folder;
  const auto run = folder.path() / "run", look = run / "inspect" / "step-4";
  for (const auto* more : {"", "step-4/notes.txt", "step-5.txt"}) {
    SCOPED_TRACE(more);
    fs::remove_all(run);
    fs::create_directories(look);
    write_run(run, "old");
    for (const auto* name : {"report.html", "inspect.safetensors"}) write_text(look / name, "old");
    write_text(run / "inspect" / "report.html", "old");
    if (*more != 0) write_text(run / "inspect" / more, "mine");
    OutputFolder(run, ExistingRun::replaced).begin([](const fs::path& staging) {
      write_run(staging, "new");
    });
    EXPECT_EQ(fs::exists(run / "inspect"), *more != 0);
    if (*more != 0) {
      EXPECT_EQ(read_text(run / "inspect" / more), "mine");
    }
  }
}

// Names that look like those of a run, and of what an earlier version left behind.
TEST(OutputFolder, LeavesAloneWhatAUserMayHaveNamed) {
  const TemporaryDirectory folder;
  const std::vector<std::string> mine = {"checkpoint-of-mine", "checkpoint-07", ".starting-1"};
  write_run(folder.path(), "old");
  for (const auto& name : mine) {
    fs::create_directory(folder.path() / name);
    write_text(folder.path() / name / "notes.txt", "mine");
  }
  write_text(folder.path() / "model.safetensors.1.partial", "mine");
  OutputFolder(folder.path(), ExistingRun::replaced).begin([](const fs::path& staging) {
    write_run(staging, "new");
  });
  for (const auto& name : mine) EXPECT_EQ(read_text(folder.path() / name / "notes.txt"), "mine");
  EXPECT_EQ(read_text(folder.path() / "model.safetensors.1.partial"), "mine");
}

TEST(OutputFolder, AForeignFileInTheWayIsNamedAndKept) {
  const TemporaryDirectory folder;
  write_text(folder.path() / "tokenizer.json", "mine");
  EXPECT_THAT(
      error_of([&] {
        OutputFolder(folder.path(), ExistingRun::replaced).begin([](const fs::path& staging) {
          write_run(staging, "new");
          write_text(staging / "tokenizer.json", "the run's");
        });
      }),
      testing::HasSubstr("tokenizer.json: is of no run, and the new run would replace it"));
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"tokenizer.json"}));
  EXPECT_EQ(read_text(folder.path() / "tokenizer.json"), "mine");

  fs::create_directory(folder.path() / ".lookback");
  write_text(folder.path() / ".lookback" / "notes.txt", "mine");
  EXPECT_THAT(error_of([&] {
                OutputFolder(folder.path(), ExistingRun::refused).begin([](const fs::path&) {});
              }),
              testing::HasSubstr(".lookback: is in the way, and not a folder of lookback's"));
  EXPECT_EQ(read_text(folder.path() / ".lookback" / "notes.txt"), "mine");
}

// B makes sweep/ and sweep/b, A trains in sweep/a, and B fails.
TEST(OutputFolder, WhatOthersPutIntoAFolderThatWasMadeKeepsIt) {
  const TemporaryDirectory folder;
  const auto sweep = folder.path() / "sweep";
  {
    const OutputFolder failing(sweep / "b", ExistingRun::refused);
    fs::create_directory(sweep / "a");
    write_run(sweep / "a", "whole");
  }
  EXPECT_EQ(names_in(sweep), (std::set<std::string>{"a", "a/config.json", "a/model.safetensors"}));
}

// Another program, which knows no lock, puts a run there in the meantime.
TEST(OutputFolder, AsksOnceMoreBeforeItReplaces) {
  const TemporaryDirectory folder;
  OutputFolder output(folder.path(), ExistingRun::refused);
  write_run(folder.path(), "whole");
  EXPECT_THAT(
      error_of([&] { output.begin([](const fs::path& staging) { write_run(staging, "new"); }); }),
      testing::HasSubstr("holds a run already"));
  EXPECT_EQ(read_text(folder.path() / "model.safetensors"), "whole");
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
  // There the system says of a new folder that there is no such one.
  EXPECT_THAT(error("/proc/run"), testing::HasSubstr("/proc/run: cannot be made: "));
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
