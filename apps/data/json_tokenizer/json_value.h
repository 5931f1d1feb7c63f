// A value of a JSON file and where it stands, read by type: what is wrong is said with file and
// key.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace lookback::json_tokenizer {

// What errors begin with: [tokenizer].
inline constexpr std::string_view operation = "tokenizer";

// A text from outside as an error shows it: in quotes, printable, and no longer than helps.
std::string shown(std::string_view text);

class JsonValue {
 public:
  // Both must outlive this value and its members.
  JsonValue(const nlohmann::json& whole, const std::string& name);

  // A member of an object; none where it is absent or null.
  std::optional<JsonValue> find(std::string_view key) const;
  // The same, where it must be there; `rule` says what it would be.
  JsonValue member(std::string_view key, std::string_view rule) const;
  // How many elements the list has, and one of them.
  std::size_t list_size(std::string_view rule) const;
  JsonValue element(std::size_t index) const;

  const std::string& text() const;
  bool truth() const;
  // A token's number: 0 to 2^31 - 1.
  std::int64_t token_id() const;
  // The member `type`, which must be one of the words that can be read.
  std::string_view type(std::initializer_list<std::string_view> readable) const;
  const nlohmann::json& json() const { return *value_; }
  const std::string& file() const { return *name_; }
  // "tokenizer.json: model.vocab"
  std::string where() const;

  // Throws Error: "tokenizer.json: model.type is "Unigram": RULE".
  template <class... Values>
  [[noreturn]] void refuse(fmt::format_string<Values...> rule, const Values&... values) const {
    refuse_with(fmt::vformat(rule, fmt::make_format_args(values...)));
  }

 private:
  JsonValue(const nlohmann::json& inner, const std::string* name, std::string inner_path);
  [[noreturn]] void refuse_with(const std::string& rule) const;

  const nlohmann::json* value_;
  const std::string* name_;
  std::string path_;
};

}  // namespace lookback::json_tokenizer
