// From --config and --preset to the shape of a model.
#pragma once

#include <string>

#include "nn/layer/config.h"

namespace lookback {

struct ModelChoice {
  // Whether the number of words is part of the choice, or follows the data (built-in configs).
  enum class Vocabulary { given, of_data };
  LlamaConfig config;
  Vocabulary vocabulary = Vocabulary::given;
};

// smoke, tiny, 124m. Such a name is never read as a path: ./tiny is one.
bool is_built_in_config(const std::string& name);

// Breaks the model on purpose; "": not. Throws Error, naming the nearest, for a name that is no
// fault's.
void set_fault(LlamaConfig& config, const std::string& name);

// `config`: a config.json, a folder with one, or the name of a built-in; the preset's keys are laid
// over it, and last `fault`, a known mistake, where one is named. Throws Error for what cannot be
// read or makes no model, naming the nearest built-in where no such file is there.
ModelChoice choose_model(const std::string& config, const std::string& preset,
                         const std::string& fault = {});

// "num_hidden_layers is 4, the run's is 2": the first key of two config.json that differs; empty:
// none does.
std::string difference_of_configs(const LlamaConfig& given, const LlamaConfig& recorded);

}  // namespace lookback
