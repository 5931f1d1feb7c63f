// A regular expression that splits text, as tokenizer.json files write it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

extern "C" {
struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;
struct pcre2_real_jit_stack_8;
}

namespace lookback::byte_pair {

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

  struct Range {
    std::size_t begin, end;
  };
  // The first match in `text`, which is valid UTF-8, that begins at `from` or later. Throws Error
  // where the search is given up.
  bool find(std::string_view text, std::size_t from, MatchMemory& memory, Range& found) const;

 private:
  std::shared_ptr<const pcre2_real_code_8> code_;
  std::string place_;
};

}  // namespace lookback::byte_pair
