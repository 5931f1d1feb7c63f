// The flags that every subcommand takes.
#pragma once

#include <optional>
#include <string>

#include "apps/cli/command.h"

namespace lookback {

struct SessionFlags {
  std::string device = "auto";
  std::optional<std::int64_t> threads;
  std::int64_t seed = 0;
  bool tf32 = false;
  bool json = false;
  bool quiet = false;

  void declare(Flags& flags);
  // Checks the device, sets the number of threads, and writes back what was left to the program.
  // `ranks` share the cores of their host out.
  Session start(Communicator& ranks);
};

// auto, cpu, cuda, cuda:N. Throws UsageError for other text and for a device that is not there.
Device parse_device(const std::string& text);

}  // namespace lookback
