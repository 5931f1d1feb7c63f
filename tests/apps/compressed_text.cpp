#include "tests/apps/compressed_text.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

namespace lookback::tests {

std::string gzipped(const std::string& text) {
  z_stream stream{};
  constexpr int window_with_header = 15 + 16, memory = 8;
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, window_with_header, memory, Z_DEFAULT_STRATEGY),
            Z_OK);
  std::string input = text, output(text.size() + 1000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(output.data());
  stream.avail_out = static_cast<uInt>(output.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  output.resize(stream.total_out);
  deflateEnd(&stream);
  return output;
}

std::string zstd_of(const std::string& text) {
  std::string output(ZSTD_compressBound(text.size()), '\0');
  output.resize(ZSTD_compress(output.data(), output.size(), text.data(), text.size(), 3));
  return output;
}

}  // namespace lookback::tests
