#include "apps/data/token_layout.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/bare_tokens.h"
#include "apps/data/number_codes.h"
#include "apps/data/numpy_header.h"
#include "apps/data/text_check.h"
#include "apps/data/token_index.h"
#include "runtime/check.h"

namespace lookback {
namespace {

constexpr std::size_t header_numbers = 256;
constexpr std::size_t header_size = header_numbers * sizeof(std::int32_t);
constexpr std::string_view packed_mark = "LITPKDS";

struct HeaderKind {
  std::int32_t magic, version;
  TokenType type;
};
constexpr std::array header_kinds = {HeaderKind{20240520, 1, TokenType::uint16},
                                     HeaderKind{20240801, 7, TokenType::uint32}};

// Other files of llm.c whose names end in .bin.
struct OtherKind {
  std::int32_t magic;
  std::string_view name;
};
constexpr std::array other_kinds = {
    OtherKind{20240522, "questions of an evaluation"}, OtherKind{20240326, "a model"},
    OtherKind{20240327, "activations for tests"}, OtherKind{20240328, "a tokenizer"}};

TokenLayout said_by_file(std::size_t header_bytes, TokenType type) {
  return {.header_bytes = header_bytes, .type = type, .said_by = TokenLayout::Source::file};
}

using Header = std::array<std::int32_t, header_numbers>;  // zeros where the file is shorter

Header first_numbers(const InputFile& file) {
  Header header{};
  file.read(0, std::as_writable_bytes(std::span(header)).first(std::min(header_size, file.size())));
  return header;
}

std::optional<TokenLayout> layout_with_header(const InputFile& file, const Header& header) {
  const Check check{"data"};
  const auto* kind = std::ranges::find(header_kinds, header[0], &HeaderKind::magic);
  if (kind == header_kinds.end()) return std::nullopt;
  check(file.size() >= header_size,
        "{}: {} bytes are too few for the header of {} int32 that its first number {} announces",
        file.path(), file.size(), header_numbers, header[0]);
  check(header[1] == kind->version, "{}: header {} of version {} is not known: version {} is",
        file.path(), header[0], header[1], kind->version);
  const auto body = file.size() - header_size;
  const auto width = bytes_of(kind->type);
  check(header[2] > 0 && static_cast<std::size_t>(header[2]) * width == body,
        "{}: the header says {} tokens of {} bytes, but {} bytes follow it", file.path(), header[2],
        width, body);
  return said_by_file(header_size, kind->type);
}

// A packed chunk: the mark, version (uint64), kind of numbers (uint8), how many (uint64).
std::optional<TokenLayout> packed_layout(const InputFile& file) {
  constexpr std::size_t version_at = 7, code_at = 15, count_at = 16, header_bytes = 24;
  std::array<char, header_bytes> start{};
  file.read(0, std::as_writable_bytes(std::span(start)).first(std::min(start.size(), file.size())));
  const std::string_view bytes(start.data(), start.size());
  if (!bytes.starts_with(packed_mark)) return std::nullopt;
  const Check check{"data"};
  check(file.size() > header_bytes, "{}: {} bytes are too few for a chunk that begins with {}",
        file.path(), file.size(), packed_mark);
  std::uint64_t version = 0, count = 0;
  std::memcpy(&version, start.data() + version_at, sizeof version);
  std::memcpy(&count, start.data() + count_at, sizeof count);
  check(version == 1, "{}: is a packed chunk ({}) of version {}: 1 is known", file.path(),
        packed_mark, version);
  const auto type = type_of_code(static_cast<unsigned char>(bytes[code_at]), file.path());
  const auto body = file.size() - header_bytes;
  check(body % bytes_of(type) == 0 && body / bytes_of(type) == count,
        "{}: the header says {} tokens of {}, but {} bytes follow it", file.path(), count,
        name_of(type), body);
  return said_by_file(header_bytes, type);
}

// llm.c and its kin begin with a date; the rest of the header is zeros.
void refuse_other_headers(const InputFile& file, const Header& header) {
  constexpr std::int32_t first_date = 20230101, last_date = 20491231, most = 100;
  if (header[0] < first_date || header[0] > last_date) return;
  const auto* kind = std::ranges::find(other_kinds, header[0], &OtherKind::magic);
  if (kind != other_kinds.end() && 0 <= header[1] && header[1] < most) {
    fail("data", "{}: begins with {}: {} of llm.c, not tokens to train on", file.path(), header[0],
         kind->name);
  }
  const bool plain = file.size() >= header_size && 0 <= header[1] && header[1] < most &&
                     std::all_of(header.begin() + header_numbers / 2, header.end(),
                                 [](std::int32_t number) { return number == 0; });
  if (!plain) return;
  fail("data",
       "{}: begins with the header {} of version {}, which is not known (20240520 and 20240801 are "
       "llm.c's): --bin-dtype uint16 or uint32 reads it as tokens from its first byte on",
       file.path(), header[0], header[1]);
}

void refuse_other_files(const InputFile& file, const Header& header) {
  refuse_other_headers(file, header);
  std::vector<std::byte> beginning(std::min(text_check_bytes, file.size()));
  file.read(0, beginning);
  check_is_no_other_format(beginning, file.path());
}

TokenLayout bare_layout(const InputFile& file, TokenType type) {
  const Check check{"data"};
  const auto width = bytes_of(type);
  check(width != 2 || file.size() % 2 == 0,
        "{}: an odd number of bytes ({}) cannot be tokens of two bytes each", file.path(),
        file.size());
  check(file.size() % width == 0,
        "{}: {} bytes are no whole number of tokens: {} has {} bytes; was it cut short?",
        file.path(), file.size(), name_of(type), width);
  return {.header_bytes = 0, .type = type, .said_by = TokenLayout::Source::other};
}

std::optional<TokenLayout> layout_of_file(const InputFile& file, const Header& header) {
  if (is_numpy(file)) return numpy_layout(file);
  if (auto packed = packed_layout(file)) return packed;
  return layout_with_header(file, header);
}

void check_asked(const TokenLayoutOptions& options, TokenType type, std::string_view says,
                 const std::string& path) {
  const Check check{"data"};
  check(!options.bin_dtype || *options.bin_dtype == type,
        "{}: {} that its tokens are {}, --bin-dtype says {}: leave the flag out", path, says,
        name_of(type), name_of(options.bin_dtype.value_or(type)));
}

}  // namespace

TokenLayout token_layout(const InputFile& file, const TokenLayoutOptions& options) {
  constexpr std::int64_t vocabulary_of_uint16 = 65536;
  const Check check{"data"};
  const auto& path = file.path();
  const auto header = first_numbers(file);
  if (const auto layout = layout_of_file(file, header)) {
    check_asked(options, layout->type, "its header says", path);
    return *layout;
  }
  const auto index = token_index_of(file);
  if (index && index->type) {
    check_asked(options, *index->type, index->path + " says", path);
    return bare_layout(file, *index->type);
  }
  if (options.bin_dtype) return bare_layout(file, *options.bin_dtype);
  check(!index,
        "{}: the {} beside it is no index of Megatron-LM or fairseq: --bin-dtype uint16 or uint32 "
        "says what its tokens are",
        path, index.value_or(TokenIndex{}).path);
  check_no_litdata(file);
  check(!path.ends_with(".npy"),
        "{}: has no header of NumPy (dolma and OLMo write bare tokens under such names): "
        "--bin-dtype uint16 or uint32 says what they are",
        path);
  refuse_other_files(file, header);
  check(options.vocabulary_size.value_or(0) <= vocabulary_of_uint16,
        "{}: says nothing of how wide its tokens are, and a vocabulary of {} needs more than two "
        "bytes: --bin-dtype uint32 (or int32, int64; uint16 where its ids are smaller) says it",
        path, options.vocabulary_size.value_or(0));
  const auto layout = bare_layout(file, TokenType::uint16);
  check_is_uint16(file);
  return layout;
}

}  // namespace lookback
