// What a learned router of a mixture is held to, so that it uses all it can choose from. Of its
// logits l [B, T, E], p = softmax(l), and what it chose for each token:
//   balance = mean over sequences of E sum_e f_e p_e,  f_e the share of the sequence's tokens that
//             chose e, p_e its mean p (Fedus et al. 2022; by sequence: DeepSeek-AI 2024)
//   z = mean over tokens of logsumexp(l)^2 (Zoph et al. 2022)
//   router_aux_loss_coef balance + router_z_loss_coef z
// By sequence, so that it makes no difference how a batch is cut into micro-batches.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "nn/layer/config_reader.h"
#include "runtime/tensor.h"

namespace lookback {

struct RouterLosses {
  static constexpr std::string_view balance_key = "router_aux_loss_coef";
  static constexpr std::string_view z_key = "router_z_loss_coef";

  double balance = 0, z = 0;  // the coefficients

  // Those that the object names.
  void read(const ConfigReader& reader);
  // Those that differ from a type's own.
  void write(nlohmann::ordered_json& object, const RouterLosses& defaults) const;
  // logits [B, T, E] and chosen [B, T, E], of 0 and 1, which has no gradient -> []
  Tensor of(const Tensor& logits, const Tensor& chosen) const;
  // Whether no gradient reaches the logits of `outputs` things to choose from.
  bool are_constant(std::int64_t outputs) const { return z == 0 && (balance == 0 || outputs == 1); }
};

}  // namespace lookback
