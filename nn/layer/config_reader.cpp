#include "nn/layer/config_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/json.h"
#include "runtime/nearest_name.h"

namespace lookback {

ConfigReader::ConfigReader(const nlohmann::json& object, std::string_view file, std::string path)
    : object_(object), where_(file), prefix_(std::move(path)) {}

std::string ConfigReader::described(const nlohmann::json& value) {
  const auto text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return value.is_null() ? text : fmt::format("{} ({})", text, value.type_name());
}

const nlohmann::json* ConfigReader::find(std::string_view key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void ConfigReader::read(std::string_view key, std::int64_t& target, Least least) const {
  const auto found = object_.find(key);
  if (found == object_.end()) return;
  const auto smallest = least == Least::zero ? 0 : 1;
  // What does not fit into 64 bits is read as a floating-point number.
  const bool fits = found->is_number_integer() && *found >= smallest && *found <= largest_size;
  check(fits, key, "must be an integer from {} to {}", smallest, largest_size);
  target = found->get<std::int64_t>();
}

void ConfigReader::read(std::string_view key, double& target, Least least) const {
  const auto found = object_.find(key);
  if (found == object_.end()) return;
  const bool fits = found->is_number() && (*found > 0 || (least == Least::zero && *found == 0));
  check(fits, key, "must be a number {}", least == Least::zero ? "of at least 0" : "above 0");
  target = found->get<double>();
}

void ConfigReader::read(std::string_view key, bool& target) const {
  const auto found = object_.find(key);
  if (found == object_.end()) return;
  check(found->is_boolean(), key, "must be true or false");
  target = found->get<bool>();
}

void ConfigReader::require(std::string_view key, const nlohmann::json& value) const {
  const auto found = object_.find(key);
  check(found == object_.end() || *found == value, key, "must be {}: nothing else works here",
        value.dump());
}

std::size_t ConfigReader::read_word(std::string_view key,
                                    const std::vector<std::string>& allowed) const {
  const auto& value = object_.at(std::string(key));
  const auto found =
      value.is_string() ? std::ranges::find(allowed, value.get<std::string>()) : allowed.end();
  check(found != allowed.end(), key, "must be one of {}", fmt::join(allowed, ", "));
  return static_cast<std::size_t>(found - allowed.begin());
}

void ConfigReader::need(const std::vector<std::string_view>& keys) const {
  for (const auto key : keys) {
    if (find(key) != nullptr) continue;
    const auto holder =
        std::string_view(prefix_).substr(0, prefix_.empty() ? 0 : prefix_.size() - 1);
    fail(operation, "{}: {} has no {}", where_, holder, key);
  }
}

ConfigReader ConfigReader::object_at(std::string_view key) const {
  const auto& value = object_.at(std::string(key));
  check(value.is_object(), key, "must be an object");
  return {value, where_, fmt::format("{}{}.", prefix_, key)};
}

std::string ConfigReader::text(std::string_view key) const {
  const auto& value = object_.at(std::string(key));
  check(value.is_string(), key, "must be a string");
  return value.get<std::string>();
}

void ConfigReader::refuse_unknown(const std::vector<std::string_view>& known,
                                  const std::function<bool(std::string_view)>& ignored) const {
  for (const auto& [key, value] : object_.items()) {
    if (std::ranges::find(known, key) != known.end() || ignored(key)) continue;
    const auto meant = name_meant(key, known);
    fail(operation, "{}: unknown key {}{}: {} {}", where_, prefix_, in_quotes(key),
         meant.empty() ? "known are" : "the nearest is",
         meant.empty() ? fmt::format("{}", fmt::join(known, ", ")) : meant);
  }
}

void ConfigReader::refuse(std::string_view key, std::string_view rule) const {
  fail(operation, "{}: {}{} is {}: {}", where_, prefix_, key,
       described(object_.at(std::string(key))), rule);
}

}  // namespace lookback
