// What is queued on the emulated GPU: it runs at once, or is kept while a recording is made
// (runtime/recorded_work.h).
#pragma once

#include <functional>
#include <vector>

namespace lookback::device::emulated {

using Queued = std::function<void()>;

void submit(Queued work);

// What work() submits; none of it has run.
std::vector<Queued> recorded(const std::function<void()>& work);
bool is_recording();

}  // namespace lookback::device::emulated
