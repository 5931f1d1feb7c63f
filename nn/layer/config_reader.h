// The keys of one JSON object of a config.json, read by name and type. Every function that reads
// throws Error, `[config] FILE: KEY is VALUE: RULE`, where the value breaks the rule.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/check.h"

namespace lookback {

class ConfigReader {
 public:
  static constexpr std::string_view operation = "config";
  // Products of two sizes then fit into 64 bits.
  static constexpr std::int64_t largest_size = std::numeric_limits<std::int32_t>::max();

  // `path` of the object inside the file: "" or "rope_scaling."
  ConfigReader(const nlohmann::json& object, std::string_view file, std::string path);

  // A value as a message shows it: its text and its type.
  static std::string described(const nlohmann::json& value);

  // Null where the key is missing or null.
  const nlohmann::json* find(std::string_view key) const;

  // Leave the target as it is where the key is missing. A number must be at least this.
  enum class Least { zero, above_zero };
  void read(std::string_view key, std::int64_t& target, Least least = Least::above_zero) const;
  void read(std::string_view key, double& target, Least least) const;
  void read(std::string_view key, bool& target) const;

  // The key, where it is there, must hold this value.
  void require(std::string_view key, const nlohmann::json& value) const;

  // Which of the allowed words the key holds, as its place among them.
  std::size_t read_word(std::string_view key, const std::vector<std::string>& allowed) const;

  // Throws where one of the keys is missing.
  void need(const std::vector<std::string_view>& keys) const;

  // The object that a key holds.
  ConfigReader object_at(std::string_view key) const;

  std::string text(std::string_view key) const;

  template <class... Values>
  void check(bool holds, std::string_view key, fmt::format_string<Values...> rule,
             const Values&... values) const {
    if (!holds) refuse(key, fmt::vformat(rule, fmt::make_format_args(values...)));
  }

  // Every key of the object must be among the known ones or ignored.
  void refuse_unknown(const std::vector<std::string_view>& known,
                      const std::function<bool(std::string_view)>& ignored) const;

 private:
  [[noreturn]] void refuse(std::string_view key, std::string_view rule) const;

  const nlohmann::json& object_;
  std::string_view where_;
  std::string prefix_;
};

}  // namespace lookback
