// From the regular expressions that tokenizer.json files hold to PCRE2's.
#pragma once

#include <string>
#include <string_view>

namespace lookback::byte_pair {

// `pattern` is written for Oniguruma, whose Ruby syntax is nearly Perl's. What differs:
//   \s \S \w \W \b \B   Unicode's white space; letters, marks, decimal digits, connectors
//   \h \H \v \uHHHH     hexadecimal digits, the one vertical tab, a code point
//   \p{Han}             characters of the script, not those that other scripts use too
//   a{1,3}+             repeated repetition, not a possessive one
// These are rewritten. Throws Error `where: what` for what would be read differently and is rare:
// [a&&b], [a[b]], (?m), (?i) after the beginning, (*VERB), \Q, \C, \N, \o, \R, {,n}, {n}?.
std::string in_pcre2_syntax(std::string_view pattern, std::string_view where);

// A pattern that matches `text` and nothing else.
std::string quoted_pattern(std::string_view text);

}  // namespace lookback::byte_pair
