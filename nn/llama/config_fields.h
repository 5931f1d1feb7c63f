// The keys of config.json that are one number or switch of LlamaConfig each.
#pragma once

#include <array>
#include <string_view>

#include "nn/layer/config.h"
#include "nn/layer/config_reader.h"

namespace lookback {

template <class T>
struct ConfigField {
  std::string_view key;
  T LlamaConfig::*member;
};

using ConfigSize = ConfigField<std::int64_t>;
using ConfigSwitch = ConfigField<bool>;

struct ConfigNumber {
  std::string_view key;
  double LlamaConfig::*member;
  ConfigReader::Least least;
};

inline constexpr std::array size_fields = {
    ConfigSize{"vocab_size", &LlamaConfig::vocab_size},
    ConfigSize{"hidden_size", &LlamaConfig::hidden_size},
    ConfigSize{"intermediate_size", &LlamaConfig::intermediate_size},
    ConfigSize{"num_hidden_layers", &LlamaConfig::num_hidden_layers},
    ConfigSize{"num_attention_heads", &LlamaConfig::num_attention_heads},
    ConfigSize{"max_position_embeddings", &LlamaConfig::max_position_embeddings},
};

inline constexpr std::array number_fields = {
    ConfigNumber{"rms_norm_eps", &LlamaConfig::rms_norm_eps, ConfigReader::Least::zero},
    ConfigNumber{"rope_theta", &LlamaConfig::rope_theta, ConfigReader::Least::above_zero},
    ConfigNumber{"initializer_range", &LlamaConfig::initializer_range, ConfigReader::Least::zero},
};

inline constexpr std::array switch_fields = {
    ConfigSwitch{"tie_word_embeddings", &LlamaConfig::tie_word_embeddings},
    ConfigSwitch{"attention_bias", &LlamaConfig::attention_bias},
    ConfigSwitch{"mlp_bias", &LlamaConfig::mlp_bias},
};

}  // namespace lookback
