#include "runtime/json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/other_content.h"

namespace lookback {
namespace {

using nlohmann::json;

// The library writes and copies values recursively.
constexpr std::size_t deepest = 100;

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

// A pointer of Git LFS, a page of a server: called what it is, whatever file it stands for.
void refuse_other_content(std::string_view text, std::string_view operation,
                          std::string_view source) {
  const auto other = other_content(text);
  if (!other.empty()) fail(operation, "{}: {}", source, other);
}

// What the library lets pass. It looks at the text apart from the library's own reading: a callback
// of json::parse costs time in the square of an object's members.
class StrictReading final : public nlohmann::json_sax<json> {
 public:
  StrictReading(std::string_view json_text, std::string_view what, std::string_view where)
      : text_(json_text), operation_(what), source_(where) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }

  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    if (!names_.back().insert(name).second) {
      fail(operation_, "{}: the name {} stands twice in one object", source_, in_quotes(name));
    }
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const json::exception& error) override {
    refuse_other_content(text_, operation_, source_);
    fail(operation_, "{}: {}", source_, reason_of(error));
  }

 private:
  bool open() {
    names_.emplace_back();
    if (names_.size() > deepest) {
      fail(operation_, "{}: more than {} objects or lists inside each other", source_, deepest);
    }
    return true;
  }
  bool close() {
    names_.pop_back();
    return true;
  }

  std::string_view text_, operation_, source_;
  std::vector<std::set<std::string>> names_;  // of the objects and lists that are open
};

}  // namespace

json parse_json(std::string_view text, std::string_view operation, std::string_view source) {
  // The library takes a NUL byte for the end of the text.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    refuse_other_content(text, operation, source);
    fail(operation, "{}: byte {} is NUL: JSON holds none", source, nul);
  }
  StrictReading strict(text, operation, source);
  json::sax_parse(text, &strict);
  return json::parse(text);
}

std::string in_quotes(std::string_view text) {
  return json(text).dump(-1, ' ', true, json::error_handler_t::replace);
}

}  // namespace lookback
