// libFuzzer's entry: any bytes at all are checksums of a model folder, or one Error of one line.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "apps/model/folder_checksums.h"
#include "apps/model/sealed_json.h"
#include "runtime/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  using namespace lookback;
  const std::string_view text(reinterpret_cast<const char*>(bytes), count);
  try {
    const auto [object, sealed] = unsealed(text, "fuzz", "fuzz");
    // A checksum that fits is beyond what a fuzzer finds; what is behind it is reached without.
    const auto again = sealed_text(object);
    if (!unsealed(again, "fuzz", "fuzz").sealed) std::abort();
    const auto files = parse_file_checksums(object, "fuzz");
    if (parse_file_checksums(to_json(files), "fuzz") != files) std::abort();
  } catch (const Error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}
