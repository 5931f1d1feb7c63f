#include "apps/model/fault_warning.h"

#include "apps/cli/console.h"
#include "apps/diagnosis/faults/fault.h"

namespace lookback {

void warn_of_fault(const LlamaConfig& config) {
  if (config.fault.empty()) return;
  print_warning(
      fmt::format("this model is broken on purpose: {} ({}); attention is recorded as weights",
                  Faults::make(config.fault)->description(), config.fault));
}

}  // namespace lookback
