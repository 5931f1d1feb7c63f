#include "apps/diagnosis/subject.h"

#include <map>

#include "apps/model/model_folder.h"
#include "kernels/copy.h"
#include "nn/initialize.h"
#include "runtime/random.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

// By name: a fault may add parameters of its own, which stay fresh.
void copy_weights(const Llama& from, const Llama& to) {
  std::map<std::string, Tensor> given;
  for (const auto& parameter : from.parameters()) given[parameter.name] = parameter.tensor;
  for (const auto& parameter : to.parameters()) {
    const auto found = given.find(parameter.name);
    if (found == given.end()) continue;
    kernels::copy_forward(parameter.tensor.backend(), {.x = found->second, .y = parameter.tensor});
  }
}

}  // namespace

std::unique_ptr<Llama> Subject::fresh_model(DType dtype) const {
  auto llama = std::make_unique<Llama>(config, precision_of(dtype));
  initialize(llama->parameters(), config.initializer_range, seed);
  return llama;
}

std::unique_ptr<Llama> Subject::model(DType dtype) const {
  if (!has_weights()) return fresh_model(dtype);
  auto llama = std::make_unique<Llama>(config, precision_of(dtype));
  if (weights != nullptr) {
    copy_weights(*weights, *llama);
  } else {
    load_weights(*llama, *folder);
  }
  return llama;
}

ForwardOptions Subject::forward() const {
  const bool explicit_weights =
      !config.fault.empty() || options.attention_storage == AttentionStorage::weights;
  ForwardOptions result;
  if (explicit_weights) result.attention = AttentionPath::explicit_weights;
  return result;
}

TokenBatch Subject::batch(std::int64_t step, std::int64_t micro_step) const {
  return data.training->training_batch(step, micro_step, batch_size, block_size);
}

Tensor Subject::random_ids(std::int64_t rows, std::int64_t columns, std::uint64_t stream) const {
  const auto ids = empty({rows, columns}, DType::i64, cpu_device);
  RandomStream random(seed, stream_of(RandomUse::diagnosis, stream));
  for (auto& id : ids.elements<std::int64_t>()) {
    id = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(config.vocab_size)));
  }
  return to_default_device(ids);
}

Subject with_usual_weights(const Subject& subject) {
  auto usual = subject;
  usual.config.initializer_range = LlamaConfig().initializer_range;
  usual.folder.reset();
  usual.weights.reset();
  return usual;
}

}  // namespace lookback
