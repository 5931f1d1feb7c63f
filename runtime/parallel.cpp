#include "runtime/parallel.h"

#include <omp.h>

#include "runtime/check.h"

namespace lookback {

int num_threads() { return omp_get_max_threads(); }

void set_num_threads(int count) {
  if (count < 1) fail("threads", "{} threads asked for: at least 1 is needed", count);
  omp_set_num_threads(count);
}

}  // namespace lookback
