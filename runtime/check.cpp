#include "runtime/check.h"

#include <fmt/format.h>

namespace lookback {

void raise(std::string_view operation, fmt::string_view message, fmt::format_args arguments) {
  throw Error(fmt::format("[{}] {}", operation, fmt::vformat(message, arguments)));
}

}  // namespace lookback
