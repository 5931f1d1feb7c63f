#include "apps/data/text_check.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "apps/data/byte_pair/characters.h"
#include "runtime/check.h"

namespace lookback {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t rest_of_character = 3;
constexpr std::size_t looked_at_bytes = text_check_bytes - rest_of_character;

constexpr auto decompress = "decompress it first"sv;
constexpr auto give_text = "--data takes texts (UTF-8) and .bin files of tokens"sv;
constexpr auto give_tokens =
    "its tokens as uint16, in a file whose name ends in .bin, would do "
    "(array.astype('uint16').tofile('FILE.bin'))"sv;

struct BinaryFormat {
  std::size_t position;
  std::string_view mark, name, advice;
};
constexpr std::array binary_formats = {
    BinaryFormat{0, "\x1f\x8b", "compressed by gzip", decompress},
    BinaryFormat{0, "BZh91AY&SY", "compressed by bzip2", decompress},
    BinaryFormat{0, "\xfd\x37zXZ\0"sv, "compressed by xz", decompress},
    BinaryFormat{0, "\x28\xb5\x2f\xfd", "compressed by zstd", decompress},
    BinaryFormat{0, "PK\x03\x04", "a zip archive", "unpack it first, if texts are in it"},
    BinaryFormat{0, "\x93NUMPY", "a NumPy array", give_tokens},
    BinaryFormat{8, "{\"", "a safetensors file", "a model is named by its folder, not as data"},
    BinaryFormat{0, "GGUF", "a GGUF model", give_text},
    BinaryFormat{0, "PAR1", "a Parquet file", "its texts, written out as UTF-8, would do"},
    BinaryFormat{0, "ARROW1\0"sv, "an Arrow file", "its texts, written out as UTF-8, would do"},
    BinaryFormat{0, "%PDF-", "a PDF", "its text would do (pdftotext writes it out)"},
    BinaryFormat{0, "\x89PNG\r\n\x1a\n", "a PNG image", give_text},
    BinaryFormat{0, "\xff\xd8\xff", "a JPEG image", give_text},
    BinaryFormat{0, "\177ELF", "a program", give_text},
    BinaryFormat{0, "\xff\xfe", "UTF-16", "`iconv -f UTF-16 -t UTF-8` makes it UTF-8"},
    BinaryFormat{0, "\xfe\xff", "UTF-16", "`iconv -f UTF-16 -t UTF-8` makes it UTF-8"},
};

}  // namespace

void check_is_text(std::span<const std::byte> file, const std::string& path) {
  const std::string_view bytes{reinterpret_cast<const char*>(file.data()),
                               std::min(file.size(), looked_at_bytes)};
  const auto zero = bytes.find('\0');
  const bool has_zero = zero != std::string_view::npos;
  for (const auto& [position, mark, name, advice] : binary_formats) {
    if (bytes.size() < position || !bytes.substr(position).starts_with(mark)) continue;
    // A text may be about marks that can be typed; what they announce holds more than letters.
    const bool typed = std::ranges::all_of(mark, [](char c) { return ' ' <= c && c <= '~'; });
    if (typed && !has_zero && !first_not_utf8(file)) continue;
    fail("data", "{}: is {}, not a text: {}", path, name, advice);
  }
  const Check check{"data"};
  check(!has_zero, "{}: byte {} is 0, which no text has: is it binary? {}", path, zero, give_text);
}

std::optional<std::size_t> first_not_utf8(std::span<const std::byte> file) {
  const auto seen = file.first(std::min(file.size(), text_check_bytes));
  const auto valid =
      byte_pair::valid_bytes({reinterpret_cast<const char*>(seen.data()), seen.size()});
  if (valid >= std::min(file.size(), looked_at_bytes)) return std::nullopt;
  return valid;
}

}  // namespace lookback
