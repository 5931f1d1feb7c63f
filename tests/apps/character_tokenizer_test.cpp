// Tokenizers over characters: BPE with bytes for the rest, and Unigram.
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/data/json_tokenizer.h"
#include "runtime/error.h"
#include "runtime/read_file.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using Ids = std::vector<std::int64_t>;

json file_of(const std::string& name) {
  return json::parse(read_file(source_directory() / "tests/golden/tokenizers" / name, "test"));
}

std::shared_ptr<const Tokenizer> parsed(const json& file) {
  return parse_json_tokenizer(file.dump(), "t.json");
}

std::string training_text() {
  return read_file(source_directory() / "tests/golden/tokenizers/training.txt", "test");
}

std::string error_of(const Tokenizer& tokenizer, const std::string& text) {
  try {
    tokenizer.encode(text);
    return "none";
  } catch (const Error& error) {
    return error.what();
  }
}

// A vocabulary of few tokens: the unknown one, "a", "ab", the space mark.
json small_unigram() {
  return json::parse(R"({"model": {"type": "Unigram", "unk_id": 0, "vocab":
      [["<unk>", 0.0], ["a", -1.0], ["ab", -1.5], ["\u2581", -2.0]]}})");
}

TEST(CharacterTokenizer, TextIsCutOnlyWhereNoMergeReachesAcross) {
  // ignore_merges keeps the whole text together, and changes nothing but for whole texts.
  auto file = file_of("llama2.json");
  const auto cutting = parsed(file);
  file["model"]["ignore_merges"] = true;
  const auto whole = parsed(file);
  const auto text = training_text() + "\u2581 \u2581\u2581x \u2581 漢 字  ";
  EXPECT_EQ(cutting->encode(text), whole->encode(text));
  // gemma.json has tokens of several words: text that is cut at spaces would lose them.
  const auto gemma = parsed(file_of("gemma.json"));
  const auto tokens = gemma->encode(text);
  const auto spans_words = [&](std::int64_t token) {
    const auto piece = gemma->text_of(token);
    return piece.find(' ', 1) != std::string::npos && piece.find_first_not_of(' ') == 0;
  };
  EXPECT_GT(std::ranges::count_if(tokens, spans_words), 10);
}

TEST(CharacterTokenizer, LongTextsTakeNoQuadraticTime) {
  std::mt19937 random(3);
  std::string letters, words;
  while (letters.size() < 500'000) letters += static_cast<char>('a' + random() % 26);
  while (words.size() < 500'000) words += random() % 4 == 0 ? "of the " : "speak";
  const std::string spaces(500'000, ' ');
  for (const std::string file : {"llama2.json", "gemma.json", "t5.json"}) {
    const auto tokenizer = parsed(file_of(file));
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(letters)), letters) << file;
    const auto decoded = tokenizer->decode(tokenizer->encode(words));
    EXPECT_EQ(decoded.substr(0, words.find_last_not_of(' ')),
              words.substr(0, words.find_last_not_of(' ')))
        << file;
    EXPECT_FALSE(tokenizer->encode(spaces + "x").empty()) << file;
  }
}

TEST(CharacterTokenizer, WordsThatWereSeenBeforeGetTheSameTokens) {
  for (const std::string file : {"llama2.json", "gemma.json", "t5.json", "llama3.json"}) {
    const auto tokenizer = parsed(file_of(file));
    const auto text = training_text();
    const auto first = tokenizer->encode(text);
    EXPECT_EQ(tokenizer->encode(text), first) << file;
    // What they were in another text is not what they are here.
    EXPECT_EQ(tokenizer->encode(text.substr(9)), parsed(file_of(file))->encode(text.substr(9)));
  }
}

TEST(CharacterTokenizer, BytesThatAreNoTextAreReplacementCharacters) {
  for (const std::string file : {"llama2.json", "gemma.json", "t5.json"}) {
    const auto tokenizer = parsed(file_of(file));
    EXPECT_EQ(tokenizer->encode("a\xff\xfe b\xc3"), tokenizer->encode("a\ufffd\ufffd b\ufffd"));
  }
}

TEST(CharacterTokenizer, OneTokenReadsAsItStandsWithinAText) {
  const auto llama2 = parsed(file_of("llama2.json"));
  const auto vocabulary = file_of("llama2.json")["model"]["vocab"];
  EXPECT_EQ(llama2->text_of(vocabulary["<0x0A>"]), "\n");
  EXPECT_EQ(llama2->text_of(vocabulary["<0xC3>"]), "\xc3");
  EXPECT_EQ(llama2->text_of(vocabulary["\u2581the"]), " the");
  EXPECT_EQ(llama2->decode(Ids{vocabulary["\u2581the"]}), "the");
  EXPECT_EQ(llama2->decode(Ids{vocabulary["<0xC3>"]}), "\ufffd");
  const auto t5 = parsed(file_of("t5.json"));
  const auto first = t5->encode("the").front();
  EXPECT_EQ(t5->text_of(first).front(), ' ');
  EXPECT_NE(t5->decode(Ids{first}).front(), ' ');
}

TEST(CharacterTokenizer, ACharacterWithoutATokenIsNamed) {
  auto file = file_of("llama2.json");
  file["model"]["byte_fallback"] = false;
  file["model"].erase("unk_token");
  file["normalizer"] = nullptr;
  EXPECT_EQ(error_of(*parsed(file), "the \u6f22"),
            "[tokenizer] t.json: the character \" \" (U+0020) at byte 3 of the text has no token: "
            "model.vocab lacks it, and the model has no unknown token");
  EXPECT_EQ(error_of(*parsed(file), "the"), "none");
  auto unigram = small_unigram();
  EXPECT_THAT(parsed(unigram)->encode("abxya"), ElementsAre(2, 0, 1));
  unigram["model"].erase("unk_id");
  EXPECT_EQ(error_of(*parsed(unigram), "abxya"),
            "[tokenizer] t.json: the character \"x\" (U+0078) at byte 2 of the text has no token: "
            "model.vocab lacks it, and the model has no unknown token");
}

TEST(CharacterTokenizer, TheBestPathWins) {
  auto file = small_unigram();
  const auto& vocabulary = file["model"]["vocab"];
  // -1 - 1.5 for a, ab; a alone needs an unknown b, 10 below the lowest score.
  EXPECT_THAT(parsed(file)->encode("aab"), ElementsAre(1, 2));
  // Of two paths of the same score the one whose last token begins first.
  file["model"]["vocab"] = vocabulary;
  file["model"]["vocab"].push_back(json::parse(R"(["b", -1.0])"));
  file["model"]["vocab"].push_back(json::parse(R"(["aba", -2.5])"));
  EXPECT_THAT(parsed(file)->encode("aba"), ElementsAre(5));
  // A token's own text is unknown too, and joins its neighbors.
  EXPECT_THAT(parsed(file)->encode("x<unk>y"), ElementsAre(0));
}

TEST(CharacterTokenizer, AnUnknownCharacterIsTenBelowTheLowestScore) {
  auto file = small_unigram();
  file["model"]["vocab"] =
      json::parse(R"([["<unk>", 0.0], ["x", 0.0], ["xbc", -5.0], ["d", -5.0], ["cd", 4.5]])");
  // xbc, d: -10; x, an unknown b at -15, cd: -10.5.
  EXPECT_THAT(parsed(file)->encode("xbcd"), ElementsAre(2, 3));
  file["model"]["vocab"][4][1] = 5.5;
  EXPECT_THAT(parsed(file)->encode("xbcd"), ElementsAre(1, 0, 4));
}

TEST(CharacterTokenizer, TheFirstSpaceStandsWhereTheTextBegins) {
  auto file = small_unigram();
  file["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "first"}};
  file["added_tokens"] = {{{"id", 4},
                           {"content", "<s>"},
                           {"single_word", false},
                           {"lstrip", false},
                           {"rstrip", false},
                           {"normalized", false}}};
  const auto tokenizer = parsed(file);
  EXPECT_THAT(tokenizer->encode("a<s>a"), ElementsAre(3, 1, 4, 1));
  EXPECT_THAT(tokenizer->encode("<s>a"), ElementsAre(4, 1));
  EXPECT_THAT(tokenizer->encode("a a"), ElementsAre(3, 1, 3, 1));
  // Where the beginning is taken away, no piece is the first.
  file["normalizer"] = {{"type", "Strip"}, {"strip_left", true}, {"strip_right", false}};
  EXPECT_THAT(parsed(file)->encode(" a"), ElementsAre(1));
  EXPECT_THAT(parsed(file)->encode("a"), ElementsAre(3, 1));
}

}  // namespace
}  // namespace lookback::tests
