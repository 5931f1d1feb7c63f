// What commands leave behind that a signal ends, or a kill: nothing that is not whole.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "apps/folder/folder_entries.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class EndedRun : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(small_.train({"--max-steps=2"}).code, 0); }

  // SIGTERM (`how`: end) or SIGKILL (kill) before the number-th such call on a path below `below`
  // that holds `text`; number 0: none (tests/reliability/system_calls.cpp).
  ProgramResult at_call(const std::vector<std::string>& arguments, const std::string& call,
                        int number, const std::string& text = "", const std::string& how = "end",
                        const std::string& below = "") {
    fs::remove(note_);
    return run_lookback(arguments, {.in_child = [&] {
                          const auto library = program().parent_path() / "system_calls.so";
                          const auto failing = fmt::format("{}:{}:{}:{}", call, number, how, text);
                          setenv("LD_PRELOAD", library.c_str(), 1);
                          setenv("LOOKBACK_CALLS_BELOW",
                                 below.empty() ? small_.path().c_str() : below.c_str(), 1);
                          setenv("LOOKBACK_CALLS_FAIL", failing.c_str(), 1);
                          setenv("LOOKBACK_CALLS_NOTE", note_.c_str(), 1);
                        }});
  }
  // The paths of the calls that at_call() has counted.
  std::vector<std::string> noted() const {
    std::vector<std::string> paths;
    std::istringstream lines(read_text(note_));
    for (std::string line; std::getline(lines, line);)
      paths.push_back(line.substr(line.find(' ') + 1));
    return paths;
  }
  // All that is below the folder, but for the note.
  std::vector<std::string> all_below(const fs::path& folder) const {
    std::vector<std::string> paths;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.path() != note_) paths.push_back(fs::relative(entry.path(), folder).string());
    }
    std::ranges::sort(paths);
    return paths;
  }
  std::vector<std::string> convert() const {
    return {"convert", small_.run(), "--output-dir", out().string()};
  }
  std::vector<std::string> inspect() const {
    return {"inspect", small_.run(), "--prompt=so", "--output-dir", out().string()};
  }
  fs::path out() const { return small_.path() / "above" / "out"; }

  SmallRun small_;
  const fs::path note_ = small_.path() / "note";
};

TEST_F(EndedRun, ConvertIsWholeOrNothingWhateverCallItEndsAt) {
  ASSERT_EQ(run_lookback(convert()).code, 0);
  const auto whole = all_below(small_.path());
  fs::remove_all(small_.path() / "above");
  const auto nothing = all_below(small_.path());
  int ended_whole = 0, ended_empty = 0;
  for (const std::string call : {"mkdir", "open", "write", "fsync", "rename", "close", "unlink"}) {
    ASSERT_EQ(at_call(convert(), call, 0, "above").code, 0);
    const auto calls = noted().size();
    EXPECT_GT(calls, 0U) << call;
    fs::remove_all(small_.path() / "above");
    for (std::size_t k = 1; k <= calls; ++k) {
      SCOPED_TRACE(fmt::format("{} {}", call, k));
      EXPECT_EQ(at_call(convert(), call, static_cast<int>(k), "above").code, 143);
      const bool is_whole = fs::exists(out() / "model.safetensors");
      EXPECT_EQ(all_below(small_.path()), is_whole ? whole : nothing);
      ++(is_whole ? ended_whole : ended_empty);
      fs::remove_all(small_.path() / "above");
    }
  }
  EXPECT_GT(ended_whole, 0);
  EXPECT_GT(ended_empty, 0);
}

TEST_F(EndedRun, ConvertOnceMoreTidiesUpBehindAKill) {
  for (const std::string call : {"mkdir", "write", "rename"}) {
    for (const int number : {1, 3}) {
      SCOPED_TRACE(fmt::format("{} {}", call, number));
      EXPECT_EQ(at_call(convert(), call, number, "above", "kill").code, 137);
      const auto again = run_lookback(convert());
      EXPECT_EQ(again.code, 0) << again.err;
      EXPECT_EQ(again.err, "");
      EXPECT_TRUE(fs::exists(out() / "model.safetensors"));
      EXPECT_FALSE(fs::exists(out() / ".lookback"));
      fs::remove_all(small_.path() / "above");
    }
  }
}

TEST_F(EndedRun, ATrainingThatHasNotBegunLeavesNothing) {
  const auto nothing = all_below(small_.path());
  const std::vector<std::string> train = {"train",   "--config",     small_.config(),
                                          "--data",  small_.text(),  "--max-steps",
                                          "2",       "--block-size", "16",
                                          "--quiet", "--output-dir", out().string()};
  for (const int number : {1, 2, 3}) {
    EXPECT_EQ(at_call(train, "open", number, "above").code, 143);
    EXPECT_EQ(all_below(small_.path()), nothing) << number;
  }
}

TEST_F(EndedRun, InspectLeavesNoHalfFileAndNoEmptyFolder) {
  const auto nothing = all_below(small_.path());
  for (const std::string call : {"mkdir", "write", "fsync", "close"}) {
    EXPECT_EQ(at_call(inspect(), call, 1, "above").code, 143);
    EXPECT_EQ(all_below(small_.path()), nothing) << call;
  }
  EXPECT_EQ(at_call(inspect(), "write", 1, "report.html").code, 143);
  EXPECT_EQ(names_in(out()), std::vector<std::string>{"inspect.safetensors"});
}

TEST_F(EndedRun, InspectOnceMoreTidiesUpBehindAKill) {
  EXPECT_EQ(at_call(inspect(), "fsync", 1, "above", "kill").code, 137);
  ASSERT_EQ(names_in(out()).size(), 1U);
  EXPECT_THAT(names_in(out()).front(), HasSubstr(".partial"));
  const auto others = fmt::format("report.html.{}-0.partial", getpid());
  write_text(out() / others, "of a process that goes on");
  EXPECT_EQ(run_lookback(inspect()).code, 0);
  EXPECT_EQ(names_in(out()),
            (std::vector<std::string>{"inspect.safetensors", "report.html", others}));
}

TEST_F(EndedRun, TokenizeKeepsOnlyWhatItCanGoOnWith) {
  const std::vector<std::string> tokenize = {
      "tokenize",    small_.text(),
      "--tokenizer", (source_directory() / "tests/golden/tokenizers/gpt2.json").string(),
      "--output",    small_.path() / "tokens.bin"};
  const auto nothing = all_below(small_.path());
  for (const int number : {1, 2}) {
    EXPECT_EQ(at_call(tokenize, "write", number, "tokens.bin").code, 143);
    EXPECT_EQ(all_below(small_.path()), nothing) << number;
  }
  // The tokens and what describes them appear together.
  EXPECT_EQ(at_call(tokenize, "rename", 1, "tokens.bin").code, 143);
  EXPECT_TRUE(fs::exists(small_.path() / "tokens.bin.json"));
  EXPECT_EQ(all_below(small_.path()).size(), nothing.size() + 2);
}

// Its scratch folder lies in memory, which nobody else gives back.
TEST_F(EndedRun, DiagnoseGivesItsScratchFolderBack) {
  const auto scratch = (folder_in_memory() / "lookback-diagnosis-").string();
  const std::vector<std::string> diagnose = {
      "diagnose", small_.run(), "--data", small_.text(), "--quick", "--output-dir", out().string()};
  const auto nothing = all_below(small_.path());
  const auto folder_at = [&](const std::string& how) {
    at_call(diagnose, "write", 2, "", how, scratch);
    const auto paths = noted();
    if (paths.empty()) return fs::path();
    return folder_in_memory() / *fs::relative(paths.front(), folder_in_memory()).begin();
  };
  const auto ended = folder_at("end");
  ASSERT_NE(ended, "");
  EXPECT_FALSE(fs::exists(ended)) << ended;
  EXPECT_EQ(all_below(small_.path()), nothing);
  const auto killed = folder_at("kill");
  EXPECT_TRUE(fs::exists(killed)) << killed;
  EXPECT_FALSE(fs::exists(folder_at("end")));
  EXPECT_FALSE(fs::exists(killed)) << "the next one tidies up";
}

TEST_F(EndedRun, VerifyLeavesNoHalfReport) {
  const auto reference = reference_files().front().string();
  const auto nothing = all_below(small_.path());
  const auto report = small_.path() / "report.json";
  EXPECT_EQ(at_call({"verify", reference, "--report", report}, "write", 1, "report.json").code,
            143);
  EXPECT_EQ(all_below(small_.path()), nothing);
}

}  // namespace
}  // namespace lookback::tests
