#include "apps/data/token_array.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <utility>

#include "apps/cli/console.h"
#include "apps/data/text_check.h"
#include "runtime/check.h"

namespace lookback {
namespace {

static_assert(std::endian::native == std::endian::little, "token files are read as they lie");

constexpr std::size_t header_numbers = 256;
constexpr std::size_t header_size = header_numbers * sizeof(std::int32_t);

struct HeaderKind {
  std::int32_t magic, version;
  std::size_t width;
};
constexpr std::array header_kinds = {HeaderKind{20240520, 1, 2}, HeaderKind{20240801, 7, 4}};

// Calls body(const Token* tokens) with the type that is `width` bytes wide.
template <class Body>
auto with_tokens(const std::byte* data, std::size_t width, const Body& body) {
  if (width == 1) return body(reinterpret_cast<const std::uint8_t*>(data));
  if (width == 2) return body(reinterpret_cast<const std::uint16_t*>(data));
  return body(reinterpret_cast<const std::uint32_t*>(data));
}

// floor(0.95 n)
std::int64_t share_for_training(std::int64_t n) { return n / 100 * 95 + n % 100 * 95 / 100; }

// The start of the UTF-8 character that byte `at` of `size` lies in; `at` itself where that is
// none.
std::int64_t start_of_character(const std::byte* text, std::int64_t at, std::int64_t size) {
  constexpr std::byte mark{0xC0}, continuation{0x80};
  if (at == size) return at;
  for (std::int64_t start = at; start >= 0 && at - start < 4; --start) {
    if ((text[start] & mark) != continuation) return start;
  }
  return at;
}

}  // namespace

TokenFormat format_of(const std::string& path) {
  return path.ends_with(".bin") ? TokenFormat::bin : TokenFormat::text;
}

TokenArray::TokenArray(const std::vector<std::string>& paths) {
  const Check check{"data"};
  check(!paths.empty(), "there is no file to read");
  kind = format_of(paths.front());
  for (const auto& path : paths) {
    check(format_of(path) == kind,
          "{} and {}: text and .bin cannot be joined; name files of one kind", paths.front(), path);
    MappedFile file{path, "data"};
    check(file.size() > 0, "{}: is empty", path);
    if (kind == TokenFormat::text) check_is_text(file.bytes(), path);
    append(kind == TokenFormat::bin ? open_bin(std::move(file)) : piece_of(std::move(file), 0, 1));
  }
  validation_first = share_for_training(count);
  if (kind == TokenFormat::text) warn_of_encoding();
}

void TokenArray::warn_of_encoding() const {
  for (const auto& piece : pieces) {
    const auto at = first_not_utf8({piece.data, static_cast<std::size_t>(piece.bytes)});
    if (!at) continue;
    print_error(
        fmt::format("lookback: warning: {}: byte {} is not UTF-8 (latin-1?): convert it, or prompt "
                    "the model in "
                    "the same encoding\n",
                    one_line(piece.path), *at));
    return;  // one line, however many files there are
  }
}

void TokenArray::append(Piece piece) {
  if (piece.count == 0) return;  // a text of nothing but what its tokenizer drops
  piece.first = count;
  count += piece.count;
  pieces.push_back(std::move(piece));
}

TokenArray::Piece TokenArray::piece_of(MappedFile file, std::size_t header_bytes,
                                       std::size_t width) {
  auto path = file.path();
  const auto bytes = file.size() - header_bytes;
  const auto storage = std::make_shared<const MappedFile>(std::move(file));
  return {.path = std::move(path),
          .storage = storage,
          .data = storage->bytes().data() + header_bytes,
          .width = width,
          .count = static_cast<std::int64_t>(bytes / width),
          .bytes = static_cast<std::int64_t>(bytes)};
}

TokenArray::Piece TokenArray::open_bin(MappedFile file) {
  const Check check{"data"};
  std::array<std::int32_t, 3> header{};
  std::memcpy(header.data(), file.bytes().data(), std::min(sizeof header, file.size()));
  for (const auto& header_kind : header_kinds) {
    if (header[0] != header_kind.magic) continue;
    check(file.size() >= header_size,
          "{}: {} bytes are too few for the header of {} int32 that its first number {} announces",
          file.path(), file.size(), header_numbers, header[0]);
    check(header[1] == header_kind.version,
          "{}: header {} of version {} is not known: version {} is", file.path(), header[0],
          header[1], header_kind.version);
    const auto body = file.size() - header_size;
    check(header[2] > 0 && static_cast<std::size_t>(header[2]) * header_kind.width == body,
          "{}: the header says {} tokens of {} bytes, but {} bytes follow it", file.path(),
          header[2], header_kind.width, body);
    return piece_of(std::move(file), header_size, header_kind.width);
  }
  check(file.size() % 2 == 0, "{}: an odd number of bytes ({}) cannot be tokens of two bytes each",
        file.path(), file.size());
  return piece_of(std::move(file), 0, 2);
}

TokenArray::Piece TokenArray::encode(const Piece& text, std::int64_t begin, std::int64_t end,
                                     const Tokenizer& tokenizer) {
  const auto bytes = end - begin;
  const auto tokens = tokenizer.encode(
      {reinterpret_cast<const char*>(text.data) + begin, static_cast<std::size_t>(bytes)});
  const auto storage =
      std::make_shared<const std::vector<std::uint32_t>>(tokens.begin(), tokens.end());
  return {.path = text.path,
          .storage = storage,
          .data = reinterpret_cast<const std::byte*>(storage->data()),
          .width = sizeof(std::uint32_t),
          .count = std::ssize(tokens),
          .bytes = bytes};
}

TokenArray TokenArray::encoded(const Tokenizer& tokenizer, TextCut cut) const {
  TokenArray result;
  for (const auto& text : pieces) {
    auto middle = text.count;
    if (cut == TextCut::before_validation) {
      middle = std::clamp<std::int64_t>(validation_first - text.first, 0, text.count);
      middle = start_of_character(text.data, middle, text.count);
    }
    if (middle > 0) {
      result.append(encode(text, 0, middle, tokenizer));
      result.validation_first = result.count;
    }
    if (middle < text.count) result.append(encode(text, middle, text.count, tokenizer));
  }
  return result;
}

std::optional<std::int64_t> TokenArray::text_bytes(std::int64_t begin, std::int64_t end) const {
  if (kind == TokenFormat::bin) return std::nullopt;
  std::int64_t bytes = 0;
  for (const auto& piece : pieces) {
    const auto from = std::max(begin, piece.first), to = std::min(end, piece.first + piece.count);
    if (from < to) bytes += piece.width == 1 ? to - from : piece.bytes;
  }
  return bytes;
}

void TokenArray::read(std::int64_t first, std::span<std::int64_t> tokens) const {
  const Check check{"data"};
  check(0 <= first && first + std::ssize(tokens) <= count, "tokens {} to {} of {}", first,
        first + std::ssize(tokens), count);
  for (auto piece = pieces.begin() + file_of(first); !tokens.empty(); ++piece) {
    const auto skip = first - piece->first;
    const auto part = tokens.first(
        static_cast<std::size_t>(std::min<std::int64_t>(std::ssize(tokens), piece->count - skip)));
    with_tokens(piece->data, piece->width,
                [&](const auto* data) { std::copy_n(data + skip, part.size(), part.begin()); });
    first += std::ssize(part);
    tokens = tokens.subspan(part.size());
  }
}

std::int64_t TokenArray::file_of(std::int64_t token) const {
  const auto behind = std::upper_bound(pieces.begin(), pieces.end(), token,
                                       [](std::int64_t t, const Piece& p) { return t < p.first; });
  return behind - pieces.begin() - 1;
}

const std::string& TokenArray::path(std::int64_t file) const {
  return pieces[static_cast<std::size_t>(file)].path;
}

std::optional<std::int64_t> TokenArray::closing_token() const {
  std::map<std::int64_t, std::int64_t> files_with;
  for (const auto& piece : pieces) {
    std::int64_t last = 0;
    read(piece.first + piece.count - 1, {&last, 1});
    if (2 * ++files_with[last] > std::ssize(pieces)) return last;
  }
  return std::nullopt;
}

std::int64_t TokenArray::largest_token() const {
  std::int64_t largest = 0;
  for (const auto& piece : pieces) {
    largest =
        std::max(largest, with_tokens(piece.data, piece.width, [&](const auto* data) {
                   return static_cast<std::int64_t>(*std::max_element(data, data + piece.count));
                 }));
  }
  return largest;
}

void TokenArray::check_vocabulary(std::int64_t vocabulary_size) const {
  for (const auto& piece : pieces) {
    with_tokens(piece.data, piece.width, [&](const auto* data) {
      if (*std::max_element(data, data + piece.count) < vocabulary_size) return;
      const auto* wrong = std::find_if(
          data, data + piece.count, [&](std::int64_t token) { return token >= vocabulary_size; });
      fail("data", "{}: token {} at position {} is outside the vocabulary of {}: ids go up to {}",
           piece.path, *wrong, wrong - data, vocabulary_size, vocabulary_size - 1);
    });
  }
}

}  // namespace lookback
