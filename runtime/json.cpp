#include "runtime/json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "runtime/check.h"

namespace lookback {
namespace {

using nlohmann::json;

// The library writes and copies values recursively.
constexpr int deepest = 100;

// The library's text without its tag, "[json.exception.parse_error.101] ", in plain characters: it
// quotes what it read last, which may be no UTF-8.
std::string reason_of(const json::exception& error) {
  std::string_view text = error.what();
  if (const auto end = text.find("] "); end != std::string_view::npos) text.remove_prefix(end + 2);
  std::string plain(text);
  for (char& c : plain) {
    if (c < ' ' || c > '~') c = '?';
  }
  return plain;
}

}  // namespace

json parse_json(std::string_view text, std::string_view operation, std::string_view source) {
  // The library takes a NUL byte for the end of the text.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    fail(operation, "{}: byte {} is NUL: JSON holds none", source, nul);
  }
  std::vector<std::set<std::string>> names;  // of the objects that are open
  const auto examine = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > deepest)
      fail(operation, "{}: more than {} objects or lists inside each other", source, deepest);
    if (event == json::parse_event_t::object_start) {
      names.emplace_back();
    } else if (event == json::parse_event_t::object_end) {
      names.pop_back();
    } else if (event == json::parse_event_t::key) {
      const auto& name = parsed.get_ref<const std::string&>();
      if (!names.back().insert(name).second) {
        fail(operation, "{}: the name {} stands twice in one object", source, in_quotes(name));
      }
    }
    return true;
  };
  try {
    return json::parse(text, examine);
  } catch (const json::exception& error) {
    fail(operation, "{}: {}", source, reason_of(error));
  }
}

std::string in_quotes(std::string_view text) {
  return json(text).dump(-1, ' ', true, json::error_handler_t::replace);
}

}  // namespace lookback
