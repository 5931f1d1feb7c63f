#include "nn/layer/router.h"

#include <nlohmann/json.hpp>

#include "autograd/ops/binary.h"
#include "autograd/ops/log_softmax.h"
#include "autograd/ops/max.h"
#include "autograd/ops/mean.h"
#include "autograd/ops/softmax.h"
#include "autograd/ops/sum.h"

namespace lookback {
namespace {

// [B, T, E] -> [B, T]: the largest and the largest logarithm of a probability differ by it, and
// neither is far from the result.
Tensor log_sum_exp(const Tensor& logits) {
  return max(logits, {-1}) - max(log_softmax(logits), {-1});
}

}  // namespace

void RouterLosses::read(const ConfigReader& reader) {
  if (reader.find(balance_key) != nullptr) {
    reader.read(balance_key, balance, ConfigReader::Least::zero);
  }
  if (reader.find(z_key) != nullptr) reader.read(z_key, z, ConfigReader::Least::zero);
}

void RouterLosses::write(nlohmann::ordered_json& object, const RouterLosses& defaults) const {
  if (balance != defaults.balance) object[balance_key] = balance;
  if (z != defaults.z) object[z_key] = z;
}

Tensor RouterLosses::of(const Tensor& logits, const Tensor& chosen) const {
  const auto outputs = static_cast<double>(logits.size(-1));
  const auto used = mean(chosen, {1}) * mean(softmax(logits), {1});  // [B, E]
  const auto loss = mean(sum(used, {-1})) * (outputs * balance);
  if (z == 0) return loss;
  return loss + mean(power(log_sum_exp(logits), 2)) * z;
}

}  // namespace lookback
