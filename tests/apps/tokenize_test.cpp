// lookback tokenize, what train makes of its files, and the cache of encoded texts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "apps/data/open.h"
#include "apps/data/record_parts.h"
#include "apps/data/token_array.h"
#include "apps/data/token_cache.h"
#include "apps/data/token_writer.h"
#include "apps/data/tokenizer_file.h"
#include "runtime/check.h"
#include "runtime/checksum.h"
#include "tests/apps/small_run.h"

namespace lookback::tests {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;
using Tokens = std::vector<std::int64_t>;

class Tokenize : public ::testing::Test {
 protected:
  Tokenize() {
    fs::copy(source_directory() / "tests/golden/tokenizers/gpt2.json", tokenizer_file());
    small_.model["vocab_size"] = tokenizer().vocabulary_size();
    write_text(small_.config(), small_.model.dump());
  }

  std::string tokenizer_file() const { return small_.path() / "words.json"; }
  std::string output() const { return small_.path() / "tokens.bin"; }
  const Tokenizer& tokenizer() {
    if (!tokenizer_) tokenizer_ = read_tokenizer(tokenizer_file());
    return *tokenizer_;
  }
  ProgramResult tokenize(const std::string& data, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"tokenize", data,     "--tokenizer", tokenizer_file(),
                                          "--output", output(), "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lookback(arguments);
  }
  static Tokens all_of(const TokenArray& array) {
    Tokens tokens(static_cast<std::size_t>(array.size()));
    array.read(0, tokens);
    return tokens;
  }
  Tokens written() const { return all_of(TokenArray({output()})); }

  SmallRun small_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

TEST_F(Tokenize, WritesTheTokensThatTrainingOnTheTextHas) {
  const auto result = tokenize(small_.text());
  ASSERT_EQ(result.code, 0) << result.err;
  const auto expected = tokenizer().encode(read_text(small_.text()));
  EXPECT_EQ(written(), expected);
  EXPECT_EQ(SmallRun::json(result).at("tokens"), std::ssize(expected));

  // llm.c's header, byte by byte.
  const auto bytes = read_text(output());
  std::array<std::int32_t, 256> header{};
  ASSERT_EQ(bytes.size(), sizeof header + 2 * expected.size());
  std::memcpy(header.data(), bytes.data(), sizeof header);
  EXPECT_EQ(header[0], 20240520);
  EXPECT_EQ(header[1], 1);
  EXPECT_EQ(header[2], std::ssize(expected));
  EXPECT_TRUE(std::all_of(header.begin() + 3, header.end(), [](auto n) { return n == 0; }));

  const auto beside = Json::parse(read_text(output() + ".json"));
  EXPECT_EQ(beside.at("dtype"), "uint16");
  EXPECT_EQ(beside.at("documents"), 1);
  EXPECT_EQ(beside.at("tokenizer"), tokenizer_file());
  EXPECT_EQ(beside.at("vocabulary_size"), tokenizer().vocabulary_size());
}

TEST_F(Tokenize, DocumentsOfRecordsAndFoldersAreThoseOfTraining) {
  const auto folder = small_.path() / "texts";
  fs::create_directory(folder);
  write_text(folder / "a.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two words\"}\n");
  write_text(folder / "b.jsonl", "{\"text\": \"three\"}\n");
  const auto result = tokenize(folder);
  ASSERT_EQ(result.code, 0) << result.err;
  const auto files = {(folder / "a.jsonl").string(), (folder / "b.jsonl").string()};
  EXPECT_EQ(written(), all_of(TokenArray(files).encoded(tokenizer(), TextCut::none)));
  EXPECT_EQ(SmallRun::json(result).at("documents"), 3);
}

TEST_F(Tokenize, RecordsInPartsAreThoseOfTheWholeFile) {
  std::string lines;
  for (int i = 0; i < 40; ++i) {
    lines += "{\"text\": \"" + std::string(static_cast<std::size_t>(i), 'x') + "\"}\n";
    if (i % 7 == 0) lines += "\n";
  }
  lines.pop_back();  // the last line has no end
  const auto path = (small_.path() / "r.jsonl").string();
  write_text(path, lines);
  const auto whole = read_records(lines, path, "text");
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{50}, std::size_t{100'000}}) {
    std::string text;
    each_part_of_records(
        path, "text", [&](const RecordPart& part) { text += part.documents.text; }, bytes);
    EXPECT_EQ(text, whole.text) << bytes;
  }
  write_text(path, lines + "\n{\"text\": 3}\n");
  const auto place = "line " + std::to_string(std::ranges::count(lines, '\n') + 2) + ", column 1";
  try {
    each_part_of_records(
        path, "text", [](const RecordPart&) {}, 50);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(place));
  }
}

TEST_F(Tokenize, AVocabularyAbove65536IsWrittenInFourBytes) {
  auto file = Json::parse(read_text(tokenizer_file()));
  auto& words = file["model"]["vocab"];
  for (int i = 0; i < 66'000; ++i) words.emplace("word " + std::to_string(i), words.size());
  // The added token stands behind the vocabulary.
  for (auto& token : file["added_tokens"]) token["id"] = words.size();
  write_text(tokenizer_file(), file.dump());
  const auto result = tokenize(small_.text());
  ASSERT_EQ(result.code, 0) << result.err;
  const auto bytes = read_text(output());
  std::int32_t magic = 0, version = 0;
  std::memcpy(&magic, bytes.data(), sizeof magic);
  std::memcpy(&version, bytes.data() + sizeof magic, sizeof version);
  EXPECT_EQ(magic, 20240801);
  EXPECT_EQ(version, 7);
  EXPECT_EQ(written(), read_tokenizer(tokenizer_file())->encode(read_text(small_.text())));
}

TEST_F(Tokenize, TrainReadsItAndRefusesAnotherTokenizer) {
  ASSERT_EQ(tokenize(small_.text()).code, 0);
  const auto train = [&](const std::string& words) {
    return small_.train({"--data", output(), "--tokenizer", words, "--overwrite"});
  };
  EXPECT_EQ(train(tokenizer_file()).code, 0);
  const auto other = small_.path() / "other.json";
  fs::copy(source_directory() / "tests/golden/tokenizers/starcoder.json", other);
  expect_error(train(other), 1, "holds the tokens of " + tokenizer_file());
  // As one of a folder, whose description is no text.
  const auto folder = small_.path() / "tokens";
  fs::create_directory(folder);
  fs::rename(output(), folder / "a.bin");
  fs::rename(output() + ".json", folder / "a.bin.json");
  const auto read = small_.train({"--data", folder, "--overwrite"});
  EXPECT_EQ(read.code, 0) << read.err;
}

TEST_F(Tokenize, WhatIsWrongIsOneLineAndWritesNothing) {
  expect_error(run_lookback({"tokenize", small_.text(), "--output", output()}), 2,
               "--tokenizer is missing");
  expect_error(tokenize(small_.text(), {"--output", small_.path() / "x.txt"}), 2,
               "must end in .bin");
  expect_error(tokenize("builtin:stories"), 2, "builtin:stories: is no text");
  expect_error(tokenize(small_.path() / "absent.txt"), 1, "absent.txt");
  write_text(small_.path() / "bad.jsonl", "{\"text\": \"one\"}\n{\"text\": 2}\n");
  expect_error(tokenize(small_.path() / "bad.jsonl"), 1, "line 2");
  EXPECT_FALSE(fs::exists(output()));
  EXPECT_FALSE(fs::exists(output() + ".json"));
  ASSERT_EQ(tokenize(small_.text()).code, 0);
  expect_error(tokenize(small_.text()), 1, "is there already");
  EXPECT_EQ(tokenize(small_.text(), {"--overwrite"}).code, 0);
}

// After what stopped the work: a record that is none, in the second of three files.
class TokenizeGoesOn : public Tokenize {
 protected:
  TokenizeGoesOn() {
    fs::create_directory(texts_);
    write_text(texts_ / "a.txt", "one text of some words");
    write_text(texts_ / "b.jsonl", records_);
    write_text(texts_ / "c.txt", "and the last one");
    EXPECT_EQ(tokenize(texts_).code, 0);
    whole_ = read_text(output());
    described_ = read_text(output() + ".json");
    fs::remove(output());
    fs::remove(output() + ".json");
    write_text(texts_ / "b.jsonl", records_ + "{\"text\": 3}\n");
    expect_error(tokenize(texts_, {"--quiet"}), 1,
                 "line 3, column 1: \"text\" is a number: it must be a text; " + partial() +
                     " has what was done before");
    EXPECT_TRUE(fs::exists(partial()));
    write_text(texts_ / "b.jsonl", records_);
  }

  std::string partial() const { return output() + ".partial"; }
  // Tokenizes, and says whether that went on behind what was there.
  bool goes_on() {
    const auto result = tokenize(texts_);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_FALSE(fs::exists(partial()));
    EXPECT_FALSE(fs::exists(partial() + ".json"));
    return result.err.find("goes on behind the ") != std::string::npos;
  }
  void expect_whole() const {
    EXPECT_EQ(read_text(output()), whole_);
    EXPECT_EQ(read_text(output() + ".json"), described_);
  }

  const std::string records_ = "{\"text\": \"two\"}\n{\"text\": \"more words\"}\n";
  fs::path texts_ = small_.path() / "texts";
  std::string whole_, described_;
};

TEST_F(TokenizeGoesOn, BehindTheFilesThatAreDone) {
  // Tokens that were written after what was saved do not count.
  write_text(partial(), read_text(partial()) + "xyz");
  EXPECT_TRUE(goes_on());
  expect_whole();
}

TEST_F(TokenizeGoesOn, NotWhereAFileThatIsDoneIsAnother) {
  const auto path = texts_ / "a.txt";
  const auto time = fs::last_write_time(path);
  write_text(path, "two text of some words");
  fs::last_write_time(path, time);
  EXPECT_FALSE(goes_on());
  EXPECT_NE(read_text(output()), whole_);
}

TEST_F(TokenizeGoesOn, NotWithOtherFilesFlagsOrTokenizer) {
  const auto left = read_text(partial()), beside = read_text(partial() + ".json");
  const auto put_back = [&] {
    fs::remove(output());
    write_text(partial(), left);
    write_text(partial() + ".json", beside);
  };
  write_text(texts_ / "0.txt", "one more");
  EXPECT_FALSE(goes_on());
  fs::remove(texts_ / "0.txt");
  put_back();
  EXPECT_THAT(tokenize(texts_, {"--text-field=body"}).err, Not(HasSubstr("goes on behind")));
  put_back();
  write_text(tokenizer_file(), read_text(tokenizer_file()) + " ");
  EXPECT_FALSE(goes_on());
  EXPECT_EQ(read_text(output()), whole_);
}

TEST_F(TokenizeGoesOn, NotBehindWhatIsDamaged) {
  const auto left = read_text(partial()), beside = read_text(partial() + ".json");
  const auto from = [&](const std::string& tokens, const std::string& progress) {
    fs::remove(output());
    write_text(partial(), tokens);
    write_text(partial() + ".json", progress);
    const bool result = goes_on();
    expect_whole();
    return result;
  };
  EXPECT_TRUE(from(left, beside));
  EXPECT_FALSE(from(left.substr(0, left.size() - 1), beside));
  EXPECT_FALSE(from("", beside));
  EXPECT_FALSE(from(left, beside.substr(0, beside.size() / 2)));
  EXPECT_FALSE(from(left, "[]"));
  EXPECT_FALSE(from(left, "{}"));
}

TEST_F(TokenizeGoesOn, WhileNobodyElseWritesTheFile) {
  const TokenWriter other(output(), tokenizer(), {{(texts_ / "a.txt").string()}, {}});
  expect_error(tokenize(texts_, {"--quiet"}), 1,
               "tokens.bin.partial: another process is writing it");
}

// As a process that is killed leaves it: nothing was kept on purpose.
TEST_F(Tokenize, IsSavedPartByPart) {
  const TokenWork work = {{small_.text(), tokenizer_file()}, {}};
  const std::vector<std::uint32_t> tokens = {3, 1, 4};
  const std::chrono::milliseconds always{0};
  {
    TokenWriter writer(output(), tokenizer(), work, always);
    EXPECT_FALSE(writer.is_saved());
    writer.add(tokens);
    writer.end_file(2);
    writer.add(tokens);
    writer.end_part(5);
    writer.add(tokens);
  }
  TokenWriter writer(output(), tokenizer(), work, always);
  EXPECT_TRUE(writer.is_saved());
  EXPECT_EQ(writer.files_done(), 1);
  EXPECT_EQ(writer.parts_done(), 1);
  EXPECT_EQ(writer.description().tokens, 6);
  EXPECT_EQ(writer.description().documents, 7);
  writer.commit();
  EXPECT_EQ(written(), (Tokens{3, 1, 4, 3, 1, 4}));
}

TEST_F(Tokenize, LeavesNothingOfWorkThatHasNotBegun) {
  { TokenWriter writer(output(), tokenizer(), {{small_.text()}, {}}); }
  EXPECT_FALSE(fs::exists(output() + ".partial"));
}

class TokenCache : public ::testing::Test {
 protected:
  TokenCache() {
    setenv("XDG_CACHE_HOME", folder_.path().c_str(), 1);
    unsetenv("LOOKBACK_TOKEN_CACHE");
    tokenizer_ = read_tokenizer(source_directory() / "tests/golden/tokenizers/gpt2.json");
    for (int i = 0; text_.size() <= std::size_t{1} << 20; ++i)
      text_ += "so " + std::to_string(i % 9973) + " it goes; ";
  }
  ~TokenCache() override {
    unsetenv("XDG_CACHE_HOME");
    unsetenv("LOOKBACK_TOKEN_CACHE");
  }
  EncodedText encoded(const std::string& text, const EncodingOptions& options = {}) const {
    return cached_encoding(text, {}, *tokenizer_, options);
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    const auto folder = folder_.path() / "lookback" / "tokens";
    if (!fs::exists(folder)) return found;
    for (const auto& entry : fs::directory_iterator(folder)) found.push_back(entry.path());
    return found;
  }

  TemporaryDirectory folder_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::string text_;
};

TEST_F(TokenCache, GivesWhatWasEncoded) {
  const auto expected = encode_documents(text_, {}, *tokenizer_).tokens;
  EXPECT_EQ(encoded(text_).tokens, expected);
  ASSERT_EQ(files().size(), 1u);
  EXPECT_EQ(encoded(text_).tokens, expected);
  EXPECT_EQ(files().size(), 1u);
  // Something else each time.
  EXPECT_EQ(encoded(text_, {.in_front = {1}}).tokens.front(), 1u);
  EXPECT_EQ(encoded(text_ + "x").tokens, encode_documents(text_ + "x", {}, *tokenizer_).tokens);
  EXPECT_EQ(files().size(), 3u);
  encoded("short");
  EXPECT_EQ(files().size(), 3u);
}

// What is kept is what is read: tokens that were put there on purpose come back.
TEST_F(TokenCache, ReadsTheFileAndNothingThatIsDamaged) {
  const auto expected = encoded(text_).tokens;
  const auto path = files().at(0);
  const auto good = read_text(path);
  for (const std::size_t at : {std::size_t{0}, std::size_t{17}, good.size() / 2, good.size() - 1}) {
    auto bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    write_text(path, bad);
    EXPECT_EQ(encoded(text_).tokens, expected) << at;
    EXPECT_EQ(read_text(path), good) << at;  // written anew
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{20}, good.size() - 4}) {
    write_text(path, good.substr(0, size));
    EXPECT_EQ(encoded(text_).tokens, expected) << size;
  }
  // One that is whole is believed.
  const std::vector<std::uint32_t> others = {3, 1, 2};
  const std::array<std::uint64_t, 2> sizes = {others.size(), 0};
  std::string forged(reinterpret_cast<const char*>(sizes.data()), sizeof sizes);
  forged.append(reinterpret_cast<const char*>(others.data()), 4 * others.size());
  const auto sum = checksum_of(forged);
  forged.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  write_text(path, forged);
  EXPECT_EQ(encoded(text_).tokens, others);
}

TEST_F(TokenCache, IsBoundedAndCanBeTurnedOff) {
  setenv("LOOKBACK_TOKEN_CACHE", "off", 1);
  encoded(text_);
  EXPECT_TRUE(files().empty());
  unsetenv("LOOKBACK_TOKEN_CACHE");
  encoded(text_);
  const auto first = files().at(0);
  const auto most = fs::file_size(first) * 3 / 2;
  fs::last_write_time(first, fs::file_time_type::clock::now() - std::chrono::hours(1));
  setenv("LOOKBACK_TOKEN_CACHE", std::to_string(most).c_str(), 1);
  encoded(text_ + "x");
  ASSERT_EQ(files().size(), 1u);  // the older one is gone
  EXPECT_NE(files().at(0), first);
  setenv("LOOKBACK_TOKEN_CACHE", "many", 1);
  EXPECT_THROW(encoded(text_), Error);
}

TEST_F(TokenCache, AFolderThatCannotBeWrittenIsNoError) {
  write_text(folder_.path() / "lookback", "a file");
  EXPECT_EQ(encoded(text_).tokens, encode_documents(text_, {}, *tokenizer_).tokens);
}

}  // namespace
}  // namespace lookback::tests
