#include "apps/data/json_tokenizer/decoder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "apps/data/json_tokenizer/characters.h"
#include "apps/data/json_tokenizer/replacement.h"

namespace lookback::json_tokenizer {
namespace {

using Tokens = std::vector<std::string>;

class Replace final : public DecoderStep {
 public:
  explicit Replace(const JsonValue& description) : replacement_(description) {}

  void apply(Tokens& tokens, Place /*place*/) const override {
    MatchMemory memory;
    for (auto& token : tokens) {
      std::string replaced;
      if (!token.empty()) replacement_.apply(token, 0, memory, replaced);
      token = std::move(replaced);
    }
  }

 private:
  Replacement replacement_;
};

// The byte that a token like <0x0A> stands for.
std::optional<char> byte_of(std::string_view token) {
  constexpr std::string_view digits = "0123456789ABCDEFabcdef";
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  const auto number = token.substr(3, 2);
  if (number.find_first_not_of(digits) != std::string_view::npos) return std::nullopt;
  return static_cast<char>(std::stoi(std::string(number), nullptr, 16));
}

class ByteFallback final : public DecoderStep {
 public:
  void apply(Tokens& tokens, Place place) const override {
    Tokens joined;
    std::string bytes;  // of tokens that follow each other
    const auto end_bytes = [&] {
      if (bytes.empty()) return;
      const bool is_text = valid_bytes(bytes) == bytes.size() || place == Place::within;
      joined.push_back(is_text ? bytes : unreadable(bytes.size()));
      bytes.clear();
    };
    for (auto& token : tokens) {
      if (const auto byte = byte_of(token)) {
        bytes += *byte;
      } else {
        end_bytes();
        joined.push_back(std::move(token));
      }
    }
    end_bytes();
    tokens = std::move(joined);
  }

 private:
  // Where one byte is no text none of its neighbors is: so it is in the library `tokenizers`.
  static std::string unreadable(std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) append_character(text, 0xfffd);
    return text;
  }
};

class Fuse final : public DecoderStep {
 public:
  void apply(Tokens& tokens, Place /*place*/) const override {
    std::string whole;
    for (const auto& token : tokens) whole += token;
    tokens.assign(1, std::move(whole));
  }
};

class Strip final : public DecoderStep {
 public:
  explicit Strip(const JsonValue& description)
      : content_(description.member("content", "the character that is taken away").text()),
        at_start_(count_in(description, "start")),
        at_end_(count_in(description, "stop")) {
    if (content_.empty() || first_character(content_).bytes != content_.size())
      description.member("content", "").refuse("must be one character");
  }

  void apply(Tokens& tokens, Place place) const override {
    if (place == Place::within) return;
    for (auto& token : tokens) {
      std::string_view rest = token;
      for (std::int64_t i = 0; i < at_start_ && rest.starts_with(content_); ++i)
        rest.remove_prefix(content_.size());
      for (std::int64_t i = 0; i < at_end_ && rest.ends_with(content_); ++i)
        rest.remove_suffix(content_.size());
      token = std::string(rest);
    }
  }

 private:
  static std::int64_t count_in(const JsonValue& description, std::string_view key) {
    return description.member(key, "how many times it is taken away").token_id();
  }

  std::string content_;
  std::int64_t at_start_, at_end_;
};

class Metaspace final : public DecoderStep {
 public:
  explicit Metaspace(const JsonValue& description)
      : mark_(description.member("replacement", "the character in place of a space").text()) {
    if (mark_.empty() || first_character(mark_).bytes != mark_.size())
      description.member("replacement", "").refuse("must be one character");
    const auto scheme = description.find("prepend_scheme");
    drops_first_ = !scheme || scheme->text() != "never";
  }

  void apply(Tokens& tokens, Place place) const override {
    bool drops = drops_first_ && place == Place::whole_text;
    for (auto& token : tokens) {
      std::string text;
      for (std::size_t i = 0; i < token.size();) {
        const bool is_mark = std::string_view(token).substr(i).starts_with(mark_);
        if (!is_mark) text += token[i];
        if (is_mark && !drops) text += ' ';
        i += is_mark ? mark_.size() : 1;
      }
      token = std::move(text);
      drops = false;
    }
  }

 private:
  std::string mark_;
  bool drops_first_;
};

}  // namespace

Decoder::Decoder(const std::optional<JsonValue>& description, WordUnit unit)
    : between_(description || unit == WordUnit::byte ? "" : " ") {
  if (description) read_step(*description, unit);
}

void Decoder::read_step(const JsonValue& description, WordUnit unit) {
  const auto type =
      unit == WordUnit::byte
          ? description.type({"ByteLevel", "Sequence"})
          : description.type({"Replace", "ByteFallback", "Fuse", "Strip", "Metaspace", "Sequence"});
  if (type == "Sequence") {
    const auto list = description.member("decoders", "a Sequence has a list of them");
    const auto count = list.list_size("the decoders of a Sequence");
    for (std::size_t i = 0; i < count; ++i) read_step(list.element(i), unit);
  } else if (type == "Replace") {
    steps_.push_back(std::make_unique<Replace>(description));
  } else if (type == "ByteFallback") {
    steps_.push_back(std::make_unique<ByteFallback>());
  } else if (type == "Fuse") {
    steps_.push_back(std::make_unique<Fuse>());
  } else if (type == "Strip") {
    steps_.push_back(std::make_unique<Strip>(description));
  } else if (type == "Metaspace") {
    steps_.push_back(std::make_unique<Metaspace>(description));
  }
}

std::string Decoder::text_of(std::vector<std::string> tokens, Place place) const {
  for (const auto& step : steps_) step->apply(tokens, place);
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) text += between_;
    text += tokens[i];
  }
  return text;
}

}  // namespace lookback::json_tokenizer
