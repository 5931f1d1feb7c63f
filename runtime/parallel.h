// Work on all threads, cut into chunks whose size never depends on the number of threads, so that
// sums have the same bits at any number.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "runtime/thread_team.h"

namespace lookback {

// Of work that this thread hands out: what it has set, or OMP_NUM_THREADS, or one per core that
// this process may use (usable_cores.h).
int num_threads();
// For this thread alone. Throws Error when count < 1.
void set_num_threads(int count);

// Calls body(begin, end) for [0, count) cut into chunks of `chunk`; chunks may run at the same time
// and in any order. Of the exceptions that bodies throw, that of the first chunk is rethrown here.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t chunk, const Body& body) {
  const std::int64_t chunks = (count + chunk - 1) / chunk;
  if (chunks <= 1) {
    if (count > 0) body(std::int64_t{0}, count);
    return;
  }
  const auto run = [count, chunk, &body](std::int64_t c) {
    body(c * chunk, std::min(count, (c + 1) * chunk));
  };
  ThreadTeam::instance().work_on(
      chunks, num_threads() - 1,
      [](const void* work, std::int64_t c) { (*static_cast<const decltype(run)*>(work))(c); },
      &run);
}

// Sum over chunks of body(begin, end), added up in the order of the chunks.
template <class Sum, class Body>
Sum parallel_sum(std::int64_t count, std::int64_t chunk, const Body& body) {
  std::vector<Sum> parts(static_cast<std::size_t>((count + chunk - 1) / chunk));
  parallel_for(count, chunk, [&](std::int64_t begin, std::int64_t end) {
    parts[static_cast<std::size_t>(begin / chunk)] = body(begin, end);
  });
  Sum total{};
  for (const auto& part : parts) total += part;
  return total;
}

}  // namespace lookback
