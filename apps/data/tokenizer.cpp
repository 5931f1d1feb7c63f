#include "apps/data/tokenizer.h"

#include <charconv>

#include "runtime/check.h"

namespace lookback {

void Tokenizer::check_tokens(std::span<const std::int64_t> tokens) const {
  const Check check{name()};
  for (const auto token : tokens) {
    check(0 <= token && token < vocabulary_size(), "token {} is outside the vocabulary: 0 to {}",
          token, vocabulary_size() - 1);
  }
}

std::vector<std::int64_t> ByteTokenizer::encode(std::string_view text) const {
  std::vector<std::int64_t> tokens;
  tokens.reserve(text.size());
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

std::string ByteTokenizer::decode(std::span<const std::int64_t> tokens) const {
  check_tokens(tokens);
  std::string text;
  text.reserve(tokens.size());
  for (const auto token : tokens) text.push_back(static_cast<char>(token));
  return text;
}

std::vector<std::int64_t> NumberTokenizer::encode(std::string_view text) const {
  const Check check{name()};
  constexpr std::string_view space = " \t\r\n";
  std::vector<std::int64_t> tokens;
  auto begin = text.find_first_not_of(space);
  while (begin != std::string_view::npos) {
    const auto word = text.substr(begin, text.find_first_of(space, begin) - begin);
    std::int64_t token = -1;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), token);
    check(error == std::errc{} && end == word.data() + word.size() && 0 <= token &&
              token < vocabulary_,
          "\"{}\" is no token: these data are numbers from 0 to {}", word, vocabulary_ - 1);
    tokens.push_back(token);
    begin = text.find_first_not_of(space, begin + word.size());
  }
  return tokens;
}

std::string NumberTokenizer::decode(std::span<const std::int64_t> tokens) const {
  check_tokens(tokens);
  std::string text;
  for (const auto token : tokens) {
    if (!text.empty()) text += ' ';
    text += std::to_string(token);
  }
  return text;
}

}  // namespace lookback
