#include "apps/cli/program.h"

#include <exception>

#include "apps/cli/error_message.h"
#include "apps/cli/process.h"
#include "apps/cli/session.h"
#include "apps/data/open.h"
#include "apps/folder/unfinished.h"
#include "nn/layer/combination_error.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

std::string overview() {
  std::size_t width = 0;
  for (const auto& [name, entry] : Commands::all()) width = std::max(width, name.size());
  std::string text =
      "Lookback trains small Llamas, looks into them, and proves that they never look ahead.\n"
      "usage: lookback SUBCOMMAND [FLAGS]\n\nSubcommands:\n";
  for (const auto& [name, entry] : Commands::all()) {
    text += fmt::format("  {:<{}}  {}\n", name, width, entry.summary);
  }
  return text +
         "\nlookback SUBCOMMAND --help lists its flags; lookback --version names the version.\n";
}

ExitCode run_command(std::string_view version, const std::string& name,
                     std::span<const std::string> arguments) {
  const auto found = Commands::all().find(name);
  if (found == Commands::all().end()) {
    if (name.starts_with("-")) usage_error("{} before the subcommand: flags stand behind it", name);
    usage_error("unknown subcommand {}: the nearest is {}", name,
                nearest_name(name, Commands::names()));
  }
  const auto command = found->second.make();
  Flags flags;
  SessionFlags session_flags;
  command->declare(flags);
  session_flags.declare(flags);
  flags.parse(command->translated(arguments));
  if (flags.wants_help()) {
    print(flags.help_text("lookback " + name, "lookback " + name + ": " + found->second.summary));
    return ExitCode::good;
  }
  command->complete(flags);
  auto session = session_flags.start();
  session.flags = &flags;
  session.version = version;
  return command->run(session);
}

ExitCode dispatch(std::string_view version, std::span<const std::string> arguments) {
  if (arguments.empty()) {
    std::string names;
    for (const auto& name : Commands::names()) names += (names.empty() ? "" : ", ") + name;
    usage_error("which subcommand? {} (lookback --help says what each does)", names);
  }
  const auto& first = arguments.front();
  if (first == "--version") {
    print(fmt::format("lookback {}\n", version));
    return ExitCode::good;
  }
  if (first == "--help" || first == "-h") {
    print(overview());
    return ExitCode::good;
  }
  return run_command(version, first, arguments.subspan(1));
}

int report(ExitCode code, std::string_view message) {
  print_error(fmt::format("lookback: error: {}\n", one_line(message)));
  return static_cast<int>(code);
}

}  // namespace

int run_program(std::string_view version, std::span<const std::string> arguments) {
  ignore_signals_of_writes();
  name_files_that_shrink();
  const DiscardWhenEnded discard_when_ended;
  try {
    check_stack_limit();
    return static_cast<int>(dispatch(version, arguments));
  } catch (const UsageError& error) {
    return report(ExitCode::usage, error.what());
  } catch (const CombinationError& error) {
    return report(ExitCode::usage, error.what());
  } catch (const UnsuitableTokenizer& error) {
    return report(ExitCode::usage, fmt::format("--tokenizer {}", error.what()));
  } catch (const NonFiniteError& error) {
    return report(ExitCode::non_finite, error.what());
  } catch (const std::exception& error) {
    return report(ExitCode::failure, message_of(error));
  } catch (...) {
    return report(ExitCode::failure, "an exception of unknown type");
  }
}

}  // namespace lookback
