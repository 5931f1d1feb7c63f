// Between text and token ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lookback {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // What make_tokenizer() knows it by.
  virtual std::string_view name() const = 0;
  // Ids are 0 .. vocabulary_size() - 1.
  virtual std::int64_t vocabulary_size() const = 0;
  // Throws Error, naming the part of the text that has no id.
  virtual std::vector<std::int64_t> encode(std::string_view text) const = 0;
  // Throws Error on an id outside the vocabulary.
  virtual std::string decode(std::span<const std::int64_t> tokens) const = 0;
  // One token as it reads within a text, perhaps a part of a character: decode(), but for
  // tokenizers that drop spaces where a text begins. Throws as decode() does.
  virtual std::string text_of(std::int64_t token) const { return decode({&token, 1}); }
  // The token that closes a document, where there is one: a place to stop generating, and a place
  // to start from without a prompt.
  virtual std::optional<std::int64_t> document_end() const { return std::nullopt; }
  // For texts that are too long for memory: the last place in `text`, a whole one or part of one,
  // where it can be cut, so that encode() of what comes before and encode_rest() of what comes
  // after give what encode() of both does. None: it has no such place.
  virtual std::optional<std::size_t> last_cut(std::string_view /*text*/) const {
    return std::nullopt;
  }
  // Of what begins at such a place, byte `first_byte` of the whole.
  virtual std::vector<std::int64_t> encode_rest(std::string_view text,
                                                std::size_t /*first_byte*/) const {
    return encode(text);
  }
  // What of its files is read in a way that must be said, in lines.
  virtual std::vector<std::string> notes() const { return {}; }

 protected:
  // The one error of decode().
  void check_tokens(std::span<const std::int64_t> tokens) const;
};

// Token = byte, vocabulary 256: any text, valid UTF-8 or not, comes back as it was.
class ByteTokenizer final : public Tokenizer {
 public:
  std::string_view name() const override { return "bytes"; }
  std::int64_t vocabulary_size() const override { return 256; }
  std::vector<std::int64_t> encode(std::string_view text) const override;
  std::string decode(std::span<const std::int64_t> tokens) const override;
};

// Tokens that stand for nothing but themselves: "17 3 240", separated by white space.
class NumberTokenizer final : public Tokenizer {
 public:
  explicit NumberTokenizer(std::int64_t size) : vocabulary_(size) {}
  std::string_view name() const override { return "numbers"; }
  std::int64_t vocabulary_size() const override { return vocabulary_; }
  std::vector<std::int64_t> encode(std::string_view text) const override;
  std::string decode(std::span<const std::int64_t> tokens) const override;

 private:
  std::int64_t vocabulary_;
};

}  // namespace lookback
