#include "apps/data/json_tokenizer/pattern_shape.h"

#include <algorithm>
#include <string>

#include "apps/data/json_tokenizer/characters.h"
#include "apps/data/json_tokenizer/pattern.h"
#include "runtime/check.h"

namespace lookback::json_tokenizer {
namespace {

constexpr int most_groups = 16;  // inside each other

// Of what a part of the pattern matches. More may be said to be possible than is.
struct Shape {
  bool may_be_empty = false;
  bool begins_with_behind = false, ends_with_letter = false;
};

// Reads a pattern part by part. What it does not know makes all of it unknown.
class ShapeReader {
 public:
  ShapeReader(std::string_view written, const Seam& seam) : pattern_(written), seam_(seam) {}

  std::optional<PatternShape> whole() {
    const auto shape = alternatives();
    if (!is_known_ || next_ < pattern_.size()) return std::nullopt;
    return PatternShape{.may_be_empty = shape.may_be_empty,
                        .matches_letters = matches_letters_,
                        .may_begin_behind = shape.begins_with_behind};
  }

 private:
  std::string_view rest() const { return pattern_.substr(next_); }
  bool follows(char c) const { return next_ < pattern_.size() && pattern_[next_] == c; }
  bool skip(std::string_view text) {
    if (!rest().starts_with(text)) return false;
    next_ += text.size();
    return true;
  }
  Shape unknown() {
    is_known_ = false;
    return {};
  }

  Shape alternatives() {
    auto any = sequence();
    while (is_known_ && skip("|")) {
      const auto other = sequence();
      any.may_be_empty |= other.may_be_empty;
      any.begins_with_behind |= other.begins_with_behind;
      any.ends_with_letter |= other.ends_with_letter;
    }
    return any;
  }

  Shape sequence() {
    Shape all{.may_be_empty = true};
    while (is_known_ && next_ < pattern_.size() && !follows('|') && !follows(')')) {
      const auto part = item();
      all = joined(all, repeated(part));
    }
    return all;
  }

  Shape joined(const Shape& first, const Shape& second) {
    if (first.ends_with_letter && second.begins_with_behind) return unknown();
    return {.may_be_empty = first.may_be_empty && second.may_be_empty,
            .begins_with_behind =
                first.begins_with_behind || (first.may_be_empty && second.begins_with_behind),
            .ends_with_letter =
                second.ends_with_letter || (second.may_be_empty && first.ends_with_letter)};
  }

  // With the quantifiers behind it. A second one makes the first lazy or possessive, which finds
  // other matches of the same that are possible here.
  Shape repeated(Shape shape) {
    while (is_known_) {
      if (skip("?")) {
        shape.may_be_empty = true;
      } else if (skip("*")) {
        shape = joined(shape, shape);
        shape.may_be_empty = true;
      } else if (skip("+")) {
        shape = joined(shape, shape);
      } else if (follows('{')) {
        shape = interval(shape);
      } else {
        break;
      }
    }
    return shape;
  }

  // {2}, {2,}, {2,4}
  Shape interval(const Shape& shape) {
    constexpr std::string_view digits = "0123456789";
    const auto comma = std::min(pattern_.find_first_not_of(digits, next_ + 1), pattern_.size());
    const auto least = pattern_.substr(next_ + 1, comma - next_ - 1);
    next_ = comma;
    if (skip(",")) next_ = std::min(pattern_.find_first_not_of(digits, next_), pattern_.size());
    if (least.empty() || !skip("}")) return unknown();
    auto all = joined(shape, shape);
    all.may_be_empty |= least.find_first_not_of('0') == std::string_view::npos;
    return all;
  }

  Shape item() {
    const char c = pattern_[next_];
    if (std::string_view("*+?{^$").find(c) != std::string_view::npos) return unknown();
    if (c == '(') return group();
    const auto size = c == '[' ? class_size() : c == '\\' ? escape_size() : character_size();
    if (size == 0) return unknown();
    const auto atom = rest().substr(0, size);
    next_ += size;
    return character(atom);
  }

  Shape group() {
    // No letter before the seam is followed by anything but white space or the end.
    if (skip(R"((?!\S))"))
      return is_white_space(first_character(seam_.behind).code) ? Shape{.may_be_empty = true}
                                                                : unknown();
    const bool was_ignoring = ignores_case_;
    if (skip("(?i:")) {
      ignores_case_ = true;
    } else if (!skip("(?:") &&
               (rest().starts_with("(?") || rest().starts_with("(*") || !skip("("))) {
      return unknown();
    }
    if (++groups_ > most_groups) return unknown();
    const auto shape = alternatives();
    --groups_;
    ignores_case_ = was_ignoring;
    return skip(")") ? shape : unknown();
  }

  std::size_t character_size() const { return first_character(rest()).bytes; }

  // [..], which the pattern was read with before: it has no class inside.
  std::size_t class_size() const {
    for (std::size_t at = 1; at < rest().size(); ++at) {
      if (rest()[at] == '\\') {
        ++at;
      } else if (rest()[at] == ']') {
        return at + 1;
      }
    }
    return 0;
  }

  // Of an escape that stands for one character.
  std::size_t escape_size() const {
    constexpr std::string_view one = R"(sSdDwWhHrntfv\^$.[]|()?*+{}-#&~ /'",:;<=>@_!%`)";
    const auto c = rest().size() > 1 ? rest()[1] : '\0';
    if (one.find(c) != std::string_view::npos) return 2;
    const auto end = rest().find('}');
    const bool is_property = (c == 'p' || c == 'P') && rest().substr(2).starts_with('{');
    return is_property && end != std::string_view::npos ? end + 1 : 0;
  }

  // What matches one character: it is asked.
  Shape character(std::string_view atom) {
    const Pattern pattern(ignores_case_ ? "(?i:" + std::string(atom) + ")" : std::string(atom), {});
    Pattern::Range found{0, 0};
    const bool letter = pattern.find(seam_letters(), 0, memory_, found);
    matches_letters_ |= letter;
    return {.begins_with_behind = pattern.find(seam_.behind, 0, memory_, found),
            .ends_with_letter = letter};
  }

  std::string_view pattern_;
  const Seam& seam_;
  MatchMemory memory_;
  std::size_t next_ = 0;
  bool is_known_ = true, matches_letters_ = false, ignores_case_ = false;
  int groups_ = 0;
};

}  // namespace

std::optional<PatternShape> shape_at(std::string_view written, const Seam& seam) {
  try {
    return ShapeReader(written, seam).whole();
  } catch (const Error&) {  // part of the pattern is none by itself
    return std::nullopt;
  }
}

}  // namespace lookback::json_tokenizer
