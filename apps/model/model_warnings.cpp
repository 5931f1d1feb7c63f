#include "apps/model/model_warnings.h"

#include "apps/cli/console.h"
#include "apps/diagnosis/faults/fault.h"
#include "nn/llama/stock_model.h"

namespace lookback {

void warn_of_model(const LlamaConfig& config) {
  if (!config.fault.empty()) {
    print_warning(
        fmt::format("this model is broken on purpose: {} ({}); attention is recorded as weights",
                    Faults::make(config.fault)->description(), config.fault));
  }
  if (const auto difference = difference_from_class(config); !difference.empty()) {
    print_warning(difference);
  }
}

}  // namespace lookback
