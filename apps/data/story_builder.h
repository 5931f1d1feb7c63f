// Turns the tables of a story grammar into what StoryGrammar runs on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "apps/data/story_grammar.h"

namespace lookback {

class StoryGrammar::Builder {
 public:
  explicit Builder(StoryGrammar& target) : grammar_(target) {}

  void add(const StoryWords& table);
  void add(const StoryRule& table);
  // After the last rule: resolves the acts' names, and checks that no story can recall a register
  // before it was drawn.
  void finish();
  std::int16_t token(std::string_view word);

 private:
  // A word list, with its columns' names.
  struct NamedList {
    std::int16_t index;
    std::vector<std::string> columns;
  };

  Item parse(std::string_view item, std::string_view sentence);
  std::int16_t register_index(std::string_view name, std::int16_t list);
  std::size_t act(std::string_view name);
  void check_registers() const;

  StoryGrammar& grammar_;
  std::map<std::string, std::int16_t, std::less<>> tokens_;
  std::map<std::string, NamedList, std::less<>> lists_;
  std::vector<std::string> registers_, acts_;
  std::vector<std::int16_t> list_of_register_;
};

}  // namespace lookback
