// Tokenizers over bytes: texts that come back, bytes that are no text, long words, errors.
#include "apps/data/json_tokenizer.h"

#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/error.h"
#include "runtime/read_file.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<std::int64_t>;

std::string golden(const std::string& file) {
  return (source_directory() / "tests/golden/tokenizers" / file).string();
}

json golden_json(const std::string& file) { return json::parse(read_file(golden(file), "test")); }

std::shared_ptr<const Tokenizer> parsed(const json& file) {
  return parse_json_tokenizer(file.dump(), "tokenizer.json");
}

// gpt2.json with some of its keys replaced (a JSON merge patch).
std::shared_ptr<const Tokenizer> patched(const json& patch, const std::string& name = "gpt2.json") {
  auto file = golden_json(name);
  file.merge_patch(patch);
  return parsed(file);
}

json added(const std::string& content, std::int64_t id, const json& flags = json::object()) {
  json token = {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", false}};
  token.update(flags);
  return token;
}

// Texts of all lengths from few kinds of pieces, valid UTF-8 and not.
std::string random_text(std::mt19937& random) {
  static const std::vector<std::string> pieces = {
      "a",      "the",    " ",       "  ",   "\n",       "\r\n",          "'s",   "1",
      "42",     "é",      "e\u0301", "漢",   "😀",        "<|endoftext|>", "<|",   ">",
      "\u00a0", "\u2003", "\xff",    "\xc3", "\xe2\x82", "\xed\xa0\x80",  "\x80", "_",
      ".",      "Speak"};
  std::string text;
  for (auto count = random() % 40; count > 0; --count) {
    if (random() % 3 == 0) {
      text += static_cast<char>(random() % 256);
    } else {
      text += pieces[random() % pieces.size()];
    }
  }
  return text;
}

TEST(ByteLevelTokenizer, AnyBytesComeBackAsTheyWere) {
  for (const std::string file : {"gpt2.json", "llama3.json", "starcoder.json"}) {
    const auto tokenizer = read_json_tokenizer(golden(file));
    std::mt19937 random(7);
    for (int i = 0; i < 2000; ++i) {
      const auto text = random_text(random);
      ASSERT_EQ(tokenizer->decode(tokenizer->encode(text)), text) << file;
    }
    std::string all;
    for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(all)), all);
  }
}

TEST(ByteLevelTokenizer, BytesThatAreNoTextAreAWordOfTheirOwn) {
  const auto tokenizer = read_json_tokenizer(golden("gpt2.json"));
  auto expected = tokenizer->encode("the end");
  for (const auto id : tokenizer->encode("\xff\xfe")) expected.push_back(id);
  for (const auto id : tokenizer->encode(" of it")) expected.push_back(id);
  EXPECT_EQ(tokenizer->encode("the end\xff\xfe of it"), expected);
  const auto joined =
      patched({{"added_tokens", nullptr},
               {"model", {{"vocab", {{"ÿþ", 600}}}, {"merges", json::array({"ÿ þ"})}}}});
  EXPECT_THAT(joined->encode("a\xff\xfe"), ElementsAre(64, 600));
  // Half a character is the bytes it would be.
  EXPECT_EQ(tokenizer->encode("\xc3").size(), 1);
}

TEST(ByteLevelTokenizer, LongWordsTakeNoQuadraticTime) {
  const auto tokenizer = read_json_tokenizer(golden("gpt2.json"));
  std::string word;
  std::mt19937 random(3);
  while (word.size() < 1'000'000) word += static_cast<char>('a' + random() % 26);
  const auto ids = tokenizer->encode(word);
  EXPECT_EQ(tokenizer->decode(ids), word);
  const std::string spaces(1'000'000, ' ');
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(spaces + "x")), spaces + "x");
  // The whole is not what its halves are only where they meet.
  const auto half = tokenizer->encode(word.substr(0, 500'000));
  EXPECT_TRUE(std::equal(half.begin(), half.end() - 20, ids.begin()));
}

TEST(ByteLevelTokenizer, LongRunsOfMarksAndSpacesTakeNoQuadraticTime) {
  const auto normalizing = read_json_tokenizer(golden("qwen.json"));
  std::string mixed, sorted;
  for (int i = 0; i < 100'000; ++i) mixed += "\u0301\u0323";
  for (int i = 0; i < 100'000; ++i) sorted += "\u0323";
  for (int i = 0; i < 100'000; ++i) sorted += "\u0301";
  EXPECT_EQ(normalizing->decode(normalizing->encode("x" + mixed)), "x" + sorted);
  const auto stripping = patched(
      {{"added_tokens", {added(" ", 600, {{"rstrip", true}}), added("!", 0, {{"lstrip", true}})}}});
  const std::string spaces(200'000, ' ');
  EXPECT_EQ(stripping->encode(spaces), Ids(200'000, 600));
  EXPECT_EQ(stripping->encode("\n" + spaces + "!").size(), 200'002);
}

TEST(ByteLevelTokenizer, SeveralThreadsMayEncodeAtOnce) {
  const auto tokenizer = read_json_tokenizer(golden("llama3.json"));
  const auto text = read_file(golden("training.txt"), "test");
  const auto alone = tokenizer->encode(text);
  std::vector<Ids> together(4);
  std::vector<std::thread> threads;
  for (auto& ids : together) threads.emplace_back([&] { ids = tokenizer->encode(text); });
  for (auto& thread : threads) thread.join();
  for (const auto& ids : together) EXPECT_EQ(ids, alone);
}

TEST(ByteLevelTokenizer, TheVocabularyReachesToTheLargestId) {
  EXPECT_EQ(read_json_tokenizer(golden("gpt2.json"))->vocabulary_size(), 601);
  auto file = golden_json("gpt2.json");
  file["added_tokens"] = json::array();
  file["model"]["vocab"]["<far>"] = 2'147'483'647;
  const auto tokenizer = parsed(file);
  EXPECT_EQ(tokenizer->vocabulary_size(), 2'147'483'648);
  EXPECT_EQ(tokenizer->decode(Ids{64, 600, 1'000'000, 65}), "ab");  // 600: the added token's
  EXPECT_EQ(tokenizer->decode(Ids{2'147'483'647}), "<far>");
  EXPECT_THROW(tokenizer->decode(Ids{2'147'483'648}), Error);
  EXPECT_THROW(tokenizer->decode(Ids{-1}), Error);
}

TEST(ByteLevelTokenizer, AddedTokensAreTheirContent) {
  // The library would take the letters of the first for bytes, and decode half a character.
  const auto tokenizer = patched({{"added_tokens", {added("éé", 600), added("\n é", 601)}}});
  EXPECT_THAT(tokenizer->encode("aéé\n é"), ElementsAre(64, 600, 601));
  EXPECT_EQ(tokenizer->decode(Ids{64, 600, 601}), "aéé\n é");
  // One that is a letter of the vocabulary too stays that letter's byte, which other texts need.
  const auto letter = patched({{"added_tokens", {added("é", 165)}}});
  EXPECT_THAT(letter->encode("aé"), ElementsAre(64, 165));
  EXPECT_EQ(letter->decode(letter->encode("鄰")), "鄰");
}

TEST(ByteLevelTokenizer, AByteWithoutATokenIsNamed) {
  auto file = golden_json("gpt2.json");
  auto& vocabulary = file["model"]["vocab"];
  vocabulary.erase("z");
  vocabulary["<unk>"] = 700;
  file["added_tokens"] = json::array();
  auto& merges = file["model"]["merges"];
  for (auto i = merges.size(); i-- > 0;) {
    if (merges[i].dump().find('z') != std::string::npos) merges.erase(i);
  }
  EXPECT_EQ(parsed(file)->encode("ab").size(), 2);
  try {
    parsed(file)->encode("a word, azure");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "[tokenizer] tokenizer.json: the byte 0x7a at byte 9 of the text has no token: "
                 "model.vocab lacks its letter \"z\"");
  }
  file["normalizer"] = {{"type", "NFC"}};
  try {
    parsed(file)->encode("e\u0301 azure");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the byte 0x7a in the word \" azure\" has no token"));
  }
  file["model"]["unk_token"] = "<unk>";
  EXPECT_THAT(parsed(file)->encode("azzb"), ElementsAre(64, 700, 700, 65));
}

TEST(ByteLevelTokenizer, NamesAndDocumentEnds) {
  const auto file = read_file(golden("gpt2.json"), "test");
  const auto end_of = [&](const std::string& config) {
    return parse_json_tokenizer(file, "folder/tokenizer.json", config)->document_end();
  };
  EXPECT_EQ(parse_json_tokenizer(file, "folder/tokenizer.json")->document_end(), std::nullopt);
  EXPECT_EQ(end_of("{}"), std::nullopt);
  EXPECT_EQ(end_of(R"({"eos_token": null})"), std::nullopt);
  EXPECT_EQ(end_of(R"({"eos_token": "<|endoftext|>"})"), 600);
  EXPECT_EQ(end_of(R"({"eos_token": {"content": "<|endoftext|>", "lstrip": false}})"), 600);
  EXPECT_EQ(end_of(R"({"eos_token": "a"})"), 64);
  EXPECT_EQ(end_of(R"({"eos_token": "</s>"})"), std::nullopt);
  try {
    end_of(R"({"eos_token": 3})");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "[tokenizer] folder/tokenizer_config.json: eos_token is 3: must be a string");
  }

  const TemporaryDirectory folder;
  const auto path = (folder.path() / "tokenizer.json").string();
  std::ofstream(path) << file;
  EXPECT_EQ(read_json_tokenizer(path)->name(), path);
  EXPECT_EQ(read_json_tokenizer(path)->document_end(), std::nullopt);
  std::ofstream(folder.path() / "tokenizer_config.json") << R"({"eos_token": "<|endoftext|>"})";
  EXPECT_EQ(read_json_tokenizer(path)->document_end(), 600);
}

}  // namespace
}  // namespace lookback::tests
