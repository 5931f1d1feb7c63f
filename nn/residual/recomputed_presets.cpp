// The presets of recomputed earlier layers.
#include <fmt/format.h>

#include "nn/layer/preset.h"

namespace lookback {
namespace {

Preset recomputed(std::string description, std::string_view site, std::string_view weights,
                  std::string_view stream = "add", std::string_view include_self = "true") {
  constexpr std::string_view keys =
      R"({{"cross_layer_residual": {{"site": "{}", "source": "recomputed", "weights": "{}", )"
      R"("stream": "{}", "include_self": {}}}}})";
  return {std::move(description), fmt::format(keys, site, weights, stream, include_self)};
}

const RegisteredPresets::Add all[] = {
    {"method1",
     recomputed("adds all earlier layers' MLPs, run again on this layer's input", "mlp", "sum")},
    {"method2", recomputed("adds all earlier layers' attention, run again on this layer's input",
                           "attention", "sum")},
    {"method3.1", recomputed("method1 with the mean of the layers", "mlp", "mean")},
    {"method3.2", recomputed("method1 with a learned average of the layers", "mlp", "learned")},
    {"method4.1", recomputed("method2 with the mean of the layers", "attention", "mean")},
    {"method4.2",
     recomputed("method2 with a learned average of the layers", "attention", "learned")},
    {"method1-replace", recomputed("method1 whose sum replaces the residual stream: trains badly",
                                   "mlp", "sum", "replace")},
    {"method2-replace", recomputed("method2 whose sum replaces the residual stream: trains badly",
                                   "attention", "sum", "replace")},
    {"method1-simple", recomputed("earlier layers' attention, run again, instead of this layer's",
                                  "attention", "sum", "add", "false")},
};

}  // namespace
}  // namespace lookback
