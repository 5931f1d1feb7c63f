// The step by the book: what it says of steps that are made here, by another hand, with a mistake
// or without; and what the code that trains does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/ladder.h"
#include "apps/diagnosis/recorded_steps.h"
#include "tests/apps/small_subject.h"

namespace lookback::tests {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Two parameters, a matrix of three numbers and a gain of two, over three steps of three
// micro-batches; their gradients by a formula. Not every step is clipped.
book::Run gradients_alone() {
  book::Run run{
      .beta1 = 0.8,
      .beta2 = 0.97,
      .epsilon = 1e-3,
      .decay = 0.3,
      .max_norm = 1,
      .rounding = std::numeric_limits<double>::epsilon(),
      .parameters = {{.name = "matrix", .dimensions = 2}, {.name = "gain", .dimensions = 1}}};
  for (int s = 0; s < 3; ++s) {
    book::Step step{.rate = 0.1 + 0.05 * s};
    for (int i = 0; i < 3; ++i) {
      const double x = 3 * s + i;
      step.micro_batches.push_back({.targets = 1.0 + i + s,
                                    .tokens = 8,
                                    .gradients = {{std::sin(x), 2 + std::cos(x), 0.5 * s - 1},
                                                  {x - 3, 0.2 * std::sin(2 * x)}}});
    }
    run.steps.push_back(step);
  }
  return run;
}

// What a step is made of, each of which may be replaced.
struct Hand {
  double rate = 1, max_norm = 1, scale = 1;
  std::function<double(double beta, int step)> correction1 = {}, correction2 = {};
  bool clears = true;
  double matrix_decay = 0.3, gain_decay = 0;
};

double corrected(double beta, int step) { return 1 - std::pow(beta, step); }

void take_steps(book::Run& run, const Hand& hand) {
  std::vector<double> weights{0.3, -0.2, 0.1, 1, 0.9}, m(5, 0.0), v(5, 0.0), held(5, 0.0);
  for (std::size_t s = 0; s < run.steps.size(); ++s) {
    auto& step = run.steps[s];
    if (hand.clears) held.assign(5, 0.0);
    double targets = 0, squares = 0;
    for (const auto& part : step.micro_batches) {
      targets += part.targets;
      for (std::size_t k = 0; k < 5; ++k)
        held[k] += k < 3 ? part.gradients[0][k] : part.gradients[1][k - 3];
    }
    std::vector<double> g;
    for (const double each : held) {
      g.push_back(each / targets * hand.scale);
      squares += g.back() * g.back();
    }
    const double clip = std::min(1.0, hand.max_norm / std::sqrt(squares));
    step.before = {{weights[0], weights[1], weights[2]}, {weights[3], weights[4]}};
    const int t = static_cast<int>(s) + 1;
    for (std::size_t k = 0; k < 5; ++k) {
      m[k] = 0.8 * m[k] + 0.2 * clip * g[k];
      v[k] = 0.97 * v[k] + 0.03 * clip * g[k] * clip * g[k];
      const double rate = step.rate * hand.rate;
      const double first = m[k] / (hand.correction1 ? hand.correction1(0.8, t) : corrected(0.8, t));
      const double second =
          v[k] / (hand.correction2 ? hand.correction2(0.97, t) : corrected(0.97, t));
      weights[k] = weights[k] * (1 - rate * (k < 3 ? hand.matrix_decay : hand.gain_decay)) -
                   rate * first / (std::sqrt(second) + 1e-3);
    }
    step.after = {{weights[0], weights[1], weights[2]}, {weights[3], weights[4]}};
  }
}

// The mistakes that would make these steps.
std::vector<std::string> fitting(const book::Run& run) {
  std::vector<std::string> all;
  for (const auto& [part, what, rules] : book::known_mistakes()) {
    if (book::misfit(run, rules).of_bound <= 1) all.emplace_back(what);
  }
  return all;
}

std::vector<std::string> fitting(const Hand& hand) {
  auto run = gradients_alone();
  take_steps(run, hand);
  EXPECT_GT(book::misfit(run).of_bound, 1e6);
  return fitting(run);
}

TEST(StepBook, FitsAStepByAnotherHandAndNoMistake) {
  auto run = gradients_alone();
  take_steps(run, {});
  const auto found = book::misfit(run);
  EXPECT_LT(found.of_bound, 0.5);
  EXPECT_THAT(fitting(run), IsEmpty());
  // A change of the size of a weight's last bits is seen where it is more than rounding.
  run.steps[1].after[0][2] += 1e-12;
  EXPECT_GT(book::misfit(run).of_bound, 1);
  EXPECT_EQ(book::misfit(run).step, 1U);
  EXPECT_EQ(book::misfit(run).parameter, 0U);
  EXPECT_TRUE(book::misfit(run).matrices);
  EXPECT_FALSE(book::misfit(run).vectors);
}

TEST(StepBook, TellsMistakesApart) {
  using List = std::vector<std::string>;
  EXPECT_EQ(fitting(Hand{.matrix_decay = 0}), List{"no decay at all"});
  EXPECT_EQ(fitting(Hand{.gain_decay = 0.3}), List{"decay of gains and biases as well"});
  EXPECT_EQ(fitting(Hand{.matrix_decay = 0, .gain_decay = 0.3}),
            List{"decay of gains and biases in place of matrices"});
  EXPECT_EQ(fitting(Hand{.clears = false}), List{"gradients of all steps so far, never cleared"});
  EXPECT_EQ(fitting(Hand{.max_norm = 1e9}), List{"no clipping"});
  const auto none = [](double, int) { return 1.0; };
  EXPECT_EQ(fitting(Hand{.correction1 = none, .correction2 = none}), List{"no correction"});
  const auto of_beta1 = [](double, int step) { return corrected(0.8, step); };
  EXPECT_EQ(fitting(Hand{.correction2 = of_beta1}),
            List{"beta1 in the correction of the second moment"});
  const auto late = [](double beta, int step) { return corrected(beta, step + 1); };
  EXPECT_EQ(fitting(Hand{.correction1 = late, .correction2 = late}),
            List{"corrections of the step after this one"});
  EXPECT_THAT(fitting(Hand{.rate = 4}), IsEmpty());
  auto run = gradients_alone();
  take_steps(run, {.rate = 4});
  const auto ratios = book::misfit(run).ratios;
  EXPECT_THAT(ratios, ::testing::Each(::testing::DoubleNear(4, 1e-12)));
  EXPECT_LE(book::misfit(run, {}, ratios).of_bound, 1);
}

TEST(StepBook, SeesADivisionBesideTheSumWhereNothingIsClipped) {
  auto run = gradients_alone();
  run.max_norm = 0;
  take_steps(run, {.max_norm = 1e9, .scale = 1.0 / 3});
  EXPECT_THAT(fitting(run), Contains("the sum divided by the number of micro-batches once more"));
  take_steps(run, {.max_norm = 1e9});
  EXPECT_LE(book::misfit(run).of_bound, 1);
}

TEST(StepBook, RatesAreThoseOfClosedForms) {
  const auto rate = [](book::Kind kind, std::int64_t step) {
    return book::learning_rate(
        {.kind = kind, .peak = 0.5, .minimum_ratio = 0.1, .warmup = 4, .decay = 4, .steps = 12},
        step);
  };
  EXPECT_DOUBLE_EQ(rate(book::Kind::cosine, 0), 0.125);
  EXPECT_DOUBLE_EQ(rate(book::Kind::linear, 3), 0.5);
  EXPECT_DOUBLE_EQ(rate(book::Kind::cosine, 4), 0.5);
  EXPECT_DOUBLE_EQ(rate(book::Kind::cosine, 8), 0.5 * 0.55);
  EXPECT_DOUBLE_EQ(rate(book::Kind::linear, 8), 0.5 * 0.55);
  EXPECT_DOUBLE_EQ(rate(book::Kind::linear, 10), 0.5 * 0.325);
  EXPECT_DOUBLE_EQ(rate(book::Kind::constant, 11), 0.5);
  EXPECT_DOUBLE_EQ(rate(book::Kind::stable, 8), 0.5);
  EXPECT_DOUBLE_EQ(rate(book::Kind::stable, 10), 0.5 * 0.55);
}

std::vector<CheckResult> results_of(const std::string& check, const Subject& subject) {
  Diagnosis diagnosis;
  DiagnosisChecks::make(check)->run(subject, diagnosis);
  return diagnosis.checks;
}

void expect_passed(const std::string& check, const Subject& subject, const std::string& what) {
  for (const auto& found : results_of(check, subject)) {
    EXPECT_EQ(found.result, CheckResult::Result::passed)
        << what << ", " << found.name << ": " << found.evidence;
    if (found.bound == 1) {
      EXPECT_LT(found.value, 0.5) << what << ", " << found.name;
    }
  }
}

TEST(StepByTheBook, IsTheOneThatTrains) {
  const SmallSubjects small;
  for (const auto* preset : {"llama", "method3.2", "method5.5", "stored3", "moa", "moh", "mla",
                             "dcmha", "linear", "bigbird", "qk-layer-norm"}) {
    expect_passed("step_by_the_book", small.subject(preset), preset);
  }
  for (const std::uint64_t seed : {1, 2, 3})
    expect_passed("step_by_the_book", small.subject("llama", "", seed), "llama");
}

// Of setups that are rare, and right.
TEST(StepByTheBook, IsKeptByUnusualOptions) {
  const SmallSubjects small;
  for (const double rate : {1e-6, 1e-1, 0.0}) {
    auto subject = small.subject("llama");
    subject.options.learning_rate = rate;
    expect_passed("step_by_the_book", subject, fmt::format("rate {}", rate));
  }
  auto subject = small.subject("llama");
  subject.options.adam_beta1 = 0;
  subject.options.adam_epsilon = 1e-15;
  subject.options.weight_decay = 0;
  subject.options.max_grad_norm = 0;
  subject.options.max_steps = 3;
  subject.options.warmup_steps = 3;
  subject.options.gradient_checkpointing = true;
  subject.options.gradient_accumulation_steps = 7;
  expect_passed("step_by_the_book", subject, "warm-up to the last step");
  subject = small.subject("llama");
  subject.options.no_cross_document_attention = true;
  expect_passed("step_by_the_book", subject, "documents kept apart");
  expect_passed("saved_and_loaded", subject, "documents kept apart");
  subject = small.subject("llama");
  subject.config.vocab_size = 2;
  subject.config.max_position_embeddings = 1;
  subject.config.num_hidden_layers = 1;
  subject.config.tie_word_embeddings = false;
  expect_passed("step_by_the_book", subject, "one token of two");
}

TEST(StepByTheBook, NamesARateThatIsNotTheSchedules) {
  const SmallSubjects small;
  const auto found = results_of("step_by_the_book", small.subject("llama", "rate_times_batch"));
  EXPECT_EQ(found.at(0).finding, Verdict::wrong_step);
  EXPECT_THAT(
      found.at(0).evidence,
      HasSubstr("learning rate: all changes are 4 times those of the schedule's; in step 1, "
                "of one micro-batch, "));
}

// Of mistakes in losses and gradients, or in what the optimizer is given, other checks speak.
TEST(StepByTheBook, LeavesOtherMistakesToOthers) {
  const SmallSubjects small;
  for (const auto* fault :
       {"mean_per_micro_batch", "all_gradients_dropped", "forgotten_by_optimiser",
        "padding_in_the_mean", "unmasked", "tiled_key_heads"}) {
    expect_passed("step_by_the_book", small.subject("llama", fault), fault);
  }
}

TEST(LearningRates, AreThoseOfTheSchedule) {
  const SmallSubjects small;
  auto subject = small.subject("llama");
  expect_passed("learning_rates", subject, "defaults");
  for (const auto& [steps, warmup] : {std::pair{1, 0}, std::pair{1, 1}, std::pair{50, 50},
                                      std::pair{1500, 100}, std::pair{3000000, 1000}}) {
    subject.options.max_steps = steps;
    subject.options.warmup_steps = warmup;
    expect_passed("learning_rates", subject, fmt::format("{} steps", steps));
  }
}

TEST(LearningRates, OfZeroAreFrozenAndOthersAreWrong) {
  const SmallSubjects small;
  const auto zero = results_of("learning_rates", small.subject("llama", "zero_learning_rate"));
  EXPECT_EQ(zero.at(0).finding, Verdict::frozen);
  EXPECT_EQ(zero.at(0).evidence, "the learning rate is 0 in all 1000 steps");
  const auto four = results_of("learning_rates", small.subject("llama", "rate_times_batch"));
  EXPECT_EQ(four.at(0).finding, Verdict::wrong_step);
  EXPECT_THAT(four.at(0).evidence,
              HasSubstr("learning rate: step 1 of 1000 has 0.004, and by the formula of the cosine "
                        "schedule, with a warm-up of 0 steps, 0.001"));
}

}  // namespace
}  // namespace lookback::tests
