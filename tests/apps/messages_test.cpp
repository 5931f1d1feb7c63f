// Errors in the program's own words, whatever the system or a library throws; the first cause is
// the one that is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <limits>
#include <regex>
#include <set>
#include <stdexcept>

#include "apps/cli/console.h"
#include "apps/cli/error_message.h"
#include "apps/report/html_report.h"
#include "apps/train/event_file.h"
#include "apps/train/metrics_lines.h"
#include "runtime/check.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

// What libraries say of themselves.
const std::regex raw(
    "filesystem error|sto[dilu]|json\\.exception|basic_string|vector::|std::|map::at|_M_|"
    "invalid_argument|out_of_range|what\\(\\)|terminate|defect of lookback");

// One line of our own, with this in it, and code 1 or 2.
void expect_own_words(const ProgramResult& result, const std::string& text) {
  EXPECT_TRUE(result.code == 1 || result.code == 2) << result.code << result.err;
  expect_error(result, result.code, text);
  EXPECT_FALSE(std::regex_search(result.err, raw)) << result.err;
}

TEST(ErrorMessage, IsInTheProgramsOwnWords) {
  EXPECT_EQ(message_of(Error("[data] a: is empty")), "[data] a: is empty");
  const auto code = std::make_error_code(std::errc::too_many_files_open);
  EXPECT_EQ(message_of(fs::filesystem_error("iterator", "a/b", code)), "a/b: " + code.message());
  EXPECT_EQ(message_of(fs::filesystem_error("rename", "a", "b", code)),
            "a to b: " + code.message());
  EXPECT_EQ(message_of(fs::filesystem_error("increment", code)),
            "the file system: " + code.message());
  EXPECT_EQ(message_of(std::system_error(code, "thread")), "the system refuses: " + code.message());
  EXPECT_THAT(message_of(std::bad_alloc()), HasSubstr("out of memory outside tensors"));
  EXPECT_THAT(message_of(std::length_error("vector::reserve")), HasSubstr("out of memory"));
  EXPECT_THAT(message_of(std::out_of_range("stod")),
              HasSubstr("a defect of lookback (std::out_of_range): please report it"));
}

TEST(Messages, LinksThatLeadNowhereAndNamesThatAreTooLong) {
  const SmallRun small;
  const std::string loop = small.path() / "loop", dangling = small.path() / "dangling";
  fs::create_symlink("loop", loop);
  fs::create_symlink("nowhere", dangling);
  const std::string name = small.path() / std::string(300, 'n');
  const std::string path = small.path().string() + [] {
    std::string folders;
    for (int i = 0; i < 60; ++i) folders += "/" + std::string(100, 'd');
    return folders;
  }();
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {loop, "Too many levels of symbolic links"},
      {name, "File name too long"},
      {path, "File name too long"},
      {dangling, ""}};
  for (const auto& [bad, reason] : wrong) {
    for (const std::string flag :
         {"--data", "--validation-data", "--config", "--init-from", "--output-dir", "--options"}) {
      expect_own_words(small.train({flag, bad}), reason);
    }
    for (const std::string ending : {".json", ".model"}) {
      expect_own_words(small.train({"--tokenizer", bad + ending}), "");
    }
    expect_own_words(small.train({"--resume", "--output-dir", bad}), reason);
    expect_own_words(run_lookback({"eval", bad}), reason);
    expect_own_words(run_lookback({"eval", bad, "--data", small.text()}), reason);
    expect_own_words(run_lookback({"generate", bad, "--prompt=a"}), reason);
    expect_own_words(run_lookback({"inspect", bad, "--prompt=a"}), reason);
    expect_own_words(run_lookback({"diagnose", bad, "--output-dir", small.path() / "d"}), reason);
    expect_own_words(run_lookback({"diagnose", "--config", small.config(), "--output-dir", bad}),
                     "");
    expect_own_words(run_lookback({"verify", bad}), "");
    expect_own_words(run_lookback({"bench", "memory", "--config", bad}), reason);
  }
}

TEST(Messages, AWorkingFolderThatIsGone) {
  const SmallRun small;
  const auto gone = small.path() / "gone";
  const ProgramOptions there{.in_child = [&] {
    if (mkdir(gone.c_str(), 0700) != 0 || chdir(gone.c_str()) != 0 || rmdir(gone.c_str()) != 0) {
      _exit(127);
    }
  }};
  expect_own_words(small.train({"--output-dir=run"}, there), "No such file or directory");
  expect_own_words(run_lookback({"eval", "run"}, there), "");
  expect_own_words(run_lookback({"inspect", "run", "--prompt=a"}, there), "");
}

// Each descriptor less: what fails is named, at the start or in mid-run.
TEST(Messages, TooFewDescriptors) {
  const SmallRun small;
  const std::vector<std::string> fresh = {"--save-steps=2", "--overwrite", "--device=cpu"};
  const std::string look = small.path() / "look";
  const std::vector<std::function<ProgramResult(const ProgramOptions&)>> commands = {
      [&](const auto& few) { return small.train(fresh, few); },
      [&](const auto& few) {
        return small.train({"--resume", "--max-steps=8"}, few);
      },
      [&](const auto& few) {
        return run_lookback({"eval", small.run()}, few);
      },
      [&](const auto& few) {
        return run_lookback({"inspect", small.run(), "--prompt=so", "--output-dir", look}, few);
      }};
  int refused = 0;
  for (rlim_t descriptors = 3; descriptors < 14; ++descriptors) {
    const ProgramOptions few{.in_child = [&] {
      for (int i = 3; i < 64; ++i) close(i);
      const rlimit limit{descriptors, descriptors};
      setrlimit(RLIMIT_NOFILE, &limit);
    }};
    for (const auto& command : commands) {
      ASSERT_EQ(small.train(fresh).code, 0) << "whatever is left, it can be replaced";
      const auto result = command(few);
      // With so few not even libraries can be loaded: the system's own line.
      if (result.code == 0 || result.code == 127) continue;
      ++refused;
      expect_own_words(result, "Too many open files");
    }
  }
  EXPECT_GE(refused, 8);
}

// The look for a checkpoint to go on from fails from the same cause, or finds nothing: what went
// wrong first is what is told.
TEST(Messages, TheFirstCauseIsNotHidden) {
  const SmallRun small;
  const fs::path first = fs::path(small.run()) / "checkpoint-20", moved = small.path() / "moved";
  const std::vector<std::string> endless = {"--max-steps=1000000", "--eval-steps=1000000",
                                            "--save-steps=20"};
  const auto renamed = small.train(endless, {.interrupt_when = first, .interrupt_by = [&](pid_t) {
                                               fs::rename(small.run(), moved);
                                             }});
  // By the moment it is its next checkpoint, or what it did behind the first, that fails.
  expect_own_words(renamed, small.run());
  EXPECT_THAT(renamed.err, Not(HasSubstr("goes on from")));
  fs::remove_all(moved);

  const auto limited =
      small.train(endless, {.interrupt_when = first, .interrupt_by = [&](pid_t program) {
                              const rlimit none{0, 0};
                              EXPECT_EQ(prlimit(program, RLIMIT_NOFILE, &none, nullptr), 0);
                            }});
  expect_own_words(limited, "Too many open files; `lookback train --resume --output-dir ");
  EXPECT_THAT(limited.err, HasSubstr("goes on from the newest checkpoint, if there is one"));
}

TEST(Messages, LinesOfMetricsThatAreDamaged) {
  const SmallRun small;
  ASSERT_EQ(small.train({"--logging-steps=1", "--save-steps=3"}).code, 0);
  const auto path = fs::path(small.run()) / "metrics.jsonl";
  const auto lines = read_text(path);
  const auto inspect = [&] {
    return run_lookback({"inspect", small.run(), "--prompt=so it goes", "--output-dir",
                         small.path() / "look", "--device=cpu"});
  };
  // Numbers at the borders of what a double holds are numbers.
  for (const std::string number : {"1e-320", "4.9e-324", "1.7976931348623157e308", "1e308", "-0"}) {
    write_text(path, lines + "{\"step\":6,\"loss\":" + number + "}\n");
    const auto result = inspect();
    EXPECT_EQ(result.code, 0) << number << result.err;
    EXPECT_EQ(result.err, "") << number;
  }
  // What a killed run leaves at the end is no damage.
  write_text(path, lines + "{\"step\":7,\"lo");
  EXPECT_EQ(inspect().err, "");
  for (const std::string damaged :
       {"{\"step\":7,\"lo", "[1]", "7", "{\"loss\":1}", "{\"step\":1e308}", "{\"step\":-1}",
        "{\"step\":18446744073709551615}", "{\"step\":1.5}", "{\"step\":1e999}", "\xff", "",
        "{\"step\":1,\"step\":2}"}) {
    write_text(path, damaged + "\n" + lines + damaged + "\n");
    const auto warning = "lookback: warning: " + path.string() +
                         ": line 1 of 2 such is no line of a run, and is left out: has the file "
                         "been damaged?\n";
    const auto inspected = inspect();
    EXPECT_EQ(inspected.code, 0) << damaged << inspected.err;
    EXPECT_EQ(inspected.err, warning) << damaged;
    fs::remove_all(fs::path(small.run()) / "checkpoint-6");
    const auto resumed = small.train({"--resume", "--logging-steps=1", "--save-steps=3"});
    EXPECT_EQ(resumed.code, 0) << damaged << resumed.err;
    EXPECT_THAT(resumed.err, HasSubstr(warning)) << damaged;
    EXPECT_EQ(std::ranges::count(read_text(path), '\n'), std::ranges::count(lines, '\n'))
        << damaged << ": whole again";
  }
}

TEST(Messages, NamesOfEventsFilesHoldAnyNumber) {
  const TemporaryDirectory folder;
  for (const auto* number : {"9223372036854775807", "9223372036854775806", "99999999999999999999",
                             "-9223372036854775808", "x"}) {
    write_text(folder.path() / (std::string("events.out.tfevents.") + number), "");
  }
  const EventFile file(folder.path(), 1);
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    names.insert(entry.path().filename().string());
  }
  EXPECT_EQ(names.size(), 6U);
  EXPECT_THAT(*std::next(names.find("events.out.tfevents.9223372036854775807")),
              testing::StartsWith("events.out.tfevents.9223372036854775807."));
}

TEST(Messages, ReportsHoldAnyNumber) {
  HtmlReport report("numbers");
  report.section("s", "Section", "");
  constexpr auto largest = std::numeric_limits<double>::max();
  constexpr auto smallest = std::numeric_limits<double>::denorm_min();
  report.chart({.title = "chart",
                .labels = {"a", "b", "c", "d", "e"},
                .series = {{"one", {1e-320, smallest, largest, -largest, 1.0 / 3}}}});
  const auto page = report.html();
  const auto begin = page.find("[1e-320");
  ASSERT_NE(begin, page.npos);
  EXPECT_EQ(page.substr(begin, page.find(']', begin) + 1 - begin),
            "[1e-320,5e-324,1.7976931348623157e+308,-1.7976931348623157e+308,0.33333]");
}

TEST(Printable, KeepsTextAndShowsControls) {
  EXPECT_EQ(printable("plain\ttext, na\xc3\xafve\r\nnext\n"), "plain\ttext, naïve\r\nnext\n");
  EXPECT_EQ(printable(std::string("\0\x1f\x7f", 3)), "␀␟␡");
  EXPECT_EQ(printable("a\rb\r"), "a␍b␍");
  EXPECT_EQ(printable("\xc2\x80\xc2\x9f\xc2\xa0"), "��\xc2\xa0");
  EXPECT_EQ(printable("cut \xf0\x9f\xa6"), "cut �");
  EXPECT_EQ(printable(""), "");
}

}  // namespace
}  // namespace lookback::tests
