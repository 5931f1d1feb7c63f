// safetensors files (https://github.com/huggingface/safetensors, "Format"): eight bytes, the length
// n of the header, little-endian; n bytes of JSON, {"name": {"dtype", "shape", "data_offsets":
// [begin, end]}, ..., "__metadata__": {string: string}}; the tensors' bytes, row-major, in which
// the offsets count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/checksum.h"
#include "runtime/tensor.h"

namespace lookback {

struct SafetensorsInfo {
  std::string dtype;                // as the file spells it: "F32"
  std::vector<std::int64_t> shape;  // may have more dimensions than a Tensor can
  std::size_t begin_bytes = 0;      // in the data behind the header
  std::size_t end_bytes = 0;
};

// What a tensor of that dtype is loaded as; none: it cannot be loaded.
std::optional<DType> loaded_dtype(const SafetensorsInfo& info);

// Of every byte of a file: what stands before the data, and each tensor.
struct SafetensorsChecksums {
  Checksum header = {};  // of the header's length and the header
  std::map<std::string, Checksum> tensors = {};
  friend bool operator==(const SafetensorsChecksums&, const SafetensorsChecksums&) = default;
};

// A file opened for reading. Everything is checked before open returns, by the rules of the
// official implementation: header length (at most 100 MB) and JSON; no name twice; known dtypes;
// sizes that do not overflow and match the offsets; tensors that lie back to back and fill the file
// to its last byte. A file that breaks one throws Error naming path, tensor and rule.
// The file is mapped into memory: cutting it short meanwhile ends the program (mapped_range.h);
// replacing it, as write_safetensors does, changes nothing here.
class SafetensorsFile {
 public:
  static SafetensorsFile open(const std::filesystem::path& path);
  // The same from memory that `owner` keeps alive, or (owner null: load copies) that outlives this
  // object; `source` is the name errors carry.
  static SafetensorsFile parse(std::span<std::byte> bytes, std::shared_ptr<const void> owner,
                               std::string source);

  const std::string& source() const { return name_in_errors_; }
  std::vector<std::string> names() const;  // in byte order
  bool contains(const std::string& name) const { return entries_.contains(name); }
  // Throws Error when the file has no such tensor.
  const SafetensorsInfo& info(const std::string& name) const;
  const std::map<std::string, std::string>& metadata() const { return string_pairs_; }

  // What write_safetensors said of this file. Throws Error where the header is another one; from
  // then on load() throws it for a tensor with other bytes (also for one that was written to in
  // memory, and is loaded again). `advice` goes on behind "... is not as ".
  void expect(SafetensorsChecksums checksums, std::string advice);

  // F32, F64, BF16, I64, U8 and BOOL (as u8) as they are, F16 converted to f32; Error for the other
  // dtypes. Looks into the mapped file where the bytes are aligned (writing to it changes the
  // tensor, never the file), and copies where they are not.
  Tensor load(const std::string& name) const;

 private:
  void check_bytes(const std::string& name, std::span<const std::byte> bytes) const;

  std::string name_in_errors_;
  std::shared_ptr<const void> bytes_owner_;
  std::span<const std::byte> header_;  // with its length
  std::span<std::byte> data_;          // behind it
  std::map<std::string, SafetensorsInfo> entries_;
  std::map<std::string, std::string> string_pairs_;
  std::optional<SafetensorsChecksums> expected_;
  std::string advice_to_reader_;
};

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
using SafetensorsMetadata = std::map<std::string, std::string>;

// Writes the file through ReplacingFile: whole or not at all. Tensors are contiguous and on the
// CPU; the order they come in does not matter: the file holds them by element size (largest first,
// so that all are aligned), then by name, as the official implementation does. `format` = "pt" is
// added to the metadata. Throws Error for a name given twice and for what cannot be written.
// Returns what SafetensorsFile::expect() knows the file again by.
SafetensorsChecksums write_safetensors(const std::filesystem::path& path,
                                       const NamedTensors& tensors,
                                       SafetensorsMetadata metadata = {});

// A tensor that is made when its turn to be written comes, and not kept: more than memory holds may
// be written so. What is made must have this dtype and shape.
struct TensorToWrite {
  std::string name;
  DType dtype = DType::f32;
  Shape shape = {};
  std::function<Tensor()> make;
};
SafetensorsChecksums stream_safetensors(const std::filesystem::path& path,
                                        const std::vector<TensorToWrite>& tensors,
                                        SafetensorsMetadata metadata = {});

}  // namespace lookback
