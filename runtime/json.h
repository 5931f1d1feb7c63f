// JSON text from outside, read strictly.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace lookback {

// The value of a whole JSON text. Throws Error `[operation] source: what, line and column` for text
// that is not JSON (RFC 8259, so UTF-8, and no NUL bytes; what it is instead where that is known,
// other_content.h), for an object that holds one name twice, of which a lenient reader would
// silently keep one, and for more than 100 levels.
nlohmann::json parse_json(std::string_view text, std::string_view operation,
                          std::string_view source);

// A name from outside as it stands in a one-line error: in quotes, everything unprintable escaped.
std::string in_quotes(std::string_view text);

}  // namespace lookback
