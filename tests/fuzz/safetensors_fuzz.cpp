// libFuzzer's entry: any bytes at all are a safetensors file that loads, or one Error of one line.
// Built by clang with -DLOOKBACK_FUZZ=ON; run by tests/fuzz.sh.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "runtime/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  using namespace lookback;
  const auto copy = std::make_shared<std::vector<std::byte>>(count);
  if (count > 0) std::memcpy(copy->data(), bytes, count);
  try {
    const auto file = SafetensorsFile::parse(*copy, copy, "fuzz");
    for (const auto& name : file.names()) {
      try {
        const auto tensor = file.load(name);
        const auto values = tensor.view();
        const auto size = static_cast<std::size_t>(tensor.numel()) * size_of(tensor.dtype());
        std::vector<std::byte> read(size);  // every byte lies inside the input
        if (size > 0) std::memcpy(read.data(), values.data, size);
      } catch (const Error&) {  // a dtype or a rank that cannot be loaded
      }
    }
  } catch (const Error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}
