#include "apps/data/text_file.h"

#include <span>
#include <string_view>

#include "apps/data/compressed_file.h"
#include "apps/data/text_check.h"
#include "runtime/check.h"

namespace lookback {
namespace {

// The name without the ending of a compressed file.
std::string_view inner_name(std::string_view path) {
  return compression_of(path) == Compression::none ? path : path.substr(0, path.rfind('.'));
}

std::string whole_text(const InputFile& file) {
  std::string text(file.size(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace

bool is_encoded_text(const std::string& path) {
  return compression_of(path) != Compression::none || holds_records(path);
}

Documents read_encoded_text(const InputFile& file, const std::string& text_field,
                            const std::function<void(std::int64_t)>& told) {
  const Check check{"data"};
  const auto& path = file.path();
  const auto compression = compression_of(path);
  const auto name = inner_name(path);
  check(!name.ends_with(".bin") && !name.ends_with(".npy"),
        "{}: decompress it first: tokens are read where they lie", path);
  auto text =
      compression == Compression::none ? whole_text(file) : decompressed(file, compression, told);
  check(!text.empty(), "{}: is empty once it is decompressed", path);
  check_is_text(std::as_bytes(std::span(text)), path);
  if (holds_records(name)) return read_records(text, path, text_field);
  return {.text = std::move(text), .ends = {}};
}

}  // namespace lookback
