#include "apps/cli/program.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "apps/cli/error_message.h"
#include "apps/cli/process.h"
#include "apps/cli/session.h"
#include "apps/data/open.h"
#include "apps/folder/unfinished.h"
#include "nn/layer/combination_error.h"
#include "runtime/communicator.h"
#include "runtime/launch.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

// Between the ranks of a run, until its flags are read.
constexpr std::chrono::seconds timeout_of_the_start{120};

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
                     std::span<const std::string> arguments, Communicator& ranks) {
  const auto found = Commands::all().find(name);
  if (found == Commands::all().end()) {
    if (name.starts_with("-")) usage_error("{} before the subcommand: flags stand behind it", name);
    usage_error("unknown subcommand {}: the nearest is {}", name,
                nearest_name(name, Commands::names()));
  }
  const auto command = found->second.make();
  if (ranks.size() > 1 && !command->takes_several_ranks()) {
    usage_error("{}: is one process's, and this is one of {}: start it without mpirun", name,
                ranks.size());
  }
  Flags flags;
  SessionFlags session_flags;
  command->declare(flags);
  session_flags.declare(flags);
  flags.parse(command->translated(arguments));
  if (flags.wants_help()) {
    print(flags.help_text("lookback " + name, "lookback " + name + ": " + found->second.summary));
    return ExitCode::good;
  }
  command->complete(flags, ranks);
  auto session = session_flags.start(ranks);
  session.flags = &flags;
  session.version = version;
  return command->run(session);
}

ExitCode dispatch(std::string_view version, std::span<const std::string> arguments,
                  Communicator& ranks) {
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
  return run_command(version, first, arguments.subspan(1), ranks);
}

// Where the command is one process's, what a container has set for other programs (WORLD_SIZE) does
// not matter, and an mpirun is refused with the other flags.
Launch launch_for(std::span<const std::string> arguments) {
  const auto found = arguments.empty() ? Commands::all().end() : Commands::all().find(arguments[0]);
  if (found != Commands::all().end() && found->second.make()->takes_several_ranks())
    return read_launch();
  try {
    const auto launch = read_launch();
    return launch.mpi == Launch::Mpi::none ? Launch{} : launch;
  } catch (const LaunchError&) {
    return {};
  }
}

struct Ending {
  ExitCode code;
  std::string message = {};  // of an error; empty: there was none
  // Who tells it.
  enum class Teller {
    this_rank,   // or rank 0, where all have come to the same
    rank_0,      // of numbers that all have
    first_left,  // of the ranks that are left when one is lost
    another      // whose end this is
  };
  Teller teller = Teller::this_rank;
};

// What `run` returns or throws.
Ending ending_of(const std::function<ExitCode()>& run) {
  try {
    return {run()};
  } catch (const UsageError& error) {
    return {ExitCode::usage, error.what()};
  } catch (const LaunchError& error) {
    return {ExitCode::usage, error.what()};
  } catch (const CombinationError& error) {
    return {ExitCode::usage, error.what()};
  } catch (const UnsuitableTokenizer& error) {
    return {ExitCode::usage, fmt::format("--tokenizer {}", error.what())};
  } catch (const NonFiniteError& error) {
    return {ExitCode::non_finite, error.what(), Ending::Teller::rank_0};
  } catch (const PeerLost& error) {
    return {ExitCode::failure, error.what(), Ending::Teller::first_left};
  } catch (const PeerEnded& error) {
    return {ExitCode::failure, error.what(), Ending::Teller::another};
  } catch (const std::exception& error) {
    return {ExitCode::failure, message_of(error)};
  } catch (...) {
    return {ExitCode::failure, "an exception of unknown type"};
  }
}

void print_ending(std::string_view message) {
  print_last_error(fmt::format("lookback: error: {}\n", one_line(message)));
}

void pause(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

// Long enough for another rank to tell what has happened, and to end this one.
constexpr std::chrono::seconds time_of_another{3};

// The end of all ranks, each of which may have failed by itself. Does not return.
void abort_with(const Ending& ending, Communicator& ranks) {
  const int rank = ranks.rank();
  using Teller = Ending::Teller;
  // Who waits for a rank that is gone may take others that wait for it for gone as well.
  if (ending.teller == Teller::first_left) pause(time_of_another * std::min(rank, 3));
  if (ending.teller == Teller::another) {
    pause(time_of_another);
  } else {
    print_ending(rank == 0 || ending.teller == Teller::first_left
                     ? ending.message
                     : fmt::format("rank {} on {}: {}", rank, ranks.host_of(rank), ending.message));
  }
  ranks.abort(static_cast<int>(ending.code));
}

// Of several ranks. What has gone wrong on all is told once, by rank 0.
void tell(const Ending& ending, Communicator& ranks) {
  const bool asks = ending.teller == Ending::Teller::this_rank;
  const auto all = asks ? ranks.last_words(ending.message) : std::nullopt;
  if (!all && ending.teller != Ending::Teller::rank_0) abort_with(ending, ranks);
  if (ranks.rank() != 0) return;
  print_ending(ending.message);
  for (int rank = 1; all && rank < ranks.size(); ++rank) {
    const auto& other = (*all)[static_cast<std::size_t>(rank)];
    if (other != ending.message)
      print_ending(fmt::format("rank {} on {}: {}", rank, ranks.host_of(rank), other));
  }
}

int end(const Ending& ending, Communicator& ranks) {
  if (!ending.message.empty())
    ranks.size() > 1 ? tell(ending, ranks) : print_ending(ending.message);
  const auto parted = ending_of([&] {
    ranks.finish();
    return ending.code;
  });
  if (!parted.message.empty()) abort_with(parted, ranks);
  return static_cast<int>(parted.code);
}

}  // namespace

int run_program(std::string_view version, std::span<const std::string> arguments) {
  ignore_signals_of_writes();
  name_files_that_shrink();
  const DiscardWhenEnded discard_when_ended;
  Launch launch;
  std::unique_ptr<Communicator> ranks;
  const auto start = ending_of([&] {
    check_stack_limit();
    launch = launch_for(arguments);
    if (launch.rank > 0) be_silent();
    ranks = connect(launch, timeout_of_the_start);
    return ExitCode::good;
  });
  if (ranks == nullptr) {
    // What goes wrong on all ranks the first one tells, and its launcher ends the others.
    if (launch.rank > 0) pause(std::chrono::milliseconds(1000));
    print_ending(start.message);
    return static_cast<int>(start.code);
  }
  return end(ending_of([&] { return dispatch(version, arguments, *ranks); }), *ranks);
}

}  // namespace lookback
