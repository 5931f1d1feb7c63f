// A model on disk: config.json and its weights, as other programs know them (weight_files.h), and
// what they held when we wrote them (folder_checksums.h).
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/cli/console.h"
#include "apps/model/folder_checksums.h"
#include "nn/llama/llama.h"
#include "runtime/tensor_files.h"

namespace lookback {

// Throws Error unless it is a folder, and none in which one run has replaced half of another.
void check_model_folder(const std::filesystem::path& directory);

// A config.json, or that of a folder. Throws Error also where it is not what was written.
LlamaConfig read_model_config(const std::filesystem::path& path);

// Builds the model of DIR/config.json and loads its weights. Throws Error naming the file
// and what is wrong: also where a file, or a tensor in it, is not what was written. `own_names` may
// give the weights the names of a Llama's.
using NamesOfWeights = std::function<TensorFiles(TensorFiles)>;
std::unique_ptr<Llama> load_model(const std::filesystem::path& directory, Precision precision,
                                  const NamesOfWeights& own_names = std::identity{});

// The same model, as its weights fit it, but none of them loaded: fresh memory.
std::unique_ptr<Llama> model_without_weights(const std::filesystem::path& directory,
                                             Precision precision,
                                             const NamesOfWeights& own_names = std::identity{});

// Reads all that a model folder holds. Throws Error where anything is not what was written.
void check_model_files(const std::filesystem::path& directory);

// The weights themselves; they are checked as they are loaded.
TensorFiles open_weights(const std::filesystem::path& directory);
// The names that they have.
std::vector<std::string> weight_names(const std::filesystem::path& directory);

// Fills a model that is there with the weights of a folder, with the same checks of all DIR's
// files.
void load_weights(const Llama& llama, const std::filesystem::path& directory);

// A line where damage to the weights would not be noticed.
void note_missing_checksums(const Console& console, const std::filesystem::path& directory);

// Each file appears whole or not at all; the weights first. Whenever this is cut off, a file that
// has a checksum has its own.
void save_model(const Llama& llama, const std::filesystem::path& directory);

// What these files hold. `weights` by name, in the model's dtype.
struct ModelContents {
  LlamaConfig config = {};
  DType dtype = DType::f32;  // what config.json calls theirs
  NamedTensors weights = {};
};
// The weights are the model's own tensors: they change with it.
ModelContents contents_of(const Llama& llama);

// The two files alone, for a folder that keeps their checksums elsewhere.
FileChecksums write_model_files(const ModelContents& model, const std::filesystem::path& directory);

// A new folder's model, of weights that stand in no Llama. `dtype`: what config.json calls theirs.
void save_new_model(const LlamaConfig& config, const std::vector<TensorToWrite>& weights,
                    DType dtype, const std::filesystem::path& directory);

}  // namespace lookback
