#include "apps/data/json_tokenizer/added_tokens.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "apps/data/json_tokenizer/characters.h"

namespace lookback::json_tokenizer {
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

bool stands_alone(std::string_view before, std::string_view after) {
  return (before.empty() || !is_word(last_character(before).code)) &&
         (after.empty() || !is_word(first_character(after).code));
}

// Whether a letter stands in it directly before `behind`.
bool reaches_across(std::string_view content, std::string_view behind) {
  for (auto at = content.find(behind, 1); at != std::string_view::npos;
       at = content.find(behind, at + 1))
    if (is_seam_letter(last_character(content.substr(0, at)).code)) return true;
  return false;
}

}  // namespace

std::vector<AddedToken> read_added_tokens(const std::optional<JsonValue>& list,
                                          const Model& model) {
  std::vector<AddedToken> tokens;
  if (!list) return tokens;
  const auto count = list->list_size("the tokens beside the model's vocabulary");
  std::unordered_set<std::string> contents;
  // The next free id: after the vocabulary, counted, and after every token that came before.
  auto next = static_cast<std::int64_t>(model.size());
  for (std::size_t i = 0; i < count; ++i) {
    const auto entry = list->element(i);
    auto token = read_token(entry);
    if (token.content.empty()) continue;  // stands nowhere
    const auto known = model.find(token.content);
    const auto expected = known.value_or(next);
    const auto place = entry.member("id", "");
    if (token.id != expected) {
      place.refuse("{} has id {} {}", shown(token.content), expected,
                   known ? "in model.vocab"
                         : "by the rule of the library that reads such files: the next after the "
                           "vocabulary and the tokens before");
    }
    if (!contents.insert(token.content).second) place.refuse("this token stands here twice");
    next = std::max(next, token.id + 1);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const auto& content = tokens_[i].content;
    // Normal forms may be equal: the first counts.
    if (!trie_.find(content)) trie_.add(content, static_cast<std::int32_t>(i));
    begins_[static_cast<unsigned char>(content.front())] = true;
  }
}

const AddedToken* AddedTokenFinder::longest_at(std::string_view text) const {
  const AddedToken* longest = nullptr;
  trie_.prefixes(text, [&](std::size_t /*size*/, std::int32_t place) {
    longest = &tokens_[static_cast<std::size_t>(place)];
  });
  return longest;
}

const AddedToken* AddedTokenFinder::find(std::string_view text, std::size_t& begin) const {
  for (; begin < text.size(); ++begin) {
    if (!begins_[static_cast<unsigned char>(text[begin])]) continue;
    if (const auto* token = longest_at(text.substr(begin))) return token;
  }
  return nullptr;
}

void AddedTokenFinder::split(Piece piece, const PieceSink& between, const Token& token) const {
  const auto text = piece.text;
  if (tokens_.empty() && !text.empty()) return between(piece);
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
    if (done < begin) between(piece.part(done, begin));
    if (begin < end) token(found->id);
    done = end;
  }
  if (done < text.size()) between(piece.part(done, text.size()));
}

// White space that a token takes along ends before the letters of the seam.
bool AddedTokenFinder::keeps(const Seam& seam) const {
  return std::ranges::none_of(tokens_, [&](const AddedToken& token) {
    const std::string_view content = token.content;
    const bool ends_there = is_seam_letter(last_character(content).code);
    // It would see the letter before it in the whole text alone.
    const bool is_word_there = token.single_word && content.starts_with(seam.behind);
    return ends_there || is_word_there || reaches_across(content, seam.behind);
  });
}

}  // namespace lookback::json_tokenizer
