// builtin:uniform, markov and fixed; what every built-in source promises.
#include "apps/data/built_in_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "apps/data/markov_chain.h"
#include "apps/data/open.h"
#include "apps/data/uniform_source.h"
#include "runtime/check.h"

namespace lookback {
namespace {

using ::testing::HasSubstr;
using Chain = MarkovChain;

std::shared_ptr<const BuiltInSource> fresh(std::string_view name, std::uint64_t seed = 1) {
  return make_built_in_source(name, seed, BuiltInPart::fresh);
}

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

// The rows of [B, T] numbers.
std::set<std::vector<std::int64_t>> rows_of(const TokenBatch& batch) {
  std::set<std::vector<std::int64_t>> rows;
  for (auto row = batch.inputs.begin(); row != batch.inputs.end(); row += batch.columns) {
    rows.emplace(row, row + batch.columns);
  }
  return rows;
}

class BuiltIn : public ::testing::TestWithParam<std::string_view> {};

TEST_P(BuiltIn, RowsDependOnSeedStepAndRowOfTheStepAlone) {
  const auto source = fresh(GetParam());
  const auto base = source->training_batch(2, 1, 3, 65).inputs;
  EXPECT_EQ(base, fresh(GetParam())->training_batch(2, 1, 3, 65).inputs);
  // However the step is cut into micro-steps.
  const auto all = source->training_batch(2, 0, 6, 65).inputs;
  EXPECT_EQ(base, std::vector(all.begin() + 3 * 65, all.end()));
  EXPECT_NE(base, source->training_batch(3, 1, 3, 65).inputs);
  EXPECT_NE(base, source->training_batch(2, 2, 3, 65).inputs);
  EXPECT_NE(base, fresh(GetParam(), 2)->training_batch(2, 1, 3, 65).inputs);
  // Evaluation rows are numbered, however they are cut into batches.
  const auto whole = source->evaluation_batch(0, 6, 65).targets;
  auto halves = source->evaluation_batch(0, 3, 65).targets;
  const auto second = source->evaluation_batch(3, 3, 65).targets;
  halves.insert(halves.end(), second.begin(), second.end());
  EXPECT_EQ(whole, halves);
}

TEST_P(BuiltIn, TargetsAreTheNextInputsWithinTheVocabulary) {
  const auto source = fresh(GetParam());
  const auto batch = source->training_batch(0, 0, 8, 257);
  EXPECT_EQ(batch.rows, 8);
  EXPECT_EQ(batch.columns, 257);
  EXPECT_EQ(batch.scored(), 8 * 257);
  for (std::size_t i = 0; i < batch.inputs.size(); ++i) {
    ASSERT_GE(batch.targets[i], 0);
    ASSERT_LT(batch.targets[i], source->vocabulary_size());
    if (i % 257 != 256) {
      ASSERT_EQ(batch.targets[i], batch.inputs[i + 1]);
    }
  }
}

TEST_P(BuiltIn, TrainingAndValidationShareNothing) {
  const auto source = fresh(GetParam());
  std::set<std::vector<std::int64_t>> training;
  for (std::int64_t step = 0; step < 50; ++step) {
    training.merge(rows_of(source->training_batch(step, 0, 4, 128)));
  }
  EXPECT_LE(training.size(), GetParam() == "fixed" ? 64u : 200u);
  EXPECT_GE(training.size(), GetParam() == "fixed" ? 32u : 200u);
  const auto validation = rows_of(source->evaluation_batch(0, 200, 128));
  EXPECT_EQ(validation.size(), 200u);
  for (const auto& row : validation) EXPECT_FALSE(training.contains(row));
}

TEST_P(BuiltIn, TrainingRowsCanBeEvaluated) {
  const auto source = make_built_in_source(GetParam(), 1, BuiltInPart::training);
  if (GetParam() == "fixed") {
    EXPECT_EQ(source->evaluation_rows(64), FixedSource::sequences);
  } else {
    EXPECT_EQ(source->evaluation_rows(64), std::nullopt);
    EXPECT_EQ(source->evaluation_batch(3, 1, 64).inputs,
              source->training_batch(3, 0, 1, 64).inputs);
  }
}

TEST_P(BuiltIn, NatsSkipWhatIsIgnored) {
  const auto source = fresh(GetParam());
  EXPECT_TRUE(source->has_floor());
  auto batch = source->evaluation_batch(0, 2, 40);
  const auto whole = source->nats(batch);
  std::fill(batch.targets.begin() + 25, batch.targets.begin() + 40, ignored_target);
  const auto cut = source->nats(batch);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_EQ(cut[i], i >= 25 && i < 40 ? 0.0 : whole[i]) << i;
    EXPECT_GE(whole[i], 0.0);
  }
}

TEST_P(BuiltIn, TextComesBack) {
  const auto source = fresh(GetParam());
  const auto tokens = source->evaluation_batch(0, 4, 300).targets;
  const auto text = source->tokenizer().decode(tokens);
  EXPECT_EQ(source->tokenizer().encode(text), tokens);
  EXPECT_EQ(make_tokenizer(source->tokenizer().name(), source->vocabulary_size())->decode(tokens),
            text);
}

INSTANTIATE_TEST_SUITE_P(Data, BuiltIn, ::testing::ValuesIn(built_in_source_names()),
                         [](const auto& test) { return std::string(test.param); });

TEST(BuiltInUniform, IsUniformAndIndependent) {
  const auto source = fresh("uniform");
  EXPECT_EQ(source->vocabulary_size(), 256);
  std::vector<int> count(256), differences(256);
  const auto batch = source->evaluation_batch(0, 256, 1000);
  for (std::size_t i = 0; i < batch.targets.size(); ++i) {
    ++count[at(batch.targets[i])];
    ++differences[at(batch.inputs[i] - batch.targets[i] + 256) % 256];
  }
  for (const int c : count) EXPECT_NEAR(c, 1000, 5 * std::sqrt(1000.0));
  for (const int c : differences) EXPECT_NEAR(c, 1000, 5 * std::sqrt(1000.0));
  for (const double nats : source->nats(batch)) ASSERT_EQ(nats, std::log(256.0));
}

TEST(BuiltInFixed, RepeatsSixtyFourSequencesInTraining) {
  const auto source = fresh("fixed");
  std::set<std::vector<std::int64_t>> seen;
  for (std::int64_t step = 0; step < 100; ++step) {
    seen.merge(rows_of(source->training_batch(step, step % 3, 8, 32)));
  }
  for (const double nats : source->nats(source->training_batch(0, 0, 8, 32))) {
    ASSERT_EQ(nats, std::log(256.0));
  }
  // They are the rows of the training part.
  const auto part = make_built_in_source("fixed", 1, BuiltInPart::training);
  EXPECT_EQ(rows_of(part->evaluation_batch(0, 100, 32)), seen);
  EXPECT_EQ(seen.size(), 64u);
  EXPECT_THROW(part->evaluation_batch(64, 1, 32), Error);
}

TEST(BuiltInMarkov, KeepsItsStationaryDistribution) {
  std::vector<double> next(Chain::states, 0.0);
  for (std::int64_t from = 0; from < Chain::states; ++from) {
    double row = 0;
    int successors = 0;
    for (std::int64_t to = 0; to < Chain::states; ++to) {
      const double p = Chain::probability(from, to);
      row += p;
      successors += p > 0;
      next[at(to)] += Chain::stationary(from) * p;
    }
    EXPECT_NEAR(row, 1.0, 1e-15) << from;
    EXPECT_EQ(successors, 4) << from;
  }
  for (std::int64_t s = 0; s < Chain::states; ++s) {
    EXPECT_NEAR(next[at(s)], Chain::stationary(s), 1e-16) << s;
  }
}

TEST(BuiltInMarkov, ForgetsWhereItStarted) {
  // Irreducible and aperiodic: from one state, the distribution tends to the stationary one.
  std::vector<double> now(Chain::states, 0.0);
  now[37] = 1;
  for (int step = 0; step < 200; ++step) {
    std::vector<double> next(Chain::states, 0.0);
    for (std::int64_t from = 0; from < Chain::states; ++from) {
      for (std::int64_t to = 0; to < Chain::states; ++to) {
        next[at(to)] += now[at(from)] * Chain::probability(from, to);
      }
    }
    now = next;
  }
  for (std::int64_t s = 0; s < Chain::states; ++s) {
    EXPECT_NEAR(now[at(s)], Chain::stationary(s), 1e-9) << s;
  }
}

TEST(BuiltInMarkov, EntropiesAreTheClosedForms) {
  double rate = 0, unigram = 0;
  for (std::int64_t from = 0; from < Chain::states; ++from) {
    const double pi = Chain::stationary(from);
    unigram -= pi * std::log(pi);
    for (std::int64_t to = 0; to < Chain::states; ++to) {
      const double p = Chain::probability(from, to);
      if (p > 0) rate -= pi * p * std::log(p);
    }
  }
  EXPECT_NEAR(Chain::entropy_rate(), rate, 1e-14);
  EXPECT_NEAR(Chain::unigram_entropy(), unigram, 1e-14);
  EXPECT_NEAR(Chain::entropy_rate(), 0.914, 5e-4);
  EXPECT_NEAR(Chain::unigram_entropy(), 3.687, 5e-4);
}

TEST(BuiltInMarkov, IsDrawnFromItsMatrix) {
  const auto source = fresh("markov");
  EXPECT_EQ(source->vocabulary_size(), 64);
  const auto batch = source->evaluation_batch(0, 200, 1000);
  std::vector<double> transitions(64 * 64), from(64);
  double sum = 0;
  const auto nats = source->nats(batch);
  for (std::size_t i = 0; i < nats.size(); ++i) {
    sum += nats[i];
    transitions[at(batch.inputs[i] * 64 + batch.targets[i])] += 1;
    from[at(batch.inputs[i])] += 1;
  }
  // One step's -ln p has variance 0.63, and steps are independent.
  EXPECT_NEAR(sum / 200000, Chain::entropy_rate(), 5 * std::sqrt(0.63 / 200000));
  for (std::int64_t s = 0; s < 64; ++s) {
    const double visits = from[at(s)];
    EXPECT_NEAR(visits, 200000 * Chain::stationary(s), 6 * std::sqrt(visits));
    for (std::int64_t t = 0; t < 64; ++t) {
      const double p = Chain::probability(s, t);
      EXPECT_NEAR(transitions[at(s * 64 + t)], visits * p, 6 * std::sqrt(visits * p * (1 - p)));
    }
  }
}

TEST(BuiltInMarkov, RefusesWhatItCannotHaveDrawn) {
  const auto source = fresh("markov");
  auto batch = source->evaluation_batch(0, 1, 8);
  while (Chain::probability(batch.inputs[0], batch.targets[0]) > 0) {
    batch.targets[0] = (batch.targets[0] + 1) % 64;
  }
  try {
    source->nats(batch);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot follow token"));
  }
}

}  // namespace
}  // namespace lookback
