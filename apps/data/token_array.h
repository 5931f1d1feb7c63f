// Tokens in files, joined in order and read where they lie.
//
// Text: a token is a byte, or a tokenizer's (encoded(); these lie in memory). `.bin`: nanoGPT's
// bare little-endian uint16; or llm.c's 256 int32 header, header[0] a magic number, header[1] a
// version, header[2] the number of tokens that follow: 20240520, version 1: uint16; 20240801,
// version 7: uint32. (As bare uint16 each magic number would begin with a token above 55,000
// followed by 308: beyond GPT-2's vocabulary.)
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/token_source.h"
#include "apps/data/tokenizer.h"
#include "runtime/input_file.h"

namespace lookback {

enum class TokenFormat { text, bin };

// By its name: `.bin` holds tokens, everything else text.
TokenFormat format_of(const std::string& path);

// Whether the part of a text for validation is encoded apart from what comes before it.
enum class TextCut { none, before_validation };

class TokenArray {
 public:
  // Throws Error: no file at all; a file that is missing, unreadable or empty; text and .bin mixed;
  // binary data named as text; an odd number of bytes; a header that lies. Warns on stderr where
  // text is no UTF-8.
  explicit TokenArray(const std::vector<std::string>& paths);

  // The same texts, files in bytes until now, in the tokens of `tokenizer`: each file by itself,
  // and none across the cut. A character is never cut: the part for validation then begins with all
  // of it.
  TokenArray encoded(const Tokenizer& tokenizer, TextCut cut) const;

  TokenFormat format() const { return kind_; }
  std::int64_t size() const { return count_; }
  // Where the part for validation begins: the first floor(0.95 n) of n tokens of a .bin, or of n
  // bytes of text, come before.
  std::int64_t validation_start() const { return validation_first_; }
  // Bytes of the text that tokens [begin, end) stand for, whole parts of encoded() texts; none:
  // .bin.
  std::optional<std::int64_t> text_bytes(std::int64_t begin, std::int64_t end) const;
  // tokens[i] = token first + i; all of them must exist. Throws Error where a file has changed so
  // that they cannot be read any more.
  void read(std::int64_t first, std::span<std::int64_t> tokens) const;

  // Which tokens of which files [begin, end) are, in their order; a text that was cut for
  // validation is one file.
  std::vector<FilePart> file_parts(std::int64_t begin, std::int64_t end) const;

  // The number of the file that a token lies in, and a file's path.
  std::int64_t file_of(std::int64_t token) const;
  const std::string& path(std::int64_t file) const;
  // The token that more than half of the files end with, where there is one.
  std::optional<std::int64_t> closing_token() const;

  std::int64_t largest_token() const;
  // Throws Error naming file, position and id of the first token that is not below `size`.
  void check_vocabulary(std::int64_t vocabulary_size) const;

 private:
  struct Piece {
    std::string path;
    std::shared_ptr<const InputFile> file;  // null: its tokens lie in `encoded`
    std::size_t header_bytes = 0;           // of the file, in front of its tokens
    std::shared_ptr<const std::vector<std::uint32_t>> encoded = {};
    std::size_t width;       // bytes a token: 1, 2 or 4
    std::int64_t first = 0;  // number of its first token among all
    std::int64_t count;
    std::int64_t bytes;

    // Calls body(begin, const Token* tokens, count) for tokens [begin, begin + count) of the piece,
    // with the type that they have there, until all of [from, to) have been shown.
    template <class Body>
    void each_part(std::int64_t from, std::int64_t to, const Body& body) const;
  };

  TokenArray() = default;
  // What follows the first `header_bytes` of a file.
  static Piece piece_of(std::shared_ptr<const InputFile> file, std::size_t header_bytes,
                        std::size_t width);
  static Piece open_bin(std::shared_ptr<const InputFile> file);
  static Piece encode(const std::string& path, std::string_view text, const Tokenizer& tokenizer);
  void append(Piece piece);

  TokenFormat kind_ = TokenFormat::text;
  std::vector<Piece> pieces_;
  std::int64_t count_ = 0;
  std::int64_t validation_first_ = 0;
};

}  // namespace lookback
