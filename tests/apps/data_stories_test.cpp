// builtin:stories: exact probabilities, unique derivations, and a grammar worth learning.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "apps/data/story_grammar.h"
#include "apps/data/story_source.h"
#include "runtime/check.h"

namespace lookback {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Tokens = std::vector<std::int64_t>;

const StoryGrammar& grammar() { return StoryGrammar::built_in(); }

std::size_t vocabulary_size() { return grammar().vocabulary().size(); }

// Stories one after the other.
Tokens sample_tokens(std::uint64_t seed, std::size_t at_least) {
  RandomStream random{seed, 1};
  Tokens tokens;
  while (tokens.size() < at_least) grammar().sample(random, tokens);
  return tokens;
}

const std::string& word(std::int64_t token) {
  return grammar().vocabulary()[static_cast<std::size_t>(token)];
}

template <class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Stories, ProbabilitiesOfAllNextWordsAddUpToOne) {
  StoryState state{grammar()};
  std::vector<double> distribution(vocabulary_size());
  for (const auto token : sample_tokens(1, 20000)) {
    state.distribution(distribution);
    ASSERT_NEAR(std::accumulate(distribution.begin(), distribution.end(), 0.0), 1.0, 1e-12);
    ASSERT_GE(*std::min_element(distribution.begin(), distribution.end()), 0.0);
    const double p = distribution[static_cast<std::size_t>(token)];
    ASSERT_NEAR(state.advance(token), p, 1e-15);
    ASSERT_GT(p, 0.0);
  }
}

// The scorer sums over derivations word by word; the sampler multiplies the draws of one. Equal for
// every story, so no story has a second derivation.
TEST(Stories, AStoryIsAsProbableAsItsDraws) {
  RandomStream random{2, 1};
  for (int story = 0; story < 5000; ++story) {
    Tokens tokens;
    const double drawn = grammar().sample(random, tokens);
    StoryState state{grammar()};
    double scored = 0;
    for (const auto token : tokens) scored += std::log(state.advance(token));
    ASSERT_NEAR(scored, drawn, 1e-10);
    ASSERT_EQ(tokens.back(), StoryGrammar::separator);
  }
}

TEST(Stories, OneDerivationIsLeftAtTheEndOfEachSentence) {
  StoryState state{grammar()};
  std::size_t most = 0;
  for (const auto token : sample_tokens(3, 100000)) {
    state.advance(token);
    most = std::max(most, state.derivations());
    // The next act's rules are what is alive then; all of them have emitted nothing.
    if (token == StoryGrammar::separator) {
      StoryState start{grammar()};
      ASSERT_EQ(state.derivations(), start.derivations());
    }
  }
  EXPECT_GT(most, 1u);
  EXPECT_LT(most, 10u);
}

// Frequencies of the next word, over everywhere that the same distribution was forecast. Contexts
// are told apart by what they forecast: the words possible and their probabilities.
TEST(Stories, DrawnWordsAreAsFrequentAsForecast) {
  struct Tally {
    std::vector<double> expected, drawn;
    double count = 0;
  };
  std::map<std::vector<std::int64_t>, Tally> tallies;
  StoryState state{grammar()};
  std::vector<double> p(vocabulary_size());
  for (const auto token : sample_tokens(4, 200000)) {
    state.distribution(p);
    std::vector<std::int64_t> key;
    for (std::size_t w = 0; w < p.size(); ++w) {
      if (p[w] > 0) {
        key.push_back(static_cast<std::int64_t>(w));
        key.push_back(std::llround(p[w] * 1e9));
      }
    }
    auto& tally = tallies[key];
    tally.expected = p;
    tally.drawn.resize(p.size());
    tally.drawn[static_cast<std::size_t>(token)] += 1;
    tally.count += 1;
    state.advance(token);
  }
  int compared = 0;
  for (const auto& [key, tally] : tallies) {
    if (key.size() == 2) {  // one word possible: certain
      EXPECT_EQ(tally.drawn[static_cast<std::size_t>(key[0])], tally.count);
      continue;
    }
    for (std::size_t w = 0; w < p.size(); ++w) {
      const double q = tally.expected[w], mean = tally.count * q;
      ASSERT_TRUE(q > 0 || tally.drawn[w] == 0);
      if (mean * (1 - q) < 20) continue;
      EXPECT_NEAR(tally.drawn[w], mean, 5.5 * std::sqrt(mean * (1 - q)))
          << word(static_cast<std::int64_t>(w));
      ++compared;
    }
  }
  EXPECT_GT(compared, 100);
}

TEST(Stories, SequencesAreWholeStoriesTheLastOneCut) {
  const StorySource source{7, BuiltInPart::fresh};
  const auto batch = source.training_batch(0, 0, 8, 256);
  const auto nats = source.nats(batch);
  for (std::size_t row = 0; row < 8; ++row) {
    StoryState state{grammar()};
    state.advance(batch.inputs[256 * row]);
    std::size_t separators = 0;
    for (std::size_t i = 256 * row; i < 256 * (row + 1); ++i) {
      const double p = state.advance(batch.targets[i]);
      ASSERT_NEAR(nats[i], -std::log(p), 1e-12);
      separators += batch.targets[i] == StoryGrammar::separator;
    }
    EXPECT_GE(separators, 1u);
  }
}

TEST(Stories, LengthsAndVocabulary) {
  EXPECT_GE(vocabulary_size(), 200u);
  EXPECT_LE(vocabulary_size(), 256u);
  RandomStream random{5, 1};
  std::vector<int> count(vocabulary_size());
  std::size_t shortest = 1000, longest = 0, total = 0;
  for (int story = 0; story < 20000; ++story) {
    Tokens tokens;
    grammar().sample(random, tokens);
    shortest = std::min(shortest, tokens.size());
    longest = std::max(longest, tokens.size());
    total += tokens.size();
    for (const auto token : tokens) ++count[static_cast<std::size_t>(token)];
  }
  EXPECT_GE(shortest, 50u);
  EXPECT_LE(longest, 120u);
  EXPECT_LE(total / 20000, 100u);
  EXPECT_GE(*std::min_element(count.begin(), count.end()), 100) << "a word hardly ever used";
}

// Counts of the words after each of the last two, one and no words.
class TrigramCounts {
 public:
  explicit TrigramCounts(const Tokens& tokens) {
    for (std::size_t i = 2; i < tokens.size(); ++i) {
      const auto [three, two, one] = contexts(tokens, i);
      ++counts_[three];
      ++counts_[two];
      ++counts_[one];
      ++totals_[three / size_];
      ++totals_[two / size_];
      ++totals_[0];
      followers_[three / size_].insert(tokens[i]);
      followers_[two / size_].insert(tokens[i]);
    }
  }
  // Interpolated estimate (Witten & Bell 1991): a context that was followed by f kinds of words in
  // n places trusts itself with n / (n + f).
  double probability(const Tokens& tokens, std::size_t i) const {
    const auto [three, two, one] = contexts(tokens, i);
    const auto uniform = 1.0 / static_cast<double>(size_);
    const double unigram = (lookup(counts_, one) + uniform) / (lookup(totals_, 0) + 1);
    return mix(three, mix(two, unigram));
  }
  // In hindsight: the frequencies of the data themselves.
  double frequency(const Tokens& tokens, std::size_t i) const {
    const auto three = contexts(tokens, i)[0];
    return lookup(counts_, three) / lookup(totals_, three / size_);
  }

 private:
  using Key = std::int64_t;
  // The keys of w3 after (w1, w2), after (w2), after nothing. A context's key is key / size: two
  // words count from 1 so that lengths cannot be confused.
  std::array<Key, 3> contexts(const Tokens& tokens, std::size_t i) const {
    const Key w1 = tokens[i - 2] + 1, w2 = tokens[i - 1] + 1, w3 = tokens[i];
    return {(w1 * (size_ + 1) + w2) * size_ + w3, w2 * size_ + w3, w3};
  }
  static double lookup(const std::unordered_map<Key, int>& map, Key key) {
    const auto found = map.find(key);
    return found == map.end() ? 0.0 : found->second;
  }
  double mix(Key key, double shorter) const {
    const auto found = followers_.find(key / size_);
    if (found == followers_.end()) return shorter;
    const double n = lookup(totals_, key / size_), f = static_cast<double>(found->second.size());
    return (lookup(counts_, key) + f * shorter) / (n + f);
  }

  const Key size_ = static_cast<Key>(vocabulary_size());
  std::unordered_map<Key, int> counts_, totals_;
  std::unordered_map<Key, std::set<std::int64_t>> followers_;
};

double mean_nats(const Tokens& tokens, const auto& probability) {
  double sum = 0;
  for (std::size_t i = 2; i < tokens.size(); ++i) sum -= std::log(probability(i));
  return sum / static_cast<double>(tokens.size() - 2);
}

// A 3-gram model trained on many stories stays 0.3 nats above the floor on fresh ones, and so does
// the best 3-gram of all: the one that knows the frequencies of the very text it is measured on.
TEST(Stories, AreBeyondAnyTrigramModel) {
  const auto train = sample_tokens(6, 1000000), test = sample_tokens(7, 300000);
  StoryState state{grammar()};
  std::vector<double> exact;
  for (const auto token : test) exact.push_back(state.advance(token));
  const double floor = mean_nats(test, [&](std::size_t i) { return exact[i]; });
  const TrigramCounts trained{train}, hindsight{test};
  const double fresh = mean_nats(test, [&](std::size_t i) { return trained.probability(test, i); });
  const double best = mean_nats(test, [&](std::size_t i) { return hindsight.frequency(test, i); });
  EXPECT_GT(fresh, best);
  EXPECT_LT(fresh, best + 0.1);  // the trained one is a good 3-gram model
  EXPECT_GT(best, floor + 0.3);
  RecordProperty("floor", std::to_string(floor));
  RecordProperty("trigram", std::to_string(fresh));
  RecordProperty("hindsight", std::to_string(best));
}

TEST(Stories, ReadAsEnglish) {
  const StoryTokenizer tokenizer{grammar()};
  const std::string text = tokenizer.decode(sample_tokens(8, 5000));
  EXPECT_EQ(tokenizer.encode(text), sample_tokens(8, 5000));
  for (const char* wrong : {" .", " ,", " !", " ?", "  ", "“ ", " ”", ". a", ". t", "\n "}) {
    EXPECT_THAT(text, Not(HasSubstr(wrong)));
  }
  EXPECT_TRUE(std::isupper(static_cast<unsigned char>(text[0])) || text.starts_with("“"));
  EXPECT_EQ(text.back(), '\n');
}

TEST(Stories, PromptsAreEncoded) {
  const StoryTokenizer tokenizer{grammar()};
  EXPECT_EQ(tokenizer.encode("Once upon a time, Tom"), tokenizer.encode("once upon a time , Tom"));
  EXPECT_EQ(tokenizer.encode("\"What a warm day!\" said Tom."),
            tokenizer.encode("“What a warm day!” said Tom."));
  EXPECT_TRUE(tokenizer.encode("").empty());
  EXPECT_EQ(tokenizer.document_end(), StoryGrammar::separator);
  EXPECT_THAT(error_of([&] { tokenizer.encode("Tom met a dragon."); }),
              HasSubstr("\"dragon\" is none of the"));
  EXPECT_THAT(error_of([&] { tokenizer.encode("the forst"); }), HasSubstr("nearest is \"forest\""));
  EXPECT_THAT(error_of([&] { tokenizer.decode(Tokens{100000}); }), HasSubstr("token 100000"));
}

TEST(Stories, RefuseWhatTheGrammarCannotSay) {
  const StoryTokenizer tokenizer{grammar()};
  StoryState state{grammar()};
  EXPECT_THAT(error_of([&] { state.advance(tokenizer.encode("was")[0]); }),
              HasSubstr("no story goes on with \"was\" here"));
  EXPECT_THAT(error_of([&] { state.advance(-1); }), HasSubstr("token -1 is outside"));
}

// A small grammar whose probabilities can be worked out by hand.
TEST(StoryGrammar, SumsOverRulesThatBeginAlike) {
  const StoryGrammar small{{{"name", "he", {"Tom he", "Ann she", "Bob he"}}},
                           {{"start", 3, "second", "{a=name} ran ."},
                            {"start", 1, "end", "{a=name} ran home ."},
                            {"second", 1, "end", "then {b=name-a} ran and {a.he} won ."}},
                           "|"};
  const auto& words = small.vocabulary();
  const auto id = [&](std::string_view text) {
    return std::find(words.begin(), words.end(), text) - words.begin();
  };
  StoryState state{small};
  EXPECT_DOUBLE_EQ(state.probability(id("Tom")), 1.0 / 3);
  EXPECT_DOUBLE_EQ(state.advance(id("Tom")), 1.0 / 3);
  EXPECT_DOUBLE_EQ(state.advance(id("ran")), 1.0);
  EXPECT_EQ(state.derivations(), 2u);
  EXPECT_DOUBLE_EQ(state.probability(id("home")), 0.25);
  EXPECT_DOUBLE_EQ(state.advance(id(".")), 0.75);
  EXPECT_DOUBLE_EQ(state.advance(id("then")), 1.0);
  EXPECT_DOUBLE_EQ(state.probability(id("Tom")), 0.0);
  EXPECT_DOUBLE_EQ(state.advance(id("Ann")), 0.5);
  state.advance(id("ran"));
  state.advance(id("and"));
  EXPECT_DOUBLE_EQ(state.probability(id("she")), 0.0);
  EXPECT_DOUBLE_EQ(state.advance(id("he")), 1.0);
  state.advance(id("won"));
  state.advance(id("."));
  EXPECT_DOUBLE_EQ(state.advance(StoryGrammar::separator), 1.0);
  EXPECT_DOUBLE_EQ(state.probability(id("Bob")), 1.0 / 3);

  // What is drawn is scored as it was drawn, every second name but the first equally often.
  RandomStream random{1, 1};
  std::map<std::pair<std::int64_t, std::int64_t>, int> pairs;
  for (int i = 0; i < 12000; ++i) {
    Tokens story;
    const double drawn = small.sample(random, story);
    StoryState fresh{small};
    double scored = 0;
    for (const auto token : story) scored += std::log(fresh.advance(token));
    ASSERT_NEAR(scored, drawn, 1e-14);
    if (story.size() > 6) ++pairs[{story[0], story[4]}];
  }
  EXPECT_EQ(pairs.size(), 6u);
  for (const auto& [pair, count] : pairs) EXPECT_NEAR(count, 1500, 5 * std::sqrt(1500.0));
}

TEST(StoryGrammar, RefusesTablesThatMakeNoSense) {
  const std::vector<StoryWords> words = {{"name", "he", {"Tom he", "Ann she"}},
                                         {"toy", "", {"ball"}}};
  const auto error = [&](std::vector<StoryRule> rules) {
    return error_of([&] { StoryGrammar(words, rules, "|"); });
  };
  EXPECT_EQ(error({{"start", 1, "end", "{a=name} ran ."}}), "no error");
  EXPECT_THAT(error({{"start", 1, "later", "{a=name} ran ."}}),
              HasSubstr("act later has no rules"));
  EXPECT_THAT(error({{"start", 0, "end", "hi"}}), HasSubstr("weight 0"));
  EXPECT_THAT(error({{"start", 1, "end", " "}}), HasSubstr("empty sentence"));
  EXPECT_THAT(error({{"start", 1, "end", "{a=nam}"}}), HasSubstr("names no list"));
  EXPECT_THAT(error({{"start", 1, "end", "{a}"}}), HasSubstr("no rule above draws"));
  EXPECT_THAT(error({{"start", 1, "end", "{a=name"}}), HasSubstr("no closing brace"));
  EXPECT_THAT(error({{"start", 1, "end", "{a=name} {a.her}"}}), HasSubstr("names no column"));
  EXPECT_THAT(error({{"start", 1, "end", "{a=name} {a=toy}"}}), HasSubstr("rows of two lists"));
  EXPECT_THAT(error({{"start", 1, "end", "{b=toy} {a=name-b}"}}), HasSubstr("rows of two lists"));
  EXPECT_THAT(error({{"start", 1, "end", "{a=toy} {b=toy-a}"}}), HasSubstr("leaves no row"));
  // Drawn on one way to the act only.
  EXPECT_THAT(error({{"start", 1, "next", "{a=name} ran ."},
                     {"start", 1, "next", "nobody ran ."},
                     {"next", 1, "end", "{a} won ."}}),
              HasSubstr("act next recalls a before it is drawn"));
  EXPECT_THAT(error_of([] {
                StoryGrammar({{"name", "he", {"Tom"}}}, {}, "|");
              }),
              HasSubstr("has 1 words, its columns ask for 2"));
  EXPECT_THAT(error_of([] {
                StoryGrammar({{"name", "", {"Tom", "Tom"}}}, {}, "|");
              }),
              HasSubstr("\"Tom\" stands twice"));
}

}  // namespace
}  // namespace lookback
