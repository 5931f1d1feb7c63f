#include "apps/diagnosis/as_reference.h"

#include "autograd/ops/copy_of.h"
#include "autograd/ops/to_vector.h"
#include "nn/llama/config_file.h"
#include "runtime/random.h"
#include "runtime/transfer.h"

namespace lookback {

reference::Config reference_config(const LlamaConfig& config) {
  auto healthy = config;
  healthy.carried.clear();
  healthy.fault.clear();
  return reference::read_config(to_json_in_own_keys(healthy));
}

reference::Weights reference_weights(const Llama& llama) {
  reference::Weights weights;
  for (const auto& [name, tensor, initial] : llama.parameters()) {
    std::vector<std::size_t> shape;
    for (int i = 0; i < tensor.rank(); ++i)
      shape.push_back(static_cast<std::size_t>(tensor.size(i)));
    weights.set(name, {.shape = shape, .values = to_vector(tensor)});
  }
  return weights;
}

void disturb(const Llama& llama, std::uint64_t seed) {
  std::uint64_t stream = 0;
  for (const auto& [name, tensor, initial] : llama.parameters()) {
    if (tensor.rank() > 1) continue;
    RandomStream random(seed, stream_of(RandomUse::diagnosis, stream++));
    auto values = to_vector(tensor);
    for (double& value : values)
      value = value * (1 + 0.2 * random.normal()) + 0.02 * random.normal();
    copy_into(to_device(from_values(values, tensor.shape()), tensor.device()), tensor);
    tensor.storage()->bump_version();
  }
}

}  // namespace lookback
