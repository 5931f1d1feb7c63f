#include "apps/data/json_tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>
#include <vector>

#include "apps/data/encode_parts.h"
#include "apps/data/json_tokenizer/added_tokens.h"
#include "apps/data/json_tokenizer/byte_letters.h"
#include "apps/data/json_tokenizer/characters.h"
#include "apps/data/json_tokenizer/decoder.h"
#include "apps/data/json_tokenizer/encoding_memory.h"
#include "apps/data/json_tokenizer/json_value.h"
#include "apps/data/json_tokenizer/model.h"
#include "apps/data/json_tokenizer/normalizer.h"
#include "apps/data/json_tokenizer/pre_tokenizer.h"
#include "apps/data/json_tokenizer/seam.h"
#include "runtime/check.h"
#include "runtime/json.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

using namespace json_tokenizer;

// Long enough that words come again in a part, and short beside a long text.
constexpr std::size_t part_bytes = std::size_t{1} << 16;

// Those that are looked for in the text as it is (no normalizer), or in the normalized text.
AddedTokenFinder finder_of(const std::vector<AddedToken>& tokens, const Normalizer* normalizer,
                           const std::string& path) {
  std::vector<AddedToken> chosen;
  std::string buffer;
  MatchMemory memory;
  for (auto token : tokens) {
    if (token.normalized != (normalizer != nullptr)) continue;
    if (normalizer) {
      const auto content = normalizer->normalized({token.content, 0}, buffer, memory).text;
      if (content.empty()) {
        fail(operation,
             "{}: of the added token {} the normalizer leaves nothing: \"normalized\": false would "
             "be right",
             path, shown(token.content));
      }
      token.content = std::string(content);
    }
    chosen.push_back(std::move(token));
  }
  return AddedTokenFinder(std::move(chosen));
}

class JsonTokenizer final : public Tokenizer {
 public:
  JsonTokenizer(const JsonValue& file, std::string path)
      : path_(std::move(path)),
        pre_tokenizer_(file.find("pre_tokenizer")),
        model_(
            read_model(file.member("model", "BPE and Unigram can be read"), pre_tokenizer_.unit())),
        normalizer_(file.find("normalizer")),
        decoder_(file.find("decoder"), pre_tokenizer_.unit()),
        added_(read_added_tokens(file.find("added_tokens"), *model_)),
        raw_tokens_(finder_of(added_, nullptr, path_)),
        normalized_tokens_(finder_of(added_, &normalizer_, path_)) {
    for (const char behind : seam_characters)
      if (parts_before(behind)) seams_.allow(behind);
    model_->visit([this](const std::string& token, std::int64_t id) {
      auto bytes = is_over_bytes() ? bytes_of(token) : std::nullopt;
      add_text(id, bytes ? *std::move(bytes) : token);
    });
    // Of the vocabulary's own it has the bytes.
    for (const auto& token : added_) add_text(token.id, token.content);
  }

  std::string_view name() const override { return path_; }
  std::int64_t vocabulary_size() const override { return size_; }
  std::optional<std::int64_t> document_end() const override { return end_; }
  std::vector<std::int64_t> encode(std::string_view text) const override {
    return encode_rest(text, 0);
  }
  std::optional<std::size_t> last_cut(std::string_view text) const override {
    return seams_.last(text);
  }
  std::vector<std::int64_t> encode_rest(std::string_view text,
                                        std::size_t first_byte) const override;
  std::string decode(std::span<const std::int64_t> tokens) const override {
    return text_of(tokens, Place::whole_text);
  }
  std::string text_of(std::int64_t token) const override {
    return text_of({&token, 1}, Place::within);
  }

  void read_document_end(const JsonValue& config);

 private:
  class Encoding;

  bool is_over_bytes() const { return pre_tokenizer_.unit() == WordUnit::byte; }
  void add_text(std::int64_t id, std::string text) {
    text_of_.emplace(id, std::move(text));
    size_ = std::max(size_, id + 1);
  }
  std::string text_of(std::span<const std::int64_t> tokens, Place place) const;
  bool parts_before(char behind) const;
  std::vector<std::int64_t> encode_part(std::string_view text, std::size_t first_byte) const;

  std::string path_;
  PreTokenizer pre_tokenizer_;
  std::unique_ptr<const Model> model_;
  Normalizer normalizer_;
  Decoder decoder_;
  std::vector<AddedToken> added_;
  AddedTokenFinder raw_tokens_, normalized_tokens_;
  Seams seams_;
  std::unordered_map<std::int64_t, std::string> text_of_;
  std::int64_t size_ = 0;
  std::optional<std::int64_t> end_;
  mutable EncodingMemories memories_;
};

// Whether words end at every seam before this character, in the order in which encoding goes. What
// breaks down here does so again with a text.
bool JsonTokenizer::parts_before(char behind) const try {
  MatchMemory memory;
  Seam seam{.behind = std::string(1, behind)};
  if (!raw_tokens_.keeps(seam) || !normalizer_.keeps(seam, memory) ||
      !normalized_tokens_.keeps(seam))
    return false;
  const auto at = pre_tokenizer_.at(seam, memory);
  return at == AtSeam::parted || (at == AtSeam::kept && model_->parts_at(seam));
} catch (const Error&) {
  return false;
}

// One text on its way to tokens, or what is behind a seam at `first_byte`.
class JsonTokenizer::Encoding {
 public:
  Encoding(const JsonTokenizer& used, std::string_view part, std::size_t first_byte)
      : by_(used), text_(part), first_byte_(first_byte), lease_(used.memories_) {
    tokens.reserve(text_.size() / 4);
  }
  // A text that is one word needs 16 bytes and more for each of its own.
  ~Encoding() { lease_.memory().word = {}; }
  Encoding(const Encoding&) = delete;
  Encoding& operator=(const Encoding&) = delete;

  // Whole characters of UTF-8.
  void add_characters(std::string_view characters) {
    auto& match = lease_.memory().match;
    const auto token = [this](std::int64_t id) { tokens.push_back(id); };
    const PieceSink word = [this](Piece piece) { add_word(piece.text); };
    const auto split = [&](Piece piece) { by_.pre_tokenizer_.split(piece, match, word); };
    const auto normalize = [&](Piece piece) {
      std::string buffer;
      by_.normalized_tokens_.split(by_.normalizer_.normalized(piece, buffer, match), split, token);
    };
    const bool is_first = characters.data() == text_.data() && !characters.empty();
    const bool begins_text = is_first && first_byte_ == 0;
    by_.raw_tokens_.split({.text = characters,
                           .at_start = begins_text ? first_character(characters).bytes : 0,
                           .goes_on = is_first && first_byte_ > 0},
                          normalize, token);
  }

  void add_word(std::string_view word) {
    while (!word.empty()) {
      const auto size = by_.model_->first_part(word);
      add_part(word.substr(0, size));
      word.remove_prefix(size);
    }
  }

  std::vector<std::int64_t> tokens;

 private:
  void add_part(std::string_view word) {
    auto& memory = lease_.memory();
    const auto hash = std::hash<std::string_view>{}(word);
    if (memory.seen.append(word, hash, tokens)) return;
    const auto begin = tokens.size();
    const auto read = by_.model_->encode(word, memory.word, tokens);
    if (read < word.size()) refuse(word, read);
    memory.seen.add(word, hash, std::span(tokens).subspan(begin));
  }

  [[noreturn]] void refuse(std::string_view word, std::size_t unknown) const {
    // A word that a normalizer or a prefix space has made lies elsewhere.
    const auto* begin = text_.data();
    const bool is_inside = std::greater_equal<>{}(word.data(), begin) &&
                           std::less<>{}(word.data(), begin + text_.size());
    const auto place =
        is_inside
            ? fmt::format("at byte {} of the text",
                          first_byte_ + static_cast<std::size_t>(word.data() - begin) + unknown)
            : fmt::format("in the word {}", shown(word));
    if (by_.is_over_bytes()) {
      const auto byte = static_cast<unsigned char>(word[unknown]);
      fail(operation, "{}: the byte 0x{:02x} {} has no token: model.vocab lacks its letter {}",
           by_.path_, byte, place, shown(letter_of(byte)));
    }
    const auto character = first_character(word.substr(unknown));
    fail(operation,
         "{}: the character {} (U+{:04X}) {} has no token: model.vocab lacks it, and the model has "
         "no unknown token",
         by_.path_, shown(word.substr(unknown, character.bytes)),
         static_cast<std::uint32_t>(character.code), place);
  }

  const JsonTokenizer& by_;
  std::string_view text_;
  std::size_t first_byte_;
  EncodingMemories::Lease lease_;
};

// Long texts in parts, on all threads.
std::vector<std::int64_t> JsonTokenizer::encode_rest(std::string_view text,
                                                     std::size_t first_byte) const {
  if (text.size() < 4 * part_bytes) return encode_part(text, first_byte);
  std::vector<std::size_t> ends;
  for (std::size_t begin = 0; begin < text.size(); begin = ends.back()) {
    const auto next = begin + part_bytes;
    ends.push_back(next < text.size() ? seams_.first(text, next).value_or(text.size())
                                      : text.size());
  }
  return encode_parts(ends, [&](std::size_t begin, std::size_t end) {
    return encode_part(text.substr(begin, end - begin), first_byte + begin);
  });
}

std::vector<std::int64_t> JsonTokenizer::encode_part(std::string_view text,
                                                     std::size_t first_byte) const {
  std::string repaired;
  if (!is_over_bytes() && valid_bytes(text) < text.size()) {
    repaired = in_utf8(text);
    text = repaired;
  }
  Encoding encoding(*this, text, first_byte);
  while (!text.empty()) {
    const auto valid = valid_bytes(text);
    if (valid > 0) encoding.add_characters(text.substr(0, valid));
    text.remove_prefix(valid);
    const auto invalid = invalid_bytes(text);
    if (invalid > 0) encoding.add_word(text.substr(0, invalid));
    text.remove_prefix(invalid);
  }
  return std::move(encoding.tokens);
}

std::string JsonTokenizer::text_of(std::span<const std::int64_t> tokens, Place place) const {
  check_tokens(tokens);
  std::vector<std::string> texts;
  texts.reserve(tokens.size());
  for (const auto token : tokens) {
    if (const auto known = text_of_.find(token); known != text_of_.end())
      texts.push_back(known->second);
  }
  return decoder_.text_of(std::move(texts), place);
}

// "eos_token": "<|endoftext|>" or {"content": "<|endoftext|>"}
void JsonTokenizer::read_document_end(const JsonValue& config) {
  auto token = config.find("eos_token");
  if (token && token->json().is_object()) token = token->find("content");
  if (!token) return;
  const auto& content = token->text();
  const auto is_end = [&](const AddedToken& other) { return other.content == content; };
  if (const auto found = std::ranges::find_if(added_, is_end); found != added_.end()) {
    end_ = found->id;
  } else {
    end_ = model_->find(content);
  }
}

}  // namespace

std::shared_ptr<const Tokenizer> parse_json_tokenizer(std::string_view json,
                                                      const std::string& path,
                                                      std::optional<std::string_view> config) {
  const auto file = parse_json(json, operation, path);
  auto tokenizer = std::make_shared<JsonTokenizer>(JsonValue(file, path), path);
  if (config) {
    const auto config_path =
        (std::filesystem::path(path).parent_path() / "tokenizer_config.json").string();
    const auto parsed = parse_json(*config, operation, config_path);
    tokenizer->read_document_end(JsonValue(parsed, config_path));
  }
  return tokenizer;
}

std::shared_ptr<const Tokenizer> read_json_tokenizer(const std::string& path) {
  const auto json = read_file(path, operation);
  const auto beside = std::filesystem::path(path).parent_path() / "tokenizer_config.json";
  std::optional<std::string> config;
  std::error_code error;
  if (std::filesystem::exists(beside, error)) config = read_file(beside, operation);
  return parse_json_tokenizer(json, path, config);
}

}  // namespace lookback
