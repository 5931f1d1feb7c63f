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
void with_tokens(const std::byte* data, std::size_t width, const Body& body) {
  if (width == 1) return body(reinterpret_cast<const std::uint8_t*>(data));
  if (width == 2) return body(reinterpret_cast<const std::uint16_t*>(data));
  body(reinterpret_cast<const std::uint32_t*>(data));
}

std::vector<std::byte> first_bytes(const InputFile& file, std::size_t most) {
  std::vector<std::byte> bytes(std::min(most, file.size()));
  file.read(0, bytes);
  return bytes;
}

// floor(0.95 n)
std::int64_t share_for_training(std::int64_t n) { return n / 100 * 95 + n % 100 * 95 / 100; }

// The start of the UTF-8 character that byte `at` lies in; `at` itself where that is none.
std::size_t start_of_character(std::string_view text, std::size_t at) {
  constexpr unsigned mark = 0xC0, continuation = 0x80;
  if (at == text.size()) return at;
  for (std::size_t back = 0; back < std::min<std::size_t>(at + 1, 4); ++back) {
    if ((static_cast<unsigned char>(text[at - back]) & mark) != continuation) return at - back;
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
  kind_ = format_of(paths.front());
  std::optional<std::pair<std::string, std::size_t>> not_utf8;
  for (const auto& path : paths) {
    check(format_of(path) == kind_,
          "{} and {}: text and .bin cannot be joined; name files of one kind", paths.front(), path);
    const auto file = std::make_shared<const InputFile>(path, "data");
    check(file->size() > 0, "{}: is empty", path);
    if (kind_ == TokenFormat::text) {
      const auto beginning = first_bytes(*file, text_check_bytes);
      check_is_text(beginning, path);
      const auto at = first_not_utf8(beginning);
      if (at && !not_utf8) not_utf8 = {path, *at};
    }
    append(kind_ == TokenFormat::bin ? open_bin(file) : piece_of(file, 0, 1));
  }
  validation_first_ = share_for_training(count_);
  if (!not_utf8) return;
  // One line, however many files there are.
  print_warning(fmt::format(
      "{}: byte {} is not UTF-8 (latin-1?): convert it, or prompt the model in the same encoding",
      not_utf8->first, not_utf8->second));
}

void TokenArray::append(Piece piece) {
  if (piece.count == 0) return;  // a text of nothing but what its tokenizer drops
  piece.first = count_;
  count_ += piece.count;
  pieces_.push_back(std::move(piece));
}

TokenArray::Piece TokenArray::piece_of(std::shared_ptr<const InputFile> file,
                                       std::size_t header_bytes, std::size_t width) {
  const auto bytes = file->size() - header_bytes;
  return {.path = file->path(),
          .file = file,
          .header_bytes = header_bytes,
          .width = width,
          .count = static_cast<std::int64_t>(bytes / width),
          .bytes = static_cast<std::int64_t>(bytes)};
}

TokenArray::Piece TokenArray::open_bin(std::shared_ptr<const InputFile> file) {
  const Check check{"data"};
  std::array<std::int32_t, 3> header{};
  const auto beginning = first_bytes(*file, sizeof header);
  std::memcpy(header.data(), beginning.data(), beginning.size());
  for (const auto& header_kind : header_kinds) {
    if (header[0] != header_kind.magic) continue;
    check(file->size() >= header_size,
          "{}: {} bytes are too few for the header of {} int32 that its first number {} announces",
          file->path(), file->size(), header_numbers, header[0]);
    check(header[1] == header_kind.version,
          "{}: header {} of version {} is not known: version {} is", file->path(), header[0],
          header[1], header_kind.version);
    const auto body = file->size() - header_size;
    check(header[2] > 0 && static_cast<std::size_t>(header[2]) * header_kind.width == body,
          "{}: the header says {} tokens of {} bytes, but {} bytes follow it", file->path(),
          header[2], header_kind.width, body);
    return piece_of(file, header_size, header_kind.width);
  }
  check(file->size() % 2 == 0, "{}: an odd number of bytes ({}) cannot be tokens of two bytes each",
        file->path(), file->size());
  return piece_of(file, 0, 2);
}

TokenArray::Piece TokenArray::encode(const std::string& path, std::string_view text,
                                     const Tokenizer& tokenizer) {
  const auto tokens = tokenizer.encode(text);
  return {
      .path = path,
      .file = nullptr,
      .encoded = std::make_shared<const std::vector<std::uint32_t>>(tokens.begin(), tokens.end()),
      .width = sizeof(std::uint32_t),
      .count = std::ssize(tokens),
      .bytes = std::ssize(text)};
}

TokenArray TokenArray::encoded(const Tokenizer& tokenizer, TextCut cut) const {
  TokenArray result;
  for (const auto& piece : pieces_) {
    std::string text(static_cast<std::size_t>(piece.bytes), '\0');
    piece.file->read(0, std::as_writable_bytes(std::span(text)));
    auto middle = text.size();
    if (cut == TextCut::before_validation) {
      const auto before = std::clamp<std::int64_t>(validation_first_ - piece.first, 0, piece.count);
      middle = start_of_character(text, static_cast<std::size_t>(before));
    }
    const auto training = std::string_view(text).substr(0, middle);
    const auto validation = std::string_view(text).substr(middle);
    if (!training.empty()) {
      result.append(encode(piece.path, training, tokenizer));
      result.validation_first_ = result.count_;
    }
    if (!validation.empty()) result.append(encode(piece.path, validation, tokenizer));
  }
  return result;
}

template <class Body>
void TokenArray::Piece::each_part(std::int64_t from, std::int64_t to, const Body& body) const {
  if (encoded) return body(from, encoded->data() + from, to - from);
  constexpr std::int64_t most = std::int64_t{1} << 18;  // tokens: a megabyte at most
  std::vector<std::byte> part(static_cast<std::size_t>(std::min(to - from, most)) * width);
  for (; from < to; from += most) {
    const auto length = std::min(to - from, most);
    const auto read = std::span(part).first(static_cast<std::size_t>(length) * width);
    file->read(header_bytes + static_cast<std::size_t>(from) * width, read);
    with_tokens(part.data(), width, [&](const auto* tokens) { body(from, tokens, length); });
  }
}

std::optional<std::int64_t> TokenArray::text_bytes(std::int64_t begin, std::int64_t end) const {
  if (kind_ == TokenFormat::bin) return std::nullopt;
  std::int64_t bytes = 0;
  for (const auto& piece : pieces_) {
    const auto from = std::max(begin, piece.first), to = std::min(end, piece.first + piece.count);
    if (from < to) bytes += piece.width == 1 ? to - from : piece.bytes;
  }
  return bytes;
}

void TokenArray::read(std::int64_t first, std::span<std::int64_t> tokens) const {
  const Check check{"data"};
  check(0 <= first && first + std::ssize(tokens) <= count_, "tokens {} to {} of {}", first,
        first + std::ssize(tokens), count_);
  for (auto piece = pieces_.begin() + file_of(first); !tokens.empty(); ++piece) {
    const auto skip = first - piece->first;
    const auto part = tokens.first(
        static_cast<std::size_t>(std::min<std::int64_t>(std::ssize(tokens), piece->count - skip)));
    piece->each_part(skip, skip + std::ssize(part),
                     [&](std::int64_t begin, const auto* found, std::int64_t length) {
                       std::copy_n(found, length, part.begin() + (begin - skip));
                     });
    first += std::ssize(part);
    tokens = tokens.subspan(part.size());
  }
}

std::vector<FilePart> TokenArray::file_parts(std::int64_t begin, std::int64_t end) const {
  std::vector<FilePart> parts;
  for (auto piece = pieces_.begin(); piece != pieces_.end();) {
    const auto first = piece->first;
    const auto& path = piece->path;
    std::int64_t all = 0;
    for (; piece != pieces_.end() && piece->path == path; ++piece) all += piece->count;
    const auto from = std::max(begin, first), to = std::min(end, first + all);
    if (from < to) parts.push_back({path, from - first, to - first, all});
  }
  return parts;
}

std::int64_t TokenArray::file_of(std::int64_t token) const {
  const auto behind = std::upper_bound(pieces_.begin(), pieces_.end(), token,
                                       [](std::int64_t t, const Piece& p) { return t < p.first; });
  return behind - pieces_.begin() - 1;
}

const std::string& TokenArray::path(std::int64_t file) const {
  return pieces_[static_cast<std::size_t>(file)].path;
}

std::optional<std::int64_t> TokenArray::closing_token() const {
  std::map<std::int64_t, std::int64_t> files_with;
  for (const auto& piece : pieces_) {
    std::int64_t last = 0;
    read(piece.first + piece.count - 1, {&last, 1});
    if (2 * ++files_with[last] > std::ssize(pieces_)) return last;
  }
  return std::nullopt;
}

std::int64_t TokenArray::largest_token() const {
  std::int64_t largest = 0;
  for (const auto& piece : pieces_) {
    piece.each_part(0, piece.count, [&](std::int64_t, const auto* tokens, std::int64_t length) {
      largest = std::max<std::int64_t>(largest, *std::max_element(tokens, tokens + length));
    });
  }
  return largest;
}

void TokenArray::check_vocabulary(std::int64_t vocabulary_size) const {
  for (const auto& piece : pieces_) {
    piece.each_part(
        0, piece.count, [&](std::int64_t begin, const auto* tokens, std::int64_t length) {
          if (*std::max_element(tokens, tokens + length) < vocabulary_size) return;
          const auto* wrong = std::find_if(tokens, tokens + length, [&](std::int64_t token) {
            return token >= vocabulary_size;
          });
          fail("data",
               "{}: token {} at position {} is outside the vocabulary of {}: ids go up to {}",
               piece.path, *wrong, begin + (wrong - tokens), vocabulary_size, vocabulary_size - 1);
        });
  }
}

}  // namespace lookback
