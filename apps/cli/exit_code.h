// How the program ends, and the errors that end it with a code of their own. Any other exception is
// a failure at run time.
#pragma once

#include "runtime/check.h"

namespace lookback {

enum class ExitCode : int {
  good = 0,
  failure = 1,      // at run time
  usage = 2,        // wrong flags or values
  fault_found = 3,  // a diagnosis found a fault, a reference is not met
  non_finite = 4,   // a number that is not finite stopped training, or stands in the weights
  // By a signal: 128 and its number, as shells say it.
  hung_up = 129,      // SIGHUP: the terminal is closed
  interrupted = 130,  // SIGINT: Ctrl-C
  terminated = 143,   // SIGTERM
};

inline ExitCode ended_by(int signal) { return ExitCode{128 + signal}; }

// Exit code 2. Raised without an operation in front: the flag stands in the message.
class UsageError : public Error {
 public:
  using Error::Error;
};

// Exit code 4.
class NonFiniteError : public Error {
 public:
  using Error::Error;
};

template <class... Values>
[[noreturn]] void usage_error(fmt::format_string<Values...> message, const Values&... values) {
  throw UsageError(fmt::vformat(fmt::string_view(message), fmt::make_format_args(values...)));
}

}  // namespace lookback
