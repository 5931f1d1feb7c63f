#include "apps/data/text_check.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "apps/data/json_tokenizer/characters.h"
#include "runtime/check.h"

namespace lookback {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t rest_of_character = 3;
constexpr std::size_t looked_at_bytes = text_check_bytes - rest_of_character;

constexpr auto decompress = "decompress it first"sv;
constexpr auto give_text = "--data takes texts (UTF-8) and .bin files of tokens"sv;
constexpr auto lfs_mark = "version https://git-lfs.github.com/spec/"sv;

struct BinaryFormat {
  std::size_t position;
  std::string_view mark, name, advice;
};
constexpr std::array binary_formats = {
    BinaryFormat{0, "\x1f\x8b\x08", "compressed by gzip", "its name must end in .gz"},
    BinaryFormat{0, "BZh91AY&SY", "compressed by bzip2", decompress},
    BinaryFormat{0, "\xfd\x37zXZ\0"sv, "compressed by xz", decompress},
    BinaryFormat{0, "\x28\xb5\x2f\xfd", "compressed by zstd", "its name must end in .zst"},
    BinaryFormat{0, "PK\x03\x04", "a zip archive (a model of PyTorch, or .npz, is one too)",
                 "unpack it first, if texts or arrays are in it"},
    BinaryFormat{0, "\x80\x02\x8a\x0al\xfc\x9c", "a model of PyTorch", give_text},
    BinaryFormat{257, "ustar", "a tar archive", "unpack it first, and name the folder"},
    BinaryFormat{0, "\x93NUMPY", "a NumPy array", "its name must end in .npy"},
    BinaryFormat{4, "\0\0\0\0{\""sv, "a safetensors file",
                 "a model is named by its folder, not as data"},
    BinaryFormat{0, "GGUF", "a GGUF model", give_text},
    BinaryFormat{0, "PAR1", "a Parquet file", "its texts, written out as UTF-8, would do"},
    BinaryFormat{0, "ARROW1\0"sv, "an Arrow file", "its texts, written out as UTF-8, would do"},
    BinaryFormat{0, "\xff\xff\xff\xff\x10\0"sv, "an Arrow stream (datasets.save_to_disk)",
                 "dataset.to_json('FILE.jsonl') writes its texts"},
    BinaryFormat{0, "%PDF-", "a PDF", "its text would do (pdftotext writes it out)"},
    BinaryFormat{0, "\x89PNG\r\n\x1a\n", "a PNG image", give_text},
    BinaryFormat{0, "\xff\xd8\xff", "a JPEG image", give_text},
    BinaryFormat{0, "\177ELF", "a program", give_text},
    BinaryFormat{0, "\xff\xfe", "UTF-16", "`iconv -f UTF-16 -t UTF-8` makes it UTF-8"},
    BinaryFormat{0, "\xfe\xff", "UTF-16", "`iconv -f UTF-16 -t UTF-8` makes it UTF-8"},
};

std::string_view looked_at(std::span<const std::byte> file) {
  return {reinterpret_cast<const char*>(file.data()), std::min(file.size(), looked_at_bytes)};
}

void check_no_lfs_pointer(std::string_view bytes, const std::string& path) {
  const Check check{"data"};
  check(!bytes.starts_with(lfs_mark),
        "{}: is a Git LFS pointer, not the file that it stands for: `git lfs pull` fetches that",
        path);
}

// Of tokens, the upper bytes of small ones are control characters.
bool reads_as_text(std::string_view bytes) {
  constexpr std::size_t enough = 32;
  return bytes.size() >= enough && std::ranges::none_of(bytes, [](unsigned char c) {
           return c == 0x7f || (c < ' ' && c != '\t' && c != '\n' && c != '\r');
         });
}

}  // namespace

void check_is_no_other_format(std::span<const std::byte> beginning, const std::string& path) {
  constexpr std::size_t shortest_mark = 3;
  const auto bytes = looked_at(beginning);
  check_no_lfs_pointer(bytes, path);
  for (const auto& [position, mark, name, advice] : binary_formats) {
    if (mark.size() < shortest_mark || bytes.size() < position) continue;
    if (!bytes.substr(position).starts_with(mark)) continue;
    fail("data", "{}: is {}, not tokens: {}; --bin-dtype uint16 reads it as tokens all the same",
         path, name, advice);
  }
  const Check check{"data"};
  check(!reads_as_text(bytes) || first_not_utf8(beginning),
        "{}: is text, not tokens: give it a name that ends in .txt", path);
}

void check_is_text(std::span<const std::byte> file, const std::string& path) {
  const auto bytes = looked_at(file);
  check_no_lfs_pointer(bytes, path);
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
      json_tokenizer::valid_bytes({reinterpret_cast<const char*>(seen.data()), seen.size()});
  if (valid >= std::min(file.size(), looked_at_bytes)) return std::nullopt;
  return valid;
}

std::string not_utf8_warning(const std::string& path, std::size_t byte) {
  return fmt::format(
      "{}: byte {} is not UTF-8 (latin-1?): convert it, or prompt the model in the same encoding",
      path, byte);
}

}  // namespace lookback
