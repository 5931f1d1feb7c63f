// The flags of one subcommand: what each is called, where its value goes, what it may be.
//
//   Flags flags;
//   flags.add("batch-size", batch_size, at_least_one, "sequences per micro-step");
//   flags.parse(arguments);
//
// What a target holds when it is declared is its default. Names may be written with - or _, values
// as `--name value` or `--name=value`; the last of several wins, but for lists. Everything refused
// is a UsageError.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "apps/cli/rules.h"

namespace lookback {

// A flag's name as it is declared: - in place of _.
std::string with_dashes(std::string_view name);

// One flag. The functions read and write the target that was declared.
struct Flag {
  enum class Kind { text, number, toggle };
  // Whether options.toml takes it: flags about this one call stay out.
  enum class SavedToOptions { yes, no };
  // What counts of several on one command line: the last, or all, with spaces between them.
  enum class Several { last, all };

  std::string name;              // without the dashes
  std::string former_name = {};  // that it also answers to; empty: none
  std::string placeholder;       // FILE, N, X; empty for a toggle
  std::string help;
  Kind kind = Kind::text;
  SavedToOptions saved_to_options = SavedToOptions::yes;
  Several several = Several::last;
  std::function<void(const std::string&)> set;
  std::function<std::optional<std::string>()> get;  // none: not set, no default
  std::vector<std::string> choices = {};

  std::string dashed() const { return "--" + name; }
  // The flag had another name, which command lines and options files may still say.
  Flag& formerly(std::string old_name);
  void not_saved_to_options() { saved_to_options = SavedToOptions::no; }
};

// What stands without a flag: DIR, REFERENCE...
struct Positional {
  std::string placeholder, help;
  std::vector<std::string> choices = {};
  // Exactly one of them is there: one value, or one and more.
  std::string* target = nullptr;
  std::vector<std::string>* targets = nullptr;
  enum class Presence { required, optional } presence = Presence::required;
};

class Flags {
 public:
  Flags() = default;
  Flags(const Flags&) = delete;
  Flags& operator=(const Flags&) = delete;

  Flag& add(std::string name, std::int64_t& target, IntegerRule rule, std::string help);
  Flag& add(std::string name, std::optional<std::int64_t>& target, IntegerRule rule,
            std::string help);
  Flag& add(std::string name, double& target, NumberRule rule, std::string help);
  Flag& add(std::string name, std::optional<double>& target, NumberRule rule, std::string help);
  // Any text; an empty target counts as not set.
  Flag& add(std::string name, std::string& target, std::string placeholder, std::string help);
  Flag& add(std::string name, std::optional<std::string>& target, std::string placeholder,
            std::string help);
  // Words, in an options file with spaces between them. May be given several times: each adds its
  // own; the first takes the place of the default.
  Flag& add(std::string name, std::vector<std::string>& target, std::string placeholder,
            std::string help);
  // One of these values of an enum, by the names that name_of() gives them.
  template <class Enum>
  requires std::is_enum_v<Enum> Flag& add_choice(std::string name, Enum& target,
                                                 std::vector<Enum> choices, std::string help) {
    return append_choice(
        std::move(name), names_of(choices), std::move(help),
        [&target, choices](std::size_t i) { target = choices[i]; },
        [&target] { return std::optional<std::string>(name_of(target)); });
  }
  template <class Enum>
  Flag& add_choice(std::string name, std::optional<Enum>& target, std::vector<Enum> choices,
                   std::string help) {
    return append_choice(
        std::move(name), names_of(choices), std::move(help),
        [&target, choices](std::size_t i) { target = choices[i]; },
        [&target] { return target ? std::optional<std::string>(name_of(*target)) : std::nullopt; });
  }
  Flag& add_toggle(std::string name, bool& target, std::string help);
  void add_positional(Positional value) { positional_ = std::move(value); }

  // The command line after the subcommand's name. Where --options names a TOML file, its values are
  // set first: flags override them.
  void parse(std::span<const std::string> arguments);
  // Sets the flags that a TOML file holds.
  void read_toml(const std::string& path);
  // A flag that was given, and what an options.toml says instead; none: it is not set there.
  struct Difference {
    std::string name, given;
    std::optional<std::string> recorded = {};
  };
  // Sets the flags that were not given as a TOML file has them, but for those in `left_out`, and
  // returns the given ones that differ from it.
  std::vector<Difference> complete_from(const std::string& path,
                                        const std::set<std::string>& left_out);
  // As to_toml() would write it; none: not set.
  std::optional<std::string> value(std::string_view name) const { return find(name)->get(); }
  // Sets one from elsewhere than the command line and an options file: given() stays false.
  void assign(std::string_view name, const std::string& value);
  // Name and value, as value() gives it, of every flag that options.toml takes and that is set or
  // has a default.
  std::vector<std::pair<std::string, std::string>> saved_values() const;
  // The same as TOML that read_toml takes.
  std::string to_toml() const;
  // The flag that a key of such a file sets. Throws UsageError, naming the nearest, where there is
  // none.
  const Flag& saved_flag(const std::string& path, const std::string& key) const;

  std::string help_text(const std::string& command, const std::string& summary) const;

  // Whether --help was among the arguments; then nothing else has been set.
  bool wants_help() const { return help_wanted_; }
  // Whether the flag stood on the command line or in the options file.
  bool given(std::string_view name) const;

 private:
  const Flag* find(std::string_view name) const;
  bool is_flag(std::string_view argument) const;
  std::vector<std::string> names() const;
  std::vector<std::string> joined(std::span<const std::string> arguments) const;
  template <class Enum>
  static std::vector<std::string> names_of(const std::vector<Enum>& values) {
    std::vector<std::string> names;
    for (const auto value : values) names.emplace_back(name_of(value));
    return names;
  }
  Flag& append_choice(std::string name, std::vector<std::string> choices, std::string help,
                      std::function<void(std::size_t)> choose,
                      std::function<std::optional<std::string>()> chosen);
  Flag& append(Flag flag);
  void set(const Flag& flag, const std::string& value);
  void take(std::vector<std::string> values);

  std::deque<Flag> flags_;  // references stay valid
  std::optional<Positional> positional_;
  bool help_wanted_ = false;
  std::set<std::string, std::less<>> given_names_;
};

}  // namespace lookback
