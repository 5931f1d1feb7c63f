#include "apps/data/story_builder.h"

#include <algorithm>

#include "runtime/check.h"

namespace lookback {
namespace {

const Check check{"stories"};

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const auto end = std::min(text.find(' ', begin), text.size());
    if (end > begin) words.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

std::int16_t index_of(const std::vector<std::string>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? std::int16_t{-1} : static_cast<std::int16_t>(found - names.begin());
}

}  // namespace

std::int16_t StoryGrammar::Builder::token(std::string_view word) {
  const auto found = tokens_.find(word);
  if (found != tokens_.end()) return found->second;
  const auto id = static_cast<std::int16_t>(grammar_.words_.size());
  grammar_.words_.emplace_back(word);
  tokens_.emplace(word, id);
  return id;
}

void StoryGrammar::Builder::add(const StoryWords& table) {
  const auto columns = split(table.columns);
  List list;
  for (const auto row : table.rows) {
    const auto row_words = split(row);
    check(row_words.size() == columns.size() + 1,
          "list {}: \"{}\" has {} words, its columns ask for {}", table.list, row, row_words.size(),
          columns.size() + 1);
    auto& ids = list.rows.emplace_back();
    for (const auto& word : row_words) ids.push_back(token(word));
  }
  check(!lists_.contains(table.list), "list {} stands twice", table.list);
  lists_.emplace(table.list, NamedList{static_cast<std::int16_t>(grammar_.lists_.size()), columns});
  grammar_.lists_.push_back(std::move(list));
}

std::size_t StoryGrammar::Builder::act(std::string_view name) {
  const auto found = index_of(acts_, name);
  if (found >= 0) return static_cast<std::size_t>(found);
  acts_.emplace_back(name);
  grammar_.acts_.emplace_back();
  return acts_.size() - 1;
}

void StoryGrammar::Builder::add(const StoryRule& table) {
  Rule rule{.probability = 0, .weight = table.weight, .next = act(table.next), .items = {}};
  check(table.weight > 0, "\"{}\": weight {} must be positive", table.sentence, table.weight);
  for (const auto& item : split(table.sentence)) rule.items.push_back(parse(item, table.sentence));
  check(!rule.items.empty(), "act {} has an empty sentence", table.act);
  auto& owner = grammar_.acts_[act(table.act)];
  owner.weight += table.weight;
  owner.rules.push_back(std::move(rule));
}

StoryGrammar::Item StoryGrammar::Builder::parse(std::string_view item, std::string_view sentence) {
  if (item.front() != '{') return {.kind = ItemKind::word, .word = token(item)};
  check(item.size() > 2 && item.back() == '}', "\"{}\": {} has no closing brace", sentence, item);
  const auto body = item.substr(1, item.size() - 2);
  if (const auto equals = body.find('='); equals != std::string_view::npos) {
    const auto rest = body.substr(equals + 1);
    const auto minus = rest.find('-');
    const auto list = lists_.find(rest.substr(0, minus));
    check(list != lists_.end(), "\"{}\": {} names no list", sentence, item);
    Item draw{.kind = ItemKind::draw, .list = list->second.index};
    draw.target = register_index(body.substr(0, equals), draw.list);
    if (minus != std::string_view::npos) {
      draw.except = register_index(rest.substr(minus + 1), draw.list);
      check(grammar_.lists_[static_cast<std::size_t>(draw.list)].rows.size() > 1,
            "\"{}\": {} leaves no row to draw", sentence, item);
    }
    return draw;
  }
  const auto dot = body.find('.');
  const auto target = index_of(registers_, body.substr(0, dot));
  check(target >= 0, "\"{}\": {} recalls a register that no rule above draws", sentence, item);
  Item recall{.kind = ItemKind::recall,
              .list = list_of_register_[static_cast<std::size_t>(target)],
              .target = target};
  if (dot != std::string_view::npos) {
    const auto named = std::find_if(lists_.begin(), lists_.end(), [&](const auto& entry) {
      return entry.second.index == recall.list;
    });
    const auto column = index_of(named->second.columns, body.substr(dot + 1));
    check(column >= 0, "\"{}\": {} names no column of list {}", sentence, item, named->first);
    recall.column = static_cast<std::int16_t>(column + 1);
  }
  return recall;
}

std::int16_t StoryGrammar::Builder::register_index(std::string_view name, std::int16_t list) {
  auto found = index_of(registers_, name);
  if (found < 0) {
    check(registers_.size() < max_registers, "more than {} registers", max_registers);
    found = static_cast<std::int16_t>(registers_.size());
    registers_.emplace_back(name);
    list_of_register_.push_back(list);
  }
  check(list_of_register_[static_cast<std::size_t>(found)] == list,
        "register {} holds rows of two lists", name);
  return found;
}

void StoryGrammar::Builder::finish() {
  for (auto& list : grammar_.lists_) {
    list.row_of.assign(grammar_.words_.size(), -1);
    for (std::size_t r = 0; r < list.rows.size(); ++r) {
      auto& row = list.row_of[static_cast<std::size_t>(list.rows[r][0])];
      check(row < 0, "\"{}\" stands twice in a list",
            grammar_.words_[static_cast<std::size_t>(list.rows[r][0])]);
      row = static_cast<std::int16_t>(r);
    }
  }
  for (std::size_t a = 0; a < acts_.size(); ++a) {
    check(!grammar_.acts_[a].rules.empty(), "act {} has no rules", acts_[a]);
    for (auto& rule : grammar_.acts_[a].rules) {
      rule.probability = static_cast<double>(rule.weight) / grammar_.acts_[a].weight;
    }
  }
  grammar_.start_ = act("start");
  check_registers();
}

// Registers as bits of a set: what every way to an act has drawn. Starts from everything and
// shrinks until nothing changes.
void StoryGrammar::Builder::check_registers() const {
  using Set = std::uint32_t;
  static_assert(max_registers <= 32);
  std::vector<Set> drawn(acts_.size(), ~Set{0});
  drawn[grammar_.start_] = 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t a = 0; a < acts_.size(); ++a) {
      for (const auto& rule : grammar_.acts_[a].rules) {
        Set after = drawn[a];
        for (const auto& item : rule.items) {
          if (item.kind == ItemKind::draw) after |= Set{1} << item.target;
        }
        if ((drawn[rule.next] & ~after) != 0) {
          drawn[rule.next] &= after;
          changed = true;
        }
      }
    }
  }
  for (std::size_t a = 0; a < acts_.size(); ++a) {
    for (const auto& rule : grammar_.acts_[a].rules) {
      Set now = drawn[a];
      for (const auto& item : rule.items) {
        const auto needed = item.kind == ItemKind::recall ? item.target : item.except;
        check(needed < 0 || (now >> needed & 1) != 0, "act {} recalls {} before it is drawn",
              acts_[a], needed < 0 ? "" : registers_[static_cast<std::size_t>(needed)]);
        if (item.kind == ItemKind::draw) now |= Set{1} << item.target;
      }
    }
  }
}

}  // namespace lookback
