// Tokens in files, joined in order and read where they lie.
//
// Text: a token is a byte, or a tokenizer's (encoded(); these lie in memory, as do texts that were
// compressed and the texts of records). `.bin` and `.npy`: numbers (token_layout.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/token_layout.h"
#include "apps/data/token_source.h"
#include "apps/data/tokenizer.h"
#include "runtime/input_file.h"

namespace lookback {

enum class TokenFormat { text, bin };

// By its name: `.bin` and `.npy` hold tokens, everything else text.
TokenFormat format_of(const std::string& path);

// Whether the part of a text for validation is encoded apart from what comes before it.
enum class TextCut { none, before_validation };

struct TokenArrayOptions {
  TokenLayoutOptions layout = {};
  std::string text_field = "text";  // of records
  // How many of the files are for training; none: of all tokens, 95 %.
  std::optional<std::size_t> training_files = {};
};

class TokenArray {
 public:
  // Throws Error: no file at all; a file that is missing, unreadable or empty; text and .bin mixed;
  // what token_layout() and read_encoded_text() refuse; binary data named as text. Warns on stderr
  // where text is no UTF-8.
  explicit TokenArray(const std::vector<std::string>& paths, const TokenArrayOptions& options = {});

  // The same texts, files in bytes until now, in the tokens of `tokenizer`: each document by
  // itself, and none across the cut. Behind a record stands the tokenizer's document_end(), if it
  // has one, in place of the line break. A character is never cut: the part for validation then
  // begins with all of it. In front of each document stand the tokens `in_front`.
  TokenArray encoded(const Tokenizer& tokenizer, TextCut cut,
                     const std::vector<std::int64_t>& in_front = {}) const;

  TokenFormat format() const { return kind_; }
  std::int64_t size() const { return count_; }
  // Where the part for validation begins: the files for training, or the first floor(0.95 n) of n
  // tokens of a .bin, or of n bytes of text, come before. Where records are cut so, with the first
  // record that begins behind that place, if one does.
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

  // Whether encoded() put this token in front of documents: it stands for no text.
  bool stands_in_front(std::int64_t token) const;

  // The type that all files have which do not say it themselves; none: there are none, or they
  // differ, or a file that says it has another.
  std::optional<TokenType> bare_type() const;

  // The number of the document that a token lies in, a file or a record, and what it is called.
  std::int64_t document_of(std::int64_t token) const;
  std::string document_name(std::int64_t document) const;
  // The token that more than half of the documents end with, where there is one.
  std::optional<std::int64_t> closing_token() const;

  // Throws Error as check_vocabulary() does where one is negative.
  std::int64_t largest_token() const;
  // Throws Error naming file, position and id of the first token that is not below `size`.
  void check_vocabulary(std::int64_t vocabulary_size) const;

 private:
  // A file, or a part of one.
  struct Piece {
    std::string path;
    std::shared_ptr<const InputFile> file = {};  // null: its tokens lie in memory
    TokenLayout layout = {};                     // in the file
    std::shared_ptr<const std::string> text = {};
    std::shared_ptr<const std::vector<std::uint32_t>> encoded = {};
    std::vector<std::int64_t> document_ends = {};  // tokens of the piece before each
    std::int64_t first = 0;                        // number of its first token among all
    std::int64_t first_document = 0;
    std::int64_t count = 0;
    std::int64_t bytes = 0;

    std::int64_t documents() const;
    // Calls body(begin, const Token* tokens, count) for tokens [begin, begin + count) of the piece,
    // with the type that they have there, until all of [from, to) have been shown.
    template <class Body>
    void each_part(std::int64_t from, std::int64_t to, const Body& body) const;
  };

  TokenArray() = default;
  static Piece piece_of(std::shared_ptr<const InputFile> file, const TokenLayout& layout);
  Piece open_text(const std::shared_ptr<const InputFile>& file, const std::string& text_field);
  std::vector<Piece>::const_iterator piece_with(std::int64_t token) const;
  std::int64_t start_of_validation(std::int64_t cut) const;
  void append(Piece piece);
  void warn_of_encoding() const;

  TokenFormat kind_ = TokenFormat::text;
  std::vector<Piece> pieces_;
  std::int64_t count_ = 0, document_count_ = 0;
  std::int64_t validation_first_ = 0;
  std::vector<std::int64_t> in_front_;
};

}  // namespace lookback
