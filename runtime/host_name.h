// What this machine is called.
#pragma once

#include <string>

namespace lookback {

// "this host" where it has no name.
std::string host_name();

}  // namespace lookback
