// SentencePiece models: the ids of the Python library, texts that are cut, files that are none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/data/open.h"
#include "apps/data/tokenizer_file.h"
#include "runtime/check.h"
#include "runtime/read_file.h"
#include "tests/apps/no_sentencepiece.h"
#include "tests/paths.h"

namespace lookback {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Tokens = std::vector<std::int64_t>;

class SentencePiece : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = tests::no_sentencepiece(file("bpe.model"))) GTEST_SKIP() << *why;
  }

  static std::string file(const std::string& name) {
    return (tests::source_directory() / "tests/golden/tokenizers" / name).string();
  }

  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream{folder_.path() / name, std::ios::binary} << bytes;
    return (folder_.path() / name).string();
  }

  static std::string error_of(const std::string& path) {
    try {
      read_tokenizer(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  tests::TemporaryDirectory folder_;
};

TEST_F(SentencePiece, GivesTheIdsOfThePythonLibrary) {
  const auto cases = nlohmann::json::parse(read_file(file("sentencepiece.json"), "test"));
  for (const auto& [name, texts] : cases.items()) {
    const auto tokenizer = read_tokenizer(file(name));
    for (const auto& entry : texts) {
      const auto text = entry.at(0).get<std::string>();
      EXPECT_EQ(tokenizer->encode(text), entry.at(1).get<Tokens>()) << name << ": " << text;
      EXPECT_EQ(tokenizer->decode(entry.at(1).get<Tokens>()), entry.at(2).get<std::string>())
          << name << ": " << text;
    }
  }
}

TEST_F(SentencePiece, KnowsItsVocabularyAndTheEndOfADocument) {
  const auto tokenizer = read_tokenizer(file("bpe.model"));
  EXPECT_EQ(tokenizer->vocabulary_size(), 420);
  EXPECT_EQ(tokenizer->document_end(), 2);  // </s>
  EXPECT_EQ(tokenizer->name(), file("bpe.model"));
  EXPECT_THROW(tokenizer->decode(Tokens{420}), Error);
  EXPECT_THROW(tokenizer->decode(Tokens{-1}), Error);
}

TEST_F(SentencePiece, BytesThatAreNoTextBecomeTheReplacementCharacter) {
  const auto tokenizer = read_tokenizer(file("bpe.model"));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a\xff z")), "a\xef\xbf\xbd z");
}

TEST_F(SentencePiece, ATokenByItselfKeepsItsSpace) {
  const auto tokenizer = read_tokenizer(file("bpe.model"));
  std::vector<std::string> texts;
  for (const auto token : tokenizer->encode("First é\n"))
    texts.push_back(tokenizer->text_of(token));
  EXPECT_THAT(texts, ElementsAre(" First", " ", "\xc3", "\xa9", "\n"));
  EXPECT_EQ(tokenizer->text_of(1), "<s>");
  EXPECT_THROW(tokenizer->text_of(420), Error);
}

// Its first piece is unknown, and reads as a question mark of five bytes.
TEST_F(SentencePiece, ATextShorterThanItsFirstTokensWordsHasNoBitsPerByte) {
  const auto scored = [&](const std::string& text) {
    return open_evaluation({.data = write("t.txt", text), .tokenizer = file("unigram.model")},
                           Split::all)
        ->scored_bytes();
  };
  EXPECT_EQ(scored("\xe6\x97\xa5"
                   "a"),
            std::nullopt);
  EXPECT_EQ(scored("all"), 2);
}

// Some megabytes are cut into parts, which no token may show.
TEST_F(SentencePiece, LongTextsGiveTheTokensOfTheWhole) {
  const std::string line = "First Citizen: 12 naïve words,  \n\n and\tmore", end = "\n";
  for (const auto* name : {"bpe.model", "unigram.model"}) {
    const auto tokenizer = read_tokenizer(file(name));
    const auto first = tokenizer->encode(line);
    // What each further line adds.
    const auto two = tokenizer->encode(line + end + line);
    const Tokens further(two.begin() + std::ssize(first), two.end());
    ASSERT_EQ(Tokens(two.begin(), two.begin() + std::ssize(first)), first);

    const std::int64_t further_lines = 70'000;
    auto text = line;
    auto expected = first;
    for (std::int64_t i = 0; i < further_lines; ++i) {
      text += end + line;
      expected.insert(expected.end(), further.begin(), further.end());
    }
    ASSERT_GT(text.size(), std::size_t{3} << 20);
    EXPECT_TRUE(tokenizer->encode(text) == expected) << name;
  }
}

TEST_F(SentencePiece, OtherFilesAreRefusedInOneLine) {
  const auto good = read_file(file("bpe.model"), "test");
  const auto is_refused = AllOf(StartsWith("[tokenizer] "), HasSubstr("is no SentencePiece model"));
  EXPECT_THAT(error_of(write("empty.model", "")), is_refused);
  EXPECT_THAT(error_of(write("text.model", "Once upon a time there was a text.\n")), is_refused);
  EXPECT_THAT(error_of(write("short.model", good.substr(0, 1000))), is_refused);
  EXPECT_THAT(error_of(write("zeros.model", std::string(1000, '\0'))), is_refused);
  EXPECT_THAT(error_of(folder_.path() / "absent.model"), HasSubstr("cannot be read"));
  std::filesystem::create_directory(folder_.path() / "folder.model");
  EXPECT_THAT(error_of(folder_.path() / "folder.model"), HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace lookback
