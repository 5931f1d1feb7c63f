// A regular expression that splits text, as tokenizer.json files write it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "apps/data/json_tokenizer/characters.h"
#include "apps/data/json_tokenizer/json_value.h"

extern "C" {
struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;
struct pcre2_real_jit_stack_8;
}

namespace lookback::json_tokenizer {

// What one thread needs to match: made once for many matches.
class MatchMemory {
 public:
  MatchMemory();

 private:
  friend class Pattern;
  std::unique_ptr<pcre2_real_jit_stack_8, void (*)(pcre2_real_jit_stack_8*)> stack_;
  std::unique_ptr<pcre2_real_match_context_8, void (*)(pcre2_real_match_context_8*)> context_;
  std::unique_ptr<pcre2_real_match_data_8, void (*)(pcre2_real_match_data_8*)> data_;
};

class Pattern {
 public:
  // `written` in Oniguruma's syntax (pattern_syntax.h). Throws Error `where: what` if it is no
  // regular expression. `where`, the file and the key, is kept for errors of matching.
  Pattern(std::string_view written, std::string where);

  // As it was written.
  const std::string& written() const { return written_; }

  // The key "pattern" of a step: {"Regex": ".."} or {"String": ".."}.
  static Pattern read(const JsonValue& step);

  struct Range {
    std::size_t begin, end;
  };
  // The first match in `text`, which is valid UTF-8, that begins at `from` or later. Throws Error
  // where the search is given up.
  bool find(std::string_view text, std::size_t from, MatchMemory& memory, Range& found) const;
  // Calls found(begin, end) for each match from the left. No empty match stands directly behind
  // another match.
  template <class Found>
  void find_all(std::string_view text, MatchMemory& memory, const Found& found) const {
    Range match{0, 0};
    std::size_t done = 0, from = 0;
    bool matched = false;  // before, up to `done`
    while (from <= text.size() && find(text, from, memory, match)) {
      if (matched && match.begin == match.end && match.end == done) {
        from += from < text.size() ? first_character(text.substr(from)).bytes : 1;
        continue;
      }
      found(match.begin, match.end);
      done = from = match.end;
      matched = true;
    }
  }

 private:
  std::shared_ptr<const pcre2_real_code_8> code_;
  std::string place_, written_;
};

}  // namespace lookback::json_tokenizer
