// Any exception in the program's own words.
#pragma once

#include <exception>
#include <string>

namespace lookback {

// One line: an Error's text as it is; of what libraries throw the path and the system's reason, or
// that memory is short. What is none of these is a defect of the program, and is called that.
std::string message_of(const std::exception& error);

}  // namespace lookback
