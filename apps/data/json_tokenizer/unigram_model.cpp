#include "apps/data/json_tokenizer/unigram_model.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/data/json_tokenizer/characters.h"
#include "runtime/check.h"

namespace lookback::json_tokenizer {

UnigramModel::UnigramModel(const JsonValue& description) {
  read_vocabulary(description.member("vocab", "the tokens and their scores"));
  if (const auto unknown = description.find("unk_id")) {
    const auto id = unknown->token_id();
    if (id >= std::ssize(tokens_)) {
      unknown->refuse("must be a token's number, 0 to {}", std::ssize(tokens_) - 1);
    }
    unknown_ = static_cast<std::int32_t>(id);
  }
  const auto fallback = description.find("byte_fallback");
  const bool falls_back = fallback && fallback->truth();
  for (std::size_t byte = 0; byte < bytes_.size(); ++byte) {
    const auto token = byte_token(static_cast<unsigned char>(byte));
    bytes_[byte] = falls_back ? trie_.find(token).value_or(TokenTrie::none) : TokenTrie::none;
  }
}

void UnigramModel::read_vocabulary(const JsonValue& list) {
  constexpr double unknown_penalty = 10;
  constexpr std::string_view rule = R"(a list of ["token", score])";
  const auto count = list.list_size(rule);
  tokens_.reserve(count);
  auto lowest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < count; ++i) {
    const auto& entry = list.json()[i];
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) {
      list.element(i).refuse(R"(must be ["token", score])");
    }
    const auto& token =
        tokens_.emplace_back(Token{entry[0].get<std::string>(), entry[1].get<double>()});
    lowest = std::min(lowest, token.score);
    if (!token.text.empty()) trie_.add(token.text, static_cast<std::int32_t>(i));
  }
  unknown_score_ = lowest - unknown_penalty;
}

std::optional<std::int64_t> UnigramModel::find(const std::string& token) const {
  const auto found = trie_.find(token);
  return found ? std::optional<std::int64_t>(*found) : std::nullopt;
}

void UnigramModel::visit(const Visitor& visitor) const {
  std::int64_t id = 0;
  for (const auto& token : tokens_) visitor(token.text, id++);
}

std::size_t UnigramModel::find_path(std::string_view word,
                                    std::vector<WordMemory::Step>& steps) const {
  steps.assign(word.size() + 1, {0, TokenTrie::none, 0});
  for (std::size_t begin = 0; begin < word.size();) {
    const auto score = steps[begin].score;
    const auto character = first_character(word.substr(begin)).bytes;
    // Of two equal paths the one counts whose last token begins first.
    const auto offer = [&](std::size_t size, double added, std::int32_t id) {
      auto& step = steps[begin + size];
      if (step.size > 0 && score + added <= step.score) return;
      step = {score + added, id, static_cast<std::uint32_t>(size)};
    };
    bool is_known = false;
    trie_.prefixes(word.substr(begin), [&](std::size_t size, std::int32_t id) {
      offer(size, tokens_[static_cast<std::size_t>(id)].score, id);
      is_known = is_known || size == character;
    });
    if (!is_known) {
      offer(character, unknown_score_, unknown_);
      if (unknown_ < 0 && steps[begin + character].id < 0) return begin;
    }
    begin += character;
  }
  return word.size();
}

// Unknown characters that follow each other. Together they may be a token after all.
void UnigramModel::add_unknown(std::string_view run, std::vector<std::int64_t>& tokens) const {
  const auto of_byte = [this](char byte) { return bytes_[static_cast<unsigned char>(byte)]; };
  if (const auto whole = trie_.find(run)) {
    tokens.push_back(*whole);
  } else if (std::ranges::all_of(run, [&](char byte) { return of_byte(byte) >= 0; })) {
    for (const char byte : run) tokens.push_back(of_byte(byte));
  } else {
    tokens.push_back(unknown_);
  }
}

std::size_t UnigramModel::encode(std::string_view word, WordMemory& memory,
                                 std::vector<std::int64_t>& tokens) const {
  const Check check{operation};
  check(word.size() < std::numeric_limits<std::uint32_t>::max(),
        "a word of {} bytes is too long: text needs spaces or line breaks", word.size());
  auto& steps = memory.steps;
  const auto read = find_path(word, steps);
  if (read < word.size()) return read;
  auto& ends = memory.ends;  // of the path's tokens, the last first
  ends.clear();
  for (auto end = word.size(); end > 0; end -= steps[end].size) ends.push_back(end);
  for (std::size_t begin = 0; !ends.empty();) {
    auto end = ends.back();
    const auto id = steps[end].id;
    ends.pop_back();
    if (id == unknown_) {
      for (; !ends.empty() && steps[ends.back()].id == unknown_; ends.pop_back()) end = ends.back();
      add_unknown(word.substr(begin, end - begin), tokens);
    } else {
      tokens.push_back(id);
    }
    begin = end;
  }
  return word.size();
}

}  // namespace lookback::json_tokenizer
