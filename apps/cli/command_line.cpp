// The part of Flags that stands on CLI11: taking a command line apart, and the help text.
#include <fmt/ranges.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <memory>

#include "apps/cli/exit_code.h"
#include "apps/cli/flags.h"

namespace lookback {
namespace {

struct Parser {
  CLI::App app;
  std::vector<std::string> values;  // what stands without a flag
};

std::unique_ptr<Parser> make_parser(const std::deque<Flag>& flags,
                                    const std::optional<Positional>& positional) {
  auto parser = std::make_unique<Parser>();
  auto& app = parser->app;
  for (const auto& flag : flags) {
    auto* option = flag.kind == Flag::Kind::toggle ? app.add_flag(flag.dashed(), flag.help)
                                                   : app.add_option(flag.dashed(), flag.help);
    option->multi_option_policy(flag.several == Flag::Several::all
                                    ? CLI::MultiOptionPolicy::TakeAll
                                    : CLI::MultiOptionPolicy::TakeLast);
    if (flag.kind == Flag::Kind::toggle) continue;
    option->type_name(flag.placeholder);
    if (const auto value = flag.get()) option->default_str("[" + *value + "]");
  }
  if (positional) {
    auto placeholder = positional->placeholder;
    auto* option = app.add_option(placeholder, parser->values, positional->help);
    option->type_name(positional->targets == nullptr ? "" : "...");
    option->expected(0, positional->targets == nullptr ? 2 : 1 << 20);
  }
  return parser;
}

}  // namespace

void Flags::parse(std::span<const std::string> arguments) {
  auto command_line = joined(arguments);
  const auto parser = make_parser(flags_, positional_);
  parser->app.allow_extras();
  std::reverse(command_line.begin(), command_line.end());  // CLI11 takes them from the back
  try {
    parser->app.parse(command_line);
  } catch (const CLI::CallForHelp&) {
    help_wanted_ = true;
    return;
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  auto values = parser->values;
  for (const auto& extra : parser->app.remaining()) values.push_back(extra);
  const auto given_value = [&](const Flag& flag) {
    const auto all = parser->app[flag.dashed()]->results();
    return flag.several == Flag::Several::all ? fmt::format("{}", fmt::join(all, " ")) : all.back();
  };
  for (const auto& flag : flags_) {
    if (flag.name == "options" && parser->app.count(flag.dashed()) > 0) {
      read_toml(given_value(flag));
    }
  }
  for (const auto& flag : flags_) {
    if (parser->app.count(flag.dashed()) > 0) set(flag, given_value(flag));
  }
  take(std::move(values));
}

std::string Flags::help_text(const std::string& command, const std::string& summary) const {
  const auto parser = make_parser(flags_, positional_);
  parser->app.name(command);
  parser->app.description(summary);
  parser->app.get_formatter()->column_width(36);
  if (positional_) {  // as it is meant; the parser itself takes any number, to count them later
    const bool needed = positional_->presence == Positional::Presence::required;
    parser->app.get_option(positional_->placeholder)->expected(1)->required(needed);
  }
  return parser->app.help();
}

}  // namespace lookback
