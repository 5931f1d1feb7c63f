// libFuzzer's entry: a byte that chooses a reader, and a file. Any bytes at all are tokens, records
// or a compressed text, or one Error of one line. Built by clang with -DLOOKBACK_FUZZ=ON; run by
// tests/fuzz.sh.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "apps/data/text_file.h"
#include "apps/data/token_layout.h"
#include "runtime/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  using namespace lookback;
  if (count < 2) return 0;
  constexpr std::array names = {"fuzz.bin", "fuzz.jsonl", "fuzz.txt.gz", "fuzz.jsonl.zst"};
  const auto path = std::filesystem::temp_directory_path() / names.at(bytes[0] % names.size());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes + 1), static_cast<std::streamsize>(count - 1));
  try {
    const InputFile file(path.string(), "fuzz");
    if (path.extension() == ".bin") {
      const auto layout = token_layout(file, {});
      if (layout.header_bytes >= file.size() ||
          (file.size() - layout.header_bytes) % bytes_of(layout.type) != 0)
        std::abort();
    } else {
      const auto documents = read_encoded_text(file, "text");
      const auto size = static_cast<std::int64_t>(documents.text.size());
      if (!documents.ends.empty() && documents.ends.back() != size) std::abort();
    }
  } catch (const Error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}
