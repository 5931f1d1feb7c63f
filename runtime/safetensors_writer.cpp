#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/json.h"
#include "runtime/replacing_file.h"
#include "runtime/safetensors.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

constexpr std::string_view operation = "safetensors";

std::string_view file_dtype(DType dtype) {
  switch (dtype) {
    case DType::f32: return "F32";
    case DType::f64: return "F64";
    case DType::bf16: return "BF16";
    case DType::i64: return "I64";
    case DType::u8: return "U8";
  }
  return "";
}

std::size_t bytes_of(const TensorToWrite& tensor) {
  return static_cast<std::size_t>(tensor.shape.numel()) * size_of(tensor.dtype);
}

using InFileOrder = std::vector<const TensorToWrite*>;

InFileOrder in_file_order(const std::string& path, const std::vector<TensorToWrite>& tensors) {
  const Check check{operation};
  InFileOrder order;
  for (const auto& tensor : tensors) {
    check(tensor.name != "__metadata__", "{}: a tensor must not be called __metadata__", path);
    order.push_back(&tensor);
  }
  std::ranges::sort(order, {}, &TensorToWrite::name);
  const auto twice = std::ranges::adjacent_find(order, {}, &TensorToWrite::name);
  if (twice != order.end()) fail(operation, "{}: two tensors {}", path, in_quotes((*twice)->name));
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [](const auto* tensor) { return size_of(tensor->dtype); });
  return order;
}

void check_writable(const std::string& path, const std::string& name, const Tensor& tensor) {
  const Check check{operation};
  check(tensor.defined() && tensor.backend() != Backend::taint && tensor.is_contiguous(),
        "{}: tensor {} must be defined, contiguous and not on the taint device", path,
        in_quotes(name));
}

// The header with its length in front. The data begin at a multiple of 8, so that every tensor is
// aligned in a mapped file.
std::string header_of(const std::string& path, const InFileOrder& order,
                      SafetensorsMetadata metadata) {
  metadata.emplace("format", "pt");
  // Appended: an ordered object looks through all its names when it is asked for one.
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  auto& entries = header.get_ref<nlohmann::ordered_json::object_t&>();
  entries.emplace_back("__metadata__", metadata);
  std::size_t position = 0;
  for (const auto* tensor : order) {
    const auto& shape = tensor->shape;
    const auto end = position + bytes_of(*tensor);
    entries.emplace_back(
        tensor->name,
        nlohmann::ordered_json{{"dtype", file_dtype(tensor->dtype)},
                               {"shape", std::vector<std::int64_t>(shape.begin(), shape.end())},
                               {"data_offsets", {position, end}}});
    position = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    fail(operation, "{}: a name or metadata string is not UTF-8", path);
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t header_bytes = text.size();
  return std::string(reinterpret_cast<const char*>(&header_bytes), sizeof header_bytes) + text;
}

// Adds up and writes in pieces that stay in the processor's cache between the two.
Checksum write_tensor(ReplacingFile& file, std::span<const std::byte> bytes) {
  constexpr std::size_t piece_bytes = std::size_t{1} << 18;
  RunningChecksum checksum;
  for (std::size_t begin = 0; begin < bytes.size(); begin += piece_bytes) {
    const auto piece = bytes.subspan(begin, std::min(piece_bytes, bytes.size() - begin));
    checksum.add(piece);
    file.write(piece);
  }
  return checksum.value();
}

}  // namespace

SafetensorsChecksums write_safetensors(const std::filesystem::path& path,
                                       const NamedTensors& tensors, SafetensorsMetadata metadata) {
  std::vector<TensorToWrite> all;
  for (const auto& [name, tensor] : tensors) {
    check_writable(path.string(), name, tensor);
    all.push_back({name, tensor.dtype(), tensor.shape(), [&tensor = tensor] { return tensor; }});
  }
  return stream_safetensors(path, all, std::move(metadata));
}

SafetensorsChecksums stream_safetensors(const std::filesystem::path& path,
                                        const std::vector<TensorToWrite>& tensors,
                                        SafetensorsMetadata metadata) {
  const Check check{operation};
  const auto order = in_file_order(path.string(), tensors);
  const auto header = header_of(path.string(), order, std::move(metadata));
  SafetensorsChecksums checksums{.header = checksum_of(header)};
  ReplacingFile file(path);
  file.write(header);
  for (const auto* each : order) {
    const auto made = each->make();
    check_writable(path.string(), each->name, made);
    check(made.dtype() == each->dtype && made.shape() == each->shape,
          "{}: tensor {} is {} {}, announced as {} {}", path.string(), in_quotes(each->name),
          name_of(made.dtype()), made.shape(), name_of(each->dtype), each->shape);
    const auto bytes = bytes_of(*each);
    if (bytes == 0) {
      checksums.tensors.emplace(each->name, checksum_of(std::span<const std::byte>{}));
      continue;
    }
    const auto tensor = on_host(made);
    const auto* data = static_cast<const std::byte*>(tensor.raw_data());
    checksums.tensors.emplace(each->name, write_tensor(file, {data, bytes}));
  }
  file.commit();
  return checksums;
}

}  // namespace lookback
