// The weights of a model folder: model.safetensors, or several files and the index that
// transformers writes beside them.
#pragma once

#include <filesystem>
#include <string>

#include "apps/model/folder_checksums.h"
#include "runtime/tensor_files.h"

namespace lookback {

inline constexpr auto weights_name = "model.safetensors";

// Throws Error, where neither is there, with what is there instead and what to do; its tensors are
// checked against the folder's checksums as they are loaded.
TensorFiles open_weight_files(const std::filesystem::path& directory,
                              const FolderChecksums& checksums);

// Throws Error where a folder holds an adapter, or weights in another format alone.
void refuse_other_folder(const std::filesystem::path& directory);

// Throws Error for names that no model here has: of quantized weights, of adapters, and those that
// a wrapper is around, with the command that takes it off.
void refuse_other_names(const TensorFiles& weights, const std::filesystem::path& directory);

}  // namespace lookback
