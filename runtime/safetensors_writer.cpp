#include <algorithm>
#include <nlohmann/json.hpp>

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

std::size_t bytes_of(const Tensor& tensor) {
  return static_cast<std::size_t>(tensor.numel()) * size_of(tensor.dtype());
}

std::vector<const NamedTensors::value_type*> in_file_order(const std::string& path,
                                                           const NamedTensors& tensors) {
  const Check check{operation};
  std::vector<const NamedTensors::value_type*> order;
  for (const auto& named : tensors) {
    const auto& [name, tensor] = named;
    check(name != "__metadata__", "{}: a tensor must not be called __metadata__", path);
    check(tensor.defined() && tensor.backend() != Backend::taint && tensor.is_contiguous(),
          "{}: tensor {} must be defined, contiguous and not on the taint device", path,
          in_quotes(name));
    order.push_back(&named);
  }
  std::ranges::sort(order, {}, &NamedTensors::value_type::first);
  const auto twice = std::ranges::adjacent_find(order, {}, &NamedTensors::value_type::first);
  if (twice != order.end()) fail(operation, "{}: two tensors {}", path, in_quotes((*twice)->first));
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [](const auto* named) { return size_of(named->second.dtype()); });
  return order;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       SafetensorsMetadata metadata) {
  const auto order = in_file_order(path.string(), tensors);
  metadata.emplace("format", "pt");
  nlohmann::ordered_json header;
  header["__metadata__"] = metadata;
  std::size_t position = 0;
  for (const auto* named : order) {
    const auto& [name, tensor] = *named;
    const auto end = position + bytes_of(tensor);
    header[name] = {
        {"dtype", file_dtype(tensor.dtype())},
        {"shape", std::vector<std::int64_t>(tensor.shape().begin(), tensor.shape().end())},
        {"data_offsets", {position, end}}};
    position = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    fail(operation, "{}: a name or metadata string is not UTF-8", path.string());
  }
  // The data begin at a multiple of 8, so that every tensor is aligned in a mapped file.
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t header_bytes = text.size();

  ReplacingFile file(path);
  file.write(std::as_bytes(std::span(&header_bytes, 1)));
  file.write(text);
  for (const auto* named : order) {
    if (named->second.numel() == 0) continue;
    const auto tensor = on_host(named->second);
    file.write({static_cast<const std::byte*>(tensor.raw_data()), bytes_of(tensor)});
  }
  file.commit();
}

}  // namespace lookback
