// Long texts in parts: the ids of the whole, wherever a tokenizer says that it can be cut.
#include "tests/apps/long_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/data/json_tokenizer/characters.h"
#include "apps/data/json_tokenizer/seam.h"
#include "apps/data/text_parts.h"
#include "runtime/check.h"
#include "runtime/parallel.h"
#include "runtime/read_file.h"
#include "tests/apps/no_sentencepiece.h"
#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using nlohmann::json;

constexpr std::size_t short_enough = 50'000;  // for encode() to take it in one piece

TEST(LongText, IsCutWhereTheTokensAreThoseOfTheWhole) {
  const auto path = source_directory() / "tests/golden/tokenizers/training.txt";
  const auto real = read_file(path.string(), "test").substr(0, short_enough);
  for (const auto& file : tokenizers_that_cut) {
    SCOPED_TRACE(file);
    const auto tokenizer = tokenizer_of(golden_tokenizer(file));
    EXPECT_GT(expect_same_in_parts(*tokenizer, real, EveryTwo::no), real.size() / 50);
    Random random(1);
    std::size_t cuts = 0;
    for (int i = 0; i < 300; ++i)
      cuts += expect_same_in_parts(*tokenizer, mixed_text(random, 1 + below(random, 12)));
    EXPECT_GT(cuts, 200);
  }
}

TEST(LongText, IsCutInVariantsOfTheseTokenizers) {
  int can_be_cut = 0;
  for (const auto* file : {"expected.json", "expected-characters.json"}) {
    const auto expected = golden_tokenizer(file);
    std::string texts;
    for (const auto& text : expected["texts"]) texts += text.get<std::string>() + " ab\ncd ";
    texts = texts.substr(0, short_enough);
    for (const auto& variant : expected["variants"]) {
      auto described = golden_tokenizer(variant["file"]);
      described.merge_patch(variant["patch"]);
      SCOPED_TRACE(variant["file"].dump() + variant["patch"].dump().substr(0, 300));
      const auto tokenizer = tokenizer_of(described);
      Random random(2);
      std::size_t cuts = 0;
      const auto check = [&](const std::string& text) {
        try {
          cuts += expect_same_in_parts(*tokenizer, text, EveryTwo::no);
        } catch (const Error&) {  // a character without a token
        }
      };
      check(texts);
      for (int i = 0; i < 40; ++i) check(mixed_text(random, 1 + below(random, 12)));
      can_be_cut += cuts > 0 ? 1 : 0;
    }
  }
  EXPECT_GT(can_be_cut, 30);
}

TEST(LongText, OfASentencePieceModelIsCutSo) {
  const auto folder = source_directory() / "tests/golden/tokenizers";
  if (const auto why = no_sentencepiece(folder / "bpe.model")) GTEST_SKIP() << *why;
  std::string real = read_file((folder / "training.txt").string(), "test");
  real.resize(short_enough);
  for (const auto* file : {"bpe.model", "user.model"}) {
    SCOPED_TRACE(file);
    const auto tokenizer = read_tokenizer(folder / file);
    EXPECT_GT(expect_same_in_parts(*tokenizer, real, EveryTwo::no), 50);
    Random random(8);
    std::size_t cuts = 0;
    for (int i = 0; i < 300; ++i)
      cuts += expect_same_in_parts(*tokenizer, mixed_text(random, 1 + below(random, 12)));
    EXPECT_GT(cuts, 50);
  }
}

TEST(LongText, IsEncodedOnAllThreadsAsOnOne) {
  Random random(5);
  std::string text;
  while (text.size() < 700'000) text += mixed_text(random, 30);
  const auto threads = num_threads();
  for (const auto& file : tokenizers_that_cut) {
    SCOPED_TRACE(file);
    const auto described = golden_tokenizer(file);
    const auto tokenizer = tokenizer_of(described), whole = tokenizer_of(without_cuts(described));
    ASSERT_FALSE(whole->last_cut(text));
    ASSERT_TRUE(tokenizer->last_cut(text));
    const auto expected = whole->encode(text);
    for (const int count : {1, 3}) {
      set_num_threads(count);
      EXPECT_TRUE(tokenizer->encode(text) == expected) << count;
    }
    set_num_threads(threads);
  }
}

TEST(LongText, OfAFileComesInPartsThatAreEncodedLikeTheWhole) {
  const TemporaryDirectory folder;
  const auto path = (folder.path() / "text.txt").string();
  Random random(6);
  const auto text = mixed_text(random, 3000);
  write_text(path, text);
  const auto tokenizer = tokenizer_of(golden_tokenizer("llama2.json"));
  const auto expected = tokenizer->encode(text);
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{64}, std::size_t{100'000}}) {
    Tokens tokens;
    std::string joined;
    int last = 0;
    const auto add = [&](const TextPart& part) {
      EXPECT_EQ(part.first_byte, joined.size());
      EXPECT_LT(part.text.size(), bytes + 1000);
      joined += part.text;
      const auto ids = part.encoded(*tokenizer);
      tokens.insert(tokens.end(), ids.begin(), ids.end());
      last += part.is_last ? 1 : 0;
    };
    each_part_of_text(path, *tokenizer, add, bytes);
    EXPECT_EQ(joined, text);
    EXPECT_EQ(tokens, expected) << bytes;
    EXPECT_EQ(last, 1);
  }
  // One that cannot be cut is one part.
  int parts = 0;
  const auto whole = tokenizer_of(golden_tokenizer("gemma.json"));
  each_part_of_text(
      path, *whole, [&](const TextPart& part) { parts += part.text == text ? 1 : 100; }, 64);
  EXPECT_EQ(parts, 1);
}

std::string error_of_encoding(const Tokenizer& tokenizer, std::string_view text,
                              std::size_t first_byte) {
  try {
    tokenizer.encode_rest(text, first_byte);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// The byte is that of the whole text, whichever part it lies in; of several the first.
TEST(LongText, NamesTheByteWithoutAToken) {
  auto described = golden_tokenizer("gpt2.json");
  auto& vocabulary = described["model"]["vocab"];
  // The letter of the byte 1 gives its number to another token.
  const auto id = vocabulary["\u0101"];
  vocabulary.erase("\u0101");
  vocabulary["\u0101\u0101"] = id;
  const auto tokenizer = tokenizer_of(described);
  std::string text;
  while (text.size() < 500'000) text += "some words and more of them\n";
  text[300'000] = text[400'000] = '\x01';
  const auto of_all = error_of_encoding(*tokenizer, text, 0);
  EXPECT_NE(of_all.find("at byte 300000 of the text"), std::string::npos) << of_all;
  const auto cut = *tokenizer->last_cut(std::string_view(text).substr(0, 350'000));
  const auto of_rest = error_of_encoding(*tokenizer, std::string_view(text).substr(cut), cut);
  EXPECT_NE(of_rest.find("at byte 400000 of the text"), std::string::npos) << of_rest;
}

}  // namespace
}  // namespace lookback::tests
