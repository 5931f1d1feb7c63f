#include "apps/data/sentencepiece_tokenizer.h"

#include "runtime/check.h"

#ifdef LOOKBACK_NO_SENTENCEPIECE

namespace lookback {

std::shared_ptr<const Tokenizer> read_sentencepiece_tokenizer(const std::string& path) {
  fail(
      "tokenizer",
      "{}: this build of lookback has no SentencePiece; take a tokenizer.json with byte-level BPE, "
      "or a build that is not portable",
      path);
}

}  // namespace lookback

#else

#include <sentencepiece_processor.h>

#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/parallel.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

using Pieces = std::vector<int>;

constexpr std::string_view space_mark = "\xe2\x96\x81";  // U+2581: SentencePiece's space

// SentencePiece needs 110 bytes of memory for a byte of text that it encodes at once.
constexpr std::size_t part_size = std::size_t{1} << 20;

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// Whether `mark` stands behind something else in `piece`.
bool stands_within(std::string_view piece, std::string_view mark) {
  while (piece.starts_with(mark)) piece.remove_prefix(mark.size());
  return piece.find(mark) != std::string_view::npos;
}

class SentencePieceTokenizer final : public Tokenizer {
 public:
  explicit SentencePieceTokenizer(const std::string& path) : path_(path) {
    const Check check{"tokenizer"};
    const auto status = processor_.LoadFromSerializedProto(read_file(path_, "tokenizer"));
    check(status.ok() && processor_.GetPieceSize() > 0,
          "{}: is no SentencePiece model: a .model file as sentencepiece's trainer writes it would "
          "be right",
          path_);
    find_prefix();
  }

  std::string_view name() const override { return path_; }
  std::int64_t vocabulary_size() const override { return processor_.GetPieceSize(); }

  std::optional<std::int64_t> document_end() const override {
    if (processor_.eos_id() < 0) return std::nullopt;
    return processor_.eos_id();
  }

  std::vector<std::int64_t> encode(std::string_view text) const override {
    const auto parts = parts_of(text);
    const auto count = std::ssize(parts);
    std::vector<Pieces> encoded(parts.size());
    parallel_for(count, 1, [&](std::int64_t begin, std::int64_t) {
      const auto part = static_cast<std::size_t>(begin);
      encoded[part] = pieces_of(parts[part]);
    });
    std::vector<std::int64_t> tokens(encoded.front().begin(), encoded.front().end());
    for (auto part = encoded.begin() + 1; part != encoded.end(); ++part) {
      tokens.insert(tokens.end(), part->begin() + *prefix_, part->end());
    }
    return tokens;
  }

  std::string decode(std::span<const std::int64_t> tokens) const override {
    check_tokens(tokens);
    std::string text;
    checked(processor_.Decode(Pieces(tokens.begin(), tokens.end()), &text));
    return text;
  }

  std::string text_of(std::int64_t token) const override {
    check_tokens({&token, 1});
    const auto id = static_cast<int>(token);
    const auto& piece = processor_.IdToPiece(id);  // of a byte: <0x0A>
    if (processor_.IsByte(id)) return {static_cast<char>(std::stoi(piece.substr(1), nullptr, 16))};
    std::string text;
    for (std::string_view rest = piece; !rest.empty();) {
      const bool space = rest.starts_with(space_mark);
      text += space ? ' ' : rest.front();
      rest.remove_prefix(space ? space_mark.size() : 1);
    }
    return text;
  }

 private:
  void checked(const sentencepiece::util::Status& status) const {
    if (!status.ok()) fail("tokenizer", "{}: {}", path_, status.ToString());
  }

  Pieces pieces_of(std::string_view text) const {
    Pieces pieces;
    checked(processor_.Encode({text.data(), text.size()}, &pieces));
    return pieces;
  }

  // A text may be cut before a line's end where no piece reaches across. What is left then begins
  // with the pieces that this model puts before every text (Llama: one space), to be dropped.
  void find_prefix() {
    for (int id = 0; id < processor_.GetPieceSize(); ++id) {
      const auto& piece = processor_.IdToPiece(id);
      if (stands_within(piece, space_mark) || stands_within(piece, "\n")) return;
    }
    const auto whole = pieces_of("x\nx");
    const auto rest = pieces_of("\nx");
    for (std::ptrdiff_t dropped = 0; dropped <= 1; ++dropped) {
      auto joined = pieces_of("x");
      joined.insert(joined.end(), rest.begin() + std::min(dropped, std::ssize(rest)), rest.end());
      if (joined == whole) {
        prefix_ = dropped;
        return;
      }
    }
  }

  std::vector<std::string_view> parts_of(std::string_view text) const {
    std::vector<std::string_view> parts;
    while (prefix_ && text.size() > part_size) {
      auto end = text.find('\n', part_size);
      while (end != std::string_view::npos && is_blank(text[end - 1])) {
        end = text.find('\n', end + 1);
      }
      if (end == std::string_view::npos) break;
      parts.push_back(text.substr(0, end));
      text.remove_prefix(end);
    }
    parts.push_back(text);
    return parts;
  }

  std::string path_;
  sentencepiece::SentencePieceProcessor processor_;
  std::optional<std::ptrdiff_t> prefix_;  // none: texts are never cut
};

}  // namespace

std::shared_ptr<const Tokenizer> read_sentencepiece_tokenizer(const std::string& path) {
  return std::make_shared<SentencePieceTokenizer>(path);
}

}  // namespace lookback

#endif
