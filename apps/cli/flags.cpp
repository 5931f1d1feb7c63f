#include "apps/cli/flags.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <sstream>
#include <utility>

#include "apps/cli/exit_code.h"
#include "apps/cli/toml.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

std::string joined_names(const std::vector<std::string>& names, std::string_view between = ", ") {
  return fmt::format("{}", fmt::join(names, between));
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

template <class T>
std::optional<std::string> as_text(const T& number) {
  return fmt::format("{}", number);
}

template <class T>
std::optional<std::string> as_text(const std::optional<T>& number) {
  return number ? as_text(*number) : std::nullopt;
}

// Target: a number, or an optional one.
template <class Target, class Rule>
Flag number_flag(std::string name, std::string placeholder, Target& target, Rule rule,
                 std::string help) {
  const auto flag = "--" + name;
  return {
      .name = std::move(name),
      .placeholder = std::move(placeholder),
      .help = std::move(help),
      .kind = Flag::Kind::number,
      .set = [&target, rule, flag](const std::string& value) { target = rule.read(flag, value); },
      .get = [&target] { return as_text(target); }};
}

// What goes wrong is said of that file.
void in_file(const std::string& path, const std::function<void()>& set_value) {
  try {
    set_value();
  } catch (const UsageError& error) {
    usage_error("{}: {}", path, error.what());
  }
}

std::optional<std::string> unless_empty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

}  // namespace

std::string with_dashes(std::string_view name) {
  std::string result(name);
  std::replace(result.begin(), result.end(), '_', '-');
  return result;
}

Flag& Flag::formerly(std::string old_name) {
  help += " (formerly --" + old_name + ")";
  former_name = std::move(old_name);
  return *this;
}

Flag& Flags::append(Flag flag) { return flags_.emplace_back(std::move(flag)); }

Flag& Flags::add(std::string name, std::int64_t& target, IntegerRule rule, std::string help) {
  return append(number_flag(std::move(name), "N", target, rule, std::move(help)));
}

Flag& Flags::add(std::string name, std::optional<std::int64_t>& target, IntegerRule rule,
                 std::string help) {
  return append(number_flag(std::move(name), "N", target, rule, std::move(help)));
}

Flag& Flags::add(std::string name, double& target, NumberRule rule, std::string help) {
  return append(number_flag(std::move(name), "X", target, rule, std::move(help)));
}

Flag& Flags::add(std::string name, std::optional<double>& target, NumberRule rule,
                 std::string help) {
  return append(number_flag(std::move(name), "X", target, rule, std::move(help)));
}

Flag& Flags::add(std::string name, std::string& target, std::string placeholder, std::string help) {
  return append({.name = std::move(name),
                 .placeholder = std::move(placeholder),
                 .help = std::move(help),
                 .set = [&target](const std::string& value) { target = value; },
                 .get = [&target] { return unless_empty(target); }});
}

Flag& Flags::add(std::string name, std::optional<std::string>& target, std::string placeholder,
                 std::string help) {
  return append({.name = std::move(name),
                 .placeholder = std::move(placeholder),
                 .help = std::move(help),
                 .set = [&target](const std::string& value) { target = value; },
                 .get = [&target] { return target; }});
}

Flag& Flags::add(std::string name, std::vector<std::string>& target, std::string placeholder,
                 std::string help) {
  const auto flag = "--" + name;
  return append({.name = std::move(name),
                 .placeholder = std::move(placeholder),
                 .help = help + "; may be repeated",
                 .several = Flag::Several::all,
                 .set =
                     [&target, flag](const std::string& value) {
                       target = words_of(value);
                       if (target.empty()) usage_error("{} is empty: it must name one", flag);
                     },
                 .get = [&target] { return unless_empty(joined_names(target, " ")); }});
}

Flag& Flags::append_choice(std::string name, std::vector<std::string> choices, std::string help,
                           std::function<void(std::size_t)> choose,
                           std::function<std::optional<std::string>()> chosen) {
  const auto flag = "--" + name;
  return append({.name = std::move(name),
                 .placeholder = "NAME",
                 .help = help + ": " + joined_names(choices),
                 .set =
                     [choose = std::move(choose), choices, flag](const std::string& value) {
                       const auto found = std::ranges::find(choices, value);
                       if (found == choices.end()) {
                         usage_error("{} {}: must be one of {}; the nearest is {}", flag, value,
                                     joined_names(choices), nearest_name(value, choices));
                       }
                       choose(static_cast<std::size_t>(found - choices.begin()));
                     },
                 .get = std::move(chosen)});
}

Flag& Flags::add_toggle(std::string name, bool& target, std::string help) {
  const auto flag = "--" + name;
  return append(
      {.name = std::move(name),
       .placeholder = "",
       .help = std::move(help),
       .kind = Flag::Kind::toggle,
       .set =
           [&target, flag](const std::string& value) {
             if (value != "true" && value != "false") {
               usage_error("{} {}: takes no value, or true or false", flag, value);
             }
             target = value == "true";
           },
       .get = [&target] { return std::optional<std::string>(target ? "true" : "false"); }});
}

const Flag* Flags::find(std::string_view name) const {
  const auto wanted = with_dashes(name);
  const auto found = std::ranges::find_if(flags_, [&](const Flag& flag) {
    return flag.name == wanted || (!wanted.empty() && flag.former_name == wanted);
  });
  return found == flags_.end() ? nullptr : &*found;
}

std::vector<std::string> Flags::names() const {
  std::vector<std::string> result;
  for (const auto& flag : flags_) result.push_back(flag.name);
  return result;
}

bool Flags::is_flag(std::string_view argument) const {
  return argument.starts_with("--") && find(argument.substr(2)) != nullptr;
}

bool Flags::given(std::string_view name) const { return given_names_.contains(name); }

void Flags::set(const Flag& flag, const std::string& value) {
  flag.set(value);
  given_names_.insert(flag.name);
}

// `--some_name value` becomes `--some-name=value`, so that a value may begin with a dash. CLI11
// wants the empty value apart.
std::vector<std::string> Flags::joined(std::span<const std::string> arguments) const {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& argument = arguments[i];
    if (argument == "--help" || argument == "-h" || !argument.starts_with("-") || argument == "-") {
      result.push_back(argument);
      continue;
    }
    const auto equals = argument.find('=');
    const auto name = argument.substr(0, equals);
    const auto* flag = name.starts_with("--") ? find(name.substr(2)) : nullptr;
    if (flag == nullptr) {
      auto known = names();
      known.emplace_back("help");
      const auto letters = std::min(name.find_first_not_of('-'), name.size());
      usage_error("unknown flag {}: the nearest is --{}", name,
                  nearest_name(name.substr(letters), known));
    }
    result.push_back(flag->dashed());
    if (equals == argument.npos && flag->kind == Flag::Kind::toggle) continue;
    if (equals == argument.npos && (i + 1 == arguments.size() || is_flag(arguments[i + 1]))) {
      usage_error("{} needs a value ({})", flag->dashed(), flag->placeholder);
    }
    const auto value = equals == argument.npos ? arguments[++i] : argument.substr(equals + 1);
    if (value.empty()) {
      result.push_back(value);
    } else {
      result.back() += "=" + value;
    }
  }
  return result;
}

void Flags::take(std::vector<std::string> values) {
  if (!positional_) {
    if (!values.empty()) {
      usage_error("unexpected argument {}: everything here is given by flags", values.front());
    }
    return;
  }
  const auto& [placeholder, help, choices, target, targets, presence] = *positional_;
  if (values.empty()) {
    if (presence == Positional::Presence::optional) return;
    usage_error("{} is missing: {}", placeholder, help);
  }
  for (const auto& value : values) {
    if (!choices.empty() && std::ranges::find(choices, value) == choices.end()) {
      usage_error("{}: must be one of {}; the nearest is {}", value, joined_names(choices),
                  nearest_name(value, choices));
    }
  }
  if (target != nullptr && values.size() > 1) {
    usage_error("unexpected argument {}: {} is already {}", values[1], placeholder, values[0]);
  }
  if (target != nullptr) *target = values.front();
  if (targets != nullptr) *targets = std::move(values);
}

const Flag& Flags::saved_flag(const std::string& path, const std::string& key) const {
  const auto* flag = find(key);
  if (flag != nullptr && flag->saved_to_options == Flag::SavedToOptions::yes) return *flag;
  std::vector<std::string> known;
  for (const auto& each : flags_) {
    if (each.saved_to_options == Flag::SavedToOptions::yes) known.push_back(each.name);
  }
  constexpr std::size_t most = 60;  // of a file that is none of options, a line may be a book
  usage_error("{}: unknown key {}{}: the nearest is {}", path, key.substr(0, most),
              key.size() > most ? "..." : "", nearest_name(key.substr(0, most), known));
}

void Flags::read_toml(const std::string& path) {
  for (const auto& option : lookback::read_toml(path)) {
    const auto& flag = saved_flag(path, option.first);
    in_file(path, [&] { set(flag, option.second); });
  }
}

std::vector<Flags::Difference> Flags::complete_from(const std::string& path,
                                                    const std::set<std::string>& left_out) {
  std::map<std::string, std::string> values;
  for (const auto& [key, value] : lookback::read_toml(path)) {
    values.emplace(saved_flag(path, key).name, value);
  }
  std::vector<Difference> differences;
  for (const auto& flag : flags_) {
    if (flag.saved_to_options == Flag::SavedToOptions::no || left_out.contains(flag.name)) continue;
    const auto value = values.find(flag.name);
    const auto ours = flag.get();
    std::optional<std::string> theirs;
    if (value != values.end()) {
      in_file(path, [&] { flag.set(value->second); });
      theirs = flag.get();  // as it reads here: 1e-3 and 0.001 are one number
    }
    if (!given(flag.name)) continue;
    flag.set(ours.value_or(""));
    if (ours != theirs) differences.push_back({flag.name, ours.value_or("none"), theirs});
  }
  return differences;
}

void Flags::assign(std::string_view name, const std::string& value) { find(name)->set(value); }

std::vector<std::pair<std::string, std::string>> Flags::saved_values() const {
  std::vector<std::pair<std::string, std::string>> values;
  for (const auto& flag : flags_) {
    if (flag.saved_to_options == Flag::SavedToOptions::no) continue;
    if (const auto current = flag.get()) values.emplace_back(flag.name, *current);
  }
  return values;
}

std::string Flags::to_toml() const {
  std::string result;
  for (const auto& [name, text] : saved_values()) {
    auto key = name;
    std::replace(key.begin(), key.end(), '-', '_');
    const bool quoted = find(name)->kind == Flag::Kind::text;
    result += toml_line(key, text, quoted ? TomlType::text : TomlType::plain);
  }
  return result;
}

}  // namespace lookback
