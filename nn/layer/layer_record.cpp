#include "nn/layer/layer_record.h"

#include <array>

namespace lookback {
namespace {

constexpr std::array own_tensors{&LayerRecord::value_weight, &LayerRecord::query,
                                 &LayerRecord::key,          &LayerRecord::attention_output,
                                 &LayerRecord::mlp_output,   &LayerRecord::auxiliary_loss};

}  // namespace

std::vector<Tensor> LayerRecord::tensors() const {
  std::vector<Tensor> all;
  for (const auto member : own_tensors) all.push_back(this->*member);
  all.insert(all.end(), of_attention.begin(), of_attention.end());
  if (replay == nullptr) return all;
  const auto replayed = replay->tensors();
  all.insert(all.end(), replayed.begin(), replayed.end());
  return all;
}

LayerRecord LayerRecord::with(const std::vector<Tensor>& tensors) const {
  LayerRecord result;
  result.layer = layer;
  auto next = tensors.begin();
  for (const auto member : own_tensors) result.*member = *next++;
  for (std::size_t i = 0; i < of_attention.size(); ++i) result.of_attention.push_back(*next++);
  if (replay != nullptr) result.replay = replay->with({next, tensors.end()});
  return result;
}

}  // namespace lookback
