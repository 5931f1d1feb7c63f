// Records of JSON, and compressed texts: each record a document, and one clear line for every file
// that is damaged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/data/open.h"
#include "apps/data/token_array.h"
#include "runtime/check.h"
#include "tests/apps/compressed_text.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

using std::string;
using testing::AllOf;
using testing::HasSubstr;
using namespace std::string_literals;
using Tokens = std::vector<std::int64_t>;

// Longer than what is read at once, and not well compressed.
string long_text() {
  string text;
  for (std::uint32_t i = 0; text.size() < 900'000; ++i)
    text += std::to_string(i * 2654435761U) + (i % 9 == 0 ? "\n" : " ");
  return text;
}

class TextFiles : public testing::Test {
 protected:
  string write(const string& name, const string& bytes) const {
    write_text(path(name), bytes);
    return path(name);
  }
  string path(const string& name) const { return folder_.path() / name; }

  static string error_of(const string& file, const string& field = "text") {
    try {
      TokenArray({file}, {.text_field = field});
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::Not(HasSubstr("\n")));
      return error.what();
    }
    return "no error";
  }

  static string text_of(const string& spec, const string& field = "text") {
    const TokenArray array(files_of(spec), {.text_field = field});
    Tokens tokens(static_cast<std::size_t>(array.size()));
    array.read(0, tokens);
    return ByteTokenizer().decode(tokens);
  }

  TemporaryDirectory folder_;
};

TEST_F(TextFiles, RecordsAreDocuments) {
  const string lines =
      "{\"text\": \"one\", \"id\": {\"text\": 3}}\n\n{\"id\": [\"text\", {}], \"text\": "
      "\"tw\\u00f6\\n\"}\r\n{\"text\": \"\"}";
  EXPECT_EQ(text_of(write("a.jsonl", lines)), "one\ntw\xc3\xb6\n\n\n");
  EXPECT_EQ(text_of(write("a.json", lines)), "one\ntw\xc3\xb6\n\n\n");
  EXPECT_EQ(text_of(write("a.ndjson", "\xef\xbb\xbf" + lines)), "one\ntw\xc3\xb6\n\n\n");
  EXPECT_EQ(text_of(write("a.jsonl", "{\"text\": 1, \"content\": \"c\"}\n"), "content"), "c\n");
  EXPECT_EQ(
      text_of(write("list.json", "\n[{\"text\": \"one\"},\n {\"text\": \"two\", \"n\": [1]}]\n")),
      "one\ntwo\n");
  EXPECT_EQ(text_of(write("a.jsonl.gz", gzipped(lines))), "one\ntw\xc3\xb6\n\n\n");
  EXPECT_EQ(text_of(write("a.json.zst", zstd_of(lines))), "one\ntw\xc3\xb6\n\n\n");
  const TokenArray array({path("list.json"), path("a.ndjson")});
  EXPECT_EQ(array.document_of(3), 0);
  EXPECT_EQ(array.document_of(4), 1);
  EXPECT_EQ(array.document_name(1), path("list.json") + ", record 2");
  EXPECT_EQ(array.document_of(array.size() - 1), 4);
  EXPECT_EQ(array.document_name(4), path("a.ndjson") + ", record 3");
  EXPECT_EQ(array.closing_token(), '\n');
}

TEST_F(TextFiles, RecordsAreCutBetweenDocuments) {
  string lines;
  for (int i = 0; i < 100; ++i)
    lines += "{\"text\": \"" + string(19, static_cast<char>('a' + i % 26)) + "\"}\n";
  const auto data = open_data({.data = write("a.jsonl", lines), .block_size = 4});
  EXPECT_EQ(data.training->tokens(), 1900);
  EXPECT_EQ(data.validation->tokens(), 100);
  lines = "{\"text\": \"" + string(50, 'a') + "\"}\n{\"text\": \"" + string(8, 'b') +
          "\"}\n{\"text\": \"" + string(39, 'c') +
          "\"}\n";  // 51 + 9 + 40 bytes: the cut at 95 lies in the last one
  EXPECT_EQ(open_data({.data = write("a.jsonl", lines), .block_size = 1}).training->tokens(), 95);
  lines = "{\"text\": \"" + string(95, 'a') + "\"}\n{\"text\": \"bbb\"}\n";
  EXPECT_EQ(open_data({.data = write("a.jsonl", lines), .block_size = 1}).training->tokens(), 96);
}

TEST_F(TextFiles, ATokenizersEndTokenClosesARecord) {
  const auto tokenizer = path("tokenizer.json");
  std::filesystem::copy(source_directory() / "tests/golden/tokenizers/gpt2.json", tokenizer);
  write("tokenizer_config.json", "{\"eos_token\": \"<|endoftext|>\"}");
  const auto words = make_tokenizer(tokenizer, 0);
  ASSERT_TRUE(words->document_end());
  const auto file = write("a.jsonl", "{\"text\": \"so it goes\"}\n{\"text\": \"on and on\\n\"}\n");
  const auto source = open_evaluation({.data = file, .tokenizer = tokenizer}, Split::all);
  auto expected = words->encode("so it goes");
  expected.push_back(*words->document_end());
  for (const auto token : words->encode("on and on\n")) expected.push_back(token);
  expected.push_back(*words->document_end());
  EXPECT_EQ(source->tokens_at(0, *source->tokens()), expected);
  EXPECT_EQ(source->separator(), words->document_end());
}

TEST_F(TextFiles, ABadRecordIsNamedByLineAndColumn) {
  const auto bad = [&](const string& content, const string& field = "text") {
    return error_of(write("b.jsonl", content), field);
  };
  const string good = "{\"text\": \"fine\"}\n";
  EXPECT_THAT(bad(good + "{\"text\": oh}\n"),
              HasSubstr("b.jsonl: line 2, column 10: is no JSON: "));
  EXPECT_THAT(bad(good + good + "{\"text\": \"cut"), HasSubstr("line 3, column "));
  EXPECT_THAT(bad(good + "{\"text\": \"caf\xe9\"}\n"),
              AllOf(HasSubstr("line 2, column 14: is no JSON"), HasSubstr("(byte 0xE9)")));
  EXPECT_THAT(bad(good + "{\"text\": \"\\ud800\"}\n"), HasSubstr("line 2, column "));
  EXPECT_THAT(bad(good + "{\"text\": 5}\n"),
              HasSubstr("line 2, column 1: \"text\" is a number: it must be a text"));
  EXPECT_THAT(bad("{\"text\": null}\n"), HasSubstr("line 1, column 1: \"text\" is null"));
  EXPECT_THAT(bad("{\"text\": [\"a\"]}\n"), HasSubstr("\"text\" is a list"));
  EXPECT_THAT(bad("{\"text\": {\"text\": \"a\"}}\n"), HasSubstr("\"text\" is an object"));
  EXPECT_THAT(bad("\"only a text\"\n"),
              HasSubstr("line 1, column 1: is a text: it must be an object"));
  EXPECT_THAT(bad(good + "[1]\n"), HasSubstr("line 2, column 1: is a list"));
  EXPECT_THAT(bad(good + "17\n"), HasSubstr("line 2, column 1: is a number"));
  EXPECT_THAT(
      bad(good + "{\"prompt\": \"a\", \"answer\": \"b\"}\n"),
      HasSubstr("line 2, column 1: has no \"text\" (it has \"prompt\", \"answer\"): --text-field"));
  EXPECT_THAT(bad("{}\n"), HasSubstr("has no \"text\" (it is empty)"));
  EXPECT_THAT(bad("{\"text\": \"a\", \"text\": \"b\"}\n"),
              HasSubstr("\"text\" stands twice in it"));
  EXPECT_THAT(bad("{\"text\": \"a\"} {\"text\": \"b\"}\n"), HasSubstr("line 1, column 15"));
  EXPECT_THAT(bad("{\n  \"text\": \"over lines\"\n}\n"), HasSubstr("line 1, column 2"));
  EXPECT_THAT(bad(" \n \n"), HasSubstr("b.jsonl: holds no record"));
  EXPECT_THAT(bad(""), HasSubstr("is empty"));
  EXPECT_THAT(bad("\xff\xfe{\0\"\0"s), HasSubstr("is UTF-16"));
  EXPECT_THAT(bad(string(70'000, ' ') + "\n{\"text\": \"a\"}\0"s),
              HasSubstr("line 2, column 14: a byte is NUL"));
  EXPECT_THAT(bad("[]"), HasSubstr("holds no record"));
  EXPECT_THAT(bad("[{\"text\": \"a\"}, {\"txt\": \"b\"}]"), HasSubstr("record 2: has no \"text\""));
  EXPECT_THAT(bad("[{\"text\": \"a\"},\n {\"text\": }]"),
              HasSubstr("line 2, column 11: is no JSON"));
  EXPECT_THAT(bad("[{\"text\": \"a\"}"), HasSubstr("is no JSON"));
  std::filesystem::create_directory(path("d.jsonl"));
  EXPECT_THAT(error_of(path("d.jsonl")), HasSubstr("is a folder"));
  std::filesystem::create_symlink("nowhere", path("l.jsonl"));
  EXPECT_THAT(error_of(path("l.jsonl")), HasSubstr("there is no such file"));
}

TEST_F(TextFiles, CompressedTexts) {
  const auto text = long_text();
  for (const auto& [name, whole] : std::vector<std::pair<string, string>>{
           {"t.txt.gz", gzipped(text)}, {"t.txt.zst", zstd_of(text)}}) {
    SCOPED_TRACE(name);
    const auto file = write(name, whole);
    EXPECT_EQ(text_of(file), text);
    write(name, whole + whole);  // two archives, one behind the other
    EXPECT_EQ(text_of(file), text + text);
    for (const auto bytes : {whole.size() / 2, whole.size() - 1, std::size_t{12}}) {
      write(name, whole.substr(0, bytes));
      EXPECT_THAT(error_of(file),
                  HasSubstr(name + ": ends in the middle of what was compressed, after " +
                            std::to_string(bytes) + " bytes"));
    }
    auto damaged = whole;
    for (std::size_t i = whole.size() / 2; i < whole.size() / 2 + 40; ++i) damaged[i] = '\x5a';
    write(name, damaged);
    EXPECT_THAT(error_of(file), HasSubstr(name + ": is damaged at byte "));
    write(name, whole + "garbage");
    EXPECT_THAT(error_of(file), HasSubstr(name + ": is damaged at byte "));
    write(name, "so it goes");
    EXPECT_THAT(error_of(file), HasSubstr(name + ": is not compressed by "));
    write(name, "");
    EXPECT_THAT(error_of(file), HasSubstr("is empty"));
  }
  EXPECT_EQ(text_of(write("t.gz", gzipped("one ") + string(1024, '\0'))),
            "one ");  // a tape's block
  EXPECT_THAT(error_of(write("t.gz", gzipped(""))), HasSubstr("is empty once it is decompressed"));
  EXPECT_THAT(error_of(write("t.gz", gzipped("ab\0c"s))),
              HasSubstr("t.gz: byte 2 is 0, which no text has"));
  EXPECT_THAT(error_of(write("t.tar.gz", gzipped("name" + string(253, '\0') + "ustar"))),
              HasSubstr("is a tar archive"));
  EXPECT_THAT(error_of(write("t.bin.gz", gzipped("ab"))),
              HasSubstr("t.bin.gz: decompress it first"));
  EXPECT_THAT(error_of(write("t.txt", gzipped("ab"))),
              HasSubstr("is compressed by gzip, not a text: its name must end in .gz"));
}

TEST_F(TextFiles, ARunOfRecordsGoesOnAndIsDiagnosed) {
  const SmallRun small;
  string lines;
  for (int i = 0; i < 300; ++i) {
    lines += "{\"story\": \"so " + std::to_string(i * i % 97) + " it goes, and on it goes\"}\n";
  }
  const string file = small.path() / "records.jsonl.gz";
  write_text(file, gzipped(lines));
  expect_error(small.train({"--data", file}), 1,
               "records.jsonl.gz: line 1, column 1: has no \"text\" (it has \"story\")");
  const auto trained = small.train({"--data", file, "--text-field", "story", "--json"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(trained.err, "");
  const auto evaluated = run_lookback({"eval", small.run(), "--json"});
  EXPECT_EQ(SmallRun::json(evaluated).at("loss"), SmallRun::json(trained).at("validation_loss"))
      << evaluated.err;
  const auto resumed =
      run_lookback({"train", "--resume", "--output-dir", small.run(), "--max-steps", "8"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  const auto diagnosed =
      run_lookback({"diagnose", small.run(), "--json", "--output-dir", small.path() / "d"});
  const auto report = SmallRun::json(diagnosed);
  std::map<string, string> results;
  for (const auto& check : report.at("checks")) results[check.at("name")] = check.at("result");
  EXPECT_EQ(results["documents that run into each other"], "passed") << diagnosed.out;
  EXPECT_EQ(results["tokens of the files that are in no part"], "passed");
  EXPECT_EQ(results["tokens of a file in training and in validation"], "passed");
  write_text(file, gzipped(lines + lines));
  expect_error(run_lookback({"train", "--resume", "--output-dir", small.run(), "--max-steps", "9"}),
               1, "is not what the run was trained on");
}

}  // namespace
}  // namespace lookback::tests
