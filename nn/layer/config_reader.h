// The keys of one JSON object of a config.json, read by name and type.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/check.h"
#include "runtime/json.h"
#include "runtime/nearest_name.h"

namespace lookback {

class ConfigReader {
 public:
  static constexpr std::string_view operation = "config";
  // Products of two sizes then fit into 64 bits.
  static constexpr std::int64_t largest_size = std::numeric_limits<std::int32_t>::max();

  // `path` of the object inside the file: "" or "rope_scaling."
  ConfigReader(const nlohmann::json& object, std::string_view file, std::string path)
      : object_(object), where_(file), prefix_(std::move(path)) {}

  static std::string described(const nlohmann::json& value) {
    const auto text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    return value.is_null() ? text : fmt::format("{} ({})", text, value.type_name());
  }

  const nlohmann::json* find(std::string_view key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  // The smallest number that a key may hold.
  enum class Least { zero, above_zero };
  void read(std::string_view key, std::int64_t& target, Least least = Least::above_zero) const {
    const auto found = object_.find(key);
    if (found == object_.end()) return;
    const auto smallest = least == Least::zero ? 0 : 1;
    // What does not fit into 64 bits is read as a floating-point number.
    const bool fits = found->is_number_integer() && *found >= smallest && *found <= largest_size;
    check(fits, key, "must be an integer from {} to {}", smallest, largest_size);
    target = found->get<std::int64_t>();
  }
  void read(std::string_view key, double& target, Least least) const {
    const auto found = object_.find(key);
    if (found == object_.end()) return;
    const bool fits = found->is_number() && (*found > 0 || (least == Least::zero && *found == 0));
    check(fits, key, "must be a number {}", least == Least::zero ? "of at least 0" : "above 0");
    target = found->get<double>();
  }

  void read(std::string_view key, bool& target) const {
    const auto found = object_.find(key);
    if (found == object_.end()) return;
    check(found->is_boolean(), key, "must be true or false");
    target = found->get<bool>();
  }

  void require(std::string_view key, const nlohmann::json& value) const {
    const auto found = object_.find(key);
    check(found == object_.end() || *found == value, key, "must be {}: nothing else works here",
          value.dump());
  }

  // Which of the allowed words the key holds, as its place among them.
  std::size_t read_word(std::string_view key, const std::vector<std::string>& allowed) const {
    const auto& value = object_.at(std::string(key));
    const auto found =
        value.is_string() ? std::ranges::find(allowed, value.get<std::string>()) : allowed.end();
    check(found != allowed.end(), key, "must be one of {}", fmt::join(allowed, ", "));
    return static_cast<std::size_t>(found - allowed.begin());
  }

  // Throws where one of the keys is missing.
  void need(const std::vector<std::string_view>& keys) const {
    for (const auto key : keys) {
      if (find(key) != nullptr) continue;
      const auto holder =
          std::string_view(prefix_).substr(0, prefix_.empty() ? 0 : prefix_.size() - 1);
      fail(operation, "{}: {} has no {}", where_, holder, key);
    }
  }

  // The object that a key holds.
  ConfigReader object_at(std::string_view key) const {
    const auto& value = object_.at(std::string(key));
    check(value.is_object(), key, "must be an object");
    return {value, where_, fmt::format("{}{}.", prefix_, key)};
  }

  std::string text(std::string_view key) const {
    check(object_.at(std::string(key)).is_string(), key, "must be a string");
    return object_.at(std::string(key)).get<std::string>();
  }

  template <class... Values>
  void check(bool holds, std::string_view key, fmt::format_string<Values...> rule,
             const Values&... values) const {
    if (holds) return;
    fail(operation, "{}: {}{} is {}: {}", where_, prefix_, key,
         described(object_.at(std::string(key))),
         fmt::vformat(rule, fmt::make_format_args(values...)));
  }

  // Every key of the object must be among the known ones or ignored.
  template <class Ignored>
  void refuse_unknown(const std::vector<std::string_view>& known, const Ignored& ignored) const {
    for (const auto& [key, value] : object_.items()) {
      if (std::ranges::find(known, key) != known.end() || ignored(key)) continue;
      const auto meant = name_meant(key, known);
      fail(operation, "{}: unknown key {}{}: {} {}", where_, prefix_, in_quotes(key),
           meant.empty() ? "known are" : "the nearest is",
           meant.empty() ? fmt::format("{}", fmt::join(known, ", ")) : meant);
    }
  }

 private:
  const nlohmann::json& object_;
  std::string_view where_;
  std::string prefix_;
};

}  // namespace lookback
