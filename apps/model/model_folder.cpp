#include "apps/model/model_folder.h"

#include <functional>

#include "apps/folder/replacement.h"
#include "apps/model/weight_files.h"
#include "nn/llama/config_file.h"
#include "nn/llama/variant_of_weights.h"
#include "nn/parameter_files.h"
#include "runtime/read_file.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr auto config_name = "config.json";

// Another process may be at work in the folder: a run that replaces its model, or another run. What
// was read without checksums, or does not fit checksums that are not there any more, is read again.
void read_with_checksums(const fs::path& directory,
                         const std::function<void(const FolderChecksums&)>& read) {
  for (;;) {
    refuse_half_replaced(directory);
    const FolderChecksums checksums(directory);
    const auto is_as_before = [&] {
      return !is_half_replaced(directory) && FolderChecksums(directory) == checksums;
    };
    try {
      read(checksums);
      if (!checksums.recorded().empty() || is_as_before()) return;
    } catch (const Error&) {
      if (is_as_before()) throw;
    }
  }
}

void load(const Llama& llama, const TensorFiles& weights, const fs::path& directory) {
  refuse_other_names(weights, directory);
  load_parameters(llama.parameters(), weights, "",
                  [&](const auto& names) { return variant_advice(llama.config, names); });
}

void check_fit(const Llama& llama, const TensorFiles& weights, const fs::path& directory) {
  refuse_other_names(weights, directory);
  check_parameters(llama.parameters(), weights, "",
                   [&](const auto& names) { return variant_advice(llama.config, names); });
}

// The model of a folder, after `with_weights` has had it and them.
std::unique_ptr<Llama> model_of(
    const fs::path& directory, Precision precision, const NamesOfWeights& own_names,
    const std::function<void(const Llama&, const TensorFiles&, const fs::path&)>& with_weights) {
  check_model_folder(directory);
  std::unique_ptr<Llama> llama;
  read_with_checksums(directory, [&](const FolderChecksums& checksums) {
    const auto config = read_llama_config((directory / config_name).string());
    checksums.check_small_files();
    const auto weights = own_names(open_weight_files(directory, checksums));
    llama = std::make_unique<Llama>(config_for_weights(config, weights.names()), precision);
    with_weights(*llama, weights, directory);
  });
  return llama;
}

// None where they are damaged: they are about to be written anew. Throws Error where the disk or
// the system fails.
FileChecksums checksums_so_far(const fs::path& directory) {
  const auto path = directory / checksums_name;
  if (!exists(path)) return {};
  const auto text = read_file(path, "checksums");
  try {
    return parse_checksums_file(text, path.string());
  } catch (const Error&) {
    print_warning(fmt::format(
        "{}: is damaged, and is written anew: other files than the model's are taken as they stand",
        path.string()));
    return {};
  }
}

Checksum write_config(const LlamaConfig& config, DType dtype, const fs::path& directory) {
  const auto text = to_json(config, dtype);
  ReplacingFile file(directory / config_name);
  file.write(text);
  file.commit();
  return checksum_of(text);
}

}  // namespace

void check_model_folder(const fs::path& directory) {
  refuse_half_replaced(directory);
  const Check check{"model"};
  check(fs::is_directory(directory), "{}: is not a folder with {} and {}", directory.string(),
        config_name, weights_name);
  // An adapter has none, nor has a model in Meta's own format.
  if (!exists(directory / config_name)) refuse_other_folder(directory);
}

LlamaConfig read_model_config(const fs::path& path) {
  const auto file = fs::is_directory(path) ? path / config_name : path;
  if (file != path && !exists(file)) refuse_other_folder(path);
  LlamaConfig config;
  read_with_checksums(file.parent_path(), [&](const FolderChecksums& checksums) {
    config = read_llama_config(file.string());
    checksums.check_file(file.filename().string());
  });
  return config;
}

std::unique_ptr<Llama> load_model(const fs::path& directory, Precision precision,
                                  const NamesOfWeights& own_names) {
  return model_of(directory, precision, own_names, load);
}

std::unique_ptr<Llama> model_without_weights(const fs::path& directory, Precision precision,
                                             const NamesOfWeights& own_names) {
  return model_of(directory, precision, own_names, check_fit);
}

void check_model_files(const fs::path& directory) {
  read_with_checksums(directory, [](const FolderChecksums& checksums) {
    checksums.check_small_files();
    if (!checksums.has(weights_name)) return;
    const auto weights = checksums.open_safetensors(weights_name);
    for (const auto& name : weights.names()) static_cast<void>(weights.load(name));
  });
}

TensorFiles open_weights(const fs::path& directory) {
  return open_weight_files(directory, FolderChecksums(directory));
}

std::vector<std::string> weight_names(const fs::path& directory) {
  std::vector<std::string> names;
  read_with_checksums(directory, [&](const FolderChecksums& checksums) {
    names = open_weight_files(directory, checksums).names();
  });
  return names;
}

void load_weights(const Llama& llama, const fs::path& directory) {
  read_with_checksums(directory, [&](const FolderChecksums& checksums) {
    checksums.check_small_files();
    load(llama, open_weight_files(directory, checksums), directory);
  });
}

void note_missing_checksums(const Console& console, const fs::path& directory) {
  if (FolderChecksums(directory).has(weights_name)) return;
  console.note(fmt::format("{} has no checksums: damage to its weights would not be noticed",
                           directory.string()));
}

void save_model(const Llama& llama, const fs::path& directory) {
  auto checksums = checksums_so_far(directory);
  const bool replaces = checksums.erase(weights_name) + checksums.erase(config_name) > 0;
  if (replaces) write_checksums(directory, checksums);
  checksums.merge(write_model_files(contents_of(llama), directory));
  write_checksums(directory, checksums);
}

ModelContents contents_of(const Llama& llama) {
  return {.config = llama.config,
          .dtype = llama.precision.storage,
          .weights = named_tensors(llama.parameters())};
}

FileChecksums write_model_files(const ModelContents& model, const fs::path& directory) {
  FileChecksums checksums;
  checksums[weights_name] = write_safetensors(directory / weights_name, model.weights);
  checksums[config_name] = write_config(model.config, model.dtype, directory);
  return checksums;
}

void save_new_model(const LlamaConfig& config, const std::vector<TensorToWrite>& weights,
                    DType dtype, const fs::path& directory) {
  FileChecksums checksums;
  checksums[weights_name] = stream_safetensors(directory / weights_name, weights);
  checksums[config_name] = write_config(config, dtype, directory);
  write_checksums(directory, checksums);
}

}  // namespace lookback
