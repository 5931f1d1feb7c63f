// libFuzzer's entry: a tokenizer.json, a NUL byte, and a text. Any bytes at all are a tokenizer
// whose ids are in its vocabulary, or one Error of one line. Built by clang with
// -DLOOKBACK_FUZZ=ON; run by tests/fuzz.sh.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "apps/data/json_tokenizer.h"
#include "runtime/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  using namespace lookback;
  const std::string_view input(reinterpret_cast<const char*>(bytes), count);
  const auto end = std::min(input.find('\0'), input.size());
  const auto text = input.substr(std::min(end + 1, input.size()));
  const auto of_one_line = [](const Error& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  };
  try {
    const auto tokenizer = parse_json_tokenizer(input.substr(0, end), "fuzz");
    const auto tokens = tokenizer->encode(text);
    for (const auto token : tokens) {
      if (token < 0 || token >= tokenizer->vocabulary_size()) std::abort();
    }
    tokenizer->decode(tokens);
  } catch (const Error& error) {
    of_one_line(error);
  }
  try {  // the text is a tokenizer_config.json too
    parse_json_tokenizer(input.substr(0, end), "fuzz", text);
  } catch (const Error& error) {
    of_one_line(error);
  }
  return 0;
}
