// From --config and --preset to the shape of a model.
#pragma once

#include <string>
#include <vector>

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

// `config`: a config.json, a folder with one, or the name of a built-in; the presets' keys are laid
// over it in order, and last `fault`, a known mistake, where one is named. A key takes the
// place of the one that is there, but for the options of attention_mechanism, each of which takes
// its own. Throws Error for what cannot be
// read or makes no model, naming the nearest built-in where no such file is there.
ModelChoice choose_model(const std::string& config, const std::vector<std::string>& presets,
                         const std::string& fault = {});

// "num_hidden_layers is 4, the run's is 2": the first key of two config.json that differs; empty:
// none does.
std::string difference_of_configs(const LlamaConfig& given, const LlamaConfig& recorded);

}  // namespace lookback
