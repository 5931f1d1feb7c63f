#include "apps/data/story_grammar.h"

#include <algorithm>
#include <cmath>

#include "apps/data/story_builder.h"
#include "runtime/check.h"

namespace lookback {
namespace {

constexpr StoryGrammar::Registers empty_registers() {
  StoryGrammar::Registers registers{};
  registers.fill(-1);
  return registers;
}

}  // namespace

StoryGrammar::StoryGrammar(const std::vector<StoryWords>& word_tables,
                           const std::vector<StoryRule>& rules, std::string_view separator_word) {
  Builder builder{*this};
  builder.token(separator_word);
  for (const auto& table : word_tables) builder.add(table);
  for (const auto& rule : rules) builder.add(rule);
  builder.add({.act = "end", .weight = 1, .next = "start", .sentence = separator_word});
  builder.finish();
}

double StoryGrammar::sample(RandomStream& random, std::vector<std::int64_t>& tokens) const {
  Registers registers = empty_registers();
  double log_probability = 0;
  const auto emit = [&](std::int16_t word) { tokens.push_back(word); };
  for (std::size_t act = start_;;) {
    auto ticket =
        static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(acts_[act].weight)));
    auto rule = acts_[act].rules.begin();
    while (ticket >= rule->weight) ticket -= (rule++)->weight;
    log_probability += std::log(rule->probability);

    for (const auto& item : rule->items) {
      if (item.kind == ItemKind::word) {
        emit(item.word);
      } else if (item.kind == ItemKind::recall) {
        emit(recalled(item, registers));
      } else {
        auto row = static_cast<std::int16_t>(random.below(rows_left(item)));
        if (item.except >= 0 && row >= registers[static_cast<std::size_t>(item.except)]) ++row;
        registers[static_cast<std::size_t>(item.target)] = row;
        log_probability -= std::log(static_cast<double>(rows_left(item)));
        emit(recalled(item, registers));
      }
    }
    if (tokens.back() == separator) return log_probability;
    act = rule->next;
  }
}

StoryState::StoryState(const StoryGrammar& story_grammar) : grammar_(&story_grammar) {
  enter(grammar_->start_, 1.0, empty_registers());
}

void StoryState::enter(std::size_t act, double weight, const StoryGrammar::Registers& registers) {
  for (const auto& rule : grammar_->acts_[act].rules) {
    alive_.push_back({&rule, 0, weight * rule.probability, registers});
  }
}

double StoryState::probability(const Derivation& derivation, std::int16_t token) const {
  using Kind = StoryGrammar::ItemKind;
  const auto& item = derivation.rule->items[derivation.position];
  if (item.kind == Kind::word) return item.word == token ? 1.0 : 0.0;
  if (item.kind == Kind::recall) {
    return grammar_->recalled(item, derivation.registers) == token ? 1.0 : 0.0;
  }
  const auto row =
      grammar_->lists_[static_cast<std::size_t>(item.list)].row_of[static_cast<std::size_t>(token)];
  const bool taken =
      item.except >= 0 && row == derivation.registers[static_cast<std::size_t>(item.except)];
  return row < 0 || taken ? 0.0 : 1.0 / static_cast<double>(grammar_->rows_left(item));
}

double StoryState::probability(std::int64_t token) const {
  double sum = 0;
  for (const auto& derivation : alive_) {
    sum += derivation.weight * probability(derivation, static_cast<std::int16_t>(token));
  }
  return sum;
}

void StoryState::distribution(std::span<double> probabilities) const {
  for (std::size_t token = 0; token < probabilities.size(); ++token) {
    probabilities[token] = probability(static_cast<std::int64_t>(token));
  }
}

double StoryState::advance(std::int64_t token) {
  const Check check{"stories"};
  check(0 <= token && token < static_cast<std::int64_t>(grammar_->words_.size()),
        "token {} is outside the vocabulary: 0 to {}", token, grammar_->words_.size() - 1);
  const auto word = static_cast<std::int16_t>(token);
  double sum = 0;
  for (auto& derivation : alive_) {
    derivation.weight *= probability(derivation, word);
    sum += derivation.weight;
  }
  check(sum > 0, "no story goes on with \"{}\" here",
        grammar_->words_[static_cast<std::size_t>(word)]);

  before_.swap(alive_);
  alive_.clear();
  for (auto& derivation : before_) {
    if (derivation.weight == 0) continue;
    derivation.weight /= sum;
    const auto& item = derivation.rule->items[derivation.position];
    if (item.kind == StoryGrammar::ItemKind::draw) {
      derivation.registers[static_cast<std::size_t>(item.target)] =
          grammar_->lists_[static_cast<std::size_t>(item.list)]
              .row_of[static_cast<std::size_t>(word)];
    }
    if (++derivation.position < derivation.rule->items.size()) {
      alive_.push_back(derivation);
    } else {
      enter(derivation.rule->next, derivation.weight,
            token == StoryGrammar::separator ? empty_registers() : derivation.registers);
    }
  }
  return std::min(sum, 1.0);  // the weights add up to 1 but for rounding
}

}  // namespace lookback
