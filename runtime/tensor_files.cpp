#include "runtime/tensor_files.h"

#include <utility>

#include "runtime/check.h"
#include "runtime/json.h"

namespace lookback {
namespace {

constexpr std::string_view operation = "safetensors";

std::vector<SafetensorsFile> one(SafetensorsFile file) {
  std::vector<SafetensorsFile> files;
  files.push_back(std::move(file));
  return files;
}

}  // namespace

TensorFiles::TensorFiles(SafetensorsFile file)
    : TensorFiles(std::string(file.source()), one(std::move(file))) {}

TensorFiles::TensorFiles(std::string source, std::vector<SafetensorsFile> files)
    : source_(std::move(source)),
      files_(std::make_shared<const std::vector<SafetensorsFile>>(std::move(files))) {
  for (std::size_t i = 0; i < files_->size(); ++i) {
    for (const auto& name : (*files_)[i].names()) {
      const auto [found, is_new] = places_.emplace(name, Place{i, name});
      if (is_new) continue;
      fail(operation, "{}: tensor {} is in {} and in {}: it must be in one of them", source_,
           in_quotes(name), (*files_)[found->second.file].source(), (*files_)[i].source());
    }
  }
}

std::vector<std::string> TensorFiles::names() const {
  std::vector<std::string> all;
  for (const auto& [name, place] : places_) all.push_back(name);
  return all;
}

const TensorFiles::Place& TensorFiles::place(const std::string& name) const {
  const auto found = places_.find(name);
  if (found == places_.end()) fail(operation, "{}: holds no tensor {}", source_, in_quotes(name));
  return found->second;
}

const SafetensorsInfo& TensorFiles::info(const std::string& name) const {
  const auto& [file, own_name] = place(name);
  return (*files_)[file].info(own_name);
}

Tensor TensorFiles::load(const std::string& name) const {
  const auto& [file, own_name] = place(name);
  return (*files_)[file].load(own_name);
}

TensorFiles TensorFiles::renamed(const Renaming& renaming) const {
  TensorFiles result;
  result.source_ = source_;
  result.files_ = files_;
  for (const auto& [name, place] : places_) {
    const auto other = renaming(name);
    const auto [found, is_new] = result.places_.emplace(other, place);
    if (is_new) continue;
    fail(operation, "{}: tensors {} and {} would both be named {}", source_,
         in_quotes(found->second.name), in_quotes(place.name), in_quotes(other));
  }
  return result;
}

}  // namespace lookback
