// A command line of a script, flag by flag.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lookback {

// One flag; a toggle that stands alone has no value. What is no flag has no name.
struct Argument {
  std::string name;  // with dashes between its words, without those before it
  std::string as_written;
  std::optional<std::string> value;
  bool joined = false;  // to its name by =
};

std::vector<Argument> taken_apart(std::span<const std::string> arguments);

// "True", "yes", "1" and their opposites, in any case; none: something else.
std::optional<bool> as_switch(const std::string& word);

std::string lower(std::string text);
std::optional<double> number_in(const std::string& text);

}  // namespace lookback
