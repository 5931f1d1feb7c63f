// A model on disk: config.json and model.safetensors, as other programs know them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "nn/llama/llama.h"

namespace lookback {

// Throws Error unless it is a folder, and none in which one run has replaced half of another.
void check_model_folder(const std::filesystem::path& directory);

// Builds the model of DIR/config.json and loads DIR/model.safetensors. Throws Error naming the file
// and what is wrong.
std::unique_ptr<Llama> load_model(const std::filesystem::path& directory, Precision precision);

// The names of the tensors in DIR/model.safetensors.
std::vector<std::string> weight_names(const std::filesystem::path& directory);

// Fills a model that is there from DIR/model.safetensors.
void load_weights(const Llama& llama, const std::filesystem::path& directory);

// Each file appears whole or not at all; the weights first.
void save_model(const Llama& llama, const std::filesystem::path& directory);

}  // namespace lookback
