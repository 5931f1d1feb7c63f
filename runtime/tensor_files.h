// Tensors by name out of one safetensors file, or out of several that are one model's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/safetensors.h"

namespace lookback {

class TensorFiles {
 public:
  // One file is files of one.
  TensorFiles(SafetensorsFile file);
  // `source` is the name that errors carry. Throws Error for a tensor that is in two of them.
  TensorFiles(std::string source, std::vector<SafetensorsFile> files);

  const std::string& source() const { return source_; }
  std::vector<std::string> names() const;  // in byte order
  bool contains(const std::string& name) const { return places_.contains(name); }
  // Throw Error where there is no such tensor, and as SafetensorsFile does.
  const SafetensorsInfo& info(const std::string& name) const;
  Tensor load(const std::string& name) const;

  // The same tensors under other names. Throws Error where two get the same.
  using Renaming = std::function<std::string(const std::string&)>;
  TensorFiles renamed(const Renaming& renaming) const;

 private:
  struct Place {
    std::size_t file;
    std::string name;  // that it has there
  };
  TensorFiles() = default;
  const Place& place(const std::string& name) const;

  std::string source_;
  std::shared_ptr<const std::vector<SafetensorsFile>> files_;
  std::map<std::string, Place> places_;
};

}  // namespace lookback
