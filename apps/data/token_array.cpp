#include "apps/data/token_array.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "apps/cli/console.h"
#include "apps/data/text_check.h"
#include "apps/data/text_file.h"
#include "apps/data/token_cache.h"
#include "runtime/check.h"

namespace lookback {
namespace {

static_assert(std::endian::native == std::endian::little, "token files are read as they lie");

// Calls body(const Token* tokens) with the type that they have.
template <class Body>
void with_tokens(const std::byte* data, TokenType type, const Body& body) {
  switch (type) {
    case TokenType::uint8: return body(reinterpret_cast<const std::uint8_t*>(data));
    case TokenType::uint16: return body(reinterpret_cast<const std::uint16_t*>(data));
    case TokenType::uint32: return body(reinterpret_cast<const std::uint32_t*>(data));
    case TokenType::int32: return body(reinterpret_cast<const std::int32_t*>(data));
    case TokenType::int64: return body(reinterpret_cast<const std::int64_t*>(data));
  }
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

struct TokenRange {
  std::int64_t least, most;
};
// In a form that compilers turn into vector instructions.
template <class Token>
TokenRange range_of(const Token* tokens, std::int64_t count) {
  Token least = *tokens, most = *tokens;
  for (std::int64_t i = 0; i < count; ++i) {
    least = std::min(least, tokens[i]);
    most = std::max(most, tokens[i]);
  }
  return {static_cast<std::int64_t>(least), static_cast<std::int64_t>(most)};
}

// Of the ends of documents in a text, those in its part (begin, end], counted from `begin`.
std::vector<std::int64_t> ends_within(std::span<const std::int64_t> ends, std::size_t begin,
                                      std::size_t end) {
  std::vector<std::int64_t> within;
  for (const auto document_end : ends) {
    const auto at = static_cast<std::size_t>(document_end);
    if (begin < at && at <= end) within.push_back(static_cast<std::int64_t>(at - begin));
  }
  return within;
}

}  // namespace

TokenFormat format_of(const std::string& path) {
  return path.ends_with(".bin") || path.ends_with(".npy") ? TokenFormat::bin : TokenFormat::text;
}

// One line, however many files there are.
void TokenArray::warn_of_encoding() const {
  if (kind_ == TokenFormat::bin) return;
  for (const auto& piece : pieces_) {
    const auto at = piece.file ? first_not_utf8(first_bytes(*piece.file, text_check_bytes))
                               : first_not_utf8(std::as_bytes(std::span(*piece.text)));
    if (!at) continue;
    return print_warning(not_utf8_warning(piece.path, *at));
  }
}

TokenArray::TokenArray(const std::vector<std::string>& paths, const TokenArrayOptions& options) {
  const Check check{"data"};
  check(!paths.empty(), "there is no file to read");
  kind_ = format_of(paths.front());
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const auto& path = paths[i];
    check(format_of(path) == kind_,
          "{} and {}: text and .bin cannot be joined; name files of one kind", paths.front(), path);
    const auto file = std::make_shared<const InputFile>(path, "data");
    check(file->size() > 0, "{}: is empty", path);
    if (i == options.training_files) validation_first_ = count_;
    append(kind_ == TokenFormat::bin ? piece_of(file, token_layout(*file, options.layout))
                                     : open_text(file, options.text_field));
  }
  if (!options.training_files) validation_first_ = start_of_validation(share_for_training(count_));
  warn_of_encoding();
}

void TokenArray::append(Piece piece) {
  if (piece.count == 0) return;  // a text of nothing but what its tokenizer drops
  piece.first = count_;
  piece.first_document = document_count_;
  count_ += piece.count;
  document_count_ += piece.documents();
  pieces_.push_back(std::move(piece));
}

std::int64_t TokenArray::Piece::documents() const {
  if (document_ends.empty()) return 1;
  return std::ssize(document_ends) + (document_ends.back() < count ? 1 : 0);
}

TokenArray::Piece TokenArray::piece_of(std::shared_ptr<const InputFile> file,
                                       const TokenLayout& layout) {
  const auto bytes = file->size() - layout.header_bytes;
  return {.path = file->path(),
          .file = file,
          .layout = layout,
          .count = static_cast<std::int64_t>(bytes / bytes_of(layout.type)),
          .bytes = static_cast<std::int64_t>(bytes)};
}

TokenArray::Piece TokenArray::open_text(const std::shared_ptr<const InputFile>& file,
                                        const std::string& text_field) {
  if (is_encoded_text(file->path())) {
    auto [text, ends] = read_encoded_text(*file, text_field);
    const auto bytes = std::ssize(text);
    return {.path = file->path(),
            .text = std::make_shared<const std::string>(std::move(text)),
            .document_ends = std::move(ends),
            .count = bytes,
            .bytes = bytes};
  }
  check_is_text(first_bytes(*file, text_check_bytes), file->path());
  return piece_of(file, {.header_bytes = 0, .type = TokenType::uint8});
}

std::int64_t TokenArray::start_of_validation(std::int64_t cut) const {
  if (cut >= count_) return cut;
  const auto piece = piece_with(cut);
  const auto& ends = piece->document_ends;
  const auto next = std::ranges::lower_bound(ends, cut - piece->first);
  return next == ends.end() || piece->first + *next == count_ ? cut : piece->first + *next;
}

TokenArray TokenArray::encoded(const Tokenizer& tokenizer, TextCut cut,
                               const std::vector<std::int64_t>& in_front) const {
  TokenArray result;
  result.in_front_ = in_front;
  for (const auto& piece : pieces_) {
    std::string read;
    if (piece.file) {
      read.resize(static_cast<std::size_t>(piece.bytes));
      piece.file->read(0, std::as_writable_bytes(std::span(read)));
    }
    const std::string_view text = piece.file ? read : *piece.text;
    auto middle = text.size();
    if (cut == TextCut::before_validation) {
      const auto before = std::clamp<std::int64_t>(validation_first_ - piece.first, 0, piece.count);
      middle = start_of_character(text, static_cast<std::size_t>(before));
    }
    const auto add = [&](std::size_t begin, std::size_t end) {
      const auto& ends = piece.document_ends;
      const bool begins_document =
          begin == 0 || std::ranges::binary_search(ends, static_cast<std::int64_t>(begin));
      auto [tokens, token_ends] =
          cached_encoding(text.substr(begin, end - begin), ends_within(ends, begin, end), tokenizer,
                          {.in_front = in_front, .begins_document = begins_document});
      const auto count = std::ssize(tokens);
      result.append(
          {.path = piece.path,
           .encoded = std::make_shared<const std::vector<std::uint32_t>>(std::move(tokens)),
           .document_ends = std::move(token_ends),
           .count = count,
           .bytes = static_cast<std::int64_t>(end - begin)});
    };
    if (middle > 0) {
      add(0, middle);
      result.validation_first_ = result.count_;
    }
    if (middle < text.size()) add(middle, text.size());
  }
  return result;
}

template <class Body>
void TokenArray::Piece::each_part(std::int64_t from, std::int64_t to, const Body& body) const {
  if (encoded) return body(from, encoded->data() + from, to - from);
  if (text)
    return body(from, reinterpret_cast<const std::uint8_t*>(text->data()) + from, to - from);
  constexpr std::int64_t most = std::int64_t{1} << 18;  // tokens: two megabytes at most
  const auto width = bytes_of(layout.type);
  std::vector<std::byte> part(static_cast<std::size_t>(std::min(to - from, most)) * width);
  for (; from < to; from += most) {
    const auto length = std::min(to - from, most);
    const auto read = std::span(part).first(static_cast<std::size_t>(length) * width);
    file->read(layout.header_bytes + static_cast<std::size_t>(from) * width, read);
    with_tokens(part.data(), layout.type, [&](const auto* tokens) { body(from, tokens, length); });
  }
}

std::optional<std::int64_t> TokenArray::text_bytes(std::int64_t begin, std::int64_t end) const {
  if (kind_ == TokenFormat::bin) return std::nullopt;
  std::int64_t bytes = 0;
  for (const auto& piece : pieces_) {
    const auto from = std::max(begin, piece.first), to = std::min(end, piece.first + piece.count);
    if (from < to) bytes += piece.encoded ? piece.bytes : to - from;
  }
  return bytes;
}

void TokenArray::read(std::int64_t first, std::span<std::int64_t> tokens) const {
  const Check check{"data"};
  check(0 <= first && first + std::ssize(tokens) <= count_, "tokens {} to {} of {}", first,
        first + std::ssize(tokens), count_);
  for (auto piece = piece_with(first); !tokens.empty(); ++piece) {
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

std::vector<TokenArray::Piece>::const_iterator TokenArray::piece_with(std::int64_t token) const {
  return std::ranges::upper_bound(pieces_, token, {}, &Piece::first) - 1;
}

std::int64_t TokenArray::document_of(std::int64_t token) const {
  const auto piece = piece_with(token);
  const auto& ends = piece->document_ends;
  return piece->first_document +
         (std::ranges::upper_bound(ends, token - piece->first) - ends.begin());
}

std::string TokenArray::document_name(std::int64_t document) const {
  const auto& piece =
      *(std::ranges::upper_bound(pieces_, document, {}, &Piece::first_document) - 1);
  if (piece.document_ends.empty()) return piece.path;
  return fmt::format("{}, record {}", piece.path, document - piece.first_document + 1);
}

std::optional<std::int64_t> TokenArray::closing_token() const {
  std::map<std::int64_t, std::int64_t> documents_with;
  const auto is_of_most = [&](std::int64_t end) {
    std::int64_t last = 0;
    read(end - 1, {&last, 1});
    return 2 * ++documents_with[last] > document_count_;
  };
  for (const auto& piece : pieces_) {
    for (std::int64_t i = 0; i < piece.documents(); ++i) {
      const auto& ends = piece.document_ends;
      const bool listed = i < std::ssize(ends);
      const auto end = piece.first + (listed ? ends[static_cast<std::size_t>(i)] : piece.count);
      if (!is_of_most(end)) continue;
      std::int64_t closing = 0;
      read(end - 1, {&closing, 1});
      return closing;
    }
  }
  return std::nullopt;
}

bool TokenArray::stands_in_front(std::int64_t token) const {
  return std::ranges::find(in_front_, token) != in_front_.end();
}

std::optional<TokenType> TokenArray::bare_type() const {
  std::optional<TokenType> type;
  for (const auto& piece : pieces_) {
    if (kind_ != TokenFormat::bin || piece.layout.said_by == TokenLayout::Source::file ||
        type.value_or(piece.layout.type) != piece.layout.type)
      return std::nullopt;
    type = piece.layout.type;
  }
  return type;
}

std::int64_t TokenArray::largest_token() const {
  TokenRange all{0, 0};
  for (const auto& piece : pieces_) {
    piece.each_part(0, piece.count, [&](std::int64_t, const auto* tokens, std::int64_t length) {
      const auto [least, most] = range_of(tokens, length);
      all = {std::min(all.least, least), std::max(all.most, most)};
    });
  }
  if (all.least < 0) check_vocabulary(all.most + 1);
  return all.most;
}

void TokenArray::check_vocabulary(std::int64_t vocabulary_size) const {
  // A negative token is larger than any other.
  const auto is_outside = [&](std::int64_t token) {
    return static_cast<std::uint64_t>(token) >= static_cast<std::uint64_t>(vocabulary_size);
  };
  for (const auto& piece : pieces_) {
    piece.each_part(
        0, piece.count, [&](std::int64_t begin, const auto* tokens, std::int64_t length) {
          const auto [least, most] = range_of(tokens, length);
          if (!is_outside(least) && !is_outside(most)) return;
          const auto* wrong = std::find_if(tokens, tokens + length, is_outside);
          fail("data",
               "{}: token {} at position {} is outside the vocabulary of {}: ids go up to {}",
               piece.path, *wrong, begin + (wrong - tokens), vocabulary_size, vocabulary_size - 1);
        });
  }
}

}  // namespace lookback
