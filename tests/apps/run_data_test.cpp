// A run knows its data again, and notices where they change under it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "tests/apps/cut_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// nanoGPT's bare uint16.
std::string as_tokens(const std::string& text) {
  std::string tokens;
  for (const char c : text) tokens += {c, '\0'};
  return tokens;
}

class ResumedData : public CutRun {};

TEST_F(ResumedData, DataOfTheSameLengthAreKnownApart) {
  const std::vector<std::pair<std::string, std::string>> specs = {
      {"--data=" + small_.text(), ""},
      {"--data=" + folder("data").string(), ""},
      {"--data=" + folder("tokens.bin").string(), ""},
      {"--data=builtin:fixed", "--validation-data=" + small_.text()}};
  fs::create_directory(folder("data"));
  const auto text = read_text(small_.text());
  for (const auto& [spec, validation] : specs) {
    SCOPED_TRACE(spec);
    write_text(small_.text(), text);
    for (const auto* name : {"a.txt", "b.txt"}) write_text(folder("data") / name, text + name);
    write_text(folder("tokens.bin"), as_tokens(text));
    std::vector<std::string> flags = {spec};
    if (!validation.empty()) flags.insert(flags.end(), {validation, "--tokenizer=bytes"});
    if (spec == "--data=builtin:fixed") flags = {"--data=" + folder("data").string(), validation};
    train_and_cut(4, flags);
    fs::path changed = folder("data") / "b.txt";
    if (!validation.empty() || spec.ends_with("text.txt")) changed = small_.text();
    if (spec.ends_with(".bin")) changed = folder("tokens.bin");
    const auto good = read_text(changed);
    flip_bit(changed, good.size() / 2 & ~std::size_t{1}, 0);
    expect_refused(changed.string() + ": is not what the run was trained on (" +
                   std::to_string(good.size()) +
                   " bytes, as it had, but other ones): put the data "
                   "back as they were, or start a new run");
    write_text(changed, good + good.substr(0, 2));  // a token as well
    expect_refused(changed.string() + ": is not what the run was trained on (" +
                   std::to_string(good.size() + 2) + " bytes, it had " +
                   std::to_string(good.size()) + ")");
    write_text(changed, good);
    if (spec.ends_with("data")) {
      write_text(folder("data") / "c.txt", "one more");
      expect_refused("data: is not what the run was trained on (3 files, it had 2)");
      fs::remove(folder("data") / "c.txt");
    }
    expect_whole();
    fs::remove_all(folder("cut"));
    fs::remove_all(folder("whole"));
  }
}

// A sample of a large file misses a single byte; --verify-data does not.
TEST_F(ResumedData, VerifyDataReadsAllOfThem) {
  std::string text;
  while (text.size() < 5'000'000)
    text += "so it goes, and on it goes " + std::to_string(text.size());
  write_text(small_.text(), text);
  train_and_cut(4, {"--eval-batches=1", "--eval-steps=6"});
  flip_bit(small_.text(), 4096 + 5000, 0);
  expect_refused("text.txt: is not what the run was trained on (", {"--verify-data"});
  ASSERT_EQ(resume(folder("cut"), {"--max-steps=5", "--eval-steps=50"}).code, 0);
  write_text(small_.text(), text);
  const auto result =
      run_lookback({"train", "--resume", "--verify-data", "--output-dir", folder("whole")});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, HasSubstr("the data are those that the run was trained on\n"));
  expect_error(small_.train({"--verify-data"}), 2,
               "--verify-data compares the data with those of a "
               "run: it goes with --resume");
  unseal(checkpoint() / "trainer_state.json");
  fs::remove_all(folder("cut") / "checkpoint-5");
  expect_refused("checkpoint-4 has no checksums of the data to compare with", {"--verify-data"});
}

class DataThatChange : public CutRun {
 protected:
  // Trains, and does `change` to the text once the first checkpoint is there.
  ProgramResult train_while(const std::function<void()>& change) const {
    const auto first = fs::path(small_.run()) / "checkpoint-20";
    bool done = false;
    return small_.train({"--max-steps=4000", "--save-steps=20", "--eval-steps=4000",
                         "--logging-steps=1000", "--save-total-limit=1000"},
                        {.kill_when = [&] {
                          if (!done && fs::exists(first)) {
                            done = true;
                            change();
                          }
                          return false;
                        }});
  }
};

TEST_F(DataThatChange, AreNoticedAtTheNextCheckpoint) {
  const auto text = read_text(small_.text());
  const auto result = train_while([&] {
    std::fstream file(small_.text(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file << "XYZ";
  });
  expect_error(result, 1, small_.text() + ": was changed while the run read it (");
  EXPECT_THAT(result.err, testing::ContainsRegex("none is written; put the file back as it was; "
                                                 "`lookback train --resume .*` goes on from "
                                                 "checkpoint-[0-9]+"));
  expect_error(resume(small_.run()), 1, "is not what the run was trained on");
  write_text(small_.text(), text);
  EXPECT_EQ(resume(small_.run(), {"--max-steps=4000"}).code, 0);
}

TEST_F(DataThatChange, ATouchedFileIsTheSame) {
  const auto result = train_while([&] {
    write_text(folder("copy"), read_text(small_.text()));
    fs::rename(folder("copy"), small_.text());
  });
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
}

TEST_F(DataThatChange, AFileThatWasReplacedOrIsGoneIsSaidOnce) {
  auto result = train_while([&] {
    write_text(folder("copy"), read_text(small_.text()) + "more");
    fs::rename(folder("copy"), small_.text());
  });
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err,
            "lookback: warning: " + small_.text() +
                ": another file has taken its place: this run goes on with the one that "
                "it had opened; a --resume will want that one back\n");
  fs::remove_all(small_.run());
  result = train_while([&] { fs::remove(small_.text()); });
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "lookback: warning: " + small_.text() +
                            ": is gone: this run goes on with what it had opened; a --resume will "
                            "want it back\n");
}

}  // namespace
}  // namespace lookback::tests
