// How far lookback tokenize has come: a bar on a terminal, lines anywhere else.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <string_view>
#include <thread>

#include "apps/data/encode_file.h"
#include "apps/data/token_array.h"
#include "apps/data/tokenizer_file.h"
#include "tests/apps/compressed_text.h"
#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

class TokenizeProgress : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& bytes) const {
    write_text(folder_.path() / name, bytes);
    return folder_.path() / name;
  }
  std::string output() const { return folder_.path() / "tokens.bin"; }
  // The program with a terminal for its stderr; what it shows there.
  std::string shown_for(const std::string& data, const std::vector<std::string>& more = {}) const {
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    EXPECT_EQ(grantpt(terminal), 0);
    EXPECT_EQ(unlockpt(terminal), 0);
    const std::string name = ptsname(terminal);
    const int held = open(name.c_str(), O_RDWR | O_NOCTTY);  // till all has been read
    std::string shown;
    std::thread reader([&] {
      char bytes[4096];
      while (!shown.ends_with("end")) {
        const auto count = read(terminal, bytes, sizeof bytes);
        if (count <= 0) return;
        shown.append(bytes, static_cast<std::size_t>(count));
      }
    });
    std::vector<std::string> arguments = {"tokenize", data,     "--tokenizer", tokenizer_,
                                          "--output", output(), "--overwrite"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto result = run_lookback(
        arguments, {.in_child = [&] { dup2(open(name.c_str(), O_RDWR | O_NOCTTY), 2); }});
    EXPECT_EQ(::write(held, "end", 3), 3);
    reader.join();
    EXPECT_EQ(result.code, 0) << shown;
    close(held);
    close(terminal);
    return shown;
  }
  // What is said where there is no terminal.
  static std::string said_by(const std::function<void()>& work) {
    testing::internal::CaptureStderr();
    work();
    return testing::internal::GetCapturedStderr();
  }

  const std::string tokenizer_ =
      (source_directory() / "tests/golden/tokenizers/gpt2.json").string();

 private:
  TemporaryDirectory folder_{folder_in_memory()};
};

std::string words(std::size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; ++i)
    text += std::to_string(i * 7919 % 104729) + " of the words, and no end:\n";
  return text;
}

std::string records(std::size_t bytes) {
  std::string lines;
  for (int i = 0; lines.size() < bytes; ++i)
    lines += "{\"text\": \"" + std::to_string(i * 7919 % 104729) + " of the words\"}\n";
  return lines;
}

// Of one file, whatever it is: bytes of it, of all, in a second, and the time that is left.
TEST_F(TokenizeProgress, ATerminalSeesABarThatMovesWithinOneFile) {
  const auto text = words(std::size_t{35} << 20), lines = records(2'000'000);
  const auto bar =
      R"(\[[=> ]{16}\] +[0-9]+%  [0-9.]+ MB of [0-9.]+ MB, [0-9.e+]+ MB/s  [0-9:]+ left)";
  for (const auto& [name, bytes] :
       {std::pair("text.txt", text), std::pair("text.txt.gz", gzipped(text)),
        std::pair("text.txt.zst", zstd_of(text)), std::pair("lines.jsonl", lines),
        std::pair("lines.jsonl.gz", gzipped(lines)), std::pair("lines.json.zst", zstd_of(lines))}) {
    const auto shown = shown_for(write(name, bytes));
    const bool is_compressed =
        std::string_view(name).ends_with(".gz") || std::string_view(name).ends_with(".zst");
    // What is small may be encoded before a bar of it is drawn.
    const std::string or_that = is_compressed ? "|decompressing [0-9.]+ MB of [0-9.]+ MB" : "";
    EXPECT_THAT(shown, ContainsRegex(bar + or_that)) << name;
    if (is_compressed && bytes.size() > 1'000'000) {
      EXPECT_THAT(shown, HasSubstr("decompressing ")) << name;
    }
  }
  EXPECT_EQ(shown_for(write("quiet.txt", text), {"--quiet"}), "end");
}

// A part at a time, and the same tokens as of the whole text.
TEST_F(TokenizeProgress, WhatIsCompressedIsEncodedAsAWhole) {
  const auto text = words(std::size_t{20} << 20), lines = records(1'000'000);
  for (const auto& [name, bytes] :
       {std::pair("text.txt.gz", gzipped(text)), std::pair("lines.jsonl.zst", zstd_of(lines))}) {
    const auto path = write(name, bytes);
    const auto result = run_lookback({"tokenize", path, "--tokenizer", tokenizer_, "--output",
                                      output(), "--overwrite", "--quiet"});
    ASSERT_EQ(result.code, 0) << result.err;
    const auto expected = TokenArray({path}).encoded(*read_tokenizer(tokenizer_), TextCut::none);
    const TokenArray written({output()});
    ASSERT_EQ(written.size(), expected.size()) << name;
    std::vector<std::int64_t> a(static_cast<std::size_t>(written.size())), b(a.size());
    written.read(0, a);
    expected.read(0, b);
    EXPECT_TRUE(a == b) << name;
  }
}

TEST_F(TokenizeProgress, PartsOfRecordsAreThoseOfTheWhole) {
  const auto path = write("lines.jsonl.gz", gzipped(records(20'000)));
  const auto tokenizer = read_tokenizer(tokenizer_);
  const auto expected = TokenArray({path}).encoded(*tokenizer, TextCut::none, {7});
  const std::vector<std::string> files = {path};
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{100}, std::size_t{1'000'000}}) {
    SCOPED_TRACE(bytes);
    TokenWriter writer(output(), *tokenizer, {.files = files});
    EncodingProgress progress({.notes = Console::Notes::hidden}, files);
    progress.begin_file(path);
    encode_file(
        path, {.text_field = "text", .tokenizer = *tokenizer, .in_front = {7}, .part_bytes = bytes},
        writer, progress);
    writer.commit();
    EXPECT_EQ(writer.description().documents, expected.document_of(expected.size() - 1) + 1);
    const TokenArray written({output()});
    ASSERT_EQ(written.size(), expected.size());
    std::vector<std::int64_t> a(static_cast<std::size_t>(written.size())), b(a.size());
    written.read(0, a);
    expected.read(0, b);
    EXPECT_TRUE(a == b);
  }
}

TEST_F(TokenizeProgress, LinesTellOfEachTenthAndOfTheEndOfEachFile) {
  const std::vector<std::string> files = {write("a.txt", std::string(600'000, 'a')),
                                          write("b.txt", std::string(400'000, 'b'))};
  const Console console;
  const auto said = said_by([&] {
    EncodingProgress progress(console, files, 0ms);
    progress.begin_file(files[0]);
    progress.has_encoded({0, 50'000}, 1);         // half of a tenth
    progress.has_encoded({50'000, 450'000}, .5);  // 25 %
    progress.has_encoded({50'000, 450'000}, .51);
    progress.has_encoded({50'000, 450'000}, .3);  // a slow thread's
    progress.has_encoded({50'000, 450'000}, 1);   // 45 %
    progress.has_encoded({450'000, 600'000}, 1);  // 60 %
    progress.end_file(123);
    progress.begin_file(files[1]);
    progress.has_encoded({0, 50'000}, 1);
    progress.has_encoded({50'000, 400'000}, 1);
    progress.end_file(456);
  });
  EXPECT_THAT(said,
              testing::MatchesRegex("[^\n]*a.txt: 0.25 MB of 1 MB, [0-9.e+]+ MB/s, 0:00 left\n"
                                    "[^\n]*a.txt: 0.45 MB of 1 MB, [0-9.e+]+ MB/s, 0:00 left\n"
                                    "[^\n]*a.txt: 0.6 MB of 1 MB, [0-9.e+]+ MB/s, 0:00 left\n"
                                    "[^\n]*a.txt: 123 tokens so far\n"
                                    "[^\n]*b.txt: 456 tokens so far\n"));
}

TEST_F(TokenizeProgress, NothingIsSaidInTheMiddleOfWhatTakesMoments) {
  const std::vector<std::string> files = {write("a.txt", std::string(600'000, 'a'))};
  const auto work = [&](const Console& console, std::chrono::milliseconds without_lines) {
    EncodingProgress progress(console, files, without_lines);
    progress.begin_file(files[0]);
    progress.has_encoded({0, 300'000}, 1);
    progress.has_encoded({300'000, 600'000}, 1);
    progress.end_file(123);
  };
  EXPECT_EQ(said_by([&] { work({}, EncodingProgress::moments); }), "");
  EXPECT_EQ(said_by([&] { work({.notes = Console::Notes::hidden}, 0ms); }), "");
}

// What an earlier process has done says nothing of the time that the rest takes.
TEST_F(TokenizeProgress, TheRateIsThatOfThisProcess) {
  const std::vector<std::string> files = {write("a.txt", std::string(1'000'000, 'a'))};
  const Console console;
  const auto said = said_by([&] {
    EncodingProgress progress(console, files, 0ms);
    progress.begin_file(files[0]);
    progress.had_encoded({0, 500'000});
    progress.had_encoded({500'000, 899'000});
    std::this_thread::sleep_for(100ms);
    progress.has_encoded({899'000, 900'000}, 1);
  });
  EXPECT_THAT(said, HasSubstr("a.txt: 0.9 MB of 1 MB, 0.00"));
  EXPECT_THAT(said, Not(HasSubstr(" 0:00 left")));
}

}  // namespace
}  // namespace lookback::tests
