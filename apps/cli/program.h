// From the command line to the exit code.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace lookback {

// Runs one subcommand. Lets no exception out: an error is one line on stderr.
int run_program(std::string_view version, std::span<const std::string> arguments);

}  // namespace lookback
