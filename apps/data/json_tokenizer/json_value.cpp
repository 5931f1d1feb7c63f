#include "apps/data/json_tokenizer/json_value.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/check.h"
#include "runtime/json.h"

namespace lookback::json_tokenizer {
namespace {

// A value in an error, cut short: it may be a whole vocabulary.
std::string described(const nlohmann::json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return fmt::format("a list of {}", value.size());
  return value.is_string() ? shown(value.get_ref<const std::string&>()) : value.dump();
}

// A member of `path`: .key, or ["a key"] for what is no name.
std::string member_of(const std::string& path, std::string_view key) {
  const auto in_name = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  if (!std::ranges::all_of(key, in_name)) return fmt::format("{}[{}]", path, shown(key));
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

}  // namespace

std::string shown(std::string_view text) {
  constexpr std::size_t longest = 200;
  return text.size() <= longest ? in_quotes(text) : in_quotes(text.substr(0, longest)) + "...";
}

JsonValue::JsonValue(const nlohmann::json& whole, const std::string& name)
    : value_(&whole), name_(&name) {}

JsonValue::JsonValue(const nlohmann::json& inner, const std::string* name, std::string inner_path)
    : value_(&inner), name_(name), path_(std::move(inner_path)) {}

std::string JsonValue::where() const {
  return path_.empty() ? *name_ : fmt::format("{}: {}", *name_, path_);
}

void JsonValue::refuse_with(const std::string& rule) const {
  fail(operation, "{} is {}: {}", where(), described(*value_), rule);
}

std::optional<JsonValue> JsonValue::find(std::string_view key) const {
  if (!value_->is_object()) refuse("must be an object, {{...}}");
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return JsonValue(*found, name_, member_of(path_, key));
}

JsonValue JsonValue::member(std::string_view key, std::string_view rule) const {
  auto found = find(key);
  if (!found) fail(operation, "{} has no {}: {}", where(), shown(key), rule);
  return *std::move(found);
}

std::size_t JsonValue::list_size(std::string_view rule) const {
  if (!value_->is_array()) refuse("must be a list: {}", rule);
  return value_->size();
}

JsonValue JsonValue::element(std::size_t index) const {
  return {value_->at(index), name_, fmt::format("{}[{}]", path_, index)};
}

const std::string& JsonValue::text() const {
  if (!value_->is_string()) refuse("must be a string");
  return value_->get_ref<const std::string&>();
}

bool JsonValue::truth() const {
  if (!value_->is_boolean()) refuse("must be true or false");
  return value_->get<bool>();
}

std::int64_t JsonValue::token_id() const {
  constexpr std::int64_t largest = std::numeric_limits<std::int32_t>::max();
  if (!value_->is_number_integer() || *value_ < 0 || *value_ > largest) {
    refuse("must be a token's number, 0 to {}", largest);
  }
  return value_->get<std::int64_t>();
}

std::string_view JsonValue::type(std::initializer_list<std::string_view> readable) const {
  const auto rule = fmt::format("{} can be read", fmt::join(readable, ", "));
  const auto found = member("type", rule);
  if (std::ranges::find(readable, found.text()) == readable.end()) found.refuse("{}", rule);
  return found.text();
}

}  // namespace lookback::json_tokenizer
