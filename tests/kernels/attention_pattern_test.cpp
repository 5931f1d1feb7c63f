// Attention under patterns: dilation, global keys, random blocks, keys at any positions.
#include "kernels/cpu/attention_pattern.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "autograd/ops/attention.h"
#include "runtime/parallel.h"
#include "tests/kernels/attention_expectations.h"

namespace lookback::kernels {
namespace {

const std::vector<ProblemShape>& shapes() {
  static const std::vector<ProblemShape> all{
      {.rows = 70, .keys = 70, .heads = 2, .key_heads = 1, .window = 5, .dilations = {3, 3}},
      {.sequences = 2,
       .rows = 65,
       .keys = 65,
       .heads = 4,
       .key_heads = 2,
       .window = 7,
       .dilations = {1, 2, 5, 100}},
      {.rows = 70,
       .keys = 70,
       .heads = 3,
       .key_heads = 1,
       .window = 4,
       .global_keys = {0, 1, 9, 44}},
      {.rows = 100, .keys = 100, .heads = 2, .window = 1, .random_blocks = 3, .block_size = 4},
      {.sequences = 2,
       .rows = 33,
       .keys = 70,
       .heads = 4,
       .key_heads = 2,
       .widths = {4, 3},
       .offset = 37,
       .window = 3,
       .global_keys = {0, 1},
       .random_blocks = 2,
       .block_size = 7},
      {.sequences = 2,
       .rows = 40,
       .keys = 40,
       .heads = 2,
       .window = 2,
       .documents = true,
       .dilations = {2, 1},
       .global_keys = {0, 3},
       .random_blocks = 1},
      {.sequences = 2,
       .rows = 1,
       .keys = 65,
       .heads = 8,
       .key_heads = 2,
       .offset = 64,
       .window = 9,
       .global_keys = {0}},
      {.rows = 1,
       .keys = 300,
       .heads = 3,
       .key_heads = 1,
       .offset = 299,
       .window = 20,
       .dilations = {1, 7, 2}},
      {.rows = 5, .keys = 40, .heads = 2, .offset = 35, .window = 6, .scattered_keys = true},
      {.rows = 3,
       .keys = 40,
       .heads = 2,
       .offset = 37,
       .window = 6,
       .slopes = true,
       .global_keys = {0, 1},
       .scattered_keys = true},
      {.rows = 7, .keys = 40, .offset = 33, .scattered_keys = true},
      {.rows = 5, .keys = 3, .window = 2, .dilations = {2}},                  // more rows than keys
      {.rows = 4, .keys = 6, .offset = -2, .window = 2, .global_keys = {0}},  // see nothing
      {.rows = 3, .keys = 0, .window = 2, .dilations = {2}},
      {.rows = 0, .keys = 3, .window = 2, .dilations = {2}},
      {.rows = 1, .keys = 1, .window = 1, .random_blocks = 2},
      {.rows = 65,
       .keys = 65,
       .heads = 2,
       .key_heads = 1,
       .window = 6,
       .soft_cap = 1.5,
       .slopes = true,
       .dilations = {2, 2},
       .global_keys = {0, 30}},
      {.rows = 1025,
       .keys = 1025,
       .heads = 2,
       .key_heads = 1,
       .widths = {4},
       .value_width = 4,
       .window = 300,
       .global_keys = {0, 1, 600},
       .random_blocks = 2,
       .block_size = 16},
  };
  return all;
}

template <class T>
class PatternedAttention : public ::testing::Test {};
TYPED_TEST_SUITE(PatternedAttention, Elements, ElementNames);

TYPED_TEST(PatternedAttention, StreamingAgreesWithTheFormula) {
  for (const auto& shape : shapes()) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<TypeParam> problem(shape);
    typename AttentionProblem<TypeParam>::Run run;
    problem.forward(run);
    problem.backward(run);
    const auto answer = problem.answer();
    const double bound = tolerance<TypeParam>();
    expect_near(numbers_of(run.y), answer.y, bound, "y");
    expect_near(numbers_of(run.log_sum_exp), answer.log_sum_exp,
                64 * epsilon_of(accumulator_of(dtype_of<TypeParam>)), "log_sum_exp");
    expect_gradients<TypeParam>(run, answer, shape, bound);
    typename AttentionProblem<TypeParam>::Run replay;
    problem.forward(replay, run.log_sum_exp);
    expect_near(numbers_of(replay.y), answer.y, bound, "replayed y");
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(PatternedAttention, ExplicitWeightsAgreeWithTheFormula) {
  for (const auto& shape : shapes()) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<TypeParam> problem(shape);
    const auto weights = problem.explicit_weights();
    const auto run = problem.explicit_run(weights);
    const auto answer = problem.answer();
    const double bound = tolerance<TypeParam>();
    expect_near(numbers_of(weights), answer.weights, bound, "weights");
    expect_near(numbers_of(run.y), answer.y, 2 * bound, "y");
    expect_gradients<TypeParam>(run, answer, shape, 4 * bound);
    if (this->HasFatalFailure()) return;
  }
}

// Blocks of one position are the gather form. The kernels are called here as their slots call them.
TYPED_TEST(PatternedAttention, MaskedAndGatheredAgree) {
  using Sum = Accumulator<TypeParam>;
  for (const auto& shape : shapes()) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<TypeParam> problem(shape);
    const auto answer = problem.answer();
    for (const std::int64_t positions : {1, 3, 16, 64}) {
      typename AttentionProblem<TypeParam>::Run run;
      run.y = empty(problem.dy.shape(), problem.dy.dtype());
      run.log_sum_exp = empty({shape.sequences, shape.heads, shape.rows}, dtype_of<Sum>);
      const InList q{problem.q.begin(), problem.q.end()}, k{problem.k.begin(), problem.k.end()};
      ScoreForm form{.soft_cap = shape.soft_cap};
      if (shape.slopes) form.slopes = problem.slopes;
      attend_pattern({.q = q,
                      .k = k,
                      .v = problem.v,
                      .scales = problem.scales,
                      .form = form,
                      .y = run.y,
                      .log_sum_exp = run.log_sum_exp,
                      .mask = problem.mask.view()},
                     positions);
      expect_near(numbers_of(run.y), answer.y, tolerance<TypeParam>(), "y");
      for (std::size_t p = 0; p < q.size(); ++p) {
        run.dq.push_back(zeros(problem.q[p].shape(), problem.q[p].dtype(), cpu_device));
        run.dk.push_back(zeros(problem.k[p].shape(), problem.k[p].dtype(), cpu_device));
      }
      run.dv = empty(problem.v.shape(), problem.v.dtype());
      run.dscales = empty(problem.scales.shape(), problem.scales.dtype());
      AttentionBackwardArgs backward{.dy = problem.dy,
                                     .q = q,
                                     .k = k,
                                     .v = problem.v,
                                     .scales = problem.scales,
                                     .form = form,
                                     .y = run.y,
                                     .log_sum_exp = run.log_sum_exp,
                                     .dq = {run.dq.begin(), run.dq.end()},
                                     .dk = {run.dk.begin(), run.dk.end()},
                                     .dv = run.dv,
                                     .dscales = run.dscales,
                                     .mask = problem.mask.view()};
      const auto bytes = attention_backward.workspace_bytes(Backend::cpu, backward);
      const auto workspace = empty({static_cast<std::int64_t>(bytes)}, DType::u8);
      backward.workspace = workspace;
      attend_pattern_backward(backward, positions);
      expect_gradients<TypeParam>(run, answer, shape, tolerance<TypeParam>());
      if (this->HasFatalFailure()) return;
    }
  }
}

TYPED_TEST(PatternedAttention, SameBitsAtAnyNumberOfThreads) {
  const int before = num_threads();
  for (const auto& shape : {shapes()[1], shapes()[4], shapes().back()}) {
    const AttentionProblem<TypeParam> problem(shape);
    std::vector<Numbers> bits[3];
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      typename AttentionProblem<TypeParam>::Run run;
      problem.forward(run);
      problem.backward(run);
      for (const auto& x : {run.y, run.log_sum_exp, run.dq[0], run.dk[0], run.dv, run.dscales}) {
        bits[threads - 1].push_back(numbers_of(x));
      }
    }
    EXPECT_EQ(bits[0], bits[1]);
    EXPECT_EQ(bits[0], bits[2]);
  }
  set_num_threads(before);
}

// A key that some rows of a block see, and others do not, between keys that they see.
TYPED_TEST(PatternedAttention, HiddenKeysAndValuesAreExcluded) {
  const ProblemShape shape{
      .rows = 70, .keys = 70, .window = 3, .random_blocks = 2, .block_size = 4};
  const AttentionProblem<TypeParam> clean(shape);
  typename AttentionProblem<TypeParam>::Run expected;
  clean.forward(expected);
  const auto expected_weights = clean.explicit_weights();
  const auto expected_y = numbers_of(clean.explicit_run(expected_weights).y);
  for (const double poison :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), 1e30}) {
    const AttentionProblem<TypeParam> dirty(shape);
    constexpr std::int64_t bad = 30;
    for (std::int64_t d = 0; d < 8; ++d) {
      dirty.v.template data<TypeParam>()[bad * 8 + d] = static_cast<TypeParam>(poison);
      dirty.k[0].template data<TypeParam>()[bad * 11 + d] = static_cast<TypeParam>(poison);
    }
    typename AttentionProblem<TypeParam>::Run run;
    dirty.forward(run);
    const auto weights = dirty.explicit_weights();
    const auto applied = numbers_of(dirty.explicit_run(weights).y);
    const auto y = numbers_of(run.y), clean_y = numbers_of(expected.y);
    for (std::int64_t t = 0; t < shape.rows; ++t) {
      if (visible_by_words(shape, clean.mask, 0, 0, t, bad)) continue;
      for (auto i = static_cast<std::size_t>(t * 8); i < static_cast<std::size_t>(t * 8 + 8); ++i) {
        ASSERT_EQ(y[i], clean_y[i]) << t << " poison " << poison;
        ASSERT_EQ(applied[i], expected_y[i]) << t << " poison " << poison;
      }
      ASSERT_EQ(numbers_of(weights)[static_cast<std::size_t>(t * 70 + bad)], 0.0);
    }
  }
}

TEST(KeyPatterns, ShowWhatTheWordsSay) {
  for (const auto& shape : shapes()) {
    SCOPED_TRACE(shape.name());
    const auto mask = make_mask(shape, 1);
    const auto rule = mask.view().rule();
    for (std::int64_t b = 0; b < shape.sequences; ++b) {
      for (std::int64_t h = 0; h < shape.heads; ++h) {
        for (std::int64_t t = 0; t < shape.rows; ++t) {
          const auto range = rule.keys_of(b, t, shape.keys);
          for (std::int64_t s = 0; s < shape.keys; ++s) {
            const bool shown = visible_by_words(shape, mask, b, h, t, s);
            ASSERT_EQ(rule.visible(b, h, t, s, shape.keys), shown) << h << " " << t << " " << s;
            ASSERT_TRUE(!shown || range.contains(s));
          }
        }
      }
    }
  }
}

// Every row is in one block, with the keys that it sees and no others shown to it.
TEST(KeyPatterns, BlocksHoldEveryRowAndItsKeys) {
  for (const auto& shape : shapes()) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<double> problem(shape);
    const auto mask = problem.mask.view();
    const InList q{problem.q.begin(), problem.q.end()}, k{problem.k.begin(), problem.k.end()};
    const auto attention = shape_of(q, k, mask);
    for (const std::int64_t positions : {1, 5, 32}) {
      std::vector<int> seen(static_cast<std::size_t>(shape.sequences * shape.heads * shape.rows));
      for (std::int64_t pair = 0; pair < shape.sequences * shape.key_heads; ++pair) {
        for (const auto& block :
             pattern_blocks(attention, pair / shape.key_heads, pair % shape.key_heads, positions)) {
          ASSERT_LE(block.count(), query_rows);
          const auto packed = pack_keys(attention, block, {0, shape.keys});
          for (std::int64_t i = 0; i < block.count(); ++i) {
            const auto head = block.head_of(i), row = block.row_of(i);
            ++seen[static_cast<std::size_t>((block.sequence * shape.heads + head) * shape.rows +
                                            row)];
            std::int64_t shown = 0, visible = 0;
            for (std::int64_t s = 0; s < shape.keys; ++s) {
              visible += visible_by_words(shape, problem.mask, block.sequence, head, row, s);
            }
            for (std::int64_t c = 0; c < packed.columns(); ++c) {
              if (packed.shown[static_cast<std::size_t>(i * packed.columns() + c)] == 0) continue;
              ++shown;
              ASSERT_TRUE(visible_by_words(shape, problem.mask, block.sequence, head, row,
                                           packed.keys[static_cast<std::size_t>(c)]));
            }
            ASSERT_EQ(shown, visible);
          }
        }
      }
      for (const auto count : seen) ASSERT_EQ(count, 1);
    }
  }
}

// Products of the kernels at T 2048, in pairs of a query and a key, against those of all the past.
TEST(KeyPatterns, WorkIsInProportionToTheKeysSeen) {
  constexpr std::int64_t length = 2048;
  const ProblemShape base{.rows = length, .keys = length, .widths = {1}, .value_width = 1};
  const auto with = [&](auto change) {
    auto shape = base;
    change(shape);
    return shape;
  };
  const struct {
    ProblemShape shape;
    double most_per_seen;
  } cases[] = {
      {with([](auto& s) { s.window = 64, s.dilations = {4}; }), 2.5},
      {with([](auto& s) {
         s.window = 64, s.global_keys = {0, 1, 2, 3};
       }),
       2.5},
      {with([](auto& s) {
         s.window = 64, s.global_keys = {0, 500, 1000, 1500};
       }),
       2.5},
      {with([](auto& s) { s.window = 64, s.random_blocks = 3, s.block_size = 16; }), 2.5},
      {with([](auto& s) {
         s.window = 48, s.random_blocks = 3, s.block_size = 16;
         s.global_keys.resize(16);
         std::iota(s.global_keys.begin(), s.global_keys.end(), 0);
       }),
       2.5},
  };
  for (const auto& [shape, most_per_seen] : cases) {
    SCOPED_TRACE(shape.name());
    const AttentionProblem<float> problem(shape);
    const auto mask = problem.mask.view();
    const InList q{problem.q.begin(), problem.q.end()}, k{problem.k.begin(), problem.k.end()};
    const auto attention = shape_of(q, k, mask);
    double work = 0, seen = 0;
    for (const auto& block : pattern_blocks(attention, 0, 0, pattern_positions(mask.rule()))) {
      const auto packed = pack_keys(attention, block, {0, length});
      work += static_cast<double>(block.count() * packed.columns());
      for (const auto shown : packed.shown) seen += shown;
    }
    EXPECT_LT(work, most_per_seen * seen) << work / seen;
    EXPECT_LT(5 * work, length * length / 2.0);
  }
}

// A plain window needs no packing: a block multiplies the keys from its first to its last.
TEST(KeyPatterns, WorkOfAPlainWindowIsAFifthOfAllThePast) {
  constexpr std::int64_t length = 2048;
  const auto work = [&](const CausalMaskView& mask) {
    std::int64_t pairs = 0;
    for (std::int64_t row = 0; row < length; row += query_rows) {
      const BlockMask block(mask, 0, row, 1, query_rows, length);
      pairs += query_rows * (block.any.last - block.any.first);
    }
    return pairs;
  };
  EXPECT_LT(5 * work({.window = 128}), work({}));
}

}  // namespace
}  // namespace lookback::kernels
