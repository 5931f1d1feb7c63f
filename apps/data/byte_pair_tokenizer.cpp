#include "apps/data/byte_pair_tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>
#include <vector>

#include "apps/data/byte_pair/added_tokens.h"
#include "apps/data/byte_pair/byte_letters.h"
#include "apps/data/byte_pair/byte_pair_model.h"
#include "apps/data/byte_pair/characters.h"
#include "apps/data/byte_pair/json_value.h"
#include "apps/data/byte_pair/normalizer.h"
#include "apps/data/byte_pair/pre_tokenizer.h"
#include "runtime/check.h"
#include "runtime/json.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

using namespace byte_pair;

// decode() joins bytes: of the decoders only ByteLevel does that. Without one it is meant too.
void check_decoder(const JsonValue& decoder) {
  if (decoder.type({"ByteLevel", "Sequence"}) == "ByteLevel") return;
  const auto list = decoder.member("decoders", "a Sequence has a list of them");
  const auto count = list.list_size("the decoders of a Sequence");
  for (std::size_t i = 0; i < count; ++i) check_decoder(list.element(i));
}

JsonValue model_of(const JsonValue& file) {
  return file.member("model", "a tokenizer.json with a BPE model is what can be read");
}

JsonValue pre_tokenizer_of(const JsonValue& file) {
  return file.member("pre_tokenizer", "byte-level BPE is what can be read, and has ByteLevel here");
}

AddedTokenFinder finder_of(const std::vector<AddedToken>& tokens, const Normalizer* normalizer) {
  std::vector<AddedToken> chosen;
  std::string buffer;
  for (auto token : tokens) {
    if (token.normalized != (normalizer != nullptr)) continue;
    if (normalizer) token.content = std::string(normalizer->normalized(token.content, buffer));
    chosen.push_back(std::move(token));
  }
  return AddedTokenFinder(std::move(chosen));
}

class BytePairTokenizer final : public Tokenizer {
 public:
  BytePairTokenizer(const JsonValue& file, std::string path)
      : path_(std::move(path)),
        model_(model_of(file)),
        normalizer_(file.find("normalizer")),
        pre_tokenizer_(pre_tokenizer_of(file)),
        added_(read_added_tokens(file.find("added_tokens"), model_.vocabulary())),
        raw_tokens_(finder_of(added_, nullptr)),
        normalized_tokens_(finder_of(added_, &normalizer_)) {
    if (const auto decoder = file.find("decoder")) check_decoder(*decoder);
    for (const auto& [token, id] : model_.vocabulary()) {
      auto bytes = bytes_of(token);
      text_of_.emplace(id, bytes ? *std::move(bytes) : token);
      size_ = std::max(size_, id + 1);
    }
    for (const auto& token : added_) {
      text_of_.emplace(token.id, token.content);  // of the vocabulary's own it has the bytes
      size_ = std::max(size_, token.id + 1);
    }
  }

  std::string_view name() const override { return path_; }
  std::int64_t vocabulary_size() const override { return size_; }
  std::optional<std::int64_t> document_end() const override { return end_; }
  std::vector<std::int64_t> encode(std::string_view text) const override;
  std::string decode(std::span<const std::int64_t> tokens) const override;

  void read_document_end(const JsonValue& config);

 private:
  class Encoding;

  std::string path_;
  BytePairModel model_;
  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  std::vector<AddedToken> added_;
  AddedTokenFinder raw_tokens_, normalized_tokens_;
  std::unordered_map<std::int64_t, std::string> text_of_;
  std::int64_t size_ = 0;
  std::optional<std::int64_t> end_;
};

// One text on its way to tokens, and what is remembered on that way.
class BytePairTokenizer::Encoding {
 public:
  Encoding(const BytePairTokenizer& used, std::string_view whole) : by_(used), text_(whole) {
    tokens.reserve(text_.size() / 4);
  }

  // Whole characters of UTF-8.
  void add_characters(std::string_view characters) {
    const auto token = [this](std::int64_t id) { tokens.push_back(id); };
    const auto split = [this](std::string_view part) {
      by_.pre_tokenizer_.split(part, match_memory_, [this](std::string_view w) { add_word(w); });
    };
    const auto normalize = [&](std::string_view part) {
      std::string buffer;
      by_.normalized_tokens_.split(by_.normalizer_.normalized(part, buffer), split, token);
    };
    by_.raw_tokens_.split(characters, normalize, token);
  }

  void add_word(std::string_view word) {
    if (const auto known = seen_.find(word); known != seen_.end()) {
      const auto [begin, count] = known->second;
      for (std::size_t i = 0; i < count; ++i) tokens.push_back(tokens[begin + i]);
      return;
    }
    check_letters(word);
    const auto begin = tokens.size();
    by_.model_.encode(word, merge_memory_, tokens);
    if (word.size() <= longest_seen && seen_.size() < max_seen) {
      seen_.emplace(word, Place{begin, tokens.size() - begin});
    }
  }

  std::vector<std::int64_t> tokens;

 private:
  struct Place {
    std::size_t begin, count;  // in `tokens`
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const {
      return std::hash<std::string_view>{}(word);
    }
  };
  static constexpr std::size_t longest_seen = 64, max_seen = 1 << 18;

  void check_letters(std::string_view word) const {
    const auto unknown = by_.model_.first_unknown(word);
    if (unknown == std::string_view::npos) return;
    const auto byte = static_cast<unsigned char>(word[unknown]);
    // A word that a normalizer or a prefix space has made lies elsewhere.
    const auto* begin = text_.data();
    const bool is_inside = std::greater_equal<>{}(word.data(), begin) &&
                           std::less<>{}(word.data(), begin + text_.size());
    const auto place = is_inside
                           ? fmt::format("at byte {} of the text",
                                         static_cast<std::size_t>(word.data() - begin) + unknown)
                           : fmt::format("in the word {}", shown(word));
    fail(operation, "{}: the byte 0x{:02x} {} has no token: model.vocab lacks its letter {}",
         by_.path_, byte, place, shown(letter_of(byte)));
  }

  const BytePairTokenizer& by_;
  std::string_view text_;
  MatchMemory match_memory_;
  MergeMemory merge_memory_;
  std::unordered_map<std::string, Place, Hash, std::equal_to<>> seen_;
};

std::vector<std::int64_t> BytePairTokenizer::encode(std::string_view text) const {
  Encoding encoding(*this, text);
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

std::string BytePairTokenizer::decode(std::span<const std::int64_t> tokens) const {
  check_tokens(tokens);
  std::string text;
  for (const auto token : tokens) {
    if (const auto known = text_of_.find(token); known != text_of_.end()) text += known->second;
  }
  return text;
}

// "eos_token": "<|endoftext|>" or {"content": "<|endoftext|>"}
void BytePairTokenizer::read_document_end(const JsonValue& config) {
  auto token = config.find("eos_token");
  if (token && token->json().is_object()) token = token->find("content");
  if (!token) return;
  const auto& content = token->text();
  const auto is_end = [&](const AddedToken& other) { return other.content == content; };
  if (const auto found = std::ranges::find_if(added_, is_end); found != added_.end()) {
    end_ = found->id;
  } else if (const auto known = model_.vocabulary().find(content);
             known != model_.vocabulary().end()) {
    end_ = known->second;
  }
}

}  // namespace

std::shared_ptr<const Tokenizer> parse_byte_pair_tokenizer(std::string_view json,
                                                           const std::string& path,
                                                           std::optional<std::string_view> config) {
  const auto file = parse_json(json, operation, path);
  auto tokenizer = std::make_shared<BytePairTokenizer>(JsonValue(file, path), path);
  if (config) {
    const auto config_path =
        (std::filesystem::path(path).parent_path() / "tokenizer_config.json").string();
    const auto parsed = parse_json(*config, operation, config_path);
    tokenizer->read_document_end(JsonValue(parsed, config_path));
  }
  return tokenizer;
}

std::shared_ptr<const Tokenizer> read_byte_pair_tokenizer(const std::string& path) {
  const auto json = read_file(path, operation);
  const auto beside = std::filesystem::path(path).parent_path() / "tokenizer_config.json";
  std::optional<std::string> config;
  std::error_code error;
  if (std::filesystem::exists(beside, error)) config = read_file(beside, operation);
  return parse_byte_pair_tokenizer(json, path, config);
}

}  // namespace lookback
