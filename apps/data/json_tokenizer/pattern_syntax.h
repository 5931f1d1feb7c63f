// From the regular expressions that tokenizer.json files hold to PCRE2's.
#pragma once

#include <string>
#include <string_view>

namespace lookback::json_tokenizer {

// `pattern` is written for Oniguruma, whose Ruby syntax is nearly Perl's. What differs:
//   \s \S              Unicode's white space
//   \w \W \b \B        alphabetic characters, marks, decimal digits, connectors such as _
//   \h \H \v \uHHHH     hexadecimal digits, the one vertical tab, a code point
//   \p{Han}             characters of the script, not those that other scripts use too
//   a{1,3}+             repeated repetition, not a possessive one
//   (?m)                . matches a line break; ^ and $ are at every line without it
// These are rewritten. Throws Error `where: what` for what would be read differently and is rare:
// [a&&b], [a[b]], [[:alpha:]], (?i) after the beginning, (*VERB), \X, \R and other rare escapes,
// {,n}, {n}?. One difference remains: (?i:ss) matches no ß, as two letters for one never match
// here.
std::string in_pcre2_syntax(std::string_view pattern, std::string_view where);

// A pattern that matches `text` and nothing else.
std::string quoted_pattern(std::string_view text);

}  // namespace lookback::json_tokenizer
