#include "apps/data/byte_pair/added_tokens.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "apps/data/byte_pair/characters.h"

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
      place.refuse("{} has id {} {}", shown(token.content), expected,
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

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens)
    : owned_(std::move(tokens)), nodes_(1) {
  for (const auto& token : owned_) insert(token);
}

const std::size_t* AddedTokenFinder::Node::child(char byte) const {
  const auto found = std::ranges::find(next, byte, &std::pair<char, std::size_t>::first);
  return found == next.end() ? nullptr : &found->second;
}

void AddedTokenFinder::insert(const AddedToken& token) {
  std::size_t node = 0;
  for (const char byte : token.content) {
    if (const auto* child = nodes_[node].child(byte)) {
      node = *child;
    } else {
      nodes_[node].next.emplace_back(byte, nodes_.size());
      node = nodes_.size();
      nodes_.emplace_back();
    }
  }
  if (!nodes_[node].token)
    nodes_[node].token = &token;  // the first of equals, as normal forms may be
  begins_[static_cast<unsigned char>(token.content.front())] = true;
}

const AddedToken* AddedTokenFinder::longest_at(std::string_view text) const {
  const AddedToken* longest = nullptr;
  std::size_t node = 0;
  for (const char byte : text) {
    const auto* child = nodes_[node].child(byte);
    if (!child) break;
    node = *child;
    if (nodes_[node].token) longest = nodes_[node].token;
  }
  return longest;
}

const AddedToken* AddedTokenFinder::find(std::string_view text, std::size_t& begin) const {
  for (; begin < text.size(); ++begin) {
    if (!begins_[static_cast<unsigned char>(text[begin])]) continue;
    if (const auto* token = longest_at(text.substr(begin))) return token;
  }
  return nullptr;
}

void AddedTokenFinder::split(std::string_view text, const Text& between, const Token& token) const {
  std::size_t done = 0;
  std::size_t space_begin = 0, space_end = 0;  // a run of white space that has been looked at
  for (std::size_t next = 0; const auto* found = find(text, next);) {
    auto begin = next, end = next + found->content.size();
    next = end;
    if (found->single_word && !stands_alone(text.substr(0, begin), text.substr(end))) continue;
    // A token may lie in the white space that an earlier one took along; it counts again if it
    // takes along nothing itself.
    if (found->left_strip) {
      if (done < begin) begin -= white_space_at_end(text.substr(done, begin - done));
      begin = std::max(begin, done);
    }
    if (found->right_strip) {
      if (end < space_begin || space_end < end) {
        space_begin = end;
        space_end = end + white_space_at_start(text.substr(end));
      }
      end = space_end;
    }
    if (begin > end) continue;
    if (done < begin) between(text.substr(done, begin - done));
    if (begin < end) token(found->id);
    done = end;
  }
  if (done < text.size()) between(text.substr(done));
}

}  // namespace lookback::byte_pair
