#include "apps/data/byte_pair/byte_pair_model.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "apps/data/byte_pair/byte_letters.h"
#include "runtime/check.h"

namespace lookback::byte_pair {
namespace {

using nlohmann::json;

std::uint64_t pair_key(std::int64_t left, std::int64_t right) {
  return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint64_t>(right);
}

// Everything that would make other tokens of the same vocabulary and merges.
void refuse_other_models(const JsonValue& model) {
  if (const auto type = model.find("type"); type && type->text() != "BPE") {
    type->refuse(
        "byte-level BPE is what can be read (of a SentencePiece tokenizer, name the .model)");
  }
  if (const auto fallback = model.find("byte_fallback"); fallback && fallback->truth()) {
    fallback->refuse(
        "such a file was made from a SentencePiece model: name that, tokenizer.model, instead");
  }
  if (const auto dropout = model.find("dropout"); dropout && dropout->json() != json(0)) {
    dropout->refuse("must be null or 0: with it the same text would be other tokens each time");
  }
  for (const auto* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (const auto affix = model.find(key); affix && !affix->text().empty()) {
      affix->refuse("must be null or \"\": byte-level BPE has none");
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

// The least rank first, then the leftmost: the heap's order, so the other way round.
bool comes_later(const MergeMemory::Candidate& a, const MergeMemory::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

}  // namespace

BytePairModel::BytePairModel(const JsonValue& description) {
  refuse_other_models(description);
  read_vocabulary(description.member("vocab", "the tokens and their numbers"));
  read_merges(description.member("merges", "the pairs of tokens that are merged"));
  read_letters(description);
  if (const auto ignores = description.find("ignore_merges"); ignores && ignores->truth()) {
    for (const auto& [token, id] : ids_) {
      if (auto bytes = bytes_of(token)) whole_words_.emplace(*std::move(bytes), id);
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
    const auto id = is_id ? number.get<std::int64_t>()
                          : vocabulary.member(token, "the token's number").token_id();
    const auto entry = ids_.emplace(token, id).first;
    const auto [first, is_new] = token_of.emplace(id, &entry->first);
    if (!is_new) {
      vocabulary.refuse("{} and {} are both number {}: each needs its own", shown(*first->second),
                        shown(token), id);
    }
  }
}

std::int64_t BytePairModel::id_of(const std::string& token, const JsonValue& list,
                                  std::size_t index) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) {
    list.element(index).refuse("{} is not in model.vocab", shown(token));
  }
  return found->second;
}

void BytePairModel::read_merges(const JsonValue& list) {
  const auto count = list.list_size("the pairs of tokens that are merged");
  merges_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (is_version_line(list.json()[i])) continue;
    const auto [left, right] = read_pair(list, i);
    const auto key = pair_key(id_of(left, list, i), id_of(right, list, i));
    // Of two equal merges the last counts, as in the library that writes such files.
    merges_[key] = {static_cast<std::int64_t>(i), id_of(left + right, list, i)};
  }
}

void BytePairModel::read_letters(const JsonValue& description) {
  std::int64_t unknown = -1;
  if (const auto token = description.find("unk_token")) {
    if (const auto found = ids_.find(token->text()); found != ids_.end()) unknown = found->second;
  }
  bool is_whole = true;
  for (std::size_t byte = 0; byte < letters_.size(); ++byte) {
    const auto found = ids_.find(letter_of(static_cast<unsigned char>(byte)));
    letters_[byte] = found == ids_.end() ? unknown : found->second;
    is_whole = is_whole && found != ids_.end();
  }
  if (const auto fuses = description.find("fuse_unk"); fuses && fuses->truth()) {
    if (unknown >= 0 && !is_whole) {
      fuses->refuse("must be false, or every byte's letter must be in model.vocab");
    }
  }
}

std::size_t BytePairModel::first_unknown(std::string_view word) const {
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (letters_[static_cast<unsigned char>(word[i])] < 0) return i;
  }
  return std::string_view::npos;
}

const BytePairModel::Merge* BytePairModel::merge_of(std::int64_t left, std::int64_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void BytePairModel::push_candidate(MergeMemory& memory, std::int32_t position) const {
  const auto& left = memory.symbols[static_cast<std::size_t>(position)];
  const auto& right = memory.symbols[static_cast<std::size_t>(left.next)];
  if (const auto* merge = merge_of(left.id, right.id)) {
    memory.queue.push_back({merge->rank, merge->merged, position});
    std::ranges::push_heap(memory.queue, comes_later);
  }
}

void BytePairModel::encode(std::string_view word, MergeMemory& memory,
                           std::vector<std::int64_t>& tokens) const {
  if (!whole_words_.empty()) {
    if (const auto found = whole_words_.find(std::string(word)); found != whole_words_.end()) {
      tokens.push_back(found->second);
      return;
    }
  }
  const Check check{operation};
  check(word.size() <= std::numeric_limits<std::int32_t>::max(),
        "a word of {} bytes is too long: text needs spaces or line breaks", word.size());
  auto& [symbols, queue] = memory;
  symbols.clear();
  queue.clear();
  const auto size = static_cast<std::int32_t>(word.size());
  for (std::int32_t i = 0; i < size; ++i) {
    const auto letter = letters_[static_cast<unsigned char>(word[static_cast<std::size_t>(i)])];
    symbols.push_back({letter, i - 1, i + 1 < size ? i + 1 : -1});
  }
  for (std::int32_t i = 0; i + 1 < size; ++i) push_candidate(memory, i);

  while (!queue.empty()) {
    std::ranges::pop_heap(queue, comes_later);
    const auto [rank, merged, position] = queue.back();
    queue.pop_back();
    auto& left = symbols[static_cast<std::size_t>(position)];
    if (left.id < 0 || left.next < 0) continue;
    auto& right = symbols[static_cast<std::size_t>(left.next)];
    // The neighbors may be others by now.
    const auto* merge = merge_of(left.id, right.id);
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
  for (const auto& symbol : symbols) {
    if (symbol.id >= 0) tokens.push_back(symbol.id);
  }
}

}  // namespace lookback::byte_pair
