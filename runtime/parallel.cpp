#include "runtime/parallel.h"

#include <cstdlib>

#include "runtime/check.h"
#include "runtime/usable_cores.h"

namespace lookback {
namespace {

// 0: the process's.
thread_local int threads_of_this_thread = 0;

int threads_of_process() {
  static const int count = [] {
    const int wanted = threads_said_by(std::getenv("OMP_NUM_THREADS"));
    return wanted > 0 ? wanted : usable_cores();
  }();
  return count;
}

}  // namespace

int num_threads() {
  return threads_of_this_thread > 0 ? threads_of_this_thread : threads_of_process();
}

void set_num_threads(int count) {
  if (count < 1) fail("threads", "{} threads asked for: at least 1 is needed", count);
  threads_of_this_thread = count;
}

}  // namespace lookback
