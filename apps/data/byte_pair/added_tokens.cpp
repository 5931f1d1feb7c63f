#include "apps/data/byte_pair/added_tokens.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "apps/data/byte_pair/characters.h"
#include "runtime/json.h"

namespace lookback::byte_pair {
namespace {

AddedToken read_token(const JsonValue& entry) {
  const auto flag = [&](std::string_view key) {
    return entry.member(key, "true or false is needed").truth();
  };
  AddedToken token;
  token.content = entry.member("content", "the token's text is needed").text();
  token.id = entry.member("id", "the token's number is needed").token_id();
  token.single_word = flag("single_word");
  token.left_strip = flag("lstrip");
  token.right_strip = flag("rstrip");
  token.normalized = flag("normalized");
  return token;
}

std::size_t white_space_at_end(std::string_view text) {
  const auto size = text.size();
  while (!text.empty()) {
    const auto character = last_character(text);
    if (!is_white_space(character.code)) break;
    text.remove_suffix(character.bytes);
  }
  return size - text.size();
}

std::size_t white_space_at_start(std::string_view text) {
  const auto size = text.size();
  while (!text.empty()) {
    const auto character = first_character(text);
    if (!is_white_space(character.code)) break;
    text.remove_prefix(character.bytes);
  }
  return size - text.size();
}

bool stands_alone(std::string_view before, std::string_view after) {
  return (before.empty() || !is_word(last_character(before).code)) &&
         (after.empty() || !is_word(first_character(after).code));
}

}  // namespace

std::vector<AddedToken> read_added_tokens(
    const std::optional<JsonValue>& list,
    const std::unordered_map<std::string, std::int64_t>& vocabulary) {
  std::vector<AddedToken> tokens;
  if (!list) return tokens;
  const auto count = list->list_size("the tokens beside the model's vocabulary");
  std::unordered_set<std::string> contents;
  // The next free id: after the vocabulary, counted, and after every token that came before.
  auto next = static_cast<std::int64_t>(vocabulary.size());
  for (std::size_t i = 0; i < count; ++i) {
    const auto entry = list->element(i);
    auto token = read_token(entry);
    if (token.content.empty()) continue;  // stands nowhere
    const auto known = vocabulary.find(token.content);
    const auto expected = known == vocabulary.end() ? next : known->second;
    const auto place = entry.member("id", "");
    if (token.id != expected) {
      place.refuse("{} has id {} {}", in_quotes(token.content), expected,
                   known == vocabulary.end() ? "by the rule of the library that reads such files: "
                                               "the next after the vocabulary and the tokens before"
                                             : "in model.vocab");
    }
    if (!contents.insert(token.content).second) place.refuse("this token stands here twice");
    next = std::max(next, token.id + 1);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : owned(std::move(tokens)) {
  for (const auto& token : owned) {
    by_content.emplace(token.content, &token);  // the first of equals, as normal forms may be
    lengths[static_cast<unsigned char>(token.content.front())].push_back(token.content.size());
  }
  for (auto& of_byte : lengths) {
    std::ranges::sort(of_byte, std::greater<>{});
    of_byte.erase(std::ranges::unique(of_byte).begin(), of_byte.end());
  }
}

const AddedToken* AddedTokenFinder::longest_at(std::string_view text) const {
  for (const auto length : lengths[static_cast<unsigned char>(text.front())]) {
    if (length > text.size()) continue;
    const auto found = by_content.find(text.substr(0, length));
    if (found != by_content.end()) return found->second;
  }
  return nullptr;
}

const AddedToken* AddedTokenFinder::find(std::string_view text, std::size_t& begin) const {
  for (; begin < text.size(); ++begin) {
    if (const auto* token = longest_at(text.substr(begin))) return token;
  }
  return nullptr;
}

void AddedTokenFinder::split(std::string_view text, const Text& between, const Token& token) const {
  std::size_t done = 0;
  for (std::size_t next = 0; const auto* found = find(text, next);) {
    auto begin = next, end = next + found->content.size();
    next = end;
    if (found->single_word && !stands_alone(text.substr(0, begin), text.substr(end))) continue;
    // What an earlier token stripped stays its own; a token may begin in it all the same.
    if (found->left_strip) {
      begin = std::max(begin - white_space_at_end(text.substr(0, begin)), done);
    }
    if (found->right_strip) end += white_space_at_start(text.substr(end));
    if (done < begin) between(text.substr(done, begin - done));
    token(found->id);
    done = end;
  }
  if (done < text.size()) between(text.substr(done));
}

}  // namespace lookback::byte_pair
