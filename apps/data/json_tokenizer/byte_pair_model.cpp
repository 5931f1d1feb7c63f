#include "apps/data/json_tokenizer/byte_pair_model.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "apps/data/json_tokenizer/byte_letters.h"
#include "apps/data/json_tokenizer/characters.h"
#include "runtime/check.h"

namespace lookback::json_tokenizer {
namespace {

using nlohmann::json;

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint64_t>(right);
}

// Everything that would make other tokens of the same vocabulary and merges.
void refuse_other_models(const JsonValue& model) {
  if (const auto dropout = model.find("dropout"); dropout && dropout->json() != json(0)) {
    dropout->refuse("must be null or 0: with it the same text would be other tokens each time");
  }
  for (const auto* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (const auto affix = model.find(key); affix && !affix->text().empty()) {
      affix->refuse("must be null or \"\": BPE without marks inside and behind words can be read");
    }
  }
}

// "a b" or ["a", "b"].
std::pair<std::string, std::string> read_pair(const JsonValue& merges, std::size_t index) {
  const auto& entry = merges.json()[index];
  if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
    return {entry[0].get<std::string>(), entry[1].get<std::string>()};
  }
  if (entry.is_string()) {
    const auto& text = entry.get_ref<const std::string&>();
    const auto space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
      return {text.substr(0, space), text.substr(space + 1)};
    }
  }
  merges.element(index).refuse(R"(must be two tokens, "a b" or ["a", "b"])");
}

bool is_version_line(const json& entry) {
  return entry.is_string() && entry.get_ref<const std::string&>().starts_with("#version");
}

// How many bytes of space marks a text begins with.
std::size_t marks_at_start(std::string_view text) {
  std::size_t size = 0;
  while (text.substr(size).starts_with(space_mark)) size += space_mark.size();
  return size;
}

// Where a space mark stands behind another character; npos: nowhere.
std::size_t mark_inside(std::string_view text) {
  return text.find(space_mark, marks_at_start(text));
}

// The least order first: the heap's, so the other way round.
bool comes_later(const WordMemory::Candidate& a, const WordMemory::Candidate& b) {
  return a.order > b.order;
}

void add_symbol(WordMemory& memory, std::int32_t id) {
  const auto place = static_cast<std::int32_t>(memory.symbols.size());
  if (place > 0) memory.symbols.back().next = place;
  memory.symbols.push_back({id, place - 1, -1});
}

}  // namespace

BytePairModel::BytePairModel(const JsonValue& description, WordUnit unit) : unit_(unit) {
  refuse_other_models(description);
  read_vocabulary(description.member("vocab", "the tokens and their numbers"));
  read_unknown(description);
  cuts_at_spaces_ = unit == WordUnit::character && ids_.contains(std::string(space_mark));
  read_merges(description.member("merges", "the pairs of tokens that are merged"));
  if (unit == WordUnit::byte) {
    read_letters(description);
  } else {
    read_characters(description);
  }
  if (const auto ignores = description.find("ignore_merges"); ignores && ignores->truth()) {
    cuts_at_spaces_ = false;
    for (const auto& [token, id] : ids_) {
      auto word = unit == WordUnit::byte ? bytes_of(token) : token;
      if (word) whole_words_.emplace(*std::move(word), id);
    }
  }
}

void BytePairModel::read_vocabulary(const JsonValue& vocabulary) {
  if (!vocabulary.json().is_object()) vocabulary.refuse("must be an object, {{\"token\": number}}");
  std::unordered_map<std::int64_t, const std::string*> token_of;
  ids_.reserve(vocabulary.json().size());
  token_of.reserve(vocabulary.json().size());
  for (const auto& [token, number] : vocabulary.json().items()) {
    const bool is_id = number.is_number_integer() && number >= 0 &&
                       number <= std::numeric_limits<std::int32_t>::max();
    const auto id = static_cast<std::int32_t>(
        is_id ? number.get<std::int64_t>()
              : vocabulary.member(token, "the token's number").token_id());
    const auto entry = ids_.emplace(token, id).first;
    const auto [first, is_new] = token_of.emplace(id, &entry->first);
    if (!is_new) {
      vocabulary.refuse("{} and {} are both number {}: each needs its own", shown(*first->second),
                        shown(token), id);
    }
  }
}

std::int32_t BytePairModel::id_of(const std::string& token, const JsonValue& list,
                                  std::size_t index) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) {
    list.element(index).refuse("{} is not in model.vocab", shown(token));
  }
  return found->second;
}

std::int32_t BytePairModel::id_or_none(const std::string& token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? -1 : found->second;
}

std::optional<std::int64_t> BytePairModel::find(const std::string& token) const {
  const auto id = id_or_none(token);
  return id < 0 ? std::nullopt : std::optional<std::int64_t>(id);
}

void BytePairModel::visit(const Visitor& visitor) const {
  for (const auto& [token, id] : ids_) visitor(token, id);
}

void BytePairModel::read_merges(const JsonValue& list) {
  const auto count = list.list_size("the pairs of tokens that are merged");
  merges_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (is_version_line(list.json()[i])) continue;
    const auto [left, right] = read_pair(list, i);
    const auto key = pair_key(id_of(left, list, i), id_of(right, list, i));
    // Of two equal merges the last counts, as in the library that writes such files.
    merges_[key] = {static_cast<std::int32_t>(i), id_of(left + right, list, i)};
    if (mark_inside(left + right) != std::string::npos) cuts_at_spaces_ = false;
  }
}

void BytePairModel::read_unknown(const JsonValue& description) {
  if (const auto token = description.find("unk_token")) unknown_ = id_or_none(token->text());
  const auto fuses = description.find("fuse_unk");
  fuses_unknown_ = fuses && fuses->truth();
}

void BytePairModel::read_letters(const JsonValue& description) {
  bool is_whole = true;
  for (std::size_t byte = 0; byte < bytes_.size(); ++byte) {
    const auto id = id_or_none(letter_of(static_cast<unsigned char>(byte)));
    bytes_[byte] = id < 0 ? unknown_ : id;
    is_whole = is_whole && id >= 0;
  }
  if (is_whole) return;
  if (fuses_unknown_ && unknown_ >= 0) {
    description.member("fuse_unk", "")
        .refuse("must be false, or every byte's letter must be in model.vocab");
  }
  if (const auto fallback = description.find("byte_fallback"); fallback && fallback->truth()) {
    fallback->refuse(
        "must be false, or every byte's letter must be in model.vocab, as the "
        "pre_tokenizer ends with ByteLevel");
  }
}

void BytePairModel::read_characters(const JsonValue& description) {
  characters_.reserve(ids_.size() / 4);
  for (const auto& [token, id] : ids_) {
    if (token.empty()) continue;
    const auto first = first_character(token);
    if (first.bytes == token.size()) characters_[first.code] = id;
  }
  const auto fallback = description.find("byte_fallback");
  const bool falls_back = fallback && fallback->truth();
  for (std::size_t byte = 0; byte < bytes_.size(); ++byte) {
    bytes_[byte] = falls_back ? id_or_none(byte_token(static_cast<unsigned char>(byte))) : -1;
  }
  // A merge of the token for what is unknown could reach across a space if it looked like one.
  if (const auto token = description.find("unk_token");
      token && token->text().ends_with(space_mark))
    cuts_at_spaces_ = false;
}

std::size_t BytePairModel::first_part(std::string_view word) const {
  return cuts_at_spaces_ ? std::min(mark_inside(word), word.size()) : word.size();
}

std::size_t BytePairModel::add_bytes(std::string_view word, WordMemory& memory) const {
  for (std::size_t i = 0; i < word.size(); ++i) {
    const auto id = bytes_[static_cast<unsigned char>(word[i])];
    if (id < 0) return i;
    add_symbol(memory, id);
  }
  return word.size();
}

// The bytes of a character, where all are tokens.
bool BytePairModel::add_as_bytes(std::string_view character, WordMemory& memory) const {
  const auto id = [this](char byte) { return bytes_[static_cast<unsigned char>(byte)]; };
  if (!std::ranges::all_of(character, [&](char byte) { return id(byte) >= 0; })) return false;
  for (const char byte : character) add_symbol(memory, id(byte));
  return true;
}

std::size_t BytePairModel::add_characters(std::string_view word, WordMemory& memory) const {
  bool waiting = false;  // one unknown character, or several that are one token, are to be added
  for (std::size_t i = 0; i < word.size();) {
    const auto character = first_character(word.substr(i));
    const auto* known = characters_.find(character.code);
    if (known) {
      if (waiting) add_symbol(memory, unknown_);
      waiting = false;
      add_symbol(memory, *known);
    } else if (!add_as_bytes(word.substr(i, character.bytes), memory)) {
      // Bytes do not end the waiting: in the library such a token comes behind them.
      if (unknown_ < 0) return i;
      if (waiting && !fuses_unknown_) add_symbol(memory, unknown_);
      waiting = true;
    }
    i += character.bytes;
  }
  if (waiting) add_symbol(memory, unknown_);
  return word.size();
}

void BytePairModel::push_candidate(WordMemory& memory, std::int32_t position) const {
  const auto& left = memory.symbols[static_cast<std::size_t>(position)];
  const auto& right = memory.symbols[static_cast<std::size_t>(left.next)];
  if (const auto* merge = merges_.find(pair_key(left.id, right.id))) {
    memory.queue.push_back({pair_key(merge->rank, position), merge->merged});
    std::ranges::push_heap(memory.queue, comes_later);
  }
}

void BytePairModel::merge_all(WordMemory& memory) const {
  auto& symbols = memory.symbols;
  auto& queue = memory.queue;
  const auto count = static_cast<std::int32_t>(symbols.size());
  for (std::int32_t i = 0; i + 1 < count; ++i) push_candidate(memory, i);
  while (!queue.empty()) {
    std::ranges::pop_heap(queue, comes_later);
    const auto [order, merged] = queue.back();
    queue.pop_back();
    const auto position = static_cast<std::int32_t>(order & 0xffffffffU);
    auto& left = symbols[static_cast<std::size_t>(position)];
    if (left.id < 0 || left.next < 0) continue;
    auto& right = symbols[static_cast<std::size_t>(left.next)];
    // The neighbors may be others by now.
    const auto* merge = merges_.find(pair_key(left.id, right.id));
    if (!merge || merge->merged != merged) continue;
    left.id = merged;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) {
      symbols[static_cast<std::size_t>(left.next)].previous = position;
      push_candidate(memory, position);
    }
    if (left.previous >= 0) push_candidate(memory, left.previous);
  }
}

std::size_t BytePairModel::encode(std::string_view word, WordMemory& memory,
                                  std::vector<std::int64_t>& tokens) const {
  if (!whole_words_.empty()) {
    if (const auto found = whole_words_.find(std::string(word)); found != whole_words_.end()) {
      tokens.push_back(found->second);
      return word.size();
    }
  }
  const Check check{operation};
  check(word.size() <= std::numeric_limits<std::int32_t>::max(),
        "a word of {} bytes is too long: text needs spaces or line breaks", word.size());
  memory.symbols.clear();
  memory.queue.clear();
  const auto read =
      unit_ == WordUnit::byte ? add_bytes(word, memory) : add_characters(word, memory);
  if (read < word.size()) return read;
  merge_all(memory);
  for (const auto& symbol : memory.symbols) {
    if (symbol.id >= 0) tokens.push_back(symbol.id);
  }
  return word.size();
}

}  // namespace lookback::json_tokenizer
