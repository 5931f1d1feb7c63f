// Option files: TOML with one `key = value` a line, no tables.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lookback {

// Keys and values, unquoted, in the order of the file. Throws Error when the file cannot be read,
// and UsageError, with path and key, for what is not one value per key: tables, arrays, a key
// twice.
std::vector<std::pair<std::string, std::string>> read_toml(const std::string& path);

// The same where a key may have a list, `key = [a, b]`, also over several lines; a value that is no
// list is a list of one.
struct TomlList {
  std::string key;
  std::vector<std::string> values;
};
std::vector<TomlList> read_toml_lists(const std::string& path);

enum class TomlType { text, plain };

// One line with its line break. Throws Error for text that no one-line string of read_toml can hold
// (line breaks, or both kinds of quotes).
std::string toml_line(std::string_view key, std::string_view value, TomlType type);

}  // namespace lookback
