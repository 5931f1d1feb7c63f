// What is removed when a signal ends the program.
#include "apps/folder/unfinished.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "apps/folder/folder_entries.h"
#include "apps/folder/made_folders.h"
#include "runtime/replacing_file.h"
#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using testing::KilledBySignal;
using tests::read_text;
using tests::TemporaryDirectory;
using tests::write_text;
using Kind = Unfinished::Kind;

class UnfinishedDeathTest : public testing::Test {
 protected:
  void fill(const fs::path& below) const {
    fs::create_directories(folder() / below / "a" / "b");
    for (const auto* name : {"1", "README", "a/2", "a/b/3"})
      write_text(folder() / below / name, "x");
    for (int i = 0; i < 300; ++i)
      write_text(folder() / below / "a" / ("one of many " + std::to_string(i)), "");
    fs::create_symlink(folder() / "other", folder() / below / "link");
  }
  const fs::path& folder() const { return folder_.path(); }

 private:
  TemporaryDirectory folder_;
};

TEST_F(UnfinishedDeathTest, GoesWithWhatIsInItAndNothingElse) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    write_text(folder() / "file", "x");
    fs::create_directories(folder() / "other");
    write_text(folder() / "other" / "file", "x");
    fill("tree");
    EXPECT_EXIT(
        {
          const DiscardWhenEnded handled;
          const Unfinished file(folder() / "file", Kind::file);
          const Unfinished tree(folder() / "tree", Kind::folder);
          const Unfinished nothing(folder() / "nothing", Kind::folder);
          const Unfinished full(folder() / "other", Kind::bare_folder);
          raise(signal);
          _exit(0);
        },
        KilledBySignal(signal), "");
    EXPECT_EQ(names_in(folder()), std::vector<std::string>{"other"});
    EXPECT_EQ(read_text(folder() / "other" / "file"), "x");
  }
}

TEST_F(UnfinishedDeathTest, ForgottenEntriesStay) {
  for (const auto* name : {"1", "2", "3"}) write_text(folder() / name, "x");
  EXPECT_EXIT(
      {
        const DiscardWhenEnded handled;
        std::optional<Unfinished> first;
        std::optional<Unfinished> second;
        std::optional<Unfinished> third;
        first.emplace(folder() / "1", Kind::file);
        second.emplace(folder() / "2", Kind::file);
        third.emplace(folder() / "3", Kind::file);
        first.reset();
        third.reset();
        raise(SIGTERM);
        _exit(0);
      },
      KilledBySignal(SIGTERM), "");
  EXPECT_EQ(names_in(folder()), (std::vector<std::string>{"1", "3"}));
}

// A mark says whose the folder is, as long as anything else is in it.
TEST_F(UnfinishedDeathTest, AKeeperKeepsAll) {
  fill("tree");
  const auto end = [&] {
    const DiscardWhenEnded handled;
    const Unfinished tree(folder() / "tree", Kind::folder, {.last = "README", .keeper = "1"});
    raise(SIGTERM);
    _exit(0);
  };
  EXPECT_EXIT(end(), KilledBySignal(SIGTERM), "");
  EXPECT_TRUE(fs::exists(folder() / "tree" / "a" / "b" / "3"));
  fs::remove(folder() / "tree" / "1");
  EXPECT_EXIT(end(), KilledBySignal(SIGTERM), "");
  EXPECT_FALSE(fs::exists(folder() / "tree"));
}

TEST_F(UnfinishedDeathTest, AnotherFolderInItsPlaceStays) {
  fill("tree");
  EXPECT_EXIT(
      {
        const DiscardWhenEnded handled;
        Unfinished tree(folder() / "tree", Kind::folder);
        tree.is_made();
        fs::rename(folder() / "tree", folder() / "moved");
        fill("tree");
        raise(SIGTERM);
        _exit(0);
      },
      KilledBySignal(SIGTERM), "");
  EXPECT_TRUE(fs::exists(folder() / "tree" / "a" / "b" / "3"));
}

TEST_F(UnfinishedDeathTest, TemporaryFilesAndEmptyFoldersGo) {
  write_text(folder() / "model.1234-0.partial", "another's");
  EXPECT_EXIT(
      {
        const DiscardWhenEnded handled;
        MadeFolders made;
        if (!made.make(folder() / "new" / "below" / "")) _exit(1);
        ReplacingFile file(folder() / "new" / "below" / "report.html");
        file.write("half of it");
        raise(SIGTERM);
        _exit(0);
      },
      KilledBySignal(SIGTERM), "");
  EXPECT_EQ(names_in(folder()), std::vector<std::string>{"model.1234-0.partial"});
}

TEST_F(UnfinishedDeathTest, StepsThatBelongTogetherAreDone) {
  write_text(folder() / "file", "x");
  EXPECT_EXIT(
      {
        const DiscardWhenEnded handled;
        const Unfinished file(folder() / "file", Kind::file);
        {
          const UnendedSteps outer;
          {
            const UnendedSteps inner;
            raise(SIGINT);
          }
          if (!fs::exists(folder() / "file")) _exit(1);
          write_text(folder() / "whole", "x");
        }
        write_text(folder() / "more", "x");
        _exit(0);
      },
      KilledBySignal(SIGINT), "");
  EXPECT_EQ(names_in(folder()), std::vector<std::string>{"whole"});
}

// The main thread is in the middle of something that only it can know.
TEST_F(UnfinishedDeathTest, AnotherThreadsSignalIsTheMainThreads) {
  write_text(folder() / "file", "x");
  EXPECT_EXIT(
      {
        const DiscardWhenEnded handled;
        const Unfinished file(folder() / "file", Kind::file);
        sigset_t term;
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &term, nullptr);
        std::thread([&] {
          pthread_sigmask(SIG_UNBLOCK, &term, nullptr);
          raise(SIGTERM);
        }).join();
        if (!fs::exists(folder() / "file")) _exit(1);
        write_text(folder() / "done", "x");
        pthread_sigmask(SIG_UNBLOCK, &term, nullptr);
        _exit(0);
      },
      KilledBySignal(SIGTERM), "");
  EXPECT_EQ(names_in(folder()), std::vector<std::string>{"done"});
}

// nohup, and the background jobs of a shell.
TEST(Unfinished, WhatTheParentIgnoresStaysIgnored) {
  const TemporaryDirectory folder;
  write_text(folder.path() / "file", "x");
  const auto before = ::signal(SIGHUP, SIG_IGN);
  {
    const DiscardWhenEnded handled;
    const Unfinished file(folder.path() / "file", Kind::file);
    raise(SIGHUP);
    EXPECT_TRUE(fs::exists(folder.path() / "file"));
  }
  EXPECT_EQ(::signal(SIGHUP, before), SIG_IGN);
}

TEST(Unfinished, TemporaryFilesNameTheirProcess) {
  for (const auto* name : {"report.html.12-0.partial", "/a/b.c/x.12-34.partial", ".12-0.partial"})
    EXPECT_EQ(process_of_temporary(name), 12) << name;
  for (const auto* name :
       {"", ".partial", "X.bin.partial", "x.12-.partial", "x.-0.partial", "12-0.partial",
        "x.12-0.partial.json", "x.12-0", "x.1a2-0.partial", "x.99999999999-0.partial"})
    EXPECT_FALSE(process_of_temporary(name)) << name;
  EXPECT_FALSE(has_ended(getpid()));
}

}  // namespace
}  // namespace lookback
