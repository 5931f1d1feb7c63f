// Where a text may be cut: with patterns, normalizers and added tokens that nobody has looked at.
#include <gtest/gtest.h>
#include <utf8proc.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "apps/data/json_tokenizer/characters.h"
#include "apps/data/json_tokenizer/pattern_shape.h"
#include "apps/data/json_tokenizer/replacement.h"
#include "apps/data/json_tokenizer/seam.h"
#include "runtime/check.h"
#include "tests/apps/long_text.h"

namespace lookback::tests {
namespace {

using nlohmann::json;
using namespace json_tokenizer;

// What an alternative of a pattern is made of, and whole ones that tokenizers have.
std::string random_alternative(Random& random) {
  static const std::vector<std::string> usual = {R"(?i:'s|'t|'ll)",
                                                 R"( ?\p{L}+)",
                                                 R"([^\r\n\p{L}\p{N}]?\p{L}+)",
                                                 R"([^\r\n\p{L}\p{N}]?+\p{L}++)",
                                                 R"(\p{N}{1,3})",
                                                 R"( ?[^\s\p{L}\p{N}]+[\r\n]*)",
                                                 R"(\s*[\r\n]+)",
                                                 R"(\s+(?!\S))",
                                                 R"(\s+)",
                                                 R"(\w+)",
                                                 R"(\S+)"};
  static const std::vector<std::string> atoms = {
      R"(\s)",      R"(\S)",     R"(\p{L})", R"(\p{N})",  "a",        " ",     R"(\n)",
      R"([^\r\n])", R"([\r\n])", "[a-z]",    "[A-Z ]",    R"(\w)",    R"(\W)", ".",
      "(?i:'s|b)",  "(?:ab|c)",  "(a )",     R"(\p{Lu})", R"(\P{L})", "'",     R"([^\s\p{L}])"};
  static const std::vector<std::string> counts = {"",  "",   "",   "+",  "*",     "?",
                                                  "+", "++", "?+", "+?", "{1,3}", "{2}"};
  static const std::vector<std::string> ends = {
      "", "", "", "", R"((?!\S))", R"((?=\s))", R"(\b)", "$", R"((?<=b))", R"((?![a-z]))"};
  if (below(random, 3) > 0) {
    const auto& found = one_of(random, usual);
    return found.starts_with('?') ? "(" + found + ")" : found;
  }
  std::string all;
  for (std::size_t i = 0, count = 1 + below(random, 3); i < count; ++i)
    all += one_of(random, atoms) + one_of(random, counts);
  return all + one_of(random, ends);
}

json random_split(Random& random) {
  std::string pattern;
  for (std::size_t i = 0, count = 1 + below(random, 6); i < count; ++i)
    pattern += (i > 0 ? "|" : "") + random_alternative(random);
  static const std::vector<std::string> behaviors = {
      "Isolated",   "Isolated",           "Isolated",      "Removed",
      "Contiguous", "MergedWithPrevious", "MergedWithNext"};
  return {{"type", "Split"},
          {"pattern", {{"Regex", pattern}}},
          {"behavior", one_of(random, behaviors)},
          {"invert", below(random, 3) == 0}};
}

json random_normalizer(Random& random) {
  const auto replace = [](const char* kind, const char* pattern, const char* content) {
    return json{{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", content}};
  };
  const std::vector<json> all = {
      nullptr,
      {{"type", "NFC"}},
      {{"type", "NFKD"}},
      {{"type", "Lowercase"}},
      {{"type", "StripAccents"}},
      {{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}},
      {{"type", "Prepend"}, {"prepend", "x"}},
      replace("String", " ", "_"),
      replace("String", "  ", "_"),
      replace("String", "b c", "bc"),
      replace("String", "b", ""),
      replace("String", "\u0301", "a b"),
      replace("Regex", " {2,}", " "),
      replace("Regex", " {2,}", "_"),
      replace("Regex", R"(\s+(?!\S))", "_"),
      {{"type", "Sequence"},
       {"normalizers", {replace("String", " ", "\u0301"), {{"type", "NFC"}}}}}};
  if (below(random, 3) > 0) return one_of(random, all);
  auto steps = json::array();
  for (int i = 0; i < 3; ++i)
    if (const auto& step = one_of(random, all); !step.is_null()) steps.push_back(step);
  return {{"type", "Sequence"}, {"normalizers", steps}};
}

TEST(TextCuts, ReachAcrossNothingThatAPatternOrANormalizerSees) {
  auto described = golden_tokenizer("gpt2.json");
  Random random(3);
  int can_be_cut = 0;
  for (int i = 0; i < 1200; ++i) {
    auto steps = json::array();
    for (std::size_t j = 0, count = 1 + below(random, 2); j < count; ++j)
      steps.push_back(random_split(random));
    steps.push_back({{"type", "ByteLevel"},
                     {"add_prefix_space", below(random, 4) == 0},
                     {"use_regex", below(random, 4) == 0}});
    described["normalizer"] = random_normalizer(random);
    described["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", steps}};
    SCOPED_TRACE(described["normalizer"].dump() + steps.dump());
    std::shared_ptr<const Tokenizer> tokenizer;
    try {
      tokenizer = tokenizer_of(described);
    } catch (const Error&) {  // a pattern that is none
      continue;
    }
    std::size_t cuts = 0;
    for (int j = 0; j < 6; ++j)
      cuts +=
          expect_same_in_parts(*tokenizer, mixed_text(random, 1 + below(random, 12)), EveryTwo::no);
    can_be_cut += cuts > 0 ? 1 : 0;
  }
  EXPECT_GT(can_be_cut, 70);
}

// A letter that a mark makes longer, at the start of a text.
TEST(TextCuts, OfATextThatIsComposedTwice) {
  auto described = golden_tokenizer("gpt2.json");
  described["normalizer"] = {{"type", "Sequence"},
                             {"normalizers", {{{"type", "NFC"}}, {{"type", "NFC"}}}}};
  const auto tokenizer = tokenizer_of(described);
  EXPECT_EQ(tokenizer->encode("e\u0301"), tokenizer->encode("\u00e9"));
}

// With marks in place of spaces, and in front.
TEST(TextCuts, OfWordsThatBeginWithMarks) {
  Random random(7);
  std::size_t cuts = 0;
  for (const auto* file : {"llama2.json", "t5.json"}) {
    auto described = golden_tokenizer(file);
    for (int i = 0; i < 150; ++i) {
      auto steps = json::array();
      if (below(random, 4) == 0) steps.push_back(random_split(random));
      if (below(random, 3) == 0) steps.push_back({{"type", "WhitespaceSplit"}});
      static const std::vector<std::string> schemes = {"always", "first", "never"};
      steps.push_back({{"type", "Metaspace"},
                       {"replacement", below(random, 3) > 0 ? "\u2581" : "_"},
                       {"prepend_scheme", one_of(random, schemes)},
                       {"split", below(random, 2) == 0}});
      if (below(random, 4) == 0) steps.push_back({{"type", "WhitespaceSplit"}});
      described["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", steps}};
      if (below(random, 2) == 0) described["normalizer"] = random_normalizer(random);
      SCOPED_TRACE(described["normalizer"].dump().substr(0, 200) + steps.dump());
      const auto tokenizer = tokenizer_of(described);
      for (int j = 0; j < 10; ++j)
        cuts += expect_same_in_parts(*tokenizer, mixed_text(random, 1 + below(random, 12)));
    }
  }
  EXPECT_GT(cuts, 1000);
  // Words of three characters, wherever marks are.
  auto described = golden_tokenizer("llama2.json");
  described["pre_tokenizer"] = {{"type", "Split"},
                                {"pattern", {{"Regex", ".{3}"}}},
                                {"behavior", "Isolated"},
                                {"invert", false}};
  EXPECT_EQ(expect_same_in_parts(*tokenizer_of(described), "ab cd ef gh ij kl"), 0u);
}

TEST(TextCuts, AreBesideNoAddedTokenThatSeesThem) {
  Random random(4);
  const std::vector<std::string> contents = {"ab",     " ab",     "b c",  "cd",        " ",  "  ",
                                             "\n",     ".",       "<s>",  "<a> ",      "c",  " c",
                                             "\u2581", "\u2581c", "b\nc", "b c\u0301", " c."};
  for (const auto* file : {"gpt2.json", "llama2.json", "llama3.json", "t5.json"}) {
    std::size_t cuts = 0;
    for (int i = 0; i < 200; ++i) {
      const auto flag = [&] { return below(random, 2) == 0; };
      const json token = {{"content", one_of(random, contents)},
                          {"single_word", flag()},
                          {"lstrip", flag()},
                          {"rstrip", flag()},
                          {"normalized", flag()}};
      SCOPED_TRACE(file + token.dump());
      std::shared_ptr<const Tokenizer> tokenizer;
      try {
        tokenizer = tokenizer_of(with_token(golden_tokenizer(file), token));
      } catch (const Error&) {  // it stands in the vocabulary, by another number
        continue;
      }
      for (int j = 0; j < 10; ++j)
        cuts += expect_same_in_parts(*tokenizer, mixed_text(random, 1 + below(random, 12)));
    }
    EXPECT_GT(cuts, 200) << file;
  }
}

TEST(TextCuts, AreBesideLettersThatNothingJoinsOrTakesApart) {
  for (std::string_view rest = seam_letters(); !rest.empty();) {
    const auto letter = first_character(rest);
    const auto code = static_cast<utf8proc_int32_t>(letter.code);
    const auto* property = utf8proc_get_property(code);
    EXPECT_LE(letter.bytes, 2u);
    EXPECT_EQ(property->decomp_seqindex, UINT16_MAX) << code;
    EXPECT_EQ(property->combining_class, 0) << code;
    EXPECT_EQ(property->boundclass, UTF8PROC_BOUNDCLASS_OTHER) << code;
    EXPECT_TRUE(is_seam_letter(static_cast<char32_t>(utf8proc_tolower(code)))) << code;
    EXPECT_TRUE(is_word(letter.code)) << code;
    std::string pairs;
    for (std::string_view others = seam_letters(); !others.empty();) {
      pairs += rest.substr(0, letter.bytes);
      const auto bytes = first_character(others).bytes;
      pairs += others.substr(0, bytes);
      others.remove_prefix(bytes);
    }
    auto* composed = utf8proc_NFKC(reinterpret_cast<const utf8proc_uint8_t*>(pairs.c_str()));
    EXPECT_EQ(pairs, reinterpret_cast<const char*>(composed));
    std::free(composed);
    rest.remove_prefix(letter.bytes);
  }
}

// What is said of a pattern at a seam before a space; none: nothing.
std::string shape_of(std::string_view pattern) {
  const auto shape = shape_at(pattern, {.behind = " "});
  if (!shape) return "unknown";
  return std::string(shape->may_be_empty ? "empty " : "") +
         (shape->matches_letters ? "letters " : "") + (shape->may_begin_behind ? "behind" : "");
}

TEST(TextCuts, ArePossibleWithThePatternsOfKnownTokenizers) {
  EXPECT_EQ(shape_of(R"( ?\p{L}+|\s+(?!\S)|\s+)"), "letters behind");
  EXPECT_EQ(shape_of(R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*)"
                     R"([\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3})"
                     R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"),
            "letters behind");
  EXPECT_EQ(shape_of(R"(\p{N}{1,3})"), "");
  EXPECT_EQ(shape_of(R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)"), "letters ");
  EXPECT_EQ(shape_of(" {2,}"), "behind");
  EXPECT_EQ(shape_of(R"(\p{N}*)"), "empty ");
  // What is no white space is not like the end of a text.
  EXPECT_TRUE(shape_at(R"(\p{L}+(?!\S))", {.behind = "\n"}));
  EXPECT_FALSE(shape_at(R"(\p{L}+(?!\S))", {.behind = "_"}));
  for (const auto* unknown :
       {"a b", ".+", R"(\w+\s)", "(?:a| )+", "a? {0,2}", R"(\bab)", "^a", "a$", "(?=a)b", "(?<=a)b",
        "(?!a)b", "(?>ab)", R"((a)\1)", R"(\Ga)", "a{,2}", "(?:[a-z]?[^a-z]?){2}", "(?s:a)"})
    EXPECT_EQ(shape_of(unknown), "unknown") << unknown;
}

// What stands behind a seam before a space after a Replace; none: that cannot be told.
std::string behind_replaced(const char* kind, const char* pattern, const char* content) {
  const json step = {{"pattern", {{kind, pattern}}}, {"content", content}};
  Seam seam{.behind = " "};
  return Replacement(JsonValue(step, "tokenizer.json")).keeps(seam) ? seam.behind : "none";
}

TEST(TextCuts, AreKeptByAReplaceThatTouchesNoLetterAndAllThatIsBehind) {
  EXPECT_EQ(behind_replaced("String", " ", "\u2581"), "\u2581");
  EXPECT_EQ(behind_replaced("String", "``", "ab"), " ");
  EXPECT_EQ(behind_replaced("Regex", " {2,}", " "), " ");
  EXPECT_EQ(behind_replaced("Regex", "[0-9]+", "0"), " ");
  EXPECT_EQ(behind_replaced("Regex", " {2,}", "_"), "none");
  EXPECT_EQ(behind_replaced("Regex", "[x-z]", "0"), "none");
  EXPECT_EQ(behind_replaced("String", "x", "0"), "none");
  EXPECT_EQ(behind_replaced("String", "  ", "_"), "none");
  EXPECT_EQ(behind_replaced("String", " ", ""), "none");
  EXPECT_EQ(behind_replaced("String", " ", "ab"), "none");
}

}  // namespace
}  // namespace lookback::tests
