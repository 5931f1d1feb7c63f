// How comments stand.
#include <algorithm>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/house/source_tree.h"

namespace lookback::tests {
namespace {

using std::string;
using std::string_view;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The formatter leaves comments alone (.clang-format), so that a formula stays as it was written.
// In return comments keep to 100 columns, a shape or an index such as [B, T, D] is never cut by the
// end of a line, and a formula on a line of its own (three spaces or more behind //) is not filled
// like prose: it ends outside of parentheses, and the next line does not begin with its rest.
std::vector<string> broken_formulas(const SourceFile& file) {
  static const std::regex comment(R"(\s*//( *)(.*))");
  static const std::regex interval(R"(\[[^\[\]]*\))");  // [first, last)
  static const std::regex left_side(R"((\w+(: +|  +))?\w+(\[[^\]]*\]|\([^)]*\))? +.?= .*)");
  constexpr std::size_t columns = 100;
  std::vector<string> found;
  if (!file.is_code()) return found;
  const auto open = [](const string& text, char begin, char end) {
    return std::ranges::count(text, begin) > std::ranges::count(text, end);
  };
  const auto lines = lines_of(file.text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::smatch line, next;
    if (!std::regex_match(lines[i], line, comment)) continue;
    const auto report = [&](const string& what) {
      found.push_back("line " + std::to_string(i + 1) + " " + what);
    };
    const auto is_character = [](char c) { return (c & 0xC0) != 0x80; };  // UTF-8's first bytes
    if (std::ranges::count_if(lines[i], is_character) > static_cast<std::ptrdiff_t>(columns))
      report("is longer than 100 columns");
    const auto text = line.str(2);
    if (open(std::regex_replace(text, interval, ""), '[', ']')) report("ends within brackets");
    if (line.length(1) < 3 || text.find(" = ") == string::npos) continue;
    if (open(text, '(', ')')) report("ends within parentheses");
    if (i + 1 == lines.size() || !std::regex_match(lines[i + 1], next, comment)) continue;
    const auto follows = next.str(2);
    const auto first_word = follows.substr(0, follows.find(' '));
    const bool filled = lines[i].size() + 1 + first_word.size() > columns;
    if (filled && next.str(1) == line.str(1) &&
        string_view(",;.").find(text.back()) == string::npos &&
        !std::regex_match(follows, left_side))
      report("goes on in the next line");
  }
  return found;
}

TEST(House, FormulasStayWhole) {
  EXPECT_THAT(broken(broken_formulas), IsEmpty());
  const auto format = std::ranges::find(source_tree(), ".clang-format", &SourceFile::name);
  ASSERT_NE(format, source_tree().end());
  EXPECT_NE(format->text.find("ReflowComments: false"), string::npos);

  const auto found = [](const string& text) { return broken_formulas({"nn/a.h", text}); };
  EXPECT_THAT(found("//   y = ln sum_s exp(x[s])\n//   z = y\n// over [0, 3) and\n// [B, T]."),
              IsEmpty());
  EXPECT_THAT(found("// scales [P] and log-sum-exps [B,\n// T]"),
              ElementsAre("line 1 ends within brackets"));
  EXPECT_THAT(found("//   r = 1 / sqrt(mean x^2 +\n//   epsilon)"),
              ElementsAre("line 1 ends within parentheses"));
  const string long_line =
      "//   s[t] = ln sum_s e^x[s]" + string(50, ' ') + "over the keys shown to";
  EXPECT_THAT(found(long_line + "\n//   t y[t] = sum_s e^x[s] v[s]"),
              ElementsAre("line 1 goes on in the next line"));
  EXPECT_THAT(found(long_line + "\n//   y[t] = sum_s e^x[s] v[s]"), IsEmpty());
  EXPECT_THAT(found("  // " + string(96, 'x')), ElementsAre("line 1 is longer than 100 columns"));
}

}  // namespace
}  // namespace lookback::tests
