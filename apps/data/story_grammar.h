// Stories from a probabilistic grammar, with the exact probability of every next word.
//
// The grammar is a table of rules (story_rules.cpp). A rule belongs to an act, has a weight, a
// sentence or more, and names the act that follows. A sentence is a row of items:
//   word            that word;
//   {r=list}        a draw: one row of the word list, all equally likely, kept in register r;
//   {r=list-s}      the same, but never the row that register s holds;
//   {r}             recall: the word of the row that register r holds;
//   {r.column}      recall: another word of that row: a name's pronoun, a place's water.
// A story starts in the act `start`; the act `end` is the separator token alone, and after it the
// next story starts with empty registers.
//
// A derivation h is the sequence of rules and rows drawn. Its probability is the product of
// weight / (sum of the act's weights) over its rules and 1 / (rows left) over its draws. Let w(h)
// be that product for a derivation that has just emitted the document so far, w_1 .. w_n, and
// stands before its next item; H the set of all of them. Then, exactly,
//   p(w_1 .. w_n) = sum over h in H of w(h),
//   p(w_{n+1} | w_1 .. w_n) = sum over h in H of w(h) q(w_{n+1} | h) / sum over h in H of w(h),
// where q is 1 on the one word of a word or recall item, and uniform on the rows of a draw. H is
// small (the rules of one act that begin alike), so StoryState carries it whole. No two rules of an
// act can emit the same sentence from the same registers: at the end of each sentence one
// derivation is left (a test says so), a document has one derivation, and its probability is the
// product of its draws'.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/random.h"

namespace lookback {

// Words of a kind. Each row is the word and, per column, a word that belongs to it.
struct StoryWords {
  std::string_view list;
  std::string_view columns;  // "he him his child"
  std::vector<std::string_view> rows;
};

struct StoryRule {
  std::string_view act;
  int weight;
  std::string_view next;
  std::string_view sentence;
};

class StoryGrammar {
 public:
  static constexpr std::size_t max_registers = 16;
  using Registers = std::array<std::int16_t, max_registers>;  // row, or -1

  // Throws Error on a table that makes no sense. `separator` becomes token 0.
  StoryGrammar(const std::vector<StoryWords>& words, const std::vector<StoryRule>& rules,
               std::string_view separator);

  // The constant of the program: story_rules.cpp.
  static const StoryGrammar& built_in();

  const std::vector<std::string>& vocabulary() const { return words_; }
  static constexpr std::int64_t separator = 0;

  // Appends one story with its separator; returns the natural logarithm of the probability of the
  // rules and rows drawn.
  double sample(RandomStream& random, std::vector<std::int64_t>& tokens) const;

 private:
  friend class StoryState;

  enum class ItemKind : std::uint8_t { word, draw, recall };
  struct Item {
    ItemKind kind;
    std::int16_t word = -1;    // word
    std::int16_t list = -1;    // draw, recall
    std::int16_t target = -1;  // draw, recall: the register
    std::int16_t except = -1;  // draw: the other register
    std::int16_t column = 0;   // recall
  };
  struct List {
    std::vector<std::vector<std::int16_t>> rows;  // [row][column] -> token; column 0: the word
    std::vector<std::int16_t> row_of;             // token -> row, or -1
  };
  struct Rule {
    double probability;  // within its act
    int weight;
    std::size_t next;
    std::vector<Item> items;
  };
  struct Act {
    int weight = 0;
    std::vector<Rule> rules;
  };

  class Builder;

  std::int16_t recalled(const Item& item, const Registers& registers) const {
    const auto row = static_cast<std::size_t>(registers[static_cast<std::size_t>(item.target)]);
    return lists_[static_cast<std::size_t>(item.list)]
        .rows[row][static_cast<std::size_t>(item.column)];
  }
  std::size_t rows_left(const Item& item) const {
    return lists_[static_cast<std::size_t>(item.list)].rows.size() - (item.except >= 0 ? 1 : 0);
  }

  std::vector<std::string> words_;
  std::vector<List> lists_;
  std::vector<Act> acts_;
  std::size_t start_ = 0;
};

// All derivations compatible with the words so far, from the start of a document on; goes on into
// the next document at a separator.
class StoryState {
 public:
  explicit StoryState(const StoryGrammar& story_grammar);

  // p(token | document so far).
  double probability(std::int64_t token) const;
  // All of them: [vocabulary].
  void distribution(std::span<double> probabilities) const;
  // Takes the token and returns its p; throws Error when that is 0.
  double advance(std::int64_t token);
  std::size_t derivations() const { return alive_.size(); }

 private:
  struct Derivation {
    const StoryGrammar::Rule* rule;
    std::size_t position;
    double weight;
    StoryGrammar::Registers registers;
  };

  double probability(const Derivation& derivation, std::int16_t token) const;
  void enter(std::size_t act, double weight, const StoryGrammar::Registers& registers);

  const StoryGrammar* grammar_;
  std::vector<Derivation> alive_;  // weights add up to 1
  std::vector<Derivation> before_;
};

}  // namespace lookback
