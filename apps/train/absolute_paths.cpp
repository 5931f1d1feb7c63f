#include "apps/train/absolute_paths.h"

#include <filesystem>
#include <string>

#include "apps/data/open.h"
#include "apps/data/tokenizer_file.h"
#include "apps/model/model_choice.h"

namespace lookback {
namespace {

void make_absolute(std::string& path) {
  if (!path.empty()) path = std::filesystem::absolute(path).lexically_normal().string();
}

void make_data_absolute(std::string& spec) {
  if (!is_built_in_data(spec)) make_absolute(spec);
}

}  // namespace

void make_paths_absolute(TrainOptions& options) {
  if (!is_built_in_config(options.config)) make_absolute(options.config);
  make_absolute(options.init_from);
  make_absolute(options.output_dir);
  if (is_tokenizer_file(options.tokenizer)) make_absolute(options.tokenizer);
  make_data_absolute(options.data);
  make_data_absolute(options.validation_data);
}

}  // namespace lookback
