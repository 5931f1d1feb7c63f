// What the engine tells others while it runs.
#pragma once

#include <string>

namespace lookback {

// "rms_norm at model.norm" while that node's backward runs on this thread, else "no node".
std::string running_node();

// Whether the backward pass that runs on this thread was told AfterBackward::retain: then a node
// must leave what it saved as it is.
bool retaining();

}  // namespace lookback
