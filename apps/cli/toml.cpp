#include "apps/cli/toml.h"

// The parts of CLI11 that read its option files.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <exception>
#include <new>
#include <set>
#include <sstream>

#include "apps/cli/exit_code.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

// CLI11 takes a # inside a string for a comment: comments are cut here, where quotes are seen.
std::string without_comment(const std::string& line) {
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == 0 && c == '#') return line.substr(0, i);
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    }
  }
  return line;
}

// How many more [ than ] stand in a line, outside of quotes.
int open_brackets(const std::string& line) {
  char quote = 0;
  int open = 0;
  for (const char c : line) {
    if (quote == 0 && (c == '[' || c == ']')) open += c == '[' ? 1 : -1;
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    }
  }
  return open;
}

// The reader passes over a line that is no option.
void check_line(const std::string& path, int number, const std::string& line) {
  const auto first = line.find_first_not_of(" \t\r");
  if (first == line.npos || (line[first] != '[' && line.find('=') != line.npos)) return;
  constexpr std::size_t most = 60;  // of a file that is none of options, a line may be a book
  usage_error("{}: line {}: {}{}: must be `name = value`; options stand in no table", path, number,
              line.substr(first, most), line.size() - first > most ? "..." : "");
}

// The key of a line, without the quotes that it may stand in.
std::string key_of(const std::string& option) {
  constexpr auto around = " \t\r\"'";
  const auto key = option.substr(0, option.find('='));
  const auto first = key.find_first_not_of(around);
  if (first == key.npos) return {};
  return key.substr(first, key.find_last_not_of(around) + 1 - first);
}

std::vector<CLI::ConfigItem> items_of(const std::string& path, const std::string& text) {
  CLI::ConfigTOML reader;
  reader.comment('\0');
  std::istringstream stream(text);
  try {
    return reader.from_config(stream);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception&) {
    usage_error("{}: cannot be read: each line must be `name = value`", path);
  }
}

}  // namespace

std::vector<TomlList> read_toml_lists(const std::string& path) {
  std::istringstream file(read_file(path, "options"));
  std::string line, text;
  std::set<std::string> seen;  // the reader joins two lines of one key
  for (int number = 1; std::getline(file, line); ++number) {
    auto option = without_comment(line);
    check_line(path, number, option);
    const int first = number;
    while (open_brackets(option) > 0) {
      if (!std::getline(file, line))
        usage_error("{}: line {}: a list that does not end", path, first);
      option += " " + without_comment(line);
      ++number;
    }
    const auto key = key_of(option);
    if (!key.empty() && !seen.insert(key).second) usage_error("{}: {} stands twice", path, key);
    text += option + "\n";
  }
  std::vector<TomlList> result;
  for (const auto& item : items_of(path, text)) {
    if (!item.parents.empty()) {
      usage_error("{}: {}: options stand in no table and have no dot in their name", path,
                  item.fullname());
    }
    result.push_back({item.name, item.inputs});
  }
  return result;
}

std::vector<std::pair<std::string, std::string>> read_toml(const std::string& path) {
  std::vector<std::pair<std::string, std::string>> result;
  for (const auto& [key, values] : read_toml_lists(path)) {
    if (values.size() != 1) usage_error("{}: {} must have one value", path, key);
    result.emplace_back(key, values.front());
  }
  return result;
}

std::string toml_line(std::string_view key, std::string_view value, TomlType type) {
  std::string_view quote;
  if (type == TomlType::text) {
    const auto has = [&](char c) { return value.find(c) != value.npos; };
    quote = has('"') || has('\\') ? "'" : "\"";
    if (has('\n') || has('\r') || has('\0') || (quote == "'" && has('\''))) {
      usage_error(
          "{} = {}: a value with a line break, or with a single quote beside a double quote or "
          "backslash, cannot be written to an options file",
          key, value);
    }
  }
  return fmt::format("{} = {}{}{}\n", key, quote, value, quote);
}

}  // namespace lookback
