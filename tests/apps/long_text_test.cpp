// Long texts in parts: the ids of the whole, wherever a tokenizer says that it can be cut.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "apps/data/json_tokenizer.h"
#include "apps/data/text_parts.h"
#include "runtime/check.h"
#include "runtime/parallel.h"
#include "runtime/read_file.h"
#include "tests/apps/program_run.h"
#include "tests/paths.h"

namespace lookback::tests {
namespace {

using nlohmann::json;
using Tokens = std::vector<std::int64_t>;
using Random = std::mt19937;

constexpr std::size_t short_enough = 50'000;  // for encode() to take it in one piece

json golden(const std::string& file) {
  return json::parse(
      read_file((source_directory() / "tests/golden/tokenizers" / file).string(), "test"));
}

std::shared_ptr<const Tokenizer> tokenizer_of(const json& file) {
  return parse_json_tokenizer(file.dump(), "tokenizer.json");
}

std::size_t below(Random& random, std::size_t count) {
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
}

// From the first to the last.
std::vector<std::size_t> cuts_of(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::size_t> cuts;
  for (auto cut = tokenizer.last_cut(text); cut; cut = tokenizer.last_cut(text.substr(0, *cut + 1)))
    cuts.push_back(*cut);
  std::ranges::reverse(cuts);
  return cuts;
}

Tokens encoded_in_parts(const Tokenizer& tokenizer, std::string_view text,
                        const std::vector<std::size_t>& cuts) {
  Tokens all;
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    const auto begin = i == 0 ? 0 : cuts[i - 1], end = i == cuts.size() ? text.size() : cuts[i];
    const auto part = text.substr(begin, end - begin);
    const auto ids = i == 0 ? tokenizer.encode(part) : tokenizer.encode_rest(part, begin);
    all.insert(all.end(), ids.begin(), ids.end());
  }
  return all;
}

// In as many parts as there can be, and in every two. How many cuts there are.
std::size_t expect_same_in_parts(const Tokenizer& tokenizer, std::string_view text,
                                 bool every_two = true) {
  const auto whole = tokenizer.encode(text);
  const auto cuts = cuts_of(tokenizer, text);
  EXPECT_EQ(encoded_in_parts(tokenizer, text, cuts), whole)
      << json(std::string(text)).dump(-1, ' ', true, json::error_handler_t::replace);
  if (every_two && cuts.size() > 1) {
    for (const auto cut : cuts)
      EXPECT_EQ(encoded_in_parts(tokenizer, text, {cut}), whole)
          << cut << " of "
          << json(std::string(text)).dump(-1, ' ', true, json::error_handler_t::replace);
  }
  return cuts.size();
}

// What tokenizers treat in their own ways, beside places where a text can be cut.
std::string mixed_text(Random& random, std::size_t pieces) {
  static const std::vector<std::string> all = {"ab cd",
                                               "ab\ncd",
                                               "of the",
                                               "x",
                                               " ",
                                               "  ",
                                               "\n",
                                               "\n\n",
                                               "\r\n",
                                               "\t",
                                               "'s",
                                               "'ll ab",
                                               "don't ",
                                               "ISN'T ",
                                               "e\u0301",
                                               " \u0301ab",
                                               "ab c\u0301d",
                                               "\u00e9t",
                                               "字",
                                               "字 字",
                                               "。\n",
                                               "é\nab",
                                               "да нет",
                                               "\u0419 \u0439",
                                               "αβγ δε",
                                               "של ום",
                                               "نعم لا",
                                               "\xff",
                                               "ab\xff cd",
                                               "ab \xff"
                                               "cd",
                                               "\xe5\xad",
                                               "12",
                                               "1 ab",
                                               "ab 12",
                                               "3.14",
                                               "...",
                                               "!? ab",
                                               "<s>",
                                               "</s> ab",
                                               "ab<s> cd",
                                               "ab <s>cd",
                                               "<mask>",
                                               " <mask> ab",
                                               "<|endoftext|>",
                                               "\u2581",
                                               "ab\u2581cd",
                                               "_ab",
                                               "\u2581\u2581ab cd",
                                               "\u00a0",
                                               "\u3000ab cd",
                                               "\u200d",
                                               "\u0600ab cd",
                                               "İx yz",
                                               "ſt uv",
                                               "ﬁx yz",
                                               "\u212a ab",
                                               "``ab cd''",
                                               "\u1100\u1161 ab"};
  std::string text;
  for (std::size_t i = 0; i < pieces; ++i) text += all[below(random, all.size())];
  return text;
}

TEST(LongText, IsCutWhereTheTokensAreThoseOfTheWhole) {
  const auto real =
      read_file((source_directory() / "tests/golden/tokenizers/training.txt").string(), "test")
          .substr(0, short_enough);
  for (const auto* file : {"gpt2.json", "llama3.json", "qwen.json", "starcoder.json", "llama2.json",
                           "gemma.json", "sentencepiece.json", "t5.json"}) {
    SCOPED_TRACE(file);
    const auto tokenizer = tokenizer_of(golden(file));
    EXPECT_GT(expect_same_in_parts(*tokenizer, real, false), real.size() / 50);
    Random random(1);
    std::size_t cuts = 0;
    for (int i = 0; i < 300; ++i)
      cuts += expect_same_in_parts(*tokenizer, mixed_text(random, 1 + below(random, 12)));
    EXPECT_GT(cuts, 200);
  }
}

TEST(LongText, IsCutInEveryVariantThatCanBeRead) {
  int can_be_cut = 0, all = 0;
  for (const auto* file : {"expected.json", "expected-characters.json"}) {
    const auto expected = golden(file);
    std::string texts;
    for (const auto& text : expected["texts"]) texts += text.get<std::string>() + " ab\ncd ";
    texts = texts.substr(0, short_enough);
    for (const auto& variant : expected["variants"]) {
      auto described = golden(variant["file"]);
      described.merge_patch(variant["patch"]);
      SCOPED_TRACE(variant["file"].dump() + variant["patch"].dump().substr(0, 300));
      const auto tokenizer = tokenizer_of(described);
      Random random(2);
      std::size_t cuts = 0;
      const auto check = [&](const std::string& text) {
        try {
          cuts += expect_same_in_parts(*tokenizer, text, false);
        } catch (const Error&) {  // a character without a token
        }
      };
      check(texts);
      for (int i = 0; i < 40; ++i) check(mixed_text(random, 1 + below(random, 12)));
      ++all;
      can_be_cut += cuts > 0 ? 1 : 0;
    }
  }
  EXPECT_GT(can_be_cut, all / 2);
}

// A pattern of pieces that tokenizers use, and of others.
std::string random_pattern(Random& random) {
  static const std::vector<std::string> atoms = {R"(\s)",
                                                 R"(\S)",
                                                 R"(\p{L})",
                                                 R"(\p{N})",
                                                 "a",
                                                 " ",
                                                 R"(\n)",
                                                 R"([^\r\n\p{L}\p{N}])",
                                                 R"([^\s\p{L}\p{N}])",
                                                 R"([\r\n])",
                                                 "[a-z]",
                                                 "[A-Z ]",
                                                 R"(\w)",
                                                 R"(\W)",
                                                 ".",
                                                 "'",
                                                 "(?i:'s|b)",
                                                 "(?:ab|c)",
                                                 "(a )",
                                                 R"(\p{Lu})",
                                                 R"(\P{L})"};
  static const std::vector<std::string> counts = {"",  "",   "",   "+",  "*",     "?",
                                                  "+", "++", "?+", "+?", "{1,3}", "{2}"};
  static const std::vector<std::string> ends = {
      "", "", "", "", "", R"((?!\S))", R"((?=\s))", R"(\b)", "$", R"((?<=b))", R"((?![a-z]))"};
  std::string pattern;
  for (std::size_t i = 0, alternatives = 1 + below(random, 5); i < alternatives; ++i) {
    if (i > 0) pattern += '|';
    for (std::size_t j = 0, parts = 1 + below(random, 3); j < parts; ++j)
      pattern += atoms[below(random, atoms.size())] + counts[below(random, counts.size())];
    pattern += ends[below(random, ends.size())];
  }
  return pattern;
}

json random_split(Random& random) {
  static const std::vector<std::string> behaviors = {
      "Isolated",   "Isolated",           "Isolated",      "Removed",
      "Contiguous", "MergedWithPrevious", "MergedWithNext"};
  return {{"type", "Split"},
          {"pattern", {{"Regex", random_pattern(random)}}},
          {"behavior", behaviors[below(random, behaviors.size())]},
          {"invert", below(random, 3) == 0}};
}

// Patterns and normalizers that nobody has looked at.
TEST(LongText, IsCutByNoPatternThatReachesAcross) {
  auto described = golden("gpt2.json");
  Random random(3);
  const std::vector<json> normalizers = {
      nullptr,
      {{"type", "NFC"}},
      {{"type", "Lowercase"}},
      {{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}},
      {{"type", "Prepend"}, {"prepend", "x"}},
      {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "_"}},
      {{"type", "Replace"}, {"pattern", {{"String", "  "}}}, {"content", "_"}},
      {{"type", "Replace"}, {"pattern", {{"String", "b c"}}}, {"content", "bc"}},
      {{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", " "}}};
  int can_be_cut = 0;
  for (int i = 0; i < 1500; ++i) {
    auto steps = json::array();
    for (std::size_t j = 0, count = 1 + below(random, 2); j < count; ++j)
      steps.push_back(random_split(random));
    steps.push_back({{"type", "ByteLevel"},
                     {"add_prefix_space", below(random, 4) == 0},
                     {"trim_offsets", true},
                     {"use_regex", below(random, 4) == 0}});
    described["normalizer"] = normalizers[below(random, normalizers.size())];
    described["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", steps}};
    SCOPED_TRACE(described["normalizer"].dump() + steps.dump());
    std::shared_ptr<const Tokenizer> tokenizer;
    try {
      tokenizer = tokenizer_of(described);
    } catch (const Error&) {  // a pattern that is none
      continue;
    }
    std::size_t cuts = 0;
    for (int j = 0; j < 8; ++j)
      cuts += expect_same_in_parts(*tokenizer, mixed_text(random, 1 + below(random, 12)), false);
    can_be_cut += cuts > 0 ? 1 : 0;
  }
  EXPECT_GT(can_be_cut, 100);
}

// Added tokens beside the cut, with every flag.
TEST(LongText, IsCutBesideNoAddedTokenThatSeesTheCut) {
  Random random(4);
  const std::vector<std::string> contents = {"ab",   " ab", "b c",  "cd",     " ",
                                             "  ",   "\n",  "b\nc", ".",      "<s>",
                                             "<a> ", "c",   " c",   "\u2581", "\u2581c"};
  for (const auto* file : {"gpt2.json", "llama2.json", "llama3.json", "t5.json"}) {
    std::size_t cuts = 0;
    for (int i = 0; i < 200; ++i) {
      auto described = golden(file);
      auto& added = described["added_tokens"];
      const auto& vocabulary = described["model"]["vocab"];
      auto next = static_cast<std::int64_t>(vocabulary.size());
      for (const auto& token : added) next = std::max(next, token["id"].get<std::int64_t>() + 1);
      const auto flag = [&] { return below(random, 2) == 0; };
      const auto& content = contents[below(random, contents.size())];
      added.push_back({{"content", content},
                       {"id", next},
                       {"single_word", flag()},
                       {"lstrip", flag()},
                       {"rstrip", flag()},
                       {"normalized", flag()},
                       {"special", false}});
      std::shared_ptr<const Tokenizer> tokenizer;
      try {
        tokenizer = tokenizer_of(described);
      } catch (const Error&) {  // it stands in the vocabulary, by another number
        continue;
      }
      SCOPED_TRACE(file + added.back().dump());
      for (int j = 0; j < 10; ++j)
        cuts += expect_same_in_parts(*tokenizer, mixed_text(random, 1 + below(random, 12)));
    }
    EXPECT_GT(cuts, 200) << file;
  }
}

// The same tokenizer with a token that stands nowhere, because of which it cuts no text.
json without_cuts(json described) {
  auto& added = described["added_tokens"];
  auto next = static_cast<std::int64_t>(described["model"]["vocab"].size());
  for (const auto& token : added) next = std::max(next, token["id"].get<std::int64_t>() + 1);
  added.push_back({{"content", "\x01zq"},
                   {"id", next},
                   {"single_word", false},
                   {"lstrip", false},
                   {"rstrip", false},
                   {"normalized", false},
                   {"special", true}});
  return described;
}

TEST(LongText, IsEncodedOnAllThreadsAsOnOne) {
  Random random(5);
  std::string text;
  while (text.size() < 700'000) text += mixed_text(random, 30);
  const auto threads = num_threads();
  for (const auto* file : {"gpt2.json", "llama3.json", "qwen.json", "starcoder.json", "llama2.json",
                           "gemma.json", "sentencepiece.json", "t5.json"}) {
    SCOPED_TRACE(file);
    const auto tokenizer = tokenizer_of(golden(file)),
               whole = tokenizer_of(without_cuts(golden(file)));
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
  const auto tokenizer = tokenizer_of(golden("llama2.json"));
  const auto expected = tokenizer->encode(text);
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{64}, std::size_t{100'000}}) {
    Tokens tokens;
    std::string joined;
    std::size_t longest = 0;
    int last = 0;
    each_part_of_text(
        path, *tokenizer,
        [&](const TextPart& part) {
          EXPECT_EQ(part.first_byte, joined.size());
          joined += part.text;
          longest = std::max(longest, part.text.size());
          const auto ids = part.encoded(*tokenizer);
          tokens.insert(tokens.end(), ids.begin(), ids.end());
          last += part.is_last ? 1 : 0;
        },
        bytes);
    EXPECT_EQ(joined, text);
    EXPECT_EQ(tokens, expected) << bytes;
    EXPECT_EQ(last, 1);
    EXPECT_LT(longest, bytes + 1000);
  }
}

// The byte is that of the file, whichever part it lies in; of several the first.
TEST(LongText, NamesTheByteWithoutAToken) {
  auto described = golden("gpt2.json");
  auto& vocabulary = described["model"]["vocab"];
  vocabulary.erase("\u0101");  // the letter of the byte 1
  for (auto& token : described["added_tokens"]) token["id"] = vocabulary.size();
  std::shared_ptr<const Tokenizer> tokenizer;
  ASSERT_NO_THROW(tokenizer = tokenizer_of(described));
  std::string text;
  while (text.size() < 500'000) text += "some words and more of them\n";
  text[300'000] = text[400'000] = '\x01';
  const auto error_of = [](const auto& body) -> std::string {
    try {
      body();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  const auto place = [](std::size_t byte) {
    return "at byte " + std::to_string(byte) + " of the text";
  };
  const auto of_all = error_of([&] { tokenizer->encode(text); });
  EXPECT_NE(of_all.find(place(300'000)), std::string::npos) << of_all;
  const auto cut = *tokenizer->last_cut(std::string_view(text).substr(0, 350'000));
  const auto of_rest =
      error_of([&] { tokenizer->encode_rest(std::string_view(text).substr(cut), cut); });
  EXPECT_NE(of_rest.find(place(400'000)), std::string::npos) << of_rest;
}

}  // namespace
}  // namespace lookback::tests
