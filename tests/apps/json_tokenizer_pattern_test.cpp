// What Oniguruma, for which tokenizer.json files are written, finds in a text: patterns that PCRE2
// would read differently.
#include "apps/data/json_tokenizer/pattern.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/data/json_tokenizer/pattern_syntax.h"

namespace lookback::tests {
namespace {

using json_tokenizer::MatchMemory;
using json_tokenizer::Pattern;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> matches(const std::string& pattern, const std::string& text) {
  const Pattern compiled(pattern, "test");
  MatchMemory memory;
  std::vector<std::string> found;
  Pattern::Range match{0, 0};
  for (std::size_t from = 0; compiled.find(text, from, memory, match); from = match.end) {
    found.push_back(text.substr(match.begin, match.end - match.begin));
    if (match.begin == match.end) break;
  }
  return found;
}

TEST(TokenizerPattern, WhiteSpaceIsUnicodes) {
  const std::string spaces =
      "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000";
  const std::string others = "\u180e\u200b\u2060\ufeff\u001c";
  EXPECT_THAT(matches("\\s+", others + spaces + others), ElementsAre(spaces));
  EXPECT_THAT(matches("[\\s]+", others + spaces + others), ElementsAre(spaces));
  EXPECT_THAT(matches("\\S+", others + spaces + others), ElementsAre(others, others));
  EXPECT_THAT(matches("[\\S]+", others + spaces + others), ElementsAre(others, others));
  EXPECT_THAT(matches("[^\\S]+", others + spaces + others), ElementsAre(spaces));
  EXPECT_THAT(matches("[^\\s]+", others + spaces + others), ElementsAre(others, others));
}

TEST(TokenizerPattern, WordsHoldMarksAndNumbersOfSomeKinds) {
  EXPECT_THAT(matches("\\w+", "aé_e\u0301\u203f٣ⅧⓐA²½-㊿"), ElementsAre("aé_e\u0301\u203f٣ⅧⓐA²½"));
  EXPECT_THAT(matches("\\W+", "a²- .b"), ElementsAre("- ."));
  // Inside a class six numbers of Latin-1 are none; so it is in the library.
  EXPECT_THAT(matches("[\\w]+", "a²bⓐ"), ElementsAre("a", "bⓐ"));
  EXPECT_THAT(matches("[^\\w ]+", "a² -"), ElementsAre("²", "-"));
  EXPECT_THAT(matches("\\ba", "a ½a e\u0301a .a"), ElementsAre("a", "a"));
  EXPECT_THAT(matches("\\Ba", "a ½a e\u0301a .a"), ElementsAre("a", "a"));
}

TEST(TokenizerPattern, EscapesOfOniguruma) {
  EXPECT_THAT(matches("\\h+", "0aFg \t"), ElementsAre("0aF"));
  EXPECT_THAT(matches("\\H", "0 g"), ElementsAre(" ", "g"));
  EXPECT_THAT(matches("[\\hx]+", "xfg"), ElementsAre("xf"));
  EXPECT_THAT(matches("\\v", "\n\v\r"), ElementsAre("\v"));
  EXPECT_THAT(matches("\\u00e9|[\\u0061-\\u0063]", "aéd"), ElementsAre("a", "é"));
  EXPECT_THAT(matches("\\p{Han}+", "漢字、かー"), ElementsAre("漢字"));
  EXPECT_THAT(matches("\\p{^Han}+|\\P{Lu}", "漢、"), ElementsAre("漢", "、"));
}

TEST(TokenizerPattern, LinesBeginAndEndEverywhere) {
  EXPECT_THAT(matches("^a", "a\na\r\na"), ElementsAre("a", "a", "a"));
  EXPECT_THAT(matches("a$", "a\na\r\na"), ElementsAre("a", "a"));
  EXPECT_THAT(matches("a.", "a\nab"), ElementsAre("ab"));
  EXPECT_THAT(matches("(?m:a.)", "a\nab"), ElementsAre("a\n", "ab"));
  EXPECT_THAT(matches("a.", "a\r"), ElementsAre("a\r"));
}

TEST(TokenizerPattern, ARepeatedRepetitionGivesBack) {
  EXPECT_THAT(matches("a{1,2}+", "aaaaa"), ElementsAre("aaaaa"));
  EXPECT_THAT(matches("a{2}+a", "aaaaa"), ElementsAre("aaaaa"));
  EXPECT_THAT(matches("(?:ab){1,2}+ab", "ababab"), ElementsAre("ababab"));
  EXPECT_THAT(matches("[ab]{1,}+b", "aabb"), ElementsAre("aabb"));
  EXPECT_THAT(matches("é{1,2}+é", "ééé"), ElementsAre("ééé"));
  EXPECT_THAT(matches("a++a", "aaa"), IsEmpty());  // this one is possessive
  EXPECT_THAT(matches("a{,b{1", "a{,b{1"), ElementsAre("a{,b{1"));
}

TEST(TokenizerPattern, CaseIsFoldedAsInUnicode) {
  EXPECT_THAT(matches("(?i:'s|k)", "'S 'ſ K K"), ElementsAre("'S", "'ſ", "K", "K"));
  EXPECT_THAT(matches("(?i)é", "É"), ElementsAre("É"));
}

TEST(TokenizerPattern, StringsMatchThemselvesAlone) {
  const std::string text = "a.b*c[d](e){f}^$|\\?+#&-é ";
  EXPECT_THAT(matches(json_tokenizer::quoted_pattern(text), "x" + text + "y"), ElementsAre(text));
}

TEST(TokenizerPattern, FarRepetitionsAreFoundWithoutACompiledPattern) {
  std::string far;
  while (far.size() < 60'000) far += "ab";
  EXPECT_THAT(matches("(a|b|ab)*c", far + "c"), ElementsAre(far + "c"));
}

}  // namespace
}  // namespace lookback::tests
