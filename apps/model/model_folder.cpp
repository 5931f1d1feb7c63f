#include "apps/model/model_folder.h"

#include "apps/folder/replacement.h"
#include "nn/llama/variant_of_weights.h"
#include "nn/parameter_files.h"
#include "runtime/replacing_file.h"
#include "runtime/safetensors.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr auto config_name = "config.json";
constexpr auto weights_name = "model.safetensors";

}  // namespace

void check_model_folder(const fs::path& directory) {
  refuse_half_replaced(directory);
  const Check check{"model"};
  check(fs::is_directory(directory), "{}: is not a folder with {} and {}", directory.string(),
        config_name, weights_name);
}

std::unique_ptr<Llama> load_model(const fs::path& directory, Precision precision) {
  check_model_folder(directory);
  const auto config = config_for_weights(read_llama_config((directory / config_name).string()),
                                         weight_names(directory));
  auto llama = std::make_unique<Llama>(config, precision);
  load_weights(*llama, directory);
  return llama;
}

std::vector<std::string> weight_names(const fs::path& directory) {
  return SafetensorsFile::open(directory / weights_name).names();
}

void load_weights(const Llama& llama, const fs::path& directory) {
  load_parameters(llama.parameters(), SafetensorsFile::open(directory / weights_name), "",
                  [&](const auto& names) { return variant_advice(llama.config, names); });
}

void save_model(const Llama& llama, const fs::path& directory) {
  save_parameters(llama.parameters(), (directory / weights_name).string());
  ReplacingFile config(directory / config_name);
  config.write(to_json(llama.config, llama.precision.storage));
  config.commit();
}

}  // namespace lookback
