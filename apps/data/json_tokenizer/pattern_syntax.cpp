#include "apps/data/json_tokenizer/pattern_syntax.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <cstddef>
#include <string_view>
#include <vector>

#include "apps/data/json_tokenizer/json_value.h"
#include "runtime/check.h"

namespace lookback::json_tokenizer {
namespace {

constexpr std::string_view digits = "0123456789", hexadecimal = "0123456789abcdefABCDEF";
// Members of a class.
constexpr std::string_view white_space =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view no_white_space =
    R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff})"
    R"(\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
// Alphabetic characters, among them letters in circles; outside a class also six numbers of
// Latin-1.
constexpr std::string_view word_in_class =
    R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24b6}-\x{24e9})"
    R"(\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";
const std::string word = std::string(word_in_class) + R"(\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";
constexpr std::string_view hexadecimal_digits = "0-9a-fA-F";

bool compiles(const std::string& pattern) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                             PCRE2_UTF, &error, &offset, nullptr);
  pcre2_code_free(code);
  return code != nullptr;
}

class Translation {
 public:
  Translation(std::string_view written, std::string_view file_and_key)
      : pattern_(written), where_(file_and_key) {}

  std::string whole() {
    while (next_ < pattern_.size()) {
      if (in_class_) {
        class_member();
      } else {
        item();
      }
    }
    return out_;
  }

 private:
  std::string_view rest() const { return pattern_.substr(next_); }
  bool follows(std::string_view text) const { return rest().starts_with(text); }

  [[noreturn]] void refuse(std::string_view what) const {
    fail(operation, "{} is {}: {} near {} cannot be read in this regular expression", where_,
         shown(pattern_), what, shown(rest().substr(0, 20)));
  }

  void copy(std::size_t count) {
    out_ += rest().substr(0, count);
    next_ += count;
  }
  // What quantifiers apply to begins here.
  void begin_atom() { atom_ = out_.size(); }
  void put(std::size_t read, std::string_view written) {
    next_ += read;
    out_ += written;
  }
  void put_class(std::size_t read, std::string_view begin, std::string_view members) {
    put(read, begin);
    out_ += members;
    out_ += ']';
  }

  void item() {
    const char c = pattern_[next_];
    const bool continues = (static_cast<unsigned char>(c) & 0xc0) == 0x80;
    if (c == '{') return interval();
    if (c == ')') {
      if (!groups_.empty()) {
        atom_ = groups_.back();
        groups_.pop_back();
      }
      return copy(1);
    }
    if (std::string_view("*+?").find(c) != std::string_view::npos) return copy(1);
    if (!continues) begin_atom();
    if (c == '\\') return escape();
    if (c == '(') return group();
    if (c != '[') return copy(1);
    copy(follows("[^") ? 2 : 1);
    if (follows("]")) refuse("a class that begins with ]");
    in_class_ = true;
  }

  void class_member() {
    if (follows("]")) {
      in_class_ = false;
    } else if (follows("[")) {
      refuse("a class inside a class");
    } else if (follows("&&")) {
      refuse("what classes have in common (&&)");
    } else if (follows("\\")) {
      return class_escape();
    }
    copy(1);
  }

  void escape() {
    switch (next_ + 1 < pattern_.size() ? pattern_[next_ + 1] : '\0') {
      case 's': return put_class(2, "[", white_space);
      case 'S': return put_class(2, "[^", white_space);
      case 'w': return put_class(2, "[", word);
      case 'W': return put_class(2, "[^", word);
      case 'h': return put_class(2, "[", hexadecimal_digits);
      case 'H': return put_class(2, "[^", hexadecimal_digits);
      case 'b': return put(2, fmt::format("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))", word));
      case 'B': return put(2, fmt::format("(?:(?<=[{0}])(?=[{0}])|(?<![{0}])(?![{0}]))", word));
      default: return plain_escape();
    }
  }

  void class_escape() {
    switch (next_ + 1 < pattern_.size() ? pattern_[next_ + 1] : '\0') {
      case 's': return put(2, white_space);
      case 'S': return put(2, no_white_space);
      case 'w': return put(2, word_in_class);
      case 'h': return put(2, hexadecimal_digits);
      case 'W':
      case 'H': refuse("the opposite of a kind, inside a class,");
      default: return plain_escape();
    }
  }

  // What is the same inside and outside a class.
  void plain_escape() {
    const auto escaped = next_ + 1 < pattern_.size() ? pattern_[next_ + 1] : '\0';
    if (escaped == 'v') return put(2, "\\x{b}");
    if (escaped == 'p' || escaped == 'P') return property();
    if (escaped == 'u') {
      const auto code = rest().substr(2, 4);
      if (code.size() != 4 || code.find_first_not_of(hexadecimal) != std::string_view::npos)
        refuse("\\u without four digits");
      return put(6, fmt::format("\\x{{{}}}", code));
    }
    if (std::string_view("QECNOoRyYXcM").find(escaped) != std::string_view::npos)
      refuse("an escape that is rare");
    copy(std::min<std::size_t>(2, rest().size()));
  }

  // \p{Han}: PCRE2 takes in what other scripts use too, unless it is asked for sc:Han.
  void property() {
    const auto end = rest().find('}');
    if (!rest().substr(2).starts_with('{') || end == std::string_view::npos) return copy(2);
    auto name = rest().substr(3, end - 3);
    const bool opposite = name.starts_with('^');
    if (opposite) name.remove_prefix(1);
    const auto script = fmt::format("{{{}sc:{}}}", opposite ? "^" : "", name);
    if (name.size() <= 2 || !compiles("\\p" + script)) return copy(end + 1);
    put(end + 1, fmt::format("\\{}{}", pattern_[next_ + 1], script));
  }

  void group() {
    groups_.push_back(out_.size());
    if (follows("(*")) refuse("a verb");
    if (!follows("(?")) return copy(1);
    const auto end = pattern_.find_first_not_of("imx-", next_ + 2);
    if (end == std::string_view::npos) return copy(2);
    if (end == next_ + 2) {
      if (std::string_view(":=!><#").find(pattern_[end]) == std::string_view::npos)
        refuse("a group that is rare");
      return copy(pattern_[end] == '#' ? rest().find(')') : 3);
    }
    if (pattern_[end] == ')' && next_ > 0) refuse("an option after the beginning");
    for (copy(2); next_ < end; ++next_) out_ += pattern_[next_] == 'm' ? 's' : pattern_[next_];
  }

  // {2}, {2,}, {2,4}; any other brace stands for itself.
  void interval() {
    auto end = pattern_.find_first_not_of(digits, next_ + 1);
    const bool has_least = end != next_ + 1, exact = end < pattern_.size() && pattern_[end] == '}';
    if (end < pattern_.size() && pattern_[end] == ',')
      end = pattern_.find_first_not_of(digits, end + 1);
    if (end >= pattern_.size() || pattern_[end] != '}' || end == next_ + 1) {
      begin_atom();
      return copy(1);
    }
    if (!has_least) refuse("a repetition without its least number");
    copy(end + 1 - next_);
    if (exact && follows("?")) refuse("{n}?");
    if (!follows("+")) return;
    out_.insert(atom_, "(?:");
    out_ += ')';
  }

  std::string_view pattern_, where_;
  std::size_t next_ = 0;  // to be read
  std::string out_;
  bool in_class_ = false;
  std::size_t atom_ = 0;             // in `out`
  std::vector<std::size_t> groups_;  // that are open: where they begin in `out`
};

}  // namespace

std::string in_pcre2_syntax(std::string_view pattern, std::string_view where) {
  return Translation(pattern, where).whole();
}

std::string quoted_pattern(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (std::string_view(R"(\^$.[]|()?*+{}-#&~ )").find(c) != std::string_view::npos)
      pattern += '\\';
    pattern += c;
  }
  return pattern;
}

}  // namespace lookback::json_tokenizer
