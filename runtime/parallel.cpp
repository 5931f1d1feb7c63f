#include "runtime/parallel.h"

#include <cstdlib>

#include "runtime/check.h"
#include "runtime/usable_cores.h"

namespace lookback {
namespace {

// 0: the process's.
thread_local int threads_of_this_thread = 0;

// OMP_NUM_THREADS: "4", or "4,2" of nested work, whose first counts. 0: it says nothing.
int threads_of_environment() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  constexpr long most = 1 << 20;
  char* end = nullptr;
  const long count = text == nullptr ? 0 : std::strtol(text, &end, 10);
  const bool is_number = count > 0 && count <= most && (*end == '\0' || *end == ',');
  return is_number ? static_cast<int>(count) : 0;
}

int threads_of_process() {
  static const int count = [] {
    const int wanted = threads_of_environment();
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
